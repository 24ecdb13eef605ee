"""Keeps the planned image sets in a destination, and a view of those that it lacks.

`_cpexport_planned` has a row for each image set of the batch file, written once for each batch
file. `_cpexport_missing` is a view, so it is right at any moment, also while a load runs: planned
image sets that are missing, were removed with `cpexport remove`, or were skipped by FlagImage.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import pyarrow as pa
import sqlalchemy as sa

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.features import IMAGE, IMAGE_NUMBER, INTEGER, TABLE_NUMBER, TEXT
from cpexport.cellprofiler.flagged_image_sets import MARKS
from cpexport.cellprofiler.image_set_names import PlaceFeatures, part_of, well_of
from cpexport.cellprofiler.pipeline import Skip
from cpexport.sinks.base import Sink
from cpexport.sinks.sql import schema
from cpexport.sinks.sql.database import literal, quoted
from cpexport.sinks.sql.ledger_schema import REMOVED, SETS
from cpexport.sinks.transaction import Transaction
from cpexport.tables.layout import Column, Layout

NOTE: Final = "planned"
PLACES: Final = ("Plate", "Well", "Part")


def table_name(prefix: str) -> str:
    """The table's name; as all names of the ledger, it does not begin with the prefix."""
    return f"_cpexport_{prefix}planned"


def view_name(prefix: str) -> str:
    """The view's name."""
    return f"_cpexport_{prefix}missing"


def view_columns(layout: Layout) -> tuple[str, ...]:
    """The columns of the view."""
    return (*layout.image_key, *PLACES, "State")


def keep_planned(sink: Sink, prefix: str, plan: BatchFile | None) -> None:
    """Stores the image sets of a batch file, unless they are stored already, or the destination
    cannot have views: then nothing would show which of them it lacks.

    The sink is opened for one run if runs are numbered.
    """
    if plan is not None and sink.capabilities.views and sink.layout().columns:
        note = _note(sink)
        of_plan = {"of": _digest(plan), "skips": [_skip(skip) for skip in plan.pipeline.skips]}
        same = all(note.get(name) == value for name, value in of_plan.items())
        if not (same and sink.has(table_name(prefix))):
            with sink.exclusive() as changes:
                _write(sink, changes, prefix, plan)
                changes.set_metadata({NOTE: json.dumps(of_plan)})
    renew_view(sink, prefix)


def renew_view(sink: Sink, prefix: str) -> None:
    """Makes the view again if it is gone, or if its tables have changed since."""
    if not (sink.capabilities.views and sink.has(table_name(prefix))):
        return
    statement, name = _statement(sink, prefix), view_name(prefix)
    if not (sink.ledger.has_view(name, statement) and sink.has(name)):
        with sink.exclusive() as changes:
            changes.write_view(name, statement)


def _note(sink: Sink) -> dict[str, Any]:
    return dict(json.loads(sink.ledger.lasting(NOTE) or "{}"))


def _skip(skip: Skip) -> list[Any]:
    return [skip.module, list(skip.flags), list(skip.later)]


def _digest(plan: BatchFile) -> str:
    """What differs if the planned image sets do, without reading the whole file again."""
    text = f"{plan.path.resolve()}\n{plan.planned}"
    with suppress(OSError):
        stat = plan.path.stat()
        text += f"\n{stat.st_size} {stat.st_mtime_ns}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _write(sink: Sink, changes: Transaction, prefix: str, plan: BatchFile) -> None:
    """Replaces the run's rows of the table."""
    name, keys = table_name(prefix), sink.layout().image_key
    columns = _columns(plan)
    if sink.shape.numbered:
        number = sink.ledger.runs()[sink.run or ""]
        before: list[tuple[object, ...]] = []
        if name in sink.derived_tables():
            listed = [*keys, *PLACES]
            rows = sink.read_derived_table(name, listed)
            before = [row for row in rows if row[0] != number]
        others = [pa.array(values) for values in zip(*before, strict=True)] if before else []
        own = [pa.repeat(pa.scalar(number, INTEGER), len(plan.planned)), *columns]
        columns = own
        if others:
            pairs = zip(others, own, strict=True)
            columns = [pa.concat_arrays([one.cast(two.type), two]) for one, two in pairs]
    data = pa.table(columns, names=[*keys, *PLACES])
    fields = [
        sa.Column(
            field.name,
            schema.sql_type(field.type),
            primary_key=field.name in keys,
            autoincrement=False,
        )
        for field in data.schema
    ]
    changes.write_derived_table(sa.Table(name, sa.MetaData(), *fields), data)


def _columns(plan: BatchFile) -> list[pa.Array]:
    """Number, plate, well and part of each planned image set; texts as the batch file has them."""
    identities = plan.identities
    features = PlaceFeatures.among(identities.columns)
    length = len(identities.numbers)

    def texts(name: str) -> list[str | None]:
        return identities.columns[name].to_pylist() if name else [None] * length

    wells = texts(features.well)
    if not features.well and features.row and features.column:
        pairs = zip(texts(features.row), texts(features.column), strict=True)
        wells = [well_of(row or "", column or "") or None for row, column in pairs]
    parts: list[str | None] = [None] * length
    if features.parts:
        words = list(features.parts)
        rows = zip(*(texts(name) for name in features.parts.values()), strict=True)
        parts = [
            part_of({w: v or "" for w, v in zip(words, row, strict=True)}) or None for row in rows
        ]
    own = (texts(features.plate), wells, parts)
    return [pa.array(identities.numbers, INTEGER), *(pa.array(values, TEXT) for values in own)]


def _statement(sink: Sink, prefix: str) -> str:
    """The statement that makes the view."""
    layout, table = sink.layout(), quoted(table_name(prefix))
    run = f"p.{quoted(TABLE_NUMBER)}" if layout.numbered else "0"
    number = f"p.{quoted(IMAGE_NUMBER)}"
    listed = ", ".join(f"p.{quoted(name)}" for name in (*layout.image_key, *PLACES))

    def of_ledger(name: str, alias: str) -> str:
        return (
            f"SELECT 1 FROM {name} {alias} WHERE {alias}.prefix = {literal(prefix)} "
            f"AND {alias}.table_number = {run} AND {alias}.number = {number}"
        )

    state = "'missing'"
    if sink.has(REMOVED.name):
        removed = of_ledger(REMOVED.name, "r")
        state = f"CASE WHEN EXISTS ({removed}) THEN 'removed' ELSE 'missing' END"
    selects = [
        f"SELECT {listed}, {state} AS {quoted('State')} FROM {table} p "
        f"WHERE NOT EXISTS ({of_ledger(SETS.name, 's')})"
    ]
    selects += [
        f"SELECT {listed}, 'skipped' AS {quoted('State')} FROM {table} p "
        f"JOIN {images} WHERE {condition}"
        for images, condition in _skipped(sink)
    ]
    return f"CREATE VIEW {quoted(view_name(prefix))} AS {' UNION ALL '.join(selects)}"


def _skipped(sink: Sink) -> Iterator[tuple[str, str]]:
    """Yields joins of `p` with the tables of images, and conditions for skipped image sets."""
    layout, ledger = sink.layout(), sink.ledger
    notes: dict[int, str] = {0: ledger.lasting(NOTE) or "{}"}
    if layout.numbered:
        runs = ledger.runs()
        notes = {runs[name]: note for name, note in ledger.metadata_of_runs(NOTE).items()}
    by_condition: dict[tuple[str, str], list[int]] = {}
    for run, note in notes.items():
        conditions, columns = list[str](), dict[str, None]()
        for module, flags, later in json.loads(note).get("skips", ()):
            if found := _condition(layout, Skip(module, tuple(flags), tuple(later)), columns):
                conditions.append(f"({found})")
        if conditions:
            key = _joined(layout, list(columns)), " OR ".join(conditions)
            by_condition.setdefault(key, []).append(run)
    for (images, condition), numbers in by_condition.items():
        if layout.numbered:
            of_runs = ", ".join(map(str, sorted(numbers)))
            condition = f"({condition}) AND p.{quoted(TABLE_NUMBER)} IN ({of_runs})"
        yield images, condition


def _condition(layout: Layout, skip: Skip, tables: dict[str, None]) -> str:
    """The condition that a module skipped an image set, as `flagged_image_sets.skipped` has it;
    empty if the destination does not have its flags. Adds the tables that it needs."""

    def place(column: Column) -> str:
        tables[column.table] = None
        return f"{quoted(column.table)}.{quoted(column.name)}"

    known = layout.by_feature
    flags = [known[IMAGE, flag] for flag in skip.flags if (IMAGE, flag) in known]
    if not flags:
        return ""
    equal = (f"{place(c)} IN ('1', '1.0')" if c.type == TEXT else f"{place(c)} = 1" for c in flags)
    parts = [f"({' OR '.join(equal)})"]
    for tag, ran in ((skip.module, "NOT NULL"), *((tag, "NULL") for tag in skip.later)):
        marks = (known[IMAGE, f"{m}{tag}"] for m in MARKS if (IMAGE, f"{m}{tag}") in known)
        if mark := next(marks, None):
            parts.append(f"{place(mark)} IS {ran}")
    return " AND ".join(parts)


def _joined(layout: Layout, tables: list[str]) -> str:
    """Tables of images, joined with `p`."""
    first, *others = map(quoted, tables)
    keys = [quoted(key) for key in layout.image_key]

    def on(table: str) -> str:
        return f"{table} ON {' AND '.join(f'{table}.{key} = p.{key}' for key in keys)}"

    return " JOIN ".join(map(on, (first, *others)))
