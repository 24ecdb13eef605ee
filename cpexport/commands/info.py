"""Says what a destination holds, and where the column of a feature is."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from cpexport.cellprofiler.features import IMAGE
from cpexport.cellprofiler.pipeline_use import PipelineUse
from cpexport.derived.cpa_properties import described
from cpexport.derived.plates import PlateContent, plates
from cpexport.derived.wells import outdated
from cpexport.errors import UsageError
from cpexport.imagesets import ImageSets
from cpexport.outcome import DONE, stamped
from cpexport.sinks.base import Sink, TableState
from cpexport.sinks.contents import check_has_image_sets
from cpexport.sinks.ledger import History
from cpexport.sinks.registry import open_sink
from cpexport.sinks.sql.database import quoted
from cpexport.sinks.sql.schema import TYPE_NAMES, names
from cpexport.spelling import closest, counted, suggest
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

    history: its batches, and what wrote them.
    image_sets: those that are loaded; runs can have the same ones.
    runs: the names of the runs, if the destination numbers runs.
    tables: in the order in which they were made; a table in parts has an entry for each.
    columns: those that were asked for.
    query: the SQL that reads these, from as few parts as possible; empty if none were asked for.
    plates: the plates, by name; empty if nothing names wells.
    pipelines: those that made what the destination holds.
    prefixes: all table name prefixes under which something is loaded.
    size: its bytes; on a server, those of the whole database.
    problems: what tables or a load lack; `cpexport verify` compares the values.
    """

    destination: str
    history: History
    image_sets: ImageSets
    runs: tuple[str, ...]
    tables: tuple[TableInfo, ...]
    columns: tuple[ColumnInfo, ...] = ()
    query: str = ""
    plates: tuple[PlateContent, ...] = ()
    pipelines: tuple[PipelineUse, ...] = ()
    prefixes: tuple[str, ...] = ()
    size: int = 0
    problems: tuple[str, ...] = field(default=())

    @property
    def batches(self) -> int:
        """How many batches are in the ledger."""
        return self.history.batches

    @property
    def is_whole(self) -> bool:
        """Whether all tables are there, with the image sets of the ledger, and the last load has
        ended."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """The report as `cpexport info --format json` prints it: lists, texts and numbers."""
        history = self.history
        fields = {
            "destination": self.destination,
            "size": self.size,
            "is_whole": self.is_whole,
            "problems": list(self.problems),
            "batches": history.batches,
            "batches_current": history.current,
            "batches_replaced": history.replaced,
            "written_by": dict(history.versions),
            "first_loaded": history.first,
            "last_loaded": history.last,
            "image_sets": self.image_sets.to_list(),
            "runs": list(self.runs),
            "prefixes": list(self.prefixes),
            "plates": [asdict(plate) for plate in self.plates],
            "pipelines": [pipeline.to_dict() for pipeline in self.pipelines],
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
        layout, tables = sink.layout(), sink.tables()
        found = [_column(layout, name) for name in columns]
        if len({column.object for column in found}) > 1:
            raise UsageError("name columns of one object type, as one query reads them")
        summary = sink.ledger.summary()
        return InfoReport(
            destination=sink.name,
            history=sink.ledger.history(),
            image_sets=summary.loaded,
            runs=tuple(sink.ledger.runs()),
            tables=(*_tables(tables), *_derived(sink)),
            columns=tuple(
                ColumnInfo(c.name, c.table, c.object, c.feature, TYPE_NAMES[c.type]) for c in found
            ),
            query=_query(layout, found) if found else "",
            plates=() if found else plates(sink),
            pipelines=summary.pipelines,
            prefixes=tuple(sorted(sink.ledger.prefixes())),
            size=sink.size(),
            problems=tuple(_problems(sink, prefix, tables)),
        )


def _tables(tables: Mapping[str, TableState]) -> Iterator[TableInfo]:
    for name, state in tables.items():
        if state.columns:
            yield TableInfo(name, state.rows, len(state.columns))


def _derived(sink: Sink) -> Iterator[TableInfo]:
    """The tables that are computed from others."""
    for name, columns in sink.derived_tables().items():
        if name.startswith("_"):
            continue
        rows = len(sink.read_derived_table(name, columns[:1]))
        yield TableInfo(name, rows, len(columns))


def _problems(sink: Sink, prefix: str, tables: Mapping[str, TableState]) -> Iterator[str]:
    """What a look at tables and ledger shows, without reading values."""
    missing = [name for name in names(sink.layout(), prefix) if name not in tables]
    yield from (f"{name} is missing" for name in missing)
    yield from _lacking_columns(sink.layout(), tables)
    yield from _other_rows(sink, tables)
    for view, problem in sink.broken_views().items():
        if view not in missing:
            yield f"{view} {problem}"
    if sink.ledger.summary().loaded and not (sink.shape.numbered or described(sink)):
        yield "a load runs now, or was stopped before its end; run the same load again"
    elif outdated(sink):
        yield "the tables of wells do not include all loaded batches; run cpexport load"


def _lacking_columns(layout: Layout, tables: Mapping[str, TableState]) -> Iterator[str]:
    for table in layout.tables.values():
        present = tables[table.name].columns if table.name in tables else ()
        columns = (*table.key, *(column.name for column in table.columns))
        if lacking := [name for name in columns if present and name not in present]:
            yield f"{table.name} lacks {counted(len(lacking), 'column')}, such as {lacking[0]}"


def _other_rows(sink: Sink, tables: Mapping[str, TableState]) -> Iterator[str]:
    """Tables of images whose rows are not those of the ledger, and parts with other rows than the
    first."""
    layout, images = sink.layout(), sink.ledger.summary().image_sets
    for name in sorted(layout.objects, key=lambda name: (name != IMAGE, name)):
        present = [part.name for part in layout.parts(name) if part.name in tables]
        if not present:
            continue
        first, *others = present
        if name == IMAGE and (rows := tables[first].rows) != images:
            have = counted(images, "image set")
            yield f"{first} has {counted(rows, 'row')}, and the ledger has {have}"
        for part in others:
            if (rows := tables[part].rows) != tables[first].rows:
                yield f"{part} has {counted(rows, 'row')}, and {first} has {tables[first].rows}"


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
