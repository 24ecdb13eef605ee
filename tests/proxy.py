"""A TCP proxy that does to a connection what networks do: cuts it, resets it, or goes silent."""

import re
import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

COMMIT = b"\x03COMMIT"
"""How a client says COMMIT to MySQL or MariaDB: command 3, COM_QUERY."""
LOAD_DATA = b"\x03LOAD DATA LOCAL"
PREPARE = b"\x16INSERT INTO"
BULK = re.compile(rb"...\0\xfa....\x80\0", re.DOTALL)
"""How rows come in bulk, for a statement of any number: of which types, and then the values."""

Pattern = bytes | re.Pattern[bytes]


class Proxy:
    """Forwards to a port of this machine, until a `pattern` comes from the client.

    `where` is `before` (the pattern is not passed on) or `after` (it is, and the server's answer to
    it is dropped). `how` is `cut`, `reset` or `stall`, or `ask`: then the client is told, as by a
    server gone bad, to send the file `wanted`, and what it sends is `given`.

    One fault, and later connections are whole. Without `bulk` the server does not offer to take
    rows in bulk, as MySQL and what stands between it and others do not.

    Patterns are looked for in what arrives at once, which is enough for short statements.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._fault: tuple[Pattern, str, str] | None = None
        self._left: int | None = None
        self._number = 1
        self._first = b""
        self._said: set[socket.socket] = set()
        self.faults = 0
        self.wanted, self.given = b"", b""
        self.bulk = True
        self._open: list[socket.socket] = []
        self._stalled = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def at(
        self, pattern: Pattern, where: str = "before", how: str = "cut", number: int = 1
    ) -> None:
        """From now on the fault happens once, when the pattern comes for the `number`th time."""
        self._fault, self._number = (pattern, where, how), number

    def after(self, first: bytes, pattern: bytes, where: str = "before") -> None:
        """The same, on the connection that said `first` before."""
        self._fault, self._first = (pattern, where, "cut"), first

    def release(self) -> None:
        """What was silent is cut."""
        self._stalled.set()

    def after_bytes(self, count: int, how: str = "cut") -> None:
        """From now on the fault happens once, when the client has sent so many bytes."""
        self._left = count
        self._fault = (b"", "before", how)

    def close(self) -> None:
        self._stalled.set()
        for one in [self._listener, *self._open]:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                return
            self._open += [client, server]
            silent = threading.Event()
            for target in (self._upstream, self._downstream):
                threading.Thread(target=target, args=(client, server, silent), daemon=True).start()

    def _upstream(
        self, client: socket.socket, server: socket.socket, silent: threading.Event
    ) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if self._hit(data, client) and self._fault is not None:
                    _, where, how = self._fault
                    self._fault = self._left = None
                    self.faults += 1
                    silent.set()
                    if where == "after":
                        server.sendall(data)
                        # When its answer is there, what was asked for has been done.
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
            self._said.add(client)
        if self._fault is None or not _is_in(self._fault[0], data):
            return False
        if self._first and client not in self._said:
            return False
        self._number -= 1
        return not self._number

    def _break(self, client: socket.socket, server: socket.socket, how: str) -> None:
        if how == "stall":
            self._stalled.wait(60)
        if how == "ask":
            # Its answer, the second packet: a length, a number, and LOCAL INFILE (0xfb).
            answer = b"\xfb" + self.wanted
            client.sendall(struct.pack("<I", len(answer))[:3] + b"\x01" + answer)
            with suppress(OSError):
                while data := client.recv(65536):
                    self.given += data
        if how == "reset":
            # Closed without lingering, TCP says RST.
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
    """A greeting whose last four of ten reserved bytes are zero, as MySQL's are."""
    # Behind a length, a number, the protocol's and a text: 22 bytes, and then the ten.
    reserved = greeting.index(b"\0", 5) + 22
    return greeting[: reserved + 6] + bytes(4) + greeting[reserved + 10 :]


def _shut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxied(port: int, *, bulk: bool = True) -> Iterator[Proxy]:
    proxy = Proxy(port)
    proxy.bulk = bulk
    try:
        yield proxy
    finally:
        proxy.close()
