"""Means, medians and standard deviations by plate and well: CellProfiler's Per_Well tables.

CellProfiler writes statements for MySQL that a person runs (4.2.8, exporttodatabase.py,
write_mysql_table_per_well), and they fail on medians and thumbnails. Here they are computed for
every destination, a well at a time.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from cpexport.aggregates import Floats, numbers, reduced
from cpexport.errors import SinkError, UsageError
from cpexport.features import IMAGE, IMAGE_NUMBER, INTEGER, NUMBER, OBJECT, REAL, TABLE_NUMBER
from cpexport.imagesets import ImageSets
from cpexport.naming import column_names
from cpexport.ordering import is_aggregate, objects_of
from cpexport.shape import AGGREGATES
from cpexport.sinks import Sink, open_sink, schema
from cpexport.tables import Column, Layout
from cpexport.wellcounts import counts_table, table_name, untrue_counts, well_counts

_NAMES: Final = {"mean": "avg", "median": "median", "std": "std"}
_NOTE: Final = "wells"
_COUNTED: Final = "counted"
# As in CellProfiler's statements, though Per_Image has it.
_LEFT_OUT: Final = "ExecutionTime_"


@dataclass(frozen=True)
class Wells:
    """What is wanted: `kinds`, keys of `AGGREGATES`, by the image features `plate` and `well`; None
    for those that are found. Without kinds nothing is made of it."""

    kinds: tuple[str, ...]
    plate: str | None = None
    well: str | None = None

    @classmethod
    def parse(cls, words: str, plate: str | None = None, well: str | None = None) -> Self:
        """What these words ask for.

        Raises:
            UsageError: no kind, or none of those there are.
        """
        kinds = [word.strip() for word in words.split(",")]
        if strange := [kind for kind in kinds if kind not in _NAMES]:
            raise UsageError(f"--wells has {', '.join(_NAMES)}, not {strange[0] or 'nothing'}")
        return cls(tuple(kind for kind in _NAMES if kind in kinds), plate, well)


def make_wells(to: str, prefix: str, asked: Wells | None) -> Mapping[str, int]:
    """Brings the tables of wells up to date, those that were asked for now or before; the rows of
    those that were made anew, by table.

    A row is a plate and well, which come last, after a column for each feature of objects and then
    of images that is a number: of finite values, NULL where there are none. As in CellProfiler's
    statement, values of images are taken once for each object row: object 1 of all types together
    is one. Image sets without plate or well are a row with NULL there, and a well without any
    object is a row of NULLs, which CellProfiler leaves out. A table too wide for the destination
    goes on in `Per_Well_avg_part2`. Where there are runs, `TableNumber` is the first column.

    Raises:
        SinkError: the destination has no such plate or well, or refuses.
    """
    while True:
        with open_sink(to, prefix) as sink:
            wanted = _wanted(sink, asked)
            if wanted is None:
                return {}
            plan = _Plan.of(sink, wanted)
            _note_wanted(sink, wanted)
            names: list[str | None] = [*sink.runs()] or [None]
        found, counts = [], []
        for name in names:
            with open_sink(to, prefix, run=name) as one:
                found += list(_rows(one, plan))
                counts += list(well_counts(one, plan.groups))
        with open_sink(to, prefix) as sink, sink.alone():
            # Reading takes long, so others may write meanwhile; then it is done again.
            if _state(sink, wanted) == plan.state:
                made = _tables(plan, found, prefix, sink.width)
                made.insert(0, counts_table(sink.layout(), plan.groups, counts, prefix))
                for table, rows in made:
                    sink.replace(table, rows)
                sink.note({_NOTE: plan.state})
                return {table.name: rows.num_rows for table, rows in made}


def find_metadata(sink: Sink, what: str, feature: str | None) -> str:
    """The image feature that says the `Plate` or `Well`; empty if none was named and none is there.

    Raises:
        SinkError: the one that was named is not there.
    """
    columns = {column.feature for column in sink.layout().columns if column.object == IMAGE}
    if feature is None:
        usual = f"Metadata_{what}"
        return usual if usual in columns else ""
    if feature not in columns:
        there = sorted(name for name in columns if name.startswith("Metadata_"))
        raise SinkError(
            sink.name,
            f"no feature {feature} of images",
            f"--{what.lower()} can be {', '.join(there) or 'left out: there is no metadata'}",
        )
    return feature


def untrue_wells(sink: Sink, prefix: str) -> Iterator[tuple[str, str]]:
    """The tables of wells, of all runs together, that are not of the wells that are there now, and
    what is wrong with each. Values are compared in Per_Well only."""
    noted = sink.settings().get(_NOTE)
    if noted is None:
        return
    said = json.loads(noted)
    # Version 0.1.0 made no Per_Well.
    counted = said.pop(_COUNTED, False)
    wanted = Wells(tuple(said["kinds"]), said["plate"], said["well"])
    made = _tables(_Plan.of(sink, wanted), [], prefix, sink.width)
    tables = [table.name for table, _ in made]
    now = json.loads(_state(sink, wanted))
    del now[_COUNTED]
    if now != said:
        for table in [*([table_name(prefix)] if counted else []), *tables]:
            yield table, "is not made of all batches that there are; run cpexport load"
        return
    if counted and (problem := untrue_counts(sink, prefix, _groups(sink.layout(), wanted))):
        yield table_name(prefix), problem
    names = [name for name in (wanted.plate, wanted.well) if name]
    runs = sink.layout().image_key[:-1]
    must: set[tuple[Any, ...]] = set()
    for rows in sink.read(IMAGE, names):
        must |= set(zip(*(rows[key].to_pylist() for key in (*runs, *names)), strict=True))
    columns = [*runs, *(sink.layout().by_feature[IMAGE, name].name for name in names)]
    for table in tables:
        try:
            found = sink.replaced(table, columns)
        except SinkError as error:
            yield table, error.problem
            continue
        if len(found) != len(must) or set(found) != must:
            strange = len(set(found) ^ must)
            yield table, f"{len(found)} rows where there are {len(must)} wells, {strange} differ"


@dataclass(frozen=True)
class _Plan:
    """What there is to compute: columns of objects by type, then of images, and what groups them,
    the run's number first."""

    kinds: tuple[str, ...]
    groups: tuple[Column, ...]
    runs: bool
    columns: Mapping[str, tuple[Column, ...]]
    state: str

    @classmethod
    def of(cls, sink: Sink, wanted: Wells) -> Self:
        layout = sink.layout()
        return cls(
            wanted.kinds,
            _groups(layout, wanted),
            layout.numbered,
            _columns(layout),
            _state(sink, wanted),
        )


def _groups(layout: Layout, wanted: Wells) -> tuple[Column, ...]:
    return tuple(layout.by_feature[IMAGE, f] for f in (wanted.plate, wanted.well) if f)


def _wanted(sink: Sink, asked: Wells | None) -> Wells | None:
    """What is to be made, by the features that were found; None if it is there, or nothing is."""
    noted = sink.settings().get(_NOTE)
    if asked is not None and not asked.kinds:
        asked = None
    if not sink.layout().columns or (asked is None and noted is None):
        return None
    kept = json.loads(noted) if noted else {"kinds": [], "plate": None, "well": None}
    asked = asked or Wells(())
    wanted = Wells(
        tuple(kind for kind in AGGREGATES if kind in asked.kinds or kind in kept["kinds"]),
        find_metadata(sink, "Plate", asked.plate or kept["plate"]),
        find_metadata(sink, "Well", asked.well or kept["well"]),
    )
    if not wanted.well:
        raise SinkError(sink.name, "no Metadata_Well of images", "name the feature with --well")
    return None if _state(sink, wanted) == noted else wanted


def _note_wanted(sink: Sink, wanted: Wells) -> None:
    """Notes what is wanted before it is made, so that it is missed where that comes to nothing."""
    said = json.loads(_state(sink, wanted)) | {"of": ""}
    noted = json.loads(sink.settings().get(_NOTE, "{}"))
    if said | {"of": noted.get("of")} != noted:
        with sink.alone():
            sink.note({_NOTE: json.dumps(said)})


def _state(sink: Sink, wanted: Wells) -> str:
    """What tables of wells are made of, and how, as text: equal if they would be the same."""
    said = [(entry.signature, str(entry.loaded)) for entry in sink.ledger().entries]
    content = hashlib.sha256(json.dumps(said).encode()).hexdigest()
    how = {"kinds": wanted.kinds, "plate": wanted.plate, "well": wanted.well}
    return json.dumps(how | {"of": content, _COUNTED: True})


def _columns(layout: Layout) -> Mapping[str, tuple[Column, ...]]:
    """The columns that are numbers, by object type: objects in order of name, then images."""
    objects = layout.objects - {IMAGE}
    types = objects | set(objects_of(layout.features.get(OBJECT, ())))
    return {
        name: tuple(
            column
            for column in layout.columns
            if column.object == name
            and column.type in (INTEGER, REAL)
            and column.feature != IMAGE_NUMBER
            and not column.feature.startswith(_LEFT_OUT)
            and (name, column.feature) != (OBJECT, NUMBER)
            and not (name == IMAGE and is_aggregate(column.feature, types))
        )
        for name in [*sorted(objects), IMAGE]
    }


def _rows(sink: Sink, plan: _Plan) -> Iterator[dict[str, Any]]:
    """For each well of a run: what groups it, and for each kind the values of all columns."""
    wells: dict[tuple[Any, ...], list[int]] = {}
    features = [column.feature for column in plan.groups]
    for batch in sink.read(IMAGE, features):
        for row in batch.to_pylist():
            runs = (row[TABLE_NUMBER],) if plan.runs else ()
            key = (*runs, *(row[feature] for feature in features))
            wells.setdefault(key, []).append(row[IMAGE_NUMBER])
    # As SQL does, NULL comes first.
    for key in sorted(wells, key=lambda key: [(value is not None, value) for value in key]):
        values = _values(sink, plan, ImageSets.of(wells[key]))
        yield {"key": key} | {
            kind: _held(sink, np.concatenate([reduced(part, AGGREGATES[kind]) for part in values]))
            for kind in plan.kinds
        }


def _held(sink: Sink, values: Floats) -> Floats:
    """Values as a destination holds them: sums of the largest numbers are infinite."""
    return values if sink.infinite else np.where(np.isinf(values), np.nan, values)


def _values(sink: Sink, plan: _Plan, image_sets: ImageSets) -> list[Floats]:
    """All values of a well, by object type: a row a column of the table, one column a row."""
    found, pairs = [], []
    objects = [name for name in plan.columns if name != IMAGE]
    for name in objects:
        part = _read(sink, name, plan.columns[name], image_sets)
        found.append(_stacked(part, plan.columns[name]))
        keys = np.stack([part[IMAGE_NUMBER].to_numpy(), part[NUMBER].to_numpy()], axis=1)
        pairs.append(keys)
    images = _read(sink, IMAGE, plan.columns[IMAGE], image_sets)
    own = images[IMAGE_NUMBER].to_numpy()
    if objects:
        rows = np.unique(np.concatenate(pairs), axis=0)[:, 0]
        places = np.searchsorted(own, rows)
    else:
        places = np.arange(len(own))
    found.append(_stacked(images, plan.columns[IMAGE])[:, places])
    return found


def _read(sink: Sink, name: str, columns: tuple[Column, ...], image_sets: ImageSets) -> pa.Table:
    features = [column.feature for column in columns if column.feature != NUMBER]
    return pa.Table.from_batches(sink.read(name, features, image_sets))


def _stacked(part: pa.Table, columns: tuple[Column, ...]) -> Floats:
    if not columns:
        return np.empty((0, part.num_rows))
    return np.stack([numbers(part[column.feature].combine_chunks()) for column in columns])


def _tables(
    plan: _Plan, found: list[dict[str, Any]], prefix: str, width: int
) -> list[tuple[sa.Table, pa.Table]]:
    """The tables with their rows, or parts of them, all with plate and well."""
    groups = [(column.name, column.type) for column in plan.groups]
    runs = [(TABLE_NUMBER, INTEGER)] if plan.runs else []
    keys = {
        name: pa.array([row["key"][place] for row in found], type)
        for place, (name, type) in enumerate([*runs, *groups])
    }
    columns = [column.name for of in plan.columns.values() for column in of]
    room = width - len(keys)
    made = []
    for kind in plan.kinds:
        begin = _NAMES[kind]
        full = [f"{begin}_{name}" for name in columns]
        names = column_names(full, taken={name: name for name in keys})
        values = np.stack([row[kind] for row in found]) if found else np.empty((0, len(full)))
        for part, start in enumerate(range(0, max(len(full), 1), room), start=1):
            chosen = {
                names[name]: pa.array(values[:, start + place], from_pandas=True)
                for place, name in enumerate(full[start : start + room])
            }
            rows = pa.table(
                {name: keys[name] for name, _ in runs}
                | chosen
                | {name: keys[name] for name, _ in groups}
            )
            name = f"{prefix}Per_Well_{begin}" + (f"_part{part}" if part > 1 else "")
            fields = [sa.Column(f.name, schema.sql_type(f.type)) for f in rows.schema]
            made.append((sa.Table(name, sa.MetaData(), *fields), rows))
    return made
