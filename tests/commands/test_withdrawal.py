"""An output that counts objects and has no table of them: one answer, whatever came first."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.calls import load, verify
from support.csv_outputs import image, nucleus, output
from support.fixtures import Ran, rows, values_of

from cpexport.tables.options import TableOptions

MISSING = "2: the table of Nuclei is missing"


def whole(tmp_path: Path, number: int = 1) -> Path:
    return output(
        tmp_path / f"whole{number}",
        [image(number, f"{number}.tif", Count_Nuclei=1)],
        Nuclei=[nucleus(number, 1, 5)],
    )


def cut(tmp_path: Path) -> Path:
    """Counts a nucleus, and has no table of them."""
    return output(tmp_path / "cut", [image(2, "2.tif", Count_Nuclei=1)])


@pytest.mark.parametrize("order", [("whole1", "cut"), ("cut", "whole1")])
def test_it_is_left_out_whatever_came_first(
    tmp_path: Path, cpexport: Callable[..., Ran], order: tuple[str, str]
) -> None:
    whole(tmp_path)
    cut(tmp_path)
    to = ("--to", "sqlite:///screen.sqlite")
    ran = [cpexport("load", name, *to) for name in order]
    again = cpexport("load", "whole1", "cut", *to)
    verified = cpexport("verify", "whole1", "cut", *to)
    numbers = rows(tmp_path / "screen.sqlite", "SELECT ImageNumber FROM Per_Image")

    assert ran[1].status == (1 if order[0] == "whole1" else 3)
    assert MISSING in ran[1].out + ran[1].err
    assert numbers == [(1,)]
    assert (again.status, MISSING in again.out) == (3, True)
    assert "missing" in again.out
    assert "changed since" not in verified.out
    assert (verified.status, MISSING in verified.out) == (3, True)


@pytest.mark.parametrize("to", ["sqlite:///{}/f.sqlite", "duckdb:///{}/f.duckdb", "parquet:{}/f"])
def test_taken_out_nothing_of_it_stays(tmp_path: Path, to: str) -> None:
    url = to.format(tmp_path)
    load([cut(tmp_path)], url)
    report = load([whole(tmp_path)], url)
    (left,) = report.left_out
    found = verify([whole(tmp_path)], url)

    assert (Path(left.path).name, str(report.missing), report.is_complete) == ("cut", "2", False)
    assert (found.verified, found.differences, found.is_complete) == (1, (), True)


def test_a_destination_is_the_same_in_either_order(tmp_path: Path) -> None:
    for name, order in (("a", (whole, cut)), ("b", (cut, whole))):
        for make in order:
            try_load(make(tmp_path), f"sqlite:///{tmp_path / name}.sqlite")

    assert values_of(tmp_path / "a.sqlite") == values_of(tmp_path / "b.sqlite")


def try_load(folder: Path, to: str) -> Any:
    from cpexport.errors import SourceError

    try:
        return load([folder], to)
    except SourceError as error:
        return error


def test_verify_says_why_where_version_0_1_0_left_it_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cpexport.loading.writer.withdraw", lambda *_: [])
    to = f"sqlite:///{tmp_path / 'screen.sqlite'}"
    folders = [cut(tmp_path), whole(tmp_path)]
    for folder in folders:
        load([folder], to)
    (unseen,) = verify(folders, to).not_verified

    assert MISSING in unseen.reason
    assert "changed" not in unseen.reason


def test_what_was_loaded_for_other_object_types_stays(tmp_path: Path) -> None:
    to = f"sqlite:///{tmp_path / 'screen.sqlite'}"
    one, two = (
        output(
            tmp_path / str(n),
            [image(n, f"{n}.tif", Count_Nuclei=1, Count_Cells=1)],
            Nuclei=[nucleus(n, 1, 5)],
            Cells=[nucleus(n, 1, 9)],
        )
        for n in (1, 2)
    )
    load([one], to, shape=TableOptions.parse("Nuclei", None, None))
    # Version 0.1.0 took names of types that no output has, which can be put right.
    with sqlite3.connect(tmp_path / "screen.sqlite") as db:
        db.execute(
            "UPDATE _cpexport_settings SET value = replace(value, '\"Nuclei\"', "
            "'\"Cell\", \"Nuclei\"') WHERE name = 'shape'"
        )
    db.close()
    report = load([two], to, shape=TableOptions.parse("Nuclei,Cells", None, None))
    # Names of files alone are the same pictures where the output is the same.
    then = load([one, two], to)

    assert (report.left_out, then.left_out, then.replaced) == ((), (), 0)
    query = "SELECT Cells_AreaShape_Area FROM Per_Cells"
    assert rows(tmp_path / "screen.sqlite", query) == [(9.0,), (9.0,)]


def test_what_counts_no_objects_stays(tmp_path: Path) -> None:
    to = f"sqlite:///{tmp_path / 'screen.sqlite'}"
    load([output(tmp_path / "none", [image(2, "2.tif", Count_Nuclei=0)])], to)
    report = load([whole(tmp_path)], to)

    assert (report.left_out, report.is_complete) == ((), True)
    assert len(rows(tmp_path / "screen.sqlite", "SELECT * FROM Per_Image")) == 2
