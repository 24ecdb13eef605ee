"""Keeps what is in the wells in a destination: `Per_Well_Treatment`, and a view of image sets.

A row is a well of the layout. It has the plate and the well as the layout names them (`Plate`,
`Well`), as `Per_Image` names them (NULL if no image set is there yet), and what is in the well. So
whatever is loaded later, the row can be joined: the end of each load names the wells again.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from cpexport.cellprofiler.features import IMAGE
from cpexport.cellprofiler.image_set_names import PlaceFeatures, well_of
from cpexport.cellprofiler.plate_positions import positions
from cpexport.derived.plate_layouts import Place, PlateLayout
from cpexport.derived.treatment_table import PLATE, WELL, table_name, treatment_table
from cpexport.errors import SinkError, UsageError
from cpexport.sinks.base import Sink
from cpexport.sinks.registry import open_sink
from cpexport.sinks.sql.database import quoted
from cpexport.sinks.transaction import Transaction
from cpexport.tables.layout import Column, Layout

_NOTE: Final = "treatments"


def view_name(prefix: str) -> str:
    """The view's name."""
    return f"{prefix}Per_Image_Treatment"


def view_columns(sink: Sink, prefix: str) -> tuple[str, ...]:
    """The columns of the view, if it is there; empty without a layout."""
    layout, names = sink.layout(), treatment_columns(sink, prefix)
    return (*layout.image_key, *(c.name for c in _keys(layout)), *names) if names else ()


@dataclass(frozen=True)
class Treated:
    """What became of a layout in a destination.

    names: the columns of treatments, as they are called there.
    wells: how many wells of the destination have a row.
    not_there: the wells of the layout without image sets, by plate; an empty plate is every plate.
    without: the wells of the destination that no row is for, by plate.
    view: whether the view was made.
    """

    names: tuple[str, ...] = ()
    wells: int = 0
    not_there: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    without: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    view: bool = False


@dataclass(frozen=True)
class _Spelled:
    """A well of a destination: its canonical place, and the values of the columns that name it."""

    place: Place
    values: tuple[Any, ...]


def treatment_columns(sink: Sink, prefix: str) -> tuple[str, ...]:
    """The columns with what is in the wells; empty if the destination has no such table."""
    columns = sink.derived_tables().get(table_name(prefix), ())
    keys = {column.name for column in _keys(sink.layout())}
    return tuple(name for name in columns if name not in {PLATE, WELL, *keys})


def annotate(to: str, prefix: str, layout: PlateLayout, *, forget: bool = False) -> Treated:
    """Adds a layout to a destination; the wells of the layout get its columns, and keep others.

    forget: whether to forget all layouts that were added before.

    Raises:
        UsageError: two columns would have one name.
        SinkError: no metadata of the destination name wells, or it refuses.
    """
    with open_sink(to, prefix) as sink, sink.exclusive() as changes:
        keys = _keys(sink.layout())
        if not keys:
            raise SinkError(
                sink.name,
                "no metadata of its image sets name wells",
                "extract Metadata_Well with CellProfiler's Metadata module, or name it Well",
            )
        taken = [PLATE, WELL, *sink.layout().image_key, *(column.name for column in keys)]
        named = PlateLayout(*_renamed(layout, taken))
        before = PlateLayout() if forget else stored(sink, prefix)
        return _write(sink, changes, prefix, before.joined(named))


def renew(to: str, prefix: str) -> None:
    """Names the wells of the layout again, after a load or a removal; does nothing without one."""
    with open_sink(to, prefix) as sink:
        if table_name(prefix) not in sink.derived_tables():
            return
        # Runs have notes of their own, so where they are numbered, all is written again.
        if _NOTE in sink.ledger.metadata() and not sink.shape.numbered:
            return
        with sink.exclusive() as changes:
            _write(sink, changes, prefix, stored(sink, prefix))


def stored(sink: Sink, prefix: str) -> PlateLayout:
    """The layout that a destination has; empty without one."""
    names = treatment_columns(sink, prefix)
    if not names:
        return PlateLayout()
    wells = {}
    for plate, well, *values in sink.read_derived_table(table_name(prefix), [PLATE, WELL, *names]):
        texts = {n: _text(v) for n, v in zip(names, values, strict=True) if v is not None}
        wells[str(plate or ""), str(well)] = texts
    return PlateLayout(names, wells)


def distinct(sink: Sink, prefix: str) -> dict[str, tuple[str, ...]]:
    """The texts that are in the wells of a destination, by column; numbers are left out."""
    names = treatment_columns(sink, prefix)
    found: dict[str, dict[str, None]] = {name: {} for name in names}
    for row in sink.read_derived_table(table_name(prefix), names) if names else ():
        for name, value in zip(names, row, strict=True):
            if isinstance(value, str):
                found[name][value] = None
    return {name: tuple(sorted(values)) for name, values in found.items()}


def place_features(layout: Layout) -> PlaceFeatures:
    """The features that name plate and well."""
    found = PlaceFeatures.among(layout.features.get(IMAGE, {}))
    row, column = ("", "") if found.well else (found.row, found.column)
    return PlaceFeatures(found.plate, found.well, row, column)


def _keys(layout: Layout) -> tuple[Column, ...]:
    """The columns that name the well of an image set; empty without any."""
    places = place_features(layout)
    return tuple(layout.by_feature[IMAGE, feature] for feature in places.key)


def _write(sink: Sink, changes: Transaction, prefix: str, layout: PlateLayout) -> Treated:
    keys, spelled = _keys(sink.layout()), list(_spelled(sink))
    rows: list[tuple[Any, ...]] = []
    used: set[Place] = set()
    without: dict[str, list[str]] = {}
    for one in spelled:
        plate, well = one.place
        place = next((p for p in (one.place, ("", well)) if p in layout.wells), None)
        if place is None:
            without.setdefault(plate, []).append(well)
            continue
        used.add(place)
        rows.append((place, one.values, layout.wells[place]))
    unused = [place for place in layout.wells if place not in used]
    rows += [(place, (None,) * len(keys), layout.wells[place]) for place in unused]
    not_there: dict[str, list[str]] = {}
    for plate, well in unused:
        not_there.setdefault(plate, []).append(well)
    table, data = treatment_table(prefix, keys, layout.names, rows)
    if (most := sink.capabilities.max_columns) < len(data.column_names):
        problem = f"{table.name} would have {len(data.column_names):,} columns, and {most:,} fit"
        raise SinkError(sink.name, problem, "leave columns out of the layout")
    same = sink.derived_tables().get(table.name) == tuple(data.column_names)
    if not (same and _has_rows(sink, table.name, data)):
        changes.write_derived_table(table, data)
    view = sink.capabilities.views
    if view and not (same and sink.has(view_name(prefix))):
        view = _write_view(sink, changes, prefix, layout.names)
    changes.set_metadata({_NOTE: "named"})
    return Treated(
        layout.names,
        len(rows) - len(unused),
        {plate: tuple(wells) for plate, wells in not_there.items()},
        {plate: tuple(dict.fromkeys(wells)) for plate, wells in without.items()},
        view,
    )


def _spelled(sink: Sink) -> Iterator[_Spelled]:
    """Yields the wells of all image sets, each once for each way in which it is spelled."""
    features = place_features(sink.layout())
    names = features.key
    seen: dict[tuple[Any, ...], None] = {}
    for block in sink.read(IMAGE, list(names)):
        seen.update(dict.fromkeys(zip(*(block[n].to_pylist() for n in names), strict=True)))
    wells: dict[tuple[Any, ...], Place] = {}
    for values in seen:
        given = dict(zip(names, map(_text, values), strict=True))
        well = given.get(features.well) or well_of(
            given.get(features.row, ""), given.get(features.column, "")
        )
        if well:
            wells[values] = given.get(features.plate, ""), well
    found = positions({well for _, well in wells.values()})
    for values, (plate, well) in wells.items():
        position = found[well]
        yield _Spelled((plate, position.name if position else well), values)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


def _has_rows(sink: Sink, table: str, data: pa.Table) -> bool:
    """Whether a table of the destination has these rows, in any order."""
    rows = sink.read_derived_table(table, data.column_names)
    wanted = [tuple(row.values()) for row in data.to_pylist()]
    return sorted(rows, key=repr) == sorted(wanted, key=repr)


def _write_view(sink: Sink, changes: Transaction, prefix: str, names: Sequence[str]) -> bool:
    """Makes the view of image sets with what is in their wells; False if its name is taken."""
    layout = sink.layout()
    parts = {column.table for column in _keys(layout)}
    first = layout.parts(IMAGE)[0]
    image, table = quoted(first.name), quoted(table_name(prefix))
    joined = ""
    for part in sorted(parts - {first.name}):
        same = (f"{quoted(part)}.{quoted(k)} = {image}.{quoted(k)}" for k in first.key)
        joined += f" JOIN {quoted(part)} ON {' AND '.join(same)}"
    keys = [f"{quoted(c.table)}.{quoted(c.name)}" for c in _keys(layout)]
    on = " AND ".join(
        f"{table}.{quoted(c.name)} = {key}" for c, key in zip(_keys(layout), keys, strict=True)
    )
    listed = [*(f"{image}.{quoted(key)}" for key in first.key), *keys]
    shown = [*first.key, *(c.name for c in _keys(layout))]
    columns = [f"{place} AS {quoted(name)}" for place, name in zip(listed, shown, strict=True)]
    columns += [f"{table}.{quoted(name)} AS {quoted(name)}" for name in names]
    return changes.write_view(
        view_name(prefix),
        f"CREATE VIEW {quoted(view_name(prefix))} AS SELECT {', '.join(columns)} "
        f"FROM {image}{joined} LEFT JOIN {table} ON {on}",
    )


def _renamed(
    layout: PlateLayout, taken: Sequence[str]
) -> tuple[tuple[str, ...], Mapping[Place, Mapping[str, str]]]:
    """The columns by names that need no quotes in SQL, and the values by these.

    Raises:
        UsageError: two columns would have one name, or one that is `taken`.
    """
    names = {name: _plain(name) for name in layout.names}
    used = [name.lower() for name in taken]
    for name, plain in names.items():
        if plain.lower() in used:
            raise UsageError(f"the layout's column {name} needs the name {plain}, which is taken")
        used.append(plain.lower())
    wells = {
        place: {names[name]: value for name, value in values.items()}
        for place, values in layout.wells.items()
    }
    return tuple(names.values()), wells


def _plain(name: str) -> str:
    """A name of letters, digits and underscores.

    >>> _plain("conc. (µM)"), _plain("1st compound")
    ('conc_M', '_1st_compound')
    """
    plain = re.sub("[^A-Za-z0-9]+", "_", name).strip("_")[:60] or "column"
    return f"_{plain}" if plain[0].isdigit() else plain
