"""Databases on a server of our own, by PyMySQL and the server's client."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
from support.servers import Server, ServerError

from fuzz.destinations import COLUMNS, Content, Found, known


@dataclass(frozen=True)
class Account:
    """Where a server is, and who may do all there."""

    socket: str
    port: int


@contextmanager
def account() -> Iterator[Account | None]:
    """A server of our own, as long as it is needed; None where there is none to be had."""
    home = Path(tempfile.mkdtemp(prefix="mariadb-"))
    try:
        server = Server("mariadb", home)
    except (ServerError, OSError) as error:
        print(f"without MariaDB: {error}")
        yield None
    else:
        yield Account(str(server.socket), server.port)
        server.kill()
    finally:
        shutil.rmtree(home, ignore_errors=True)


class Mariadb:
    """A database of its own on a server."""

    infinite = signed = False

    def __init__(self, account: Account, name: str) -> None:
        self._account, self.name = account, name
        self.url = f"mysql+pymysql://root@127.0.0.1:{account.port}/{name}?ssl_disabled=true"
        self._do(f"CREATE DATABASE {name} CHARACTER SET utf8mb4", "")

    def another(self) -> "Mariadb":
        """One more database on the same server."""
        return Mariadb(self._account, f"{self.name}_too")

    def _do(self, sql: str, database: str, values: Sequence[Any] = ()) -> Content:
        with (
            pymysql.connect(
                user="root",
                unix_socket=self._account.socket,
                database=database or None,
                charset="utf8mb4",
                autocommit=True,
            ) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(sql, values or None)
            columns = tuple(one[0] for one in cursor.description or ())
            return Content(columns, tuple(cursor.fetchall()))

    def found(self) -> Found:
        names = [name for (name,) in self._do("SHOW TABLES", self.name).rows]
        tables = {name: self._do(f"SELECT * FROM `{name}`", self.name) for name in names}
        return Found(tables, known(self._do(COLUMNS, self.name).rows))

    def digest(self) -> object:
        return self.found()

    def change(self, table: str, column: str, value: Any, where: dict[str, int]) -> None:
        keys = " AND ".join(f"`{name}` = {number}" for name, number in where.items())
        self._do(f"UPDATE `{table}` SET `{column}` = %s WHERE {keys}", self.name, [value])

    def imported(self, folder: Path) -> "subprocess.CompletedProcess[str]":
        """Runs a folder's script by the server's own client."""
        words = [f"--socket={self._account.socket}", "--user=root", "--local-infile=1", self.name]
        with (folder / "import.sql").open() as stream:
            return subprocess.run(
                ["mariadb", "--no-defaults", *words],
                cwd=folder,
                stdin=stream,
                capture_output=True,
                text=True,
                check=False,
            )

    def clear(self) -> None:
        self._do(f"DROP DATABASE {self.name}", "")

    def there(self) -> bool:
        return bool(self._do("SHOW TABLES", self.name).rows)
