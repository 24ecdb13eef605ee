"""PyMySQL's connection, taught to load rows from memory, in bulk or for a file that is none; and to
give no file to any server."""

import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from typing import Any, NamedTuple

from pymysql import err
from pymysql.connections import Connection
from pymysql.constants import CLIENT, COMMAND, CR

from cpexport.sinks import mysqlbulk

ROWS = "cpexport-rows"
"""The file that LOAD DATA LOCAL must name, which is none."""

# Not among PyMySQL's.
_BULK_EXECUTE = 0xFA
# Of a statement that was prepared: zero, its number, how many columns and places it has.
_PREPARED = struct.Struct("<B4sHH")

# More than PyMySQL's own 16 KiB is faster; less than any server's max_allowed_packet.
_PACKET = 256 * 1024


class Taken(NamedTuple):
    """What a server says that it took: rows, with so many warnings (65,535 may be more)."""

    rows: int
    warnings: int

    def and_of(self, answer: Any) -> "Taken":
        """With what another answer of the server's says."""
        return Taken(self.rows + answer.affected_rows, self.warnings + answer.warning_count)


class Driver(Connection):
    """A connection without autocommit.

    A server may answer any statement by asking for any file; PyMySQL would send it where
    `local_infile` is on. Here it stays off, so that is an error and nothing is sent. The server is
    told all the same that LOCAL can be done, which `load` alone does, from memory.
    """

    takes_bulk = False
    """Whether rows can go by `execute_bulk`."""

    def __init__(self, **options: Any) -> None:
        self._offers_bulk = False
        self._prepared: dict[str, tuple[str, bytes]] = {}
        super().__init__(
            **options,
            client_flag=CLIENT.LOCAL_FILES,
            local_infile=False,
            autocommit=False,
            charset="utf8mb4",
            auth_plugin_map={"mysql_clear_password": _NoClearPassword},
        )

    def connect(self, sock: Any = None) -> None:
        """Connects as PyMySQL does, which leaves a socket open where nobody answers."""
        wire: Any = self
        if sock is not None or not wire.unix_socket:
            super().connect(sock)
            return
        with ExitStack() as stack:
            sock = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            sock.settimeout(wire.connect_timeout)
            try:
                sock.connect(wire.unix_socket)
            except OSError as error:
                raise err.OperationalError(CR.CR_CONN_HOST_ERROR, str(error)) from error
            wire._secure = True
            super().connect(sock)
            stack.pop_all()

    def _get_server_information(self) -> None:
        """Reads the server's greeting as PyMySQL does, which leaves out whether it takes bulk."""
        wire: Any = self
        read, seen = wire._read_packet, []

        def reading(*words: Any) -> Any:
            seen.append(read(*words))
            return seen[-1]

        pymysql: Any = super()
        with self._instead("_read_packet", reading):
            pymysql._get_server_information()
        self._offers_bulk = any(mysqlbulk.offered(packet.get_all_data()) for packet in seen)

    def _request_authentication(self) -> None:
        """Logs in as PyMySQL does, and asks for bulk where the server offers it."""
        wire: Any = self
        write = wire.write_packet

        def asking(payload: bytes) -> None:
            changed = mysqlbulk.asking(payload) if self._offers_bulk else None
            self.takes_bulk = self.takes_bulk or changed is not None
            write(changed or payload)

        pymysql: Any = super()
        with self._instead("write_packet", asking):
            pymysql._request_authentication()

    @contextmanager
    def _instead(self, name: str, method: Callable[..., Any]) -> Iterator[None]:
        """Has PyMySQL's own steps call `method` for one of its methods."""
        vars(self)[name] = method
        try:
            yield
        finally:
            del vars(self)[name]

    def load(self, statement: str, chunks: Iterable[memoryview]) -> Taken:
        """Executes LOAD DATA LOCAL INFILE `ROWS`, with chunks of bytes for the file.

        If they fail, or anything else does, close the connection: the server takes the end of what
        it got for the end of the file only if it is told so, which is the last thing done here.
        """
        # What its stubs leave out has been there since PyMySQL 1.0.
        wire: Any = self
        wire._execute_command(COMMAND.COM_QUERY, statement)
        asked = wire._read_packet()
        if not asked.is_load_local_packet() or asked.get_all_data()[1:] != ROWS.encode():
            raise err.InternalError("the server asks for something else than the rows to load")
        for chunk in chunks:
            for start in range(0, len(chunk), _PACKET):
                wire.write_packet(chunk[start : start + _PACKET])
        wire.write_packet(b"")
        return Taken(0, 0).and_of(wire._read_ok_packet())

    def execute_bulk(self, name: str, statement: str, packets: Iterable[bytes]) -> Taken:
        """Executes a statement for all rows of `mysqlbulk.packets`, if the server `takes_bulk`.

        It stays prepared until there is another one of its name. If anything fails, or the server
        warns, the rest is not sent; after a failure close the connection.
        """
        wire: Any = self
        number = self._prepared_as(name, statement)
        taken, busy = Taken(0, 0), False
        for packet in packets:
            # It was made while the server was at the one before.
            if busy:
                taken = taken.and_of(wire._read_ok_packet())
            if taken.warnings:
                return taken
            if len(packet) > self.packet_room:
                raise err.DataError(1153, f"max_allowed_packet is {self.packet_limit}")
            wire._execute_command(_BULK_EXECUTE, number + packet)
            busy = True
        return taken.and_of(wire._read_ok_packet()) if busy else taken

    def _prepared_as(self, name: str, statement: str) -> bytes:
        """The number of a statement that has no result, as it stands before its packets."""
        wire: Any = self
        if name in self._prepared:
            before, closed = self._prepared[name]
            if before == statement:
                return closed
            del self._prepared[name]
            wire._execute_command(COMMAND.COM_STMT_CLOSE, closed)
        wire._execute_command(COMMAND.COM_STMT_PREPARE, statement)
        said = wire._read_packet().get_all_data()
        if len(said) < _PREPARED.size or any(said[:1] + said[5:7]):
            raise err.InternalError("the server asks for something else than the rows to load")
        number = bytes(said[1:5])
        places: int = _PREPARED.unpack_from(said)[-1]
        # What it says of each place, and an end.
        for _ in range(places + 1):
            wire._read_packet()
        self._prepared[name] = statement, number
        return number

    @cached_property
    def packet_limit(self) -> int:
        """Fewer bytes than this the server takes at once, as many as long as a session lasts."""
        return int(self.value("@@max_allowed_packet"))

    @property
    def packet_room(self) -> int:
        """The most bytes of a packet of `execute_bulk`, behind a command and a number."""
        return self.packet_limit - 1 - 5

    def value(self, expression: str) -> Any:
        """What the server says of an expression."""
        with self.cursor() as cursor:
            cursor.execute(f"SELECT {expression}")
            row: Any = cursor.fetchone()
            return row[0]

    def warning(self) -> str:
        """The first warning of the last statement."""
        shown: Any = self.show_warnings
        # With max_error_count = 0 servers count them, and keep none.
        _, code, text = next(iter(shown()), ("", 0, "a value is not what it was"))
        return f"{text} ({code})"

    def abandon(self) -> None:
        """Closes it at once; the server rolls back what was not committed."""
        wire: Any = self
        wire._force_close()

    def close(self) -> None:
        """Closes it, whatever became of it."""
        if self.open:
            with suppress(err.Error):
                super().close()


class _NoClearPassword:
    """Refuses to say the password in clear text to a server that is not known by TLS."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def authenticate(self, packet: Any) -> Any:
        connection = self._connection
        verified = connection.ssl and connection._secure and connection.ctx.verify_mode
        if not verified and not connection.unix_socket:
            raise err.OperationalError(
                2059, "it wants the password in clear text, which needs TLS with ssl_ca"
            )
        connection.write_packet(connection.password + b"\0")
        answer = connection._read_packet()
        answer.check_error()
        return answer
