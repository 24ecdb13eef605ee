"""PyMySQL's connection, extended to load rows from memory, and to send no file to any server.

Rows go by MariaDB's bulk protocol, or by LOAD DATA LOCAL in place of a file's contents.
"""

import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from typing import Any, NamedTuple

from pymysql import err
from pymysql.connections import Connection
from pymysql.constants import CLIENT, COMMAND, CR
from pymysql.protocol import FieldDescriptorPacket

from cpexport.sinks.mysql import bulk_protocol

ROWS = "cpexport-rows"
"""The name that LOAD DATA LOCAL must give as its file; there is no such file."""

# MariaDB's command, which PyMySQL does not list.
_BULK_EXECUTE = 0xFA
# The answer for a prepared statement: zero, its number, its counts of columns and placeholders.
_PREPARED = struct.Struct("<B4sHH")

# Faster than PyMySQL's own 16 KiB, and less than any server's max_allowed_packet.
_PACKET = 256 * 1024


class Taken(NamedTuple):
    """How many rows a server reports to have taken, and with how many warnings (65,535 may mean
    more)."""

    rows: int
    warnings: int

    def and_of(self, answer: Any) -> "Taken":
        """Adds the numbers in another answer of the server."""
        return Taken(self.rows + answer.affected_rows, self.warnings + answer.warning_count)


class Driver(Connection):
    """A connection without autocommit.

    A server may answer any statement by asking for any file, and with `local_infile` on, PyMySQL
    would send it. Here that stays off, so such a request is an error and nothing is sent. The
    client flag LOCAL_FILES is set nevertheless: `load` uses LOCAL to send rows from memory.
    """

    takes_bulk = False
    """Whether `execute_bulk` can send rows."""

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
        """Connects as PyMySQL does, but closes a Unix socket that has no server: PyMySQL would
        leave it open."""
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
        """Reads the server's greeting as PyMySQL does, and also whether it offers bulk, which
        PyMySQL ignores."""
        wire: Any = self
        read, seen = wire._read_packet, []

        def reading(*words: Any) -> Any:
            seen.append(read(*words))
            return seen[-1]

        pymysql: Any = super()
        with self._instead("_read_packet", reading):
            pymysql._get_server_information()
        self._offers_bulk = any(bulk_protocol.offered(packet.get_all_data()) for packet in seen)

    def _request_authentication(self) -> None:
        """Logs in as PyMySQL does, and asks for bulk if the server offers it."""
        wire: Any = self
        write = wire.write_packet

        def asking(payload: bytes) -> None:
            changed = bulk_protocol.asking(payload) if self._offers_bulk else None
            self.takes_bulk = self.takes_bulk or changed is not None
            write(changed or payload)

        pymysql: Any = super()
        with self._instead("write_packet", asking):
            pymysql._request_authentication()

    @contextmanager
    def _instead(self, name: str, method: Callable[..., Any]) -> Iterator[None]:
        """Makes PyMySQL's own code call `method` in place of one of its methods."""
        vars(self)[name] = method
        try:
            yield
        finally:
            del vars(self)[name]

    def load(self, statement: str, chunks: Iterable[memoryview]) -> Taken:
        """Executes LOAD DATA LOCAL INFILE `ROWS`, and sends chunks of bytes as the file.

        After any error, close the connection. The server takes the file as complete only when it
        gets the empty packet that ends it, which comes last here.
        """
        # The stubs leave out these methods, which PyMySQL has had since 1.0.
        wire: Any = self
        wire._execute_command(COMMAND.COM_QUERY, statement)
        request = wire._read_packet()
        if not request.is_load_local_packet() or request.get_all_data()[1:] != ROWS.encode():
            raise err.InternalError("the server asked for something other than the rows to load")
        for chunk in chunks:
            for start in range(0, len(chunk), _PACKET):
                wire.write_packet(chunk[start : start + _PACKET])
        wire.write_packet(b"")
        return Taken(0, 0).and_of(wire._read_ok_packet())

    def execute_bulk(self, name: str, statement: str, packets: Iterable[bytes]) -> Taken:
        """Executes a statement for all rows of `bulk_protocol.packets`; the server must take bulk.

        The statement stays prepared until another one has its `name`. After an error or a warning,
        the remaining packets are not sent. After an error, close the connection.
        """
        wire: Any = self
        number = self._prepared_as(name, statement)
        taken, busy = Taken(0, 0), False
        for packet in packets:
            # This packet was encoded while the server worked on the one before.
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
        """Prepares a statement without result, unless it is prepared. Returns its number, as the
        bytes that come before its packets."""
        wire: Any = self
        if name in self._prepared:
            before, closed = self._prepared[name]
            if before == statement:
                return closed
            del self._prepared[name]
            wire._execute_command(COMMAND.COM_STMT_CLOSE, closed)
        wire._execute_command(COMMAND.COM_STMT_PREPARE, statement)
        answer = wire._read_packet().get_all_data()
        if len(answer) < _PREPARED.size or any(answer[:1] + answer[5:7]):
            raise err.InternalError("the server asked for something other than the rows to load")
        number = bytes(answer[1:5])
        places: int = _PREPARED.unpack_from(answer)[-1]
        # A packet for each placeholder, and one that ends them.
        for _ in range(places + 1):
            wire._read_packet()
        self._prepared[name] = statement, number
        return number

    def select(self, statement: str) -> tuple[list[int], Iterator[bytes]]:
        """Executes a query by the binary protocol. Returns the types of the columns, as numbers of
        `FIELD_TYPE`, and the rows as `binary_rows` takes them. No other statement may follow before
        all rows are read.
        """
        wire: Any = self
        wire._execute_command(COMMAND.COM_STMT_PREPARE, statement)
        answer = wire._read_packet().get_all_data()
        if len(answer) < _PREPARED.size or answer[:1] != b"\0":
            raise err.InternalError("the server does not prepare a query")
        number = bytes(answer[1:5])
        columns: int = _PREPARED.unpack_from(answer)[2]
        for _ in range(columns + 1):
            wire._read_packet()
        # Without a cursor, and once.
        wire._execute_command(COMMAND.COM_STMT_EXECUTE, number + struct.pack("<BI", 0, 1))
        count = wire._read_packet().read_length_encoded_integer()
        types = [wire._read_packet(FieldDescriptorPacket).type_code for _ in range(count)]
        wire._read_packet()

        def rows() -> Iterator[bytes]:
            while True:
                packet = wire._read_packet()
                if packet.is_eof_packet():
                    return
                yield packet.get_all_data()

        return types, rows()

    @cached_property
    def packet_limit(self) -> int:
        """The server's max_allowed_packet in bytes, which a session keeps; a packet must be
        smaller."""
        return int(self.value("@@max_allowed_packet"))

    @property
    def packet_room(self) -> int:
        """The most bytes of a packet of `execute_bulk`, after the command and the number."""
        return self.packet_limit - 1 - 5

    def value(self, expression: str) -> Any:
        """The value of a SQL expression."""
        with self.cursor() as cursor:
            cursor.execute(f"SELECT {expression}")
            row: Any = cursor.fetchone()
            return row[0]

    def warning(self) -> tuple[int, str]:
        """The first warning of the last statement: its number and text."""
        shown: Any = self.show_warnings
        # With max_error_count = 0, servers count warnings but keep none.
        _, code, text = next(iter(shown()), ("", 0, "a value was changed"))
        return code, text

    def abandon(self) -> None:
        """Closes the connection at once; the server rolls back what was not committed."""
        wire: Any = self
        wire._force_close()

    def close(self) -> None:
        """Closes the connection, in whatever state it is."""
        if self.open:
            with suppress(err.Error):
                super().close()


class _NoClearPassword:
    """Refuses to send the password in clear text to a server that TLS has not verified."""

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
