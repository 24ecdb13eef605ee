"""PyMySQL's connection, taught to load rows from memory, and to give no file to any server."""

import socket
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from typing import Any, NamedTuple

from pymysql import err
from pymysql.connections import Connection
from pymysql.constants import CLIENT, COMMAND, CR

ROWS = "cpexport-rows"
"""The file that LOAD DATA LOCAL must name, which is none."""

# More than PyMySQL's own 16 KiB is faster; less than any server's max_allowed_packet.
_PACKET = 256 * 1024


class Loaded(NamedTuple):
    """What a server says of a LOAD DATA: rows that it took, warnings (65,535 may be more)."""

    rows: int
    warnings: int


class Driver(Connection):
    """A connection without autocommit.

    A server may answer any statement by asking for any file; PyMySQL would send it where
    `local_infile` is on. Here it stays off, so that is an error and nothing is sent. The server is
    told all the same that LOCAL can be done, which `load` alone does, from memory.
    """

    def __init__(self, **options: Any) -> None:
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

    def load(self, statement: str, chunks: Iterable[memoryview]) -> Loaded:
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
        done = wire._read_ok_packet()
        return Loaded(done.affected_rows, done.warning_count)

    def warning(self) -> str:
        """The first warning of the last statement."""
        shown: Any = self.show_warnings
        _, code, text = shown()[0]
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
