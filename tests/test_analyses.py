"""A second analysis of the same pictures beside the first: one view of both, joined by picture."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from conftest import content, rows
from plates import NEW, Row, image, nucleus, output
from servers import Database, database, server, servers

from cpexport.load import Report, load
from cpexport.runs import load_runs
from cpexport.shape import Shape
from cpexport.verify import verify

__all__ = ["database", "server", "servers"]

VIEW = "QC_with_Per_Image"
BOTH = f"SELECT ImageNumber, QC_ImageNumber, QC_Image_Focus FROM {VIEW} ORDER BY 1"
Rows = list[tuple[object, ...]]


def picture(number: int, name: int, plate: str = "P1", **more: object) -> Row:
    """Of a file that is called alike in every plate."""
    return image(number, f"{name}.tif", f"/data/{plate}/Images", **more)


def analysis(folder: Path) -> Path:
    images = [picture(n, n, Count_Nuclei=1) for n in (1, 2, 3)]
    return output(folder, images, Nuclei=[nucleus(n, 1, n) for n in (1, 2, 3)])


def quality(folder: Path, time: int = NEW, focus: float = 0) -> Path:
    """Of the same pictures but one, numbered otherwise, and of the same names of another plate."""
    images = [picture(n + 15, n, Focus=focus + n / 2) for n in (2, 1)]
    return output(folder, [*images, picture(20, 3, "P2", Focus=9)], time)


def both(tmp_path: Path, to: str) -> Report:
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


def test_names_that_repeat_are_not_joined_and_are_counted(tmp_path: Path) -> None:
    to, ask = of_sqlite(tmp_path)
    load([output(tmp_path / "one", [image(1, "a"), image(2, "b"), image(3, "b")])], to)
    two = output(tmp_path / "two", [image(5, "a", Focus=1), image(6, "b", Focus=2)])
    report = load([two], to, prefix="QC_")

    assert ask(BOTH) == [(1, 5, 1), (2, None, None), (3, None, None)]
    assert any("1 pictures are there twice" in note for note in report.notes)


def test_a_view_of_somebody_s_stays(tmp_path: Path) -> None:
    to, ask = of_sqlite(tmp_path)
    load([analysis(tmp_path / "analysis")], to)
    with sqlite3.connect(tmp_path / "screen.sqlite") as db:
        db.execute(f"CREATE VIEW {VIEW} AS SELECT 5 AS five")
    db.close()
    report = load([quality(tmp_path / "qc")], to, prefix="QC_")

    assert ask(f"SELECT * FROM {VIEW}") == [(5,)]
    assert any("something else has that name" in note for note in report.notes)


def test_verify_finds_both_analyses_whole_beside_the_view(tmp_path: Path) -> None:
    to, _ = of_sqlite(tmp_path)
    both(tmp_path, to)
    found = [verify([tmp_path / "analysis"], to), verify([tmp_path / "qc"], to, prefix="QC_")]

    assert [(one.verified, one.differences, one.whole) for one in found] == [(1, (), True)] * 2


def test_runs_are_joined_run_by_run(tmp_path: Path) -> None:
    to, ask = of_sqlite(tmp_path)
    shape = Shape.parse(None, None, None, numbered=True)
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
