"""Says what a destination holds, and where the column of a feature is."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cpexport.errors import UsageError
from cpexport.imagesets import ImageSets
from cpexport.outcome import DONE, stamped
from cpexport.sinks.base import Sink
from cpexport.sinks.contents import check_has_image_sets
from cpexport.sinks.registry import open_sink
from cpexport.sinks.sql.database import quoted
from cpexport.sinks.sql.schema import TYPE_NAMES
from cpexport.spelling import closest, suggest
from cpexport.tables.layout import Column, Layout, Table


@dataclass(frozen=True)
class TableInfo:
    """A table, or a part of one: its rows, and its columns with those of the key."""

    name: str
    rows: int
    columns: int


@dataclass(frozen=True)
class ColumnInfo:
    """Where a feature is: the column, its table or part of one, and the type of its values."""

    column: str
    table: str
    object: str
    feature: str
    type: str


@dataclass(frozen=True)
class InfoReport:
    """What a destination holds.

    batches: how many batches are in the ledger.
    image_sets: those that are loaded; runs can have the same ones.
    runs: the names of the runs, if the destination numbers runs.
    tables: in the order in which they were made; a table in parts has an entry for each.
    columns: those that were asked for.
    query: the SQL that reads these, from as few parts as possible; empty if none were asked for.
    """

    destination: str
    batches: int
    image_sets: ImageSets
    runs: tuple[str, ...]
    tables: tuple[TableInfo, ...]
    columns: tuple[ColumnInfo, ...] = ()
    query: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The report as `cpexport info --format json` prints it: lists, texts and numbers."""
        fields = {
            "destination": self.destination,
            "batches": self.batches,
            "image_sets": self.image_sets.to_list(),
            "runs": list(self.runs),
            "tables": [asdict(table) for table in self.tables],
            "columns": [asdict(column) for column in self.columns],
            "query": self.query,
        }
        return stamped(DONE, fields)


def info(to: str, prefix: str = "", columns: Sequence[str] = ()) -> InfoReport:
    """What the destination `to` holds; changes nothing.

    `columns` are names of columns or of features, such as `Nuclei_AreaShape_Area`.

    Raises:
        UsageError: a column does not exist, or the columns are of several object types.
        SinkError: the destination does not exist, cannot be read, or is empty.
    """
    with open_sink(to, prefix, writing=False) as sink:
        check_has_image_sets(sink, prefix)
        layout = sink.layout()
        found = [_column(layout, name) for name in columns]
        if len({column.object for column in found}) > 1:
            raise UsageError("name columns of one object type, as one query reads them")
        summary = sink.ledger.summary()
        return InfoReport(
            destination=sink.name,
            batches=summary.batches,
            image_sets=summary.loaded,
            runs=tuple(sink.ledger.runs()),
            tables=tuple(_tables(sink)),
            columns=tuple(
                ColumnInfo(c.name, c.table, c.object, c.feature, TYPE_NAMES[c.type]) for c in found
            ),
            query=_query(layout, found) if found else "",
        )


def _tables(sink: Sink) -> Iterable[TableInfo]:
    for name, state in sink.tables().items():
        if state.columns:
            yield TableInfo(name, state.rows, len(state.columns))


def _column(layout: Layout, name: str) -> Column:
    """The column of this name in any case; or of the feature that CellProfiler calls so, which can
    be longer than a column's name."""
    known = {f"{c.object}_{c.feature}".lower(): c for c in layout.columns}
    known |= {column.name.lower(): column for column in layout.columns}
    if name.lower() not in known:
        names = [column.name for column in layout.columns]
        raise UsageError(suggest(f"no column {name} in the destination", closest(name, names)))
    return known[name.lower()]


def _query(layout: Layout, columns: Sequence[Column]) -> str:
    """The query for columns of one object type, from no other parts than theirs."""
    names = dict.fromkeys(column.table for column in columns)
    first, *rest = (layout.tables[name] for name in names)
    own = (column.name for column in columns if column.name not in first.key)
    joined = "".join(f" JOIN {_named(part)} USING ({_listed(part.key)})" for part in rest)
    return f"SELECT {_listed([*first.key, *own])} FROM {_named(first)}{joined}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(name if _is_plain(name) else quoted(name) for name in names)


def _named(table: Table) -> str:
    return _listed([table.name])


def _is_plain(name: str) -> bool:
    """Whether a name needs no quotes, which databases write in different ways."""
    return name.isascii() and name.isidentifier()
