"""The .properties and .workspace files of CellProfiler Analyst, and the text of their fields.

The fields and their order come from ExportToDatabase (CellProfiler 4.2.8, exporttodatabase.py,
get_property_file_text).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from cpexport import __version__
from cpexport.cellprofiler.features import IMAGE_NUMBER, TABLE_NUMBER

MARK: Final = "# Written by cpexport"
WORKSPACE_MARK: Final = "cpexport version"
"""How the first line of a .properties file that cpexport wrote begins, and the third line of a
.workspace file."""

_COLORS = ("red", "green", "blue", "cyan", "magenta", "yellow", "gray")
# Numbers of wells, rows and columns (CellProfiler Analyst 3, properties.py,
# supported_plate_types).
_PLATES = ((6, 2, 3), (24, 4, 6), (96, 8, 12), (384, 16, 24), (1536, 32, 48))
_WELL = re.compile(r"([A-Za-z]{1,2})([0-9]{1,2})")


@dataclass(frozen=True)
class Objects:
    """The objects to show: their name, their table, and the columns of their number, center and
    area, empty if missing. `solid` is whether they were measured in 3D."""

    name: str
    table: str
    number: str
    x: str
    y: str
    z: str
    area: str
    solid: bool


@dataclass(frozen=True)
class Channel:
    """A channel: its name, and the columns of the path and the file name of its images."""

    name: str
    path: str
    file: str


@dataclass(frozen=True)
class Properties:
    """What CellProfiler Analyst needs to know: the destination's names of tables and columns, empty
    if missing.

    database: the sink's `address`.
    image_key: the columns that name an image set.
    plate, well, group, index, count: columns of the image table.
    thumbnails: columns by name of image.
    plates: the values of the plate column.
    url_prepend: the beginning of all paths.
    treatments: what is in the wells: the texts of each column of `treatment_view`; empty for a
        column of numbers, or of more texts than are useful as filters.
    """

    database: Mapping[str, str]
    image_table: str
    image_key: tuple[str, ...]
    objects: Objects | None
    plate: str
    well: str
    group: str
    index: str
    count: str
    channels: tuple[Channel, ...]
    thumbnails: Mapping[str, str]
    plates: tuple[str, ...]
    plate_type: str
    url_prepend: str = ""
    treatments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    treatment_view: str = ""

    @property
    def colors(self) -> tuple[str, ...]:
        """A color for each image (gray for a single one), then `none` for each thumbnail without
        image."""
        if len(self.channels) == 1:
            return ("gray",)
        others = self.thumbnails.keys() - {channel.name for channel in self.channels}
        wanted = len(self.channels) + len(others)
        return (_COLORS + ("none",) * wanted)[:wanted]

    @property
    def queries(self) -> Mapping[str, str]:
        """The queries, by name of field: those that group image sets by well and by what is in it,
        and a filter for each plate and for each text that is in wells."""
        fields = {}
        if self.well:
            columns = ", ".join(filter(None, (*self.image_key, self.plate, self.well)))
            fields["group_SQL_Well"] = f"SELECT {columns} FROM {self.image_table}"
        key = ", ".join(self.image_key)
        for column in self.treatments:
            name = next(n for n in _numbered(f"group_SQL_{column}") if n not in fields)
            fields[name] = f"SELECT {key}, {column} FROM {self.treatment_view}"
        filters = [("Plate", self.image_table, self.plate, plate) for plate in self.plates]
        for column, values in self.treatments.items():
            filters += [(column, self.treatment_view, column, value) for value in values]
        for about, table, column, value in filters:
            name = f"filter_SQL_{about}_" + re.sub("[^A-Za-z0-9_]", "_", value)
            name = next(n for n in _numbered(name) if n not in fields)
            text = value.replace("'", "''")
            fields[name] = f"SELECT {key} FROM {table} WHERE {column} = '{text}'"
        return fields

    @property
    def sections(self) -> Mapping[str, Mapping[str, str]]:
        """The fields and their values in CellProfiler's order, by the comment above them."""
        objects = self.objects
        queries = self.queries
        return {
            "This database.": self.database,
            "The tables of images and of objects, and their keys.": {
                "image_table": self.image_table,
                "object_table": objects.table if objects else "",
                **({"table_id": TABLE_NUMBER} if TABLE_NUMBER in self.image_key else {}),
                "image_id": IMAGE_NUMBER,
                "object_id": objects.number if objects else "",
            },
            "The order of image sets: by plate and well, or by group and position in it.": {
                "plate_id": self.plate,
                "well_id": self.well,
                "series_id": self.group,
                "group_id": self.group,
                "timepoint_id": self.index,
            },
            "The center of each object, in pixels.": {
                "cell_x_loc": objects.x if objects else "",
                "cell_y_loc": objects.y if objects else "",
                "cell_z_loc": objects.z if objects else "",
            },
            "The image files, one for each channel.": {
                "image_path_cols": _list(channel.path for channel in self.channels),
                "image_file_cols": _list(channel.file for channel in self.channels),
                "image_thumbnail_cols": _list(self.thumbnails.values()),
                "image_names": _list(channel.name for channel in self.channels),
                "image_channel_colors": _list(self.colors),
            },
            "The number of channels in each file. A color image has 3 and needs 3 "
            "image_channel_colors.": {
                "channels_per_image": _list("1" for _ in self.channels),
                "image_channel_blend_modes": "",
            },
            "The start of all paths, if a web server provides the images.": {
                "image_url_prepend": self.url_prepend,
            },
            "Groups to score by, group_SQL_NAME.": {
                k: v for k, v in queries.items() if k.startswith("group_")
            },
            "Filters to fetch objects by, filter_SQL_NAME.": {
                k: v for k, v in queries.items() if k.startswith("filter_")
            },
            "One object, many objects.": {"object_name": "cell, cells,"},
            "6, 24, 96, 384, 1536 or 5600 wells, for the plate viewer.": {
                "plate_type": self.plate_type,
            },
            "Columns that the classifier ignores, as regular expressions.": {
                "classifier_ignore_columns": "table_number_key_column, image_number_key_column, "
                "object_number_key_column",
            },
            "The side of an object's tile in pixels, and the side of an image's tile if it "
            "differs.": {
                "image_tile_size": "50",
                "image_size": "",
            },
            "What is classified: objects (empty) or whole images (image).": {
                "classification_type": ""
            },
            "A training set to start with.": {"training_set": ""},
            "An object column to sum instead of counting objects.": {"area_scoring_column": ""},
            "The table for the class of each object, which the classifier writes.": {
                "class_table": "",
            },
            "The search for orphans takes long, and empties wide tables in SQLite.": {
                "check_tables": "no",
            },
            "How images and objects are read. Change this only if something fails.": {
                "force_bioformats": "no",
                "use_legacy_fetcher": "no",
            },
            "Whether each object is shown at its own z.": {
                "process_3D": str(bool(objects and objects.solid)),
            },
        }

    def text(self) -> str:
        """The text of the .properties file. Its first line marks it as one that `write` may
        replace."""
        head = f"{MARK} {__version__}, which replaces this file; delete this line to keep the file."
        parts = [
            "\n".join(
                [f"# {about}", *(f"{name} = {value}".rstrip() for name, value in fields.items())]
            )
            for about, fields in self.sections.items()
        ]
        return "\n\n".join([head, *parts]) + "\n"

    def workspace(self) -> str:
        """The text of the .workspace file: a scatter plot of objects' area against their count in
        the image, or of their positions if these are not measured (exporttodatabase.py,
        write_workspace_file).

        CellProfiler Analyst skips the first four lines (cpa.py, load_workspace); the third has
        cpexport's mark.
        """
        head = f"CellProfiler Analyst workflow\nversion: 1\n{WORKSPACE_MARK} : {__version__}\n"
        if self.objects is None:
            return head
        x, x_table, y = self.count, self.image_table, self.objects.area
        if not (x and y):
            x, x_table, y = self.objects.x, self.objects.table, self.objects.y
        return (
            f"{head}\nScatter\n\tx-axis: {x}\n\tx-table: {x_table}\n"
            f"\ty-axis: {y}\n\ty-table: {self.objects.table}\n"
        )


def plate_type(wells: Iterable[str]) -> str:
    """The number of wells of the smallest standard plate with all these wells; empty if none fits.

    >>> plate_type(["A1", "B3"]), plate_type(["A01", "B03"]), plate_type(["A01", "P24"])
    ('6', '96', '384')

    Columns with two digits, as in A01, belong to plates with ten columns or more.

    >>> plate_type(["A01", "17"]), plate_type([])
    ('', '')
    """
    matches = [_WELL.fullmatch(well) for well in wells]
    places = [(_row(match[1]), int(match[2]), len(match[2])) for match in matches if match]
    if not places or len(places) < len(matches) or min(column for _, column, _ in places) == 0:
        return ""
    row, column, digits = (max(values) for values in zip(*places, strict=True))
    for wells_of, rows, columns in _PLATES:
        if row <= rows and column <= columns and digits <= len(str(columns)):
            return str(wells_of)
    return ""


def _row(letters: str) -> int:
    """The number of a row: A is 1, Z is 26, AA is 27."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}_{n}" for n in count(2))


def _list(values: Iterable[str]) -> str:
    return ",".join(values)
