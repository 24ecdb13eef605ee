"""The tables and columns that CellProfiler Analyst shows: images, thumbnails, and objects that have
centers."""

from collections.abc import Mapping

from cpexport.cellprofiler.column_order import objects_of
from cpexport.cellprofiler.features import IMAGE, OBJECT
from cpexport.derived.cpa_files import Channel, Objects
from cpexport.errors import SinkError
from cpexport.sinks.base import Sink
from cpexport.sinks.summary import Summary
from cpexport.spelling import closest, suggest
from cpexport.tables.layout import Table, object_of

_FIRST_CHOICE = ("Nuclei", "Cells")
_CENTERS = ("Location_Center_", "AreaShape_Center_")


def first_part(sink: Sink, object_name: str) -> Table | None:
    """The table of an object type, or its first part; None if the destination has none."""
    return next(iter(sink.layout().parts(object_name)), None)


def columns_of(table: Table) -> Mapping[str, str]:
    """The names of a table's columns by feature."""
    return {column.feature: column.name for column in table.columns}


def shown_objects(sink: Sink, summary: Summary, prefix: str, wanted: str | None) -> Objects | None:
    """The wanted objects (None: the best to show); None if the destination has no objects.

    Raises:
        SinkError: it has no such objects, or none with known centers.
    """
    tables = object_tables(sink)
    if wanted is not None and wanted not in tables:
        advice = f"existing object types: {', '.join(tables) or 'none'}"
        advice = suggest(advice, closest(wanted, tables))
        raise SinkError(sink.name, f"no object type {wanted}", advice)
    rows = {object_of(table, prefix): rows for table, rows in summary.rows.items()}
    candidates = [
        objects
        for name in ([wanted] if wanted else tables)
        if (objects := _located(name, *tables[name]))
    ]
    if tables and not candidates:
        raise SinkError(
            sink.name,
            "no Location_Center_X and Y, and no AreaShape_Center_, for "
            f"{wanted or ', '.join(tables)}",
            "choose another --object"
            if wanted
            else "measure the centers with MeasureObjectSizeShape; CellProfiler Analyst needs them",
        )
    return min(candidates, key=lambda objects: _rank(objects.name, rows), default=None)


def object_tables(sink: Sink) -> Mapping[str, tuple[Table, str]]:
    """Each object type's table, and the beginning of its features there: the name of the type, if
    all types share one table, else nothing."""
    tables: dict[str, tuple[Table, str]] = {}
    for name in sink.layout().objects - {IMAGE}:
        table = first_part(sink, name)
        if table is not None and name == OBJECT:
            features = [column.feature for column in table.columns]
            tables |= {inner: (table, f"{inner}_") for inner in objects_of(features)}
        elif table is not None:
            tables[name] = (table, "")
    return dict(sorted(tables.items()))


def _rank(name: str, rows: Mapping[str, int]) -> tuple[int, int]:
    return ((*_FIRST_CHOICE, name).index(name), -rows.get(name, 0))


def _located(name: str, table: Table, begin: str) -> Objects | None:
    """A table's objects of one type; None if the table does not have their centers."""
    columns = columns_of(table)
    for center in _CENTERS:
        x, y, z = (columns.get(begin + center + axis, "") for axis in "XYZ")
        if x and y:
            # MeasureObjectSizeShape measures Volume in place of Area if images are volumes.
            solid = f"{begin}AreaShape_Volume" in columns
            area = columns.get(begin + ("AreaShape_Volume" if solid else "AreaShape_Area"), "")
            return Objects(name, table.name, table.key[-1], x, y, z, area, solid)
    return None


def channels_of(columns: Mapping[str, str]) -> tuple[Channel, ...]:
    """The channels whose images have a file name and a path."""
    # Objects that were loaded from images have ObjectsFileName_, and are not a channel.
    names = [f.removeprefix("FileName_") for f in columns if f.startswith("FileName_")]
    return tuple(
        Channel(name, columns[f"PathName_{name}"], columns[f"FileName_{name}"])
        for name in names
        if f"PathName_{name}" in columns
    )


def thumbnails_of(columns: Mapping[str, str], channels: tuple[Channel, ...]) -> Mapping[str, str]:
    """Columns of thumbnails by name of image: first the ones of `channels`, in their order."""
    names = [f.removeprefix("Thumbnail_") for f in columns if f.startswith("Thumbnail_")]
    first = [channel.name for channel in channels if channel.name in names]
    return {name: columns[f"Thumbnail_{name}"] for name in dict.fromkeys([*first, *names])}
