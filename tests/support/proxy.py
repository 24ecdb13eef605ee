"""A TCP proxy that makes the faults of networks: it cuts or resets connections, or goes silent."""

import re
import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

COMMIT = b"\x03COMMIT"
"""COMMIT as a client sends it to MySQL or MariaDB: command 3, COM_QUERY."""
LOAD_DATA = b"\x03LOAD DATA LOCAL"
PREPARE = b"\x16INSERT INTO"
BULK = re.compile(rb"...\0\xfa....\x80\0", re.DOTALL)
"""The start of rows in bulk, for a statement with any number: their types, then the values."""

ANY = re.compile(b"")
"""Any message of a client."""

Pattern = bytes | re.Pattern[bytes]


class Proxy:
    """Forwards to a port of this machine until a `pattern` comes from the client: then a fault.

    `where` is `before` (the pattern is not passed on) or `after` (it is passed on, and the server's
    answer is dropped). `how` is `cut`, `reset`, `stall` or `ask`. With `ask` the proxy acts like a
    malicious server: it asks the client for the file `wanted`, and stores what it gets in `given`.

    The fault happens once; later connections work. Without `bulk` the server does not offer rows in
    bulk, like MySQL and proxies in front of MariaDB.

    A pattern must arrive in one piece, which is enough for short statements.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._fault: tuple[Pattern, str, str] | None = None
        self._left: int | None = None
        self._number = 1
        self._first = b""
        self._sent_first: set[socket.socket] = set()
        self.faults = 0
        # How many messages of clients have come since the last call of `at`.
        self.messages = 0
        self.wanted, self.given = b"", b""
        self.bulk = True
        self._open: list[socket.socket] = []
        self._stalled = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def at(
        self, pattern: Pattern, where: str = "before", how: str = "cut", number: int = 1
    ) -> None:
        """Makes the fault happen once, when the pattern comes for the `number`th time from now."""
        self._stalled.clear()
        self.messages = 0
        self._fault, self._number = (pattern, where, how), number

    def after(self, first: bytes, pattern: bytes, where: str = "before") -> None:
        """The same, on the connection that has sent `first` before."""
        self._fault, self._first = (pattern, where, "cut"), first

    def mend(self) -> None:
        """Takes back a fault that has not happened, and cuts connections that went silent."""
        self._fault = self._left = None
        self.release()

    def release(self) -> None:
        """Cuts the connections that went silent."""
        self._stalled.set()

    def after_bytes(self, count: int, how: str = "cut") -> None:
        """Makes the fault happen once, when the client has sent `count` bytes from now on."""
        self._left = count
        self._fault = (b"", "before", how)

    def close(self) -> None:
        self._stalled.set()
        for end in [self._listener, *self._open]:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                # The server is down.
                client.close()
                continue
            self._open += [client, server]
            silent = threading.Event()
            for target in (self._upstream, self._downstream):
                threading.Thread(target=target, args=(client, server, silent), daemon=True).start()

    def _upstream(
        self, client: socket.socket, server: socket.socket, silent: threading.Event
    ) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                self.messages += 1
                if self._hit(data, client) and self._fault is not None:
                    _, where, how = self._fault
                    self._fault = self._left = None
                    self.faults += 1
                    silent.set()
                    if where == "after":
                        server.sendall(data)
                        # When the answer is there, the server has executed the statement.
                        while server not in select.select([client, server], [], [])[0]:
                            server.sendall(client.recv(65536))
                    self._break(client, server, how)
                    return
                server.sendall(data)
        _shut(server)

    def _hit(self, data: bytes, client: socket.socket) -> bool:
        if self._left is not None:
            self._left -= len(data)
            return self._left < 0
        if self._first and self._first in data:
            self._sent_first.add(client)
        if self._fault is None or not _is_in(self._fault[0], data):
            return False
        if self._first and client not in self._sent_first:
            return False
        self._number -= 1
        return not self._number

    def _break(self, client: socket.socket, server: socket.socket, how: str) -> None:
        if how == "stall":
            self._stalled.wait(60)
        if how == "ask":
            # The server's answer, the second packet: a length, a number, and LOCAL INFILE (0xfb).
            answer = b"\xfb" + self.wanted
            client.sendall(struct.pack("<I", len(answer))[:3] + b"\x01" + answer)
            with suppress(OSError):
                while data := client.recv(65536):
                    self.given += data
        if how == "reset":
            # A close without lingering makes TCP send RST.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        else:
            _shut(client)
        _shut(server)

    def _downstream(
        self, client: socket.socket, server: socket.socket, silent: threading.Event
    ) -> None:
        with suppress(OSError):
            greeting = server.recv(65536)
            client.sendall(greeting if self.bulk else _without_bulk(greeting))
            while True:
                if not server.recv(1, socket.MSG_PEEK) or silent.is_set():
                    break
                client.sendall(server.recv(65536))
        if not silent.is_set():
            _shut(client)


def _is_in(pattern: Pattern, data: bytes) -> bool:
    return pattern in data if isinstance(pattern, bytes) else pattern.match(data) is not None


def _without_bulk(greeting: bytes) -> bytes:
    """Zeroes the last four of the ten reserved bytes in a greeting, as in MySQL's."""
    # The ten bytes come after a length, a packet number, the protocol, a text, and 22 more bytes.
    reserved = greeting.index(b"\0", 5) + 22
    return greeting[: reserved + 6] + bytes(4) + greeting[reserved + 10 :]


def _shut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxied(port: int, *, bulk: bool = True) -> Iterator[Proxy]:
    proxy = Proxy(port)
    proxy.bulk = bulk
    try:
        yield proxy
    finally:
        proxy.close()
