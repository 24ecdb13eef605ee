"""Destinations by their plain drivers: what is in their tables, and one cell changed."""

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from fuzz.model import Kind

LEDGER = "_cpexport.sqlite"
_KINDS = {"integer": Kind.INTEGER, "real": Kind.REAL, "text": Kind.TEXT, "none yet": None}
COLUMNS = (
    "SELECT prefix, object_name, feature, table_name, column_name, type FROM _cpexport_columns "
    "ORDER BY prefix, position"
)


@dataclass(frozen=True)
class Known:
    """What a destination says of a column: which feature it is, and of which kind."""

    prefix: str
    object: str
    feature: str
    table: str
    column: str
    kind: Kind | None


@dataclass(frozen=True)
class Content:
    """The rows of a table or view by column, in no order."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Found:
    """All tables and views, and the columns that the destination says it has."""

    tables: dict[str, Content]
    columns: tuple[Known, ...]


class Destination(Protocol):
    """A place to load to, by its URL. `infinite` is whether it keeps infinities, and `signed`
    whether it keeps the sign of a zero."""

    url: str
    infinite: bool
    signed: bool

    def found(self) -> Found:
        """What it holds."""

    def digest(self) -> object:
        """Equal as long as nothing is written."""

    def change(self, table: str, column: str, value: Any, where: dict[str, int]) -> None:
        """Gives one row, by its key, another value."""

    def clear(self) -> None:
        """Takes it away."""

    def there(self) -> bool:
        """Whether anything was made."""


def known(rows: Sequence[Sequence[str]]) -> tuple[Known, ...]:
    """The rows of `COLUMNS`."""
    return tuple(Known(a, b, c, d, e, _KINDS[kind]) for a, b, c, d, e, kind in rows)


class Sqlite:
    """A SQLite file."""

    infinite = signed = False

    def __init__(self, path: Path) -> None:
        self.path, self.url = path, f"sqlite:///{path}"

    def found(self) -> Found:
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as db:
            names = db.execute(
                "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') "
                "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
            ).fetchall()
            tables = {name: _content(db.execute(f'SELECT * FROM "{name}"')) for (name,) in names}
            return Found(tables, known(db.execute(COLUMNS).fetchall()))

    def imported(self, folder: Path) -> "subprocess.CompletedProcess[str]":
        """Runs a folder's script by SQLite's own shell."""
        with (folder / "import.sql").open() as stream:
            return subprocess.run(
                ["sqlite3", self.path],
                cwd=folder,
                stdin=stream,
                capture_output=True,
                text=True,
                check=False,
            )

    def digest(self) -> object:
        return xxhash.xxh3_64_hexdigest(self.path.read_bytes())

    def change(self, table: str, column: str, value: Any, where: dict[str, int]) -> None:
        with closing(sqlite3.connect(self.path)) as db, db:
            _update(db, table, column, value, where)

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)

    def there(self) -> bool:
        return self.path.exists()


class Duckdb:
    """A DuckDB file."""

    infinite = signed = True

    def __init__(self, path: Path) -> None:
        self.path, self.url = path, f"duckdb:///{path}"

    @contextmanager
    def _open(self, read_only: bool = True) -> Iterator[duckdb.DuckDBPyConnection]:
        with duckdb.connect(str(self.path), read_only, {"threads": 1}) as db:
            yield db

    def found(self) -> Found:
        with self._open() as db:
            names = db.execute(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = 'main'"
            ).fetchall()
            tables = {name: _content(db.execute(f'SELECT * FROM "{name}"')) for (name,) in names}
            return Found(tables, known(db.execute(COLUMNS).fetchall()))

    def digest(self) -> object:
        # Opening a file to write, as any load does, can write its own pages anew.
        return self.found()

    def change(self, table: str, column: str, value: Any, where: dict[str, int]) -> None:
        with self._open(read_only=False) as db:
            _update(db, table, column, value, where)

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)

    def there(self) -> bool:
        return self.path.exists()


class Parquet:
    """A folder of Parquet, with its ledger."""

    infinite = signed = True

    def __init__(self, path: Path) -> None:
        self.path, self.url = path, f"parquet:{path}"

    def found(self) -> Found:
        tables = {}
        for folder in sorted(path for path in self.path.iterdir() if path.is_dir()):
            files = sorted(folder.glob("*.parquet"))
            if files:
                parts = [pq.read_table(file, partitioning=None) for file in files]
                tables[folder.name] = _of_arrow(pa.concat_tables(parts))
        with closing(sqlite3.connect(f"file:{self.path / LEDGER}?mode=ro", uri=True)) as db:
            return Found(tables, known(db.execute(COLUMNS).fetchall()))

    def digest(self) -> object:
        return {
            str(path.relative_to(self.path)): xxhash.xxh3_64_hexdigest(path.read_bytes())
            for path in sorted(self.path.rglob("*"))
            if path.is_file()
        }

    def change(self, table: str, column: str, value: Any, where: dict[str, int]) -> None:
        for file in sorted((self.path / table).glob("*.parquet")):
            rows = pq.read_table(file, partitioning=None)
            columns = {name: rows[name].to_pylist() for name in rows.column_names}
            keys = zip(*(columns[name] for name in where), strict=True)
            places = [at for at, key in enumerate(keys) if key == tuple(where.values())]
            if places:
                columns[column][places[0]] = value
                pq.write_table(pa.table(columns, schema=rows.schema), file)

    def clear(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def there(self) -> bool:
        return (self.path / LEDGER).exists()


def _content(cursor: Any) -> Content:
    return Content(tuple(one[0] for one in cursor.description), tuple(cursor.fetchall()))


def _of_arrow(table: pa.Table) -> Content:
    columns = [column.to_pylist() for column in table.columns]
    return Content(tuple(table.column_names), tuple(zip(*columns, strict=True)))


def _update(db: Any, table: str, column: str, value: Any, where: dict[str, int]) -> None:
    keys = " AND ".join(f'"{name}" = {number}' for name, number in where.items())
    db.execute(f'UPDATE "{table}" SET "{column}" = ? WHERE {keys}', [value])
