"""Where a command under a fault writes: destinations of each kind, and the folders of scripts."""

import shutil
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from support.datasets import leftovers
from support.imported_scripts import imported, shell
from support.servers import Database

from faults import reading
from faults.reading import Tables

FILES = ("sqlite", "duckdb", "parquet")
SCRIPTS = ("script-sqlite", "script-mariadb", "script-mysql")
SERVERS = ("mariadb", "mysql")
NAMES = (*FILES, *SCRIPTS, *SERVERS)
_NAME = "screen"


class Place(Protocol):
    """A destination, or a script's folder. It can be put back to what it was when it was kept."""

    name: str
    folder: Path
    """Everything that is written on this machine, but for scratch files."""

    def words(self, *outputs: Path) -> list[str]:
        """The command that brings all outputs there."""

    def keep(self) -> None:
        """Keeps what is there now."""

    def put_back(self) -> None:
        """Makes it what it was when it was kept; at first, nothing."""

    def tables(self) -> Tables:
        """What is there, read by a plain driver from a copy: to read it mends nothing."""

    def digest(self) -> object:
        """Equal as long as nothing is written."""

    def names(self) -> set[str]:
        """The files and folders; in a server the tables."""


class _Folder:
    """A folder that is kept by copying it."""

    def __init__(self, home: Path, name: str) -> None:
        self.name = name
        self.folder, self._kept, self._copy = (home / one for one in ("to", "kept", "copy"))
        self.folder.mkdir(parents=True)
        self.keep()

    def keep(self) -> None:
        _copied(self.folder, self._kept)

    def put_back(self) -> None:
        _copied(self._kept, self.folder)

    def names(self) -> set[str]:
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")}

    def digest(self) -> object:
        return {
            str(path.relative_to(self.folder)): sha256(path.read_bytes()).hexdigest()
            for path in self.folder.rglob("*")
            if path.is_file()
        }

    def copied(self) -> Path:
        return _copied(self.folder, self._copy)


class Files(_Folder):
    """A SQLite or DuckDB file, or a folder of Parquet."""

    def words(self, *outputs: Path) -> list[str]:
        kind = "parquet:" if self.name == "parquet" else f"{self.name}:///"
        return ["load", *map(str, outputs), "--to", f"{kind}{self.folder / _NAME}"]

    def tables(self) -> Tables:
        return reading.OF_FILES[self.name](self.copied() / _NAME)

    def names(self) -> set[str]:
        names = super().names()
        folder = self.folder / _NAME
        if self.name == "parquet" and folder.exists():
            # The names of its files have digests. The ledger knows them all.
            return {_without_digest(name) for name in names} | leftovers(folder)
        return names

    def digest(self) -> object:
        # DuckDB writes its own pages anew whenever a file is opened to write.
        return self.tables() if self.name == "duckdb" else super().digest()


class Script(_Folder):
    """The folder of a script, which its client imports into an empty database to see what is in it.

    `database` is the server's, None for SQLite's own shell.
    """

    def __init__(self, home: Path, name: str, database: Database | None) -> None:
        super().__init__(home, name)
        self._database = database
        self._imported = home / "imported.sqlite"

    def words(self, *outputs: Path) -> list[str]:
        dialect = "sqlite" if self._database is None else "mysql"
        to = str(self.folder / _NAME)
        return ["script", *map(str, outputs), "--out", to, "--dialect", dialect]

    def tables(self) -> Tables:
        folder = self.copied() / _NAME
        # The script is written last: without it there is nothing to import.
        if not (folder / "import.sql").exists():
            return {}
        if self._database is None:
            self._imported.unlink(missing_ok=True)
            _ran(shell(self._imported, folder))
            return reading.of_sqlite(self._imported)
        empty(self._database)
        _ran(imported(self._database, folder))
        return reading.of_server(self._database)


class OnServer:
    """A database on a server.

    `port` is that of a proxy, if there is one, and `query` the options of its URL.
    """

    def __init__(self, home: Path, name: str, database: Database) -> None:
        self.name, self.database, self.port = name, database, 0
        self.query = "ssl_disabled=true"
        self.folder = home / "to"
        self.folder.mkdir(parents=True)
        self._kept = b""
        empty(database)

    def words(self, *outputs: Path) -> list[str]:
        url = self.database.url(self.query, self.port or None)
        return ["load", *map(str, outputs), "--to", url]

    def keep(self) -> None:
        self._kept = self.database.server.dump(self.database.name)

    def put_back(self) -> None:
        empty(self.database)
        if self._kept:
            self.database.server.restore(self.database.name, self._kept)

    def tables(self) -> Tables:
        return reading.of_server(self.database)

    def digest(self) -> object:
        return self.tables()

    def names(self) -> set[str]:
        return set(self.tables())


class ScriptError(Exception):
    """A client did not import a script. `stopped` is whether the script itself found its files
    changed, before it stored any row."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.stopped = "has changed since it was written" in text


def empty(database: Database) -> None:
    """Makes a database anew, with all rights for the test user."""
    for words in (
        f"DROP DATABASE IF EXISTS {database.name}",
        f"CREATE DATABASE {database.name} CHARACTER SET utf8mb4",
        f"GRANT ALL ON {database.name}.* TO loader@'%'",
    ):
        database.server.rows(words)


def _ran(done: "subprocess.CompletedProcess[str]") -> None:
    if done.returncode:
        raise ScriptError((done.stderr or done.stdout).strip()[:300])


def _without_digest(name: str) -> str:
    path = Path(name)
    return str(path.parent / "*.parquet") if path.suffix == ".parquet" else name


def _copied(folder: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    return Path(shutil.copytree(folder, to))
