"""What the SQL destinations share of SQL: the protocol of a connected database, and names in it."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa
from sqlalchemy.engine import Dialect

from cpexport.imagesets import ImageSets

RANGES = 100
"""The most ranges of image sets in one condition, so that statements are of a bounded length."""


@dataclass(frozen=True)
class Query:
    """Columns of a table (or what else stands after FROM), the first few of them the key, `numbers`
    those of image sets; `schema` says what they are called and of which types they come."""

    source: str
    columns: tuple[str, ...]
    numbers: str
    key: int
    schema: pa.Schema

    @property
    def order(self) -> str:
        """What stands after ORDER BY: the places of the key's columns."""
        return ", ".join(str(place + 1) for place in range(self.key))


class Database(Protocol):
    """One database and the connection to it; all errors are `SinkError`.

    In statements `?` stands for each value, and names in double quotes are names. Outside of a
    transaction each statement is committed by itself.
    """

    name: str

    @property
    def title(self) -> str:
        """What people call it: its name without place and kind."""

    @property
    def dialect(self) -> Dialect:
        """What SQLAlchemy writes its DDL for."""

    @property
    def exists(self) -> bool:
        """Whether there is a database, with or without tables."""

    def close(self) -> None: ...

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query, as Python values."""

    def stream(
        self, query: Query, where: str, size: int
    ) -> AbstractContextManager[Iterator[pa.RecordBatch]]:
        """The rows of a query in order of its key, in its types, `size` rows at a time; at least
        one batch, which can be empty. Several can be open together, and see one state.
        """

    def run(self, sql: str, *values: object) -> int | None:
        """Executes one statement."""

    def run_many(self, sql: str, values: pa.RecordBatch) -> None:
        """Executes one statement for each row of `values`, columns by position."""

    def ingest(self, table: str, rows: pa.RecordBatch) -> None:
        """Appends rows to a table, columns by name."""

    def names(self) -> frozenset[str]:
        """The names of all tables and views; asked for once in a transaction."""

    def spelled(self, table: str) -> str:
        """A table's name as `names` and `columns` have it, if it is there."""

    def columns(self) -> Mapping[str, tuple[str, ...]]:
        """The columns of all tables by name, and views, of which none is said."""

    def between(self, column: str, image_sets: ImageSets, run: int = 0) -> Iterator[str]:
        """Conditions that together hold for the image sets, each of a bounded length: of one run
        of several, by its `TableNumber`, unless that is 0."""


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"


def within(column: str, image_sets: ImageSets) -> str:
    """The condition that holds for the image sets, however long it gets."""
    ranges = image_sets.ranges
    return " OR ".join(f"{column} BETWEEN {first} AND {last}" for first, last in ranges) or "0"


def spans(image_sets: ImageSets) -> Iterator[tuple[tuple[int, int], ...]]:
    """The ranges of image sets, a bounded number at a time."""
    ranges = image_sets.ranges
    for start in range(0, len(ranges), RANGES):
        yield ranges[start : start + RANGES]


def collected(rows: Iterable[tuple[str, str | None]]) -> dict[str, tuple[str, ...]]:
    """Pairs of table and column by table, in their order; None is no column."""
    found: dict[str, list[str]] = {}
    for table, column in rows:
        columns = found.setdefault(table, [])
        if column is not None:
            columns.append(column)
    return {table: tuple(columns) for table, columns in found.items()}
