"""Tables and columns are those that CellProfiler makes in MySQL for the same pipeline.

`data/mysql_columns.csv.xz` has them from dumps of its databases: one process with a table for each
type, with one table, with a view, and two batch jobs into one database.
"""

import csv
import lzma
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from support.calls import load
from support.fixtures import DATA, declared, rows

from cpexport.tables.options import TableOptions

Case = Callable[[str], Path]
Columns = dict[str, dict[str, str]]

# By database, the run of the same pipeline and the shape of the tables.
RUNS = {
    "separate": ("plain", "separate"),
    "combined": ("thumbnails", "combined"),
    "view": ("plain", "view"),
    "batch": ("plain", "combined"),
}
_OF_THEIR_LIST = ("Image_Metadata_Compound", "Image_Metadata_Dose")
_TYPES = {"INTEGER": "int", "REAL": "float", "TEXT": "text", "VARCHAR(255)": "varchar"}


@cache
def in_mysql() -> dict[str, Columns]:
    """By database, its tables and views with their columns in order, and the columns' types."""
    found: dict[str, Columns] = {}
    with lzma.open(DATA / "mysql_columns.csv.xz", "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            tables = found.setdefault(row["database"], {})
            tables.setdefault(row["table"], {})[row["column"]] = row["type"]
    return found


def expected(name: str) -> Columns:
    """Those of the run here: it has no compounds and doses, and thumbnails of both channels."""
    tables = {
        table: {c: type for c, type in columns.items() if c not in _OF_THEIR_LIST}
        for table, columns in in_mysql()[name].items()
    }
    if name == "combined":
        image = list(tables["MyExpt_Per_Image"].items())
        after = [column for column, _ in image].index("Image_Thumbnail_DNA") + 1
        image.insert(after, ("Image_Thumbnail_ER", "longblob"))
        tables = {**tables, "MyExpt_Per_Image": dict(image)}
    return tables


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("format", ["h5", "csv"])
def test_names_and_order_and_kinds_of_columns_are_those_in_mysql(
    case: Case, tmp_path: Path, name: str, format: str
) -> None:
    run, objects = RUNS[name]
    database = tmp_path / "screen.sqlite"
    load(
        [case("22_exports") / run / format],
        f"sqlite:///{database}",
        prefix="MyExpt_",
        shape=TableOptions.parse(objects, "mean,median,std", None),
    )
    theirs = expected(name)
    assert len(theirs) >= 5
    for table, columns in theirs.items():
        if format == "csv":
            columns = {c: t for c, t in columns.items() if not c.startswith("Image_Thumbnail")}
        ours = declared(database, table)
        differ = {
            column: (type, columns[column])
            for column, type in ours.items()
            if _TYPES.get(type) not in (columns[column], {"longblob": "text"}.get(columns[column]))
        }

        assert list(ours) == list(columns), table
        if "view" not in columns.values():
            # MySQL rounds real numbers in columns of integers: distances of 0.11 are 0.
            assert {c for c in differ if "_Distance_" not in c} == set(), table
            assert set(differ.values()) <= {("REAL", "int")}


def test_objects_that_are_no_table_are_a_view_there_too(case: Case) -> None:
    own = case("22_exports") / "plain" / "databases" / "view.db"

    assert set(in_mysql()["view"]["MyExpt_Per_Object"].values()) == {"view"}
    assert rows(own, "SELECT type FROM sqlite_master WHERE name = 'MyExpt_Per_Object'") == [
        ("view",)
    ]
