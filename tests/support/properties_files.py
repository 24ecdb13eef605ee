"""Reads properties files as CellProfiler Analyst does."""

import re
from dataclasses import dataclass
from pathlib import Path

from support.fixtures import rows, tables

LISTS = {
    "image_path_cols",
    "image_file_cols",
    "image_names",
    "image_channel_colors",
    "channels_per_image",
    "image_thumbnail_cols",
    "object_name",
}


OF_IMAGES = {"image_id", "plate_id", "well_id", "series_id", "group_id", "timepoint_id"}


OF_OBJECTS = {"image_id", "object_id", "cell_x_loc", "cell_y_loc", "cell_z_loc"}


def read(file: Path) -> dict[str, str]:
    """The fields of a properties file in order, as CellProfiler Analyst parses them."""
    lines = [line for line in file.read_text().splitlines() if line.strip()]
    pairs = [line.split("=", 1) for line in lines if not line.strip().startswith("#")]
    fields = {name.strip(): value.strip() for name, value in pairs}
    assert len(fields) == len(pairs)
    return fields


def listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


@dataclass
class Opened:
    """A properties file and its database, checked for what CellProfiler Analyst 3 requires.

    These are the rules of cpa/properties.py, Validate, and what its queries take for granted.
    """

    file: Path

    def __post_init__(self) -> None:
        self.fields = fields = read(self.file)
        self.database = self.file.parent / fields["db_sqlite_file"]
        columns_by_table = tables(self.database)
        lengths = {len(listed(fields[name])) for name in LISTS if name.startswith("image_")}
        in_sql = {name for name in OF_IMAGES | OF_OBJECTS if fields[name]}

        assert fields["db_type"] == "sqlite"
        assert not {"db_host", "db_user", "db_passwd"} & fields.keys()
        assert {fields["image_table"], fields["object_table"]} <= columns_by_table.keys()
        assert self.missing(OF_IMAGES, "image_table") == set()
        assert self.missing(OF_OBJECTS, "object_table") == set()
        assert {name for name in in_sql if not re.fullmatch(r"[\w,]+", fields[name])} == set()
        assert lengths <= {0, len(listed(fields["image_file_cols"]))}
        assert all(fields[name] for name in ("image_id", "image_path_cols", "image_file_cols"))
        assert len(listed(fields["object_name"])) == 2
        assert fields["plate_type"] in {"", "6", "24", "96", "384", "1536", "5600"}
        assert fields["class_table"] not in {fields["image_table"], fields["object_table"]}
        assert fields["check_tables"] == "no"
        assert fields["image_tile_size"].isdigit()

    def missing(self, names: set[str], table: str) -> set[str]:
        """The columns that fields name but the table does not have."""
        columns = {c for name in names for c in listed(self.fields[name])}
        return columns - set(tables(self.database)[self.fields[table]])

    def queries(self, kind: str) -> dict[str, list[tuple[object, ...]]]:
        """The rows of the group or filter queries."""
        return {
            name.removeprefix(kind): rows(self.database, query)
            for name, query in self.fields.items()
            if name.startswith(kind)
        }
