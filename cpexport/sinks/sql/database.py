"""The protocol of a connected database, and the quoting of names and literals in SQL."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa
from sqlalchemy.engine import Dialect

from cpexport.imagesets import ImageSets

RANGES = 100
"""The most ranges of image sets in one condition, which bounds the length of statements."""


@dataclass(frozen=True)
class Query:
    """A query for columns of a table.

    source: what stands after FROM.
    columns: the columns, as SQL; the first `key` of them order the rows.
    numbers: the column of image set numbers.
    schema: the names and types that the columns have in the result.
    """

    source: str
    columns: tuple[str, ...]
    numbers: str
    key: int
    schema: pa.Schema

    @property
    def order(self) -> str:
        """What stands after ORDER BY: the positions of the key's columns."""
        return ", ".join(str(place + 1) for place in range(self.key))


class Database(Protocol):
    """One database and the connection to it. All errors are `SinkError`.

    In statements `?` is the placeholder of a value, and double quotes enclose names. Outside a
    transaction, each statement commits at once.
    """

    name: str

    @property
    def title(self) -> str:
        """Its short name for users, without location and kind."""

    @property
    def dialect(self) -> Dialect:
        """The dialect in which SQLAlchemy writes its DDL."""

    @property
    def exists(self) -> bool:
        """Whether there is a database, with or without tables."""

    def size(self) -> int:
        """The bytes that it takes, as far as the system or the server counts them."""

    def close(self) -> None: ...

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query, as Python values."""

    def stream(
        self, query: Query, where: str, size: int
    ) -> AbstractContextManager[Iterator[pa.RecordBatch]]:
        """The rows of a query in order of its key, with its types, `size` rows at a time. There is
        at least one batch, which can be empty. Streams that are open together see one state.
        """

    def run(self, sql: str, *values: object) -> int | None:
        """Executes one statement."""

    def run_many(self, sql: str, values: pa.RecordBatch) -> None:
        """Executes one statement for each row of `values`, columns by position."""

    def ingest(self, table: str, rows: pa.RecordBatch) -> None:
        """Appends rows to a table, columns by name."""

    def names(self) -> frozenset[str]:
        """The names of all tables and views, queried once in a transaction."""

    def spelled(self, table: str) -> str:
        """A table's name as `names` and `columns` would have it."""

    def columns(self) -> Mapping[str, tuple[str, ...]]:
        """The columns of all tables and views by name; a view has none here."""

    def between(self, column: str, image_sets: ImageSets, run: int = 0) -> Iterator[str]:
        """Conditions of bounded length that together select the image sets. `run` is the
        `TableNumber` of their run; 0 selects them whatever the run."""


def quoted(name: str) -> str:
    """A name quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def within(column: str, image_sets: ImageSets) -> str:
    """One condition that selects the image sets, of unbounded length."""
    ranges = image_sets.ranges
    return " OR ".join(f"{column} BETWEEN {first} AND {last}" for first, last in ranges) or "0"


def spans(image_sets: ImageSets) -> Iterator[tuple[tuple[int, int], ...]]:
    """The ranges of image sets, at most `RANGES` at a time."""
    ranges = image_sets.ranges
    for start in range(0, len(ranges), RANGES):
        yield ranges[start : start + RANGES]


def collected(rows: Iterable[tuple[str, str | None]]) -> dict[str, tuple[str, ...]]:
    """Groups pairs of table and column by table, in their order; a column None adds no column."""
    columns_of: dict[str, list[str]] = {}
    for table, column in rows:
        columns = columns_of.setdefault(table, [])
        if column is not None:
            columns.append(column)
    return {table: tuple(columns) for table, columns in columns_of.items()}
