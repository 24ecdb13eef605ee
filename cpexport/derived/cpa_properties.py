"""Finds what CellProfiler Analyst needs to know about a destination, and writes its files.

In CellProfiler's ExportToDatabase a user chooses these; here they come from the data.
"""

import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from cpexport.cellprofiler.features import IMAGE
from cpexport.cellprofiler.group_numbers import INDEX
from cpexport.cellprofiler.group_numbers import NUMBER as GROUP
from cpexport.derived import treatments
from cpexport.derived.cpa_columns import (
    channels_of,
    columns_of,
    first_part,
    object_tables,
    shown_objects,
    thumbnails_of,
)
from cpexport.derived.cpa_files import (
    MARK,
    WORKSPACE_MARK,
    Properties,
    plate_type,
)
from cpexport.derived.group_renumbering import grouped
from cpexport.derived.places import PLACES, Places
from cpexport.errors import SinkError, UsageError
from cpexport.sinks.base import Sink
from cpexport.sinks.registry import open_sink
from cpexport.tables.layout import Table
from cpexport.tables.path_map import PathMap

# CellProfiler Analyst does not quote names in its SQL.
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
_NOTE = "properties"
# Texts in wells, such as names of compounds, that get a filter each.
_MOST_FILTERS = 100


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
    """The properties of the destination `to`, a URL, for a file in `folder`.

    Without `object_name`, they show Nuclei, else Cells, else the objects with the most rows, among
    those whose centers are known. `plate` and `well` are image features (default: `Metadata_Plate`
    and `Metadata_Well`, if they exist). Of a table in parts, only the first part is shown. `paths`
    can only prepend text to all paths.

    Raises:
        UsageError: `to` is not a URL, or `paths` does more than prepend, or has no image.
        SinkError: the destination is missing or empty, or lacks what was asked for.
    """
    prepended = paths.prepended() if paths else ""
    with open_sink(to, prefix, writing=False) as sink:
        sink.address(folder)
        _check_not_empty(sink, prefix)
        places = Places.read(sink, plate, well)
        found_properties = _properties_of(sink, folder, prefix, object_name, places)
        values = treatments.distinct(sink, prefix)
        found_properties = replace(
            found_properties,
            url_prepend=prepended,
            treatments={n: v if len(v) <= _MOST_FILTERS else () for n, v in values.items()},
            treatment_view=treatments.view_name(prefix),
        )
        _check_readable(sink, found_properties)
        if paths:
            _check_paths(sink, paths)
        return found_properties


def _check_paths(sink: Sink, paths: PathMap) -> None:
    """Checks that each folder of the cluster has images.

    Raises:
        UsageError: one has none: the images would be looked for where they were before.
    """
    features = [f for f in sink.layout().features.get(IMAGE, ()) if f.startswith("PathName_")]
    if not features:
        return
    rows = pa.Table.from_batches(sink.read(IMAGE, features)).select(features)
    found = [path for column in rows.columns for path in pc.unique(column).to_pylist() if path]
    folders = [PathMap((pair,)) for pair in paths.pairs]
    if unused := [one for one in folders if all(one.path(path) is None for path in found)]:
        example = f"; images are in {found[0]}" if found else ""
        raise UsageError(f"{' '.join(map(str, unused))}: no image is in this folder{example}")


def describe(sink: Sink, prefix: str) -> None:
    """Stores in the destination what a properties file would say for each object type.

    The fields go to Experiment and Experiment_Properties, as in CellProfiler's databases. Objects
    without known centers are left out; so are all fields if there are no images to show. Does
    nothing if no batch was written since the last time, and the database has its old name.
    """
    if not sink.ledger.summary().loaded or (described(sink) and not _renamed(sink)):
        return
    with sink.exclusive() as changes:
        # Only within the transaction can no other load add batches.
        summary, places = sink.ledger.summary(), Places.up_to_date(sink)
        changes.describe(fields(sink, prefix, places), summary.newest)
        computed = {PLACES: places.as_json(), **grouped(sink)}
        changes.set_summary(replace(summary, computed=computed))
        changes.set_metadata({_NOTE: "described"})


def _renamed(sink: Sink) -> bool:
    """Whether the fields name another database: a server's backup was restored under a new name."""
    if not sink.capabilities.server:
        return False
    name = sink.address(None)["db_name"]
    stored = (sink.ledger.described() or {}).values()
    return any(properties.get("db_name", name) != name for properties in stored)


def described(sink: Sink) -> bool:
    """Whether `describe` was called since the last batch was written."""
    return _NOTE in sink.ledger.metadata()


def fields(sink: Sink, prefix: str, places: Places | None = None) -> dict[str, dict[str, str]]:
    """The fields that `describe` stores, by object type; `places` are those of all image sets."""
    fields_by_type = {}
    places = places or Places.read(sink, None, None)
    for name in sorted(sink.layout().objects - {IMAGE}) or ["None"]:
        with suppress(SinkError):
            chosen = name if name in object_tables(sink) else None
            properties = _properties_of(sink, None, prefix, chosen, places)
            fields_by_type[name] = {
                k: v for section in properties.sections.values() for k, v in section.items()
            }
    return fields_by_type


def _properties_of(
    sink: Sink,
    folder: Path | None,
    prefix: str,
    object_name: str | None,
    places: Places,
) -> Properties:
    database = sink.address(folder)
    images = _check_not_empty(sink, prefix)
    columns = columns_of(images)
    channels = channels_of(columns)
    if not channels:
        raise SinkError(
            sink.name,
            f"{images.name} has no image with both a FileName_ and a PathName_ column",
            "CellProfiler Analyst needs both; select them in ExportToSpreadsheet",
        )
    objects = shown_objects(sink, sink.ledger.summary(), prefix, object_name)
    found = Properties(
        database=database,
        image_table=images.name,
        image_key=images.key,
        objects=objects,
        plate=columns.get(places.plate, ""),
        well=columns.get(places.well, ""),
        group=columns.get(GROUP, ""),
        index=columns.get(INDEX, ""),
        count=columns.get(f"Count_{objects.name}", "") if objects else "",
        channels=channels,
        thumbnails=thumbnails_of(columns, channels),
        plates=tuple(sorted(places.plates)),
        plate_type=plate_type(sorted(places.wells)),
    )
    _check_readable(sink, found)
    return found


def _check_not_empty(sink: Sink, prefix: str) -> Table:
    """The image table; raises `SinkError` if it has no image sets."""
    images = first_part(sink, IMAGE)
    if images is None or not sink.ledger.summary().loaded:
        under = f" under the prefix {prefix}" if prefix else ""
        raise SinkError(
            sink.name,
            f"contains no image sets{under}",
            "check --to and --prefix, or load outputs into it with cpexport load",
        )
    return images


def write(found: Properties, file: Path, *, workspace: bool = False) -> None:
    """Writes the file and, if `workspace`, a .workspace next to it; replaces those that cpexport
    wrote before.

    Raises:
        UsageError: cpexport did not write an existing one; neither was written.
    """
    check_replaceable(file, workspace=workspace)
    file.write_text(found.text(), encoding="utf-8")
    if workspace:
        file.with_suffix(".workspace").write_text(found.workspace(), encoding="utf-8")


def check_replaceable(file: Path, *, workspace: bool = False) -> None:
    """Checks that `write` may write or replace its files.

    Raises:
        UsageError: cpexport did not write an existing one.
    """
    for each in [file, file.with_suffix(".workspace")] if workspace else [file]:
        if each.exists():
            with each.open(encoding="utf-8", errors="replace") as stream:
                head = [stream.readline() for _ in range(3)]
            if not any(line.startswith((MARK, WORKSPACE_MARK)) for line in head):
                raise UsageError(
                    f"{each}: exists, and cpexport did not write it; name another file"
                )


def _check_readable(sink: Sink, properties: Properties) -> None:
    """Checks that CellProfiler Analyst can read the file: it quotes no names, and reads by line.

    Raises:
        SinkError: it cannot.
    """
    objects = properties.objects
    names = [properties.image_table, *((objects.table, objects.number) if objects else ())]
    for name in names:
        if not _PLAIN.fullmatch(name):
            raise SinkError(
                sink.name,
                f"CellProfiler Analyst cannot read the name {name}",
                "choose a --prefix and --object of letters, digits and _, starting with a letter",
            )
    written = [value for fields in properties.sections.values() for value in fields.values()]
    for value in [*properties.plates, *written]:
        if value != " ".join(value.splitlines()):
            raise SinkError(
                sink.name,
                f"a line break in {value}",
                "a properties file cannot contain it; rename this",
            )
