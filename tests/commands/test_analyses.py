"""A second analysis of the same pictures beside the first: one view of both, joined by picture."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support.calls import load, load_runs, verify
from support.csv_outputs import NEW, Row, image, nucleus, output
from support.fixtures import content, rows
from support.servers import Database

from cpexport.commands.load_report import LoadReport
from cpexport.loading.succession import Consent
from cpexport.tables.options import TableOptions

VIEW = "QC_with_Per_Image"
BOTH = f"SELECT ImageNumber, QC_ImageNumber, QC_Image_Focus FROM {VIEW} ORDER BY 1"
Rows = list[tuple[object, ...]]


def picture(number: int, name: int, plate: str = "P1", **more: Any) -> Row:
    """Of a file that is called alike in every plate."""
    return image(number, f"{name}.tif", f"/data/{plate}/Images", **more)


def analysis(folder: Path) -> Path:
    images = [picture(n, n, Count_Nuclei=1) for n in (1, 2, 3)]
    return output(folder, images, Nuclei=[nucleus(n, 1, n) for n in (1, 2, 3)])


def quality(folder: Path, time: int = NEW, focus: float = 0) -> Path:
    """Of the same pictures but one, numbered otherwise, and of the same names of another plate."""
    images = [picture(n + 15, n, Focus=focus + n / 2) for n in (2, 1)]
    return output(folder, [*images, picture(18, 3, "P2", Focus=9)], time)


def both(tmp_path: Path, to: str) -> LoadReport:
    load([analysis(tmp_path / "analysis")], to)
    return load([quality(tmp_path / "qc")], to, prefix="QC_")


def of_sqlite(tmp_path: Path) -> tuple[str, Callable[[str], Rows]]:
    file = tmp_path / "screen.sqlite"
    return f"sqlite:///{file}", lambda query: rows(file, query)


def of_duckdb(tmp_path: Path) -> tuple[str, Callable[[str], Rows]]:
    def ask(query: str) -> Rows:
        with duckdb.connect(tmp_path / "screen.duckdb", read_only=True) as db:
            return db.execute(query).fetchall()

    return f"duckdb:///{tmp_path / 'screen.duckdb'}", ask


JOINED = [(1, 16, 0.5), (2, 17, 1.0), (3, None, None)]


@pytest.mark.parametrize("kind", [of_sqlite, of_duckdb])
def test_images_of_both_are_joined_by_picture_and_not_by_number(
    tmp_path: Path, kind: Callable[[Path], tuple[str, Callable[[str], Rows]]]
) -> None:
    to, ask = kind(tmp_path)
    report = both(tmp_path, to)
    first = ask(BOTH)
    load([quality(tmp_path / "again", NEW + 1, focus=7)], to, prefix="QC_")

    assert first == JOINED
    assert ask(BOTH)[0] == (1, 16, 7.5)
    assert not any(VIEW in note for note in report.notes)


def test_a_server_joins_them_too(tmp_path: Path, database: Database) -> None:
    both(tmp_path, database.url())

    assert [tuple(row) for row in database.rows(BOTH)] == JOINED


def test_the_order_of_loads_changes_nothing(tmp_path: Path) -> None:
    to, ask = of_sqlite(tmp_path)
    load([quality(tmp_path / "qc")], to, prefix="QC_")
    load([analysis(tmp_path / "analysis")], to)

    assert ask(BOTH) == JOINED


def test_columns_and_types_that_come_later_are_in_the_view(tmp_path: Path) -> None:
    to, ask = of_sqlite(tmp_path)
    both(tmp_path, to)
    # The table is made anew, as numbers of the first become text.
    later = output(tmp_path / "later", [picture(30, 3, Focus="blurred", Extra=5)], NEW)
    load([later], to, prefix="QC_")
    query = f"SELECT ImageNumber, QC_Image_Focus, QC_Image_Extra FROM {VIEW} ORDER BY 1"

    assert ask(query) == [(1, "0.5", None), (2, "1", None), (3, "blurred", 5)]


def test_a_load_with_nothing_new_leaves_every_byte(tmp_path: Path) -> None:
    to, _ = of_sqlite(tmp_path)
    both(tmp_path, to)
    load([tmp_path / "analysis"], to)
    before = content(tmp_path / "screen.sqlite")
    load([tmp_path / "analysis"], to)
    load([tmp_path / "qc"], to, prefix="QC_")

    assert content(tmp_path / "screen.sqlite") == before


def test_a_view_that_a_killed_load_did_not_make_is_made_by_the_next(tmp_path: Path) -> None:
    to, ask = of_sqlite(tmp_path)
    both(tmp_path, to)
    with sqlite3.connect(tmp_path / "screen.sqlite") as db:
        db.execute(f"DROP VIEW {VIEW}")
        db.execute("DELETE FROM _cpexport_settings WHERE prefix = 'QC_' AND name = 'joined'")
    db.close()
    load([tmp_path / "qc"], to, prefix="QC_")

    assert ask(BOTH) == JOINED


def test_what_cannot_be_joined_is_said(tmp_path: Path) -> None:
    to, ask = of_sqlite(tmp_path)
    load([analysis(tmp_path / "analysis")], to)
    other = output(tmp_path / "qc", [{"ImageNumber": 1, "FileName_Red": "1.tif", "Focus": 1}])
    report = load([other], to, prefix="QC_")

    assert any(VIEW in note and "no channel" in note for note in report.notes)
    assert ask(f"SELECT 1 FROM sqlite_master WHERE name = '{VIEW}'") == []


def test_pictures_that_repeat_are_not_joined_and_are_counted(tmp_path: Path) -> None:
    to, ask = of_sqlite(tmp_path)
    load([output(tmp_path / "one", [picture(1, 1), picture(2, 2), picture(3, 2)])], to)
    two = output(tmp_path / "two", [picture(5, 1, Focus=1), picture(6, 2, Focus=2)])
    report = load([two], to, prefix="QC_")

    assert ask(BOTH) == [(1, 5, 1), (2, None, None), (3, None, None)]
    (note,) = [note for note in report.notes if VIEW in note]
    assert "2 image sets of Per_Image are joined with none of QC_Per_Image" in note


STACK = {"MD5Digest_DNA": "0" * 32}

SAME: dict[str, tuple[list[Row], list[Row]]] = {
    "planes of one file": (
        [picture(n, 0, **STACK, Series_DNA=n) for n in (1, 2)],
        [picture(9 - n, 0, **STACK, Series_DNA=n, Focus=n) for n in (1, 2)],
    ),
    "files that were moved with the plate": (
        [image(n, "a.tif", f"/lab/P{n}/Images") for n in (1, 2)],
        [image(9 - n, "a.tif", f"/scratch/P{n}/Images", Focus=n) for n in (1, 2)],
    ),
    "files that are alike in two plates": (
        [picture(n, 0, f"P{n}", **STACK) for n in (1, 2)],
        [picture(9 - n, 0, f"P{n}", **STACK, Focus=n) for n in (1, 2)],
    ),
    "plates above a folder of the lab's own": (
        [image(n, "a.tif", f"/lab/P{n}/raw") for n in (1, 2)],
        [image(9 - n, "a.tif", f"/lab/P{n}/raw", Focus=n) for n in (1, 2)],
    ),
    "plates by metadata where files were moved": (
        [image(n, "a.tif", f"/lab/P{n}/raw", Metadata_Plate=f"P{n}") for n in (1, 2)],
        [
            image(9 - n, "a.tif", f"/scratch/{n}/raw", Metadata_Plate=f"P{n}", Focus=n)
            for n in (1, 2)
        ],
    ),
    "names that Windows spells otherwise": (
        [image(n, f"A{n}.TIF", "/data/P1") for n in (1, 2)],
        [image(9 - n, f"a{n}.tif", r"Z:\P1", Focus=n) for n in (1, 2)],
    ),
    "channels in folders of their own": (
        [
            image(n, "a", f"/lab/P{n}/DNA", FileName_ER="a", PathName_ER=f"/lab/P{n}/ER")
            for n in (1, 2)
        ],
        [
            image(9 - n, "a", f"/nas/P{n}/DNA", FileName_ER="a", PathName_ER=f"/nas/P{n}/ER")
            | {"Focus": n}
            for n in (1, 2)
        ],
    ),
    "wells that could be numbers": (
        [{"ImageNumber": n, "Metadata_Well": well} for n, well in ((1, "1E1"), (2, "10"))],
        [
            {"ImageNumber": 9 - n, "Metadata_Well": w, "Focus": n}
            for n, w in ((1, "1E1"), (2, "10"))
        ],
    ),
}


@pytest.mark.parametrize("how", SAME)
def test_analyses_are_joined_by_what_a_load_tells_pictures_by(tmp_path: Path, how: str) -> None:
    to, ask = of_sqlite(tmp_path)
    one, two = SAME[how]
    load([output(tmp_path / "one", one)], to)
    report = load([output(tmp_path / "two", two, NEW)], to, prefix="QC_")

    assert ask(BOTH) == [(1, 8, 1), (2, 7, 2)]
    assert not any(VIEW in note for note in report.notes)


DIFFERENT = {
    "digests": (picture(1, 1, **STACK), picture(5, 1, MD5Digest_DNA="1" * 32)),
    "folders": (picture(1, 1, "P1"), picture(5, 1, "P2")),
    "planes": (picture(1, 1, **STACK, Frame_DNA=1), picture(5, 1, **STACK, Frame_DNA=2)),
}


@pytest.mark.parametrize("how", DIFFERENT)
def test_analyses_of_different_pictures_have_no_view(tmp_path: Path, how: str) -> None:
    to, ask = of_sqlite(tmp_path)
    one, two = DIFFERENT[how]
    load([output(tmp_path / "one", [one])], to)
    report = load([output(tmp_path / "two", [dict(two) | {"Focus": 1}], NEW)], to, prefix="QC_")

    (note,) = [note for note in report.notes if VIEW in note]
    assert "was not created: they have no images in common" in note
    assert ask(f"SELECT 1 FROM sqlite_master WHERE name = '{VIEW}'") == []


def test_names_alone_join_analyses_only_where_a_person_says_so(tmp_path: Path) -> None:
    to, ask = of_sqlite(tmp_path)
    load([output(tmp_path / "one", [image(1, "a"), image(2, "b")])], to)
    two = output(tmp_path / "two", [image(5, "a", Focus=1), image(6, "b", Focus=2)], NEW)
    report = load([two], to, prefix="QC_")
    before = ask(f"SELECT 1 FROM sqlite_master WHERE name = '{VIEW}'")
    load([two], to, prefix="QC_", consent=Consent(same_pictures=True))

    (note,) = [note for note in report.notes if VIEW in note]
    assert "was not created: 2 image sets of Per_Image" in note
    assert "if they have, add --same-pictures" in note
    assert before == []
    assert ask(BOTH) == [(1, 5, 1), (2, 6, 2)]


def test_many_files_alike_are_joined_by_where_they_are_and_else_not_at_all(tmp_path: Path) -> None:
    to, ask = of_sqlite(tmp_path)
    plates = range(1, 41)
    load([output(tmp_path / "one", [image(n, "a", f"/lab/P{n}/raw") for n in plates])], to)
    two = [image(n, "a", f"/lab/P{100 - n}/raw", Focus=n) for n in range(60, 100)]
    load([output(tmp_path / "two", two, NEW)], to, prefix="QC_")
    joined = ask(BOTH)
    three = [image(n, "a", f"/nas/{n}/raw", Focus=n) for n in range(100, 140)]
    report = load([output(tmp_path / "three", three, NEW)], to, prefix="Q3_")

    assert joined == [(n, 100 - n, 100 - n) for n in plates]
    notes = [note for note in report.notes if "Q3_with_Per_Image" in note]
    assert [("was not created: 40 image sets of Per_Image" in note) for note in notes] == [True]


def test_a_view_of_somebody_s_stays(tmp_path: Path) -> None:
    to, ask = of_sqlite(tmp_path)
    load([analysis(tmp_path / "analysis")], to)
    with sqlite3.connect(tmp_path / "screen.sqlite") as db:
        db.execute(f"CREATE VIEW {VIEW} AS SELECT 5 AS five")
    db.close()
    report = load([quality(tmp_path / "qc")], to, prefix="QC_")

    assert ask(f"SELECT * FROM {VIEW}") == [(5,)]
    assert any("another table or view has that name" in note for note in report.notes)


def test_verify_finds_both_analyses_whole_beside_the_view(tmp_path: Path) -> None:
    to, _ = of_sqlite(tmp_path)
    both(tmp_path, to)
    found = [verify([tmp_path / "analysis"], to), verify([tmp_path / "qc"], to, prefix="QC_")]

    assert [(one.verified, one.differences, one.is_complete) for one in found] == [
        (1, (), True)
    ] * 2


def test_runs_are_joined_run_by_run(tmp_path: Path) -> None:
    to, ask = of_sqlite(tmp_path)
    shape = TableOptions.parse(None, None, None, numbered=True)
    for plate in ("P1", "P2"):
        output(tmp_path / plate, [picture(1, 1, plate, Count_Nuclei=0)])
        output(tmp_path / f"qc{plate}", [picture(7, 1, plate, Focus=float(plate[1]))], NEW)
    load_runs([tmp_path / "P1", tmp_path / "P2"], to, shape=shape)
    load_runs([tmp_path / "qcP2", tmp_path / "qcP1"], to, prefix="QC_", shape=shape)
    keys = "TableNumber, ImageNumber, QC_TableNumber"
    query = f"SELECT {keys}, QC_Image_Focus FROM {VIEW} ORDER BY 1"

    assert ask(query) == [(1, 1, 2, 1.0), (2, 1, 1, 2.0)]


def test_a_folder_of_parquet_has_both_and_no_view(tmp_path: Path) -> None:
    both(tmp_path, f"parquet:{tmp_path / 'screen'}")

    assert (tmp_path / "screen" / "QC_Per_Image").is_dir()
    assert not (tmp_path / "screen" / VIEW).exists()


def test_the_view_takes_time_by_the_image_sets_and_not_by_their_square(tmp_path: Path) -> None:
    to, ask = of_sqlite(tmp_path)
    many = 3000
    load([output(tmp_path / "one", [picture(n, n) for n in range(1, many + 1)])], to)
    later = [picture(n, n, Focus=n / 2) for n in range(many, 0, -1)]
    load([output(tmp_path / "two", later)], to, prefix="QC_")
    plan = ask(f"EXPLAIN QUERY PLAN SELECT * FROM {VIEW}")

    scans = [row for row in plan if str(row[-1]).startswith("SCAN")]
    assert len(scans) == 1
    assert ask(f"SELECT count(*), sum(QC_Image_Focus) FROM {VIEW}") == [
        (many, many * (many + 1) / 4)
    ]
