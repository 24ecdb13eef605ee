"""A TCP proxy that does to a connection what networks do: cuts it, resets it, or goes silent."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

COMMIT = b"\x03COMMIT"
"""How a client says COMMIT to MySQL or MariaDB: command 3, COM_QUERY."""


class Proxy:
    """Forwards to a port of this machine, until a `pattern` comes from the client.

    `where` is `before` (the pattern is not passed on) or `after` (it is, and the server's answer to
    it is dropped). `how` is `cut`, `reset` or `stall`, or `ask`: then the client is told, as by a
    server gone bad, to send the file `wanted`, and what it sends is `given`.

    One fault, and later connections are whole.
    Patterns are looked for in what arrives at once, which is enough for short statements.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._fault: tuple[bytes, str, str] | None = None
        self._left: int | None = None
        self._number = 1
        self._first = b""
        self._said: set[socket.socket] = set()
        self.faults = 0
        self.wanted, self.given = b"", b""
        self._open: list[socket.socket] = []
        self._stalled = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def at(self, pattern: bytes, where: str = "before", how: str = "cut", number: int = 1) -> None:
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
                        # Its answer is there: what was asked for has been done.
                        server.recv(1, socket.MSG_PEEK)
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
        if self._fault is None or self._fault[0] not in data:
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
            while True:
                if not server.recv(1, socket.MSG_PEEK) or silent.is_set():
                    break
                client.sendall(server.recv(65536))
        if not silent.is_set():
            _shut(client)


def _shut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxied(port: int) -> Iterator[Proxy]:
    proxy = Proxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
