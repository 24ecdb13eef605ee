"""Finds in a destination what CellProfiler Analyst needs to know, and writes it down for it.

What a person chooses in CellProfiler's ExportToDatabase is found in the data here.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from cpexport.analyst import MARK, WORKSPACE_MARK, Objects, Picture, Properties, plate_type
from cpexport.errors import SinkError, UsageError
from cpexport.features import IMAGE, OBJECT
from cpexport.groups import INDEX
from cpexport.groups import NUMBER as GROUP
from cpexport.ledger import Ledger
from cpexport.ordering import objects_of
from cpexport.paths import PathMap
from cpexport.sinks import Sink, open_sink
from cpexport.tables import Table, object_of
from cpexport.wells import find_metadata

_FIRST_CHOICE = ("Nuclei", "Cells")
_CENTERS = ("Location_Center_", "AreaShape_Center_")
# CellProfiler Analyst puts names into its SQL as they are, without quotes.
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
_NOTE = "properties"


def properties(
    to: str,
    folder: Path,
    *,
    prefix: str = "",
    object_name: str | None = None,
    plate: str | None = None,
    well: str | None = None,
    paths: PathMap | None = None,
) -> Properties:
    """What a file in `folder` tells of the destination `to`, a URL.

    Without `object_name` it is about Nuclei, else Cells, else the objects with the most rows,
    among those whose centers are known. `plate` and `well` are features of the image, by default
    `Metadata_Plate` and `Metadata_Well` if they are there. Only the first part of a table too wide
    for the destination is shown. `paths` say what stands before all paths for those who look.

    Raises:
        UsageError: `to` is not a URL, or paths differ in more than what stands before them.
        SinkError: the destination is not there, holds nothing, or not what was asked for.
    """
    begin = paths.prepended() if paths else ""
    with open_sink(to, prefix, writing=False) as sink:
        found = _found(sink, folder, prefix, object_name, plate, well)
        return replace(found, url_prepend=begin)


def describe(sink: Sink, prefix: str) -> None:
    """Keeps with the destination what a properties file would say of each of its object tables.

    They go to Experiment and Experiment_Properties, as in CellProfiler's databases. Objects whose
    centers are not known are left out, and all where there is nothing to show. Does nothing when
    no batch was written since the last time.
    """
    if not sink.ledger().loaded or described(sink):
        return
    with sink.alone():
        # Until here other loads could bring batches.
        last = max(entry.age[0] for entry in sink.ledger().entries if entry.loaded)
        sink.describe(fields(sink, prefix), last)
        sink.note({_NOTE: "described"})


def described(sink: Sink) -> bool:
    """Whether it was done since the last batch was written."""
    return _NOTE in sink.settings()


def fields(sink: Sink, prefix: str) -> dict[str, dict[str, str]]:
    """The fields that `describe` keeps, by the object type they are about."""
    found = {}
    for name in sorted(sink.layout().objects - {IMAGE}) or ["None"]:
        with suppress(SinkError):
            chosen = name if name in _tables(sink) else None
            properties = _found(sink, None, prefix, chosen, None, None)
            found[name] = {k: v for of in properties.sections.values() for k, v in of.items()}
    return found


def _found(
    sink: Sink,
    folder: Path | None,
    prefix: str,
    object_name: str | None,
    plate: str | None,
    well: str | None,
) -> Properties:
    database = sink.address(folder)
    images, ledger = _first_part(sink, IMAGE), sink.ledger()
    if images is None or not ledger.loaded:
        under = f" under the prefix {prefix}" if prefix else ""
        raise SinkError(sink.name, f"holds no image sets{under}", "load something first")
    columns = _columns(images)
    plate = find_metadata(sink, "Plate", plate)
    well = find_metadata(sink, "Well", well)
    values = pa.Table.from_batches(sink.read(IMAGE, [f for f in (plate, well) if f]))
    texts = {
        feature: sorted({str(value) for value in column.to_pylist() if value is not None})
        for feature, column in zip(values.column_names, values.columns, strict=True)
    }
    pictures = _pictures(columns)
    if not pictures:
        raise SinkError(
            sink.name,
            f"{images.name} has no image with both a FileName_ and a PathName_ column",
            "CellProfiler Analyst needs them; choose them where CSV files are exported",
        )
    objects = _objects(sink, ledger, prefix, object_name)
    found = Properties(
        database=database,
        image_table=images.name,
        image_key=images.key,
        objects=objects,
        plate=columns.get(plate, ""),
        well=columns.get(well, ""),
        group=columns.get(GROUP, ""),
        index=columns.get(INDEX, ""),
        count=columns.get(f"Count_{objects.name}", "") if objects else "",
        pictures=pictures,
        thumbnails=_thumbnails(columns, pictures),
        plates=tuple(texts.get(plate, ())),
        plate_type=plate_type(texts.get(well, ())),
    )
    _refuse_unreadable(sink, found)
    return found


def write(found: Properties, file: Path, *, workspace: bool = False) -> None:
    """Writes the file, and the .workspace beside it, in place of what cpexport wrote before.

    Raises:
        UsageError: one is there that cpexport did not write; neither was written.
    """
    refuse_foreign(file, workspace=workspace)
    file.write_text(found.text(), encoding="utf-8")
    if workspace:
        file.with_suffix(".workspace").write_text(found.workspace(), encoding="utf-8")


def refuse_foreign(file: Path, *, workspace: bool = False) -> None:
    """Raises UsageError if a file is there that `write` would not replace."""
    for each in [file, file.with_suffix(".workspace")] if workspace else [file]:
        if each.exists():
            with each.open(encoding="utf-8", errors="replace") as stream:
                head = [stream.readline() for _ in range(3)]
            if not any(line.startswith((MARK, WORKSPACE_MARK)) for line in head):
                raise UsageError(f"{each}: exists, and not as cpexport wrote it; name another file")


def _first_part(sink: Sink, object_name: str) -> Table | None:
    return next(iter(sink.layout().parts(object_name)), None)


def _columns(table: Table) -> Mapping[str, str]:
    return {column.feature: column.name for column in table.columns}


def _objects(sink: Sink, ledger: Ledger, prefix: str, wanted: str | None) -> Objects | None:
    """The objects wanted, or those that are shown best; None if there are no objects at all."""
    tables = _tables(sink)
    if wanted is not None and wanted not in tables:
        there = ", ".join(tables) or "none"
        raise SinkError(sink.name, f"no objects {wanted}", f"the objects there are: {there}")
    rows: dict[str, int] = {}
    for entry in ledger.entries:
        for table, brought in entry.counts.items():
            name = object_of(table, prefix)
            rows[name] = rows.get(name, 0) + brought.rows
    candidates = [
        objects
        for name in ([wanted] if wanted else tables)
        if (objects := _located(name, *tables[name]))
    ]
    if tables and not candidates:
        raise SinkError(
            sink.name,
            f"no Location_Center_X and Y, nor AreaShape_Center_, of {wanted or ', '.join(tables)}",
            "choose another --object" if wanted else "CellProfiler Analyst needs the centers",
        )
    return min(candidates, key=lambda objects: _rank(objects.name, rows), default=None)


def _tables(sink: Sink) -> Mapping[str, tuple[Table, str]]:
    """Each object type's table, and what its features begin with there: its own name where objects
    of all types are side by side."""
    found: dict[str, tuple[Table, str]] = {}
    for name in sink.layout().objects - {IMAGE}:
        table = _first_part(sink, name)
        if table is not None and name == OBJECT:
            features = [column.feature for column in table.columns]
            found |= {inner: (table, f"{inner}_") for inner in objects_of(features)}
        elif table is not None:
            found[name] = (table, "")
    return dict(sorted(found.items()))


def _rank(name: str, rows: Mapping[str, int]) -> tuple[int, int]:
    return ((*_FIRST_CHOICE, name).index(name), -rows.get(name, 0))


def _located(name: str, table: Table, begin: str) -> Objects | None:
    """A table's objects of one type; None if it does not have their centers."""
    columns = _columns(table)
    for center in _CENTERS:
        x, y, z = (columns.get(begin + center + axis, "") for axis in "XYZ")
        if x and y:
            # MeasureObjectSizeShape measures it in place of Area where images are volumes.
            solid = f"{begin}AreaShape_Volume" in columns
            area = columns.get(begin + ("AreaShape_Volume" if solid else "AreaShape_Area"), "")
            return Objects(name, table.name, table.key[-1], x, y, z, area, solid)
    return None


def _pictures(columns: Mapping[str, str]) -> tuple[Picture, ...]:
    # Of objects that were loaded as images it is ObjectsFileName_, which is no channel.
    names = [f.removeprefix("FileName_") for f in columns if f.startswith("FileName_")]
    return tuple(
        Picture(name, columns[f"PathName_{name}"], columns[f"FileName_{name}"])
        for name in names
        if f"PathName_{name}" in columns
    )


def _thumbnails(columns: Mapping[str, str], pictures: tuple[Picture, ...]) -> Mapping[str, str]:
    """Columns of thumbnails by the image's name: first those of the pictures, in their order."""
    names = [f.removeprefix("Thumbnail_") for f in columns if f.startswith("Thumbnail_")]
    first = [picture.name for picture in pictures if picture.name in names]
    return {name: columns[f"Thumbnail_{name}"] for name in dict.fromkeys([*first, *names])}


def _refuse_unreadable(sink: Sink, found: Properties) -> None:
    """Refuses what CellProfiler Analyst would stumble on: it quotes no names, and reads lines."""
    objects = found.objects
    names = [found.image_table, *((objects.table, objects.number) if objects else ())]
    for name in names:
        if not _PLAIN.fullmatch(name):
            raise SinkError(
                sink.name,
                f"CellProfiler Analyst cannot read {name}, which it does not quote",
                "choose a --prefix and --object of letters, digits and _, a letter first",
            )
    for value in [*found.database.values(), *found.plates]:
        if value != " ".join(value.splitlines()):
            raise SinkError(sink.name, f"a line break in {value}", "a properties file has no room")
