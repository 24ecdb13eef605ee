"""The views for pycytominer: what they show, and that they are in nobody's way."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from support.calls import load
from support.fixtures import declared, measurements, rewritten, rows
from support.wide_tables import widen

from cpexport.cellprofiler.features import REAL
from cpexport.sinks.sql.pycytominer_views import statements
from cpexport.sinks.sqlite.connection import DIALECT
from cpexport.tables.capacity import TableCapacity
from cpexport.tables.layout import Layout

Copy = Callable[..., Path]
Case = Callable[[str], Path]

TEXTS = ["A", "007", "1.50", "", "1e3", "b"]
ALL = ["Cells", "Cytoplasm", "Image", "Nuclei"]


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "screen.sqlite"


def views(database: Path) -> list[str]:
    """The views that are there, without that of relationships."""
    found = rows(
        database,
        "SELECT name FROM sqlite_master WHERE type = 'view' "
        "AND name NOT LIKE '!_cpexport!_%' ESCAPE '!' AND name NOT LIKE '%with!_%' ESCAPE '!' "
        "ORDER BY 1",
    )
    return [str(name) for (name,) in found if name != "Per_RelationshipsView"]


def run(database: Path, *statements: str) -> None:
    """Changes a database as somebody else would."""
    with closing(sqlite3.connect(database)) as db, db:
        for statement in statements:
            db.execute(statement)


def two_batches(copy: Copy) -> list[Path]:
    """Two batches. The second has a new column, and text in one that the first has numbers in: for
    that the table is made anew."""
    first, second = (
        copy("11_h5_and_csv", f"outputs/{name}/{name}.h5", f"{name}/batch.h5").parent
        for name in ("batch_1_6", "batch_7_12")
    )
    rewritten(second / "batch.h5", "Image", "Metadata_Site", lambda _: TEXTS)
    with measurements(second / "batch.h5") as run:
        run.copy("Image/Metadata_Site", "Image/Metadata_New")
    return [first, second]


def test_every_object_type_has_a_view_and_images_too(case: Case, to: Path) -> None:
    load([case("40_spreadsheet") / "outputs"], f"sqlite:///{to}")

    assert views(to) == ["BigNuclei", *ALL]


def test_the_view_of_images_has_their_columns_without_image(case: Case, to: Path) -> None:
    load([case("40_spreadsheet") / "outputs"], f"sqlite:///{to}")

    table = list(declared(to, "Per_Image"))
    assert table[0] == "ImageNumber"
    assert list(declared(to, "Image")) == [
        "TableNumber",
        *(name.removeprefix("Image_") for name in table),
    ]
    assert {"Metadata_Plate", "Metadata_Well", "Count_Cells"} <= set(declared(to, "Image"))
    seen = rows(to, "SELECT * FROM Image ORDER BY ImageNumber")
    assert seen == [(1, *row) for row in rows(to, "SELECT * FROM Per_Image ORDER BY 1")]
    assert len(seen) == 22


@pytest.mark.parametrize("name", ["BigNuclei", "Cells", "Cytoplasm", "Nuclei"])
def test_a_view_of_objects_has_their_columns_as_they_are_named(
    loaded: Callable[..., Path], case: Case, name: str
) -> None:
    database = loaded(case("40_spreadsheet") / "outputs")
    columns = list(declared(database, f"Per_{name}"))

    assert columns[:2] == ["ImageNumber", f"{name}_Number_Object_Number"]
    expected = ["TableNumber", "ImageNumber", "ObjectNumber", *columns[2:]]
    assert list(declared(database, name)) == expected
    seen = rows(database, f"SELECT * FROM {name} ORDER BY 2, 3")
    assert seen == [(1, *row) for row in rows(database, f"SELECT * FROM Per_{name} ORDER BY 1, 2")]
    assert len(seen) > 400


def test_a_view_has_what_later_loads_bring(copy: Copy, to: Path) -> None:
    first, second = two_batches(copy)
    load([first], f"sqlite:///{to}")
    before = list(declared(to, "Image"))

    load([second], f"sqlite:///{to}")

    assert list(declared(to, "Image")) == [*before, "Metadata_New"]
    assert declared(to, "Image")["Metadata_Site"] == "TEXT"
    seen = rows(to, "SELECT Metadata_Site, Metadata_New FROM Image WHERE ImageNumber > 6")
    assert seen == [(text, text) for text in TEXTS]


def test_a_view_is_never_wider_than_a_table_can_be(copy: Copy, to: Path) -> None:
    """The second load fills the view, the third only the table."""
    folders = [
        copy("40_spreadsheet", f"outputs/P1-{name}", f"outputs/{name}")
        for name in ("A01-1", "A01-2", "A02-1")
    ]
    load([folders[0]], f"sqlite:///{to}")
    header = (folders[0] / "Nuclei.csv").read_text().splitlines()[0]
    dropped = header.count(",") + 1 - len(declared(to, "Per_Nuclei"))
    for folder, columns in zip(folders[1:], (1999, 2000), strict=True):
        widen(folder, "Nuclei.csv", columns + dropped)

    load([folders[1]], f"sqlite:///{to}")

    assert [len(declared(to, name)) for name in ("Per_Nuclei", "Nuclei")] == [1999, 2000]
    load([folders[2]], f"sqlite:///{to}")
    assert len(declared(to, "Per_Nuclei")) == 2000
    assert views(to) == ["BigNuclei", "Cells", "Cytoplasm", "Image"]


def test_the_parts_of_a_table_are_one_view(case: Case) -> None:
    """As no table has parts that is not too wide for a view in SQLite, one with narrow ones."""
    features = {"Image": {}, "Cells": {f"F_{n}": REAL for n in range(6)}}
    layout = Layout().extended(features, capacity=TableCapacity.columns(5))
    assert [len(table.schema) for table in layout.parts("Cells")] == [5, 5]
    with closing(sqlite3.connect(":memory:")) as db:
        for table in layout.tables.values():
            listed = ", ".join(table.schema.names)
            db.execute(f"CREATE TABLE {table.name} ({listed})")
            db.executemany(
                f"INSERT INTO {table.name} VALUES ({', '.join('?' * len(table.schema))})",
                [(1, number, *"abc")[: len(table.schema)] for number in (1, 2)],
            )
        for statement in statements(layout, DIALECT, 2000).values():
            db.execute(statement)
        found = db.execute("SELECT * FROM Cells ORDER BY ObjectNumber")
        names = [column[0] for column in found.description]

        assert names[:3] == ["TableNumber", "ImageNumber", "ObjectNumber"]
        assert names[3:] == [f"Cells_F_{n}" for n in range(6)]
        assert found.fetchall() == [(1, 1, 1, *"abcabc"), (1, 1, 2, *"abcabc")]


def test_names_that_cannot_be_views_have_none() -> None:
    objects = ["Per_Cells", "nuclei_Per_", "sqlite_Cells", "Cells"]
    layout = Layout().extended({"Image": {}, **{name: {} for name in objects}})

    assert list(statements(layout, DIALECT, 2000)) == ["Image", "Cells"]


def test_a_column_keeps_its_name_where_the_short_one_is_taken() -> None:
    layout = Layout().extended({"Image": {"ImageNumber_": REAL, "tablenumber": REAL, "Own": REAL}})

    shown = statements(layout, DIALECT, 2000)["Image"]
    assert shown.split("\n")[1:-1] == [
        '\t1 AS "TableNumber",',
        '\t"ImageNumber",',
        '\t"Image_ImageNumber_" AS "ImageNumber_",',
        '\t"Image_Own" AS "Own",',
        '\t"Image_tablenumber"',
    ]


@pytest.mark.parametrize(
    "foreign",
    [
        "CREATE TABLE image (a)",
        "CREATE VIEW Image AS SELECT 7 AS a",
        "CREATE TABLE other (a); CREATE INDEX image ON other (a)",
    ],
)
def test_what_others_made_is_left_alone(case: Case, to: Path, foreign: str) -> None:
    run(to, *foreign.split("; "))
    before = rows(to, "SELECT type, name, sql FROM sqlite_master")

    load([case("40_spreadsheet") / "outputs/P1-A01-1"], f"sqlite:///{to}")

    assert set(before) <= set(rows(to, "SELECT type, name, sql FROM sqlite_master"))
    assert set(views(to)) - {"Image"} == {"BigNuclei", "Cells", "Cytoplasm", "Nuclei"}
    assert rows(to, "SELECT count(*) FROM Cells") == rows(to, "SELECT count(*) FROM Per_Cells")


def test_what_others_made_of_a_view_later_is_in_no_loads_way(copy: Copy, to: Path) -> None:
    """One name taken by a broken view, one by a table; one view used by a view of their own."""
    first, second = two_batches(copy)
    load([first], f"sqlite:///{to}")
    run(
        to,
        *(f"DROP VIEW {name}" for name in ("Image", "Cells")),
        "CREATE VIEW Image AS SELECT * FROM nowhere",
        "CREATE TABLE cells (a)",
        "CREATE VIEW theirs AS SELECT Nuclei_AreaShape_Area AS area FROM Nuclei",
    )
    foreign = "SELECT name, sql FROM sqlite_master WHERE name IN ('Image', 'cells', 'theirs')"
    before = rows(to, foreign)

    load([second], f"sqlite:///{to}")

    assert len(before) == 3
    assert rows(to, foreign) == before
    assert views(to) == ["BigNuclei", "Cytoplasm", "Image", "Nuclei", "SmallNuclei", "theirs"]
    assert declared(to, "Per_Image")["Image_Metadata_Site"] == "TEXT"
    counts = [rows(to, f"SELECT count(*) FROM {name}") for name in ("theirs", "Per_Nuclei")]
    assert counts[0] == counts[1]


def test_with_a_prefix_there_are_no_views_and_those_there_are_stay(case: Case, to: Path) -> None:
    load([case("40_spreadsheet") / "outputs/P1-A01-1"], f"sqlite:///{to}", prefix="My_")
    assert views(to) == ["My_Per_RelationshipsView"]

    load([case("40_spreadsheet") / "outputs/P1-A01-1"], f"sqlite:///{to}")
    load([case("11_h5_and_csv") / "outputs/batch_1_6"], f"sqlite:///{to}", prefix="Other_")

    expected = {"BigNuclei", *ALL, "My_Per_RelationshipsView", "Other_Per_RelationshipsView"}
    assert set(views(to)) == expected
    assert rows(to, "SELECT count(*) FROM Image") == [(1,)]


def test_a_load_that_fails_leaves_the_views_as_they_were(
    copy: Copy, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [copy("40_spreadsheet", f"outputs/P1-A01-{n}", f"outputs/{n}") for n in (1, 2)]
    load([folders[0]], f"sqlite:///{to}")
    before = rows(to, "SELECT name, sql FROM sqlite_master ORDER BY 1")
    widen(folders[1], "Nuclei.csv", 300)
    monkeypatch.setattr("cpexport.sinks.sql.batch.RowCountCheck.check", lambda *_: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        load([folders[1]], f"sqlite:///{to}")

    assert rows(to, "SELECT name, sql FROM sqlite_master ORDER BY 1") == before
    assert rows(to, "SELECT ImageNumber FROM Image") == [(1,)]
