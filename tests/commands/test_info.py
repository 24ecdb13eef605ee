"""`cpexport info` says what a destination holds, and where columns are."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.fixtures import Ran, rows, unpacked
from support.servers import Database
from support.wide_tables import widen

Run = Callable[..., Ran]


@pytest.fixture
def job(tmp_path: Path) -> Path:
    return Path(
        shutil.copytree(unpacked("40_spreadsheet") / "outputs" / "P1-A01-1", tmp_path / "job")
    )


def test_tables_rows_and_batches_are_listed(cpexport: Run, job: Path, tmp_path: Path) -> None:
    to = tmp_path / "x.sqlite"
    cpexport("load", job, "--to", to)
    ran = cpexport("info", "--to", to)
    report = json.loads(cpexport("info", "--to", to, "--format", "json").out)

    assert (ran.status, ran.err) == (0, "")
    assert [line.split()[:2] for line in ran.out.splitlines() if line.startswith("Per_Cells")] == [
        ["Per_Cells", "25"]
    ]
    assert (report["batches"], report["image_sets"]) == (1, [[1, 1]])
    counted = {table["name"]: table["rows"] for table in report["tables"]}
    assert counted["Per_Nuclei"] == rows(to, "SELECT count(*) FROM Per_Nuclei")[0][0]


def test_columns_are_found_in_parts_and_the_query_reads_them(
    cpexport: Run, job: Path, databases: Callable[[str], Database]
) -> None:
    database = databases("mariadb")
    values = widen(job, "Cells.csv", 1200)
    wide = list(values)[-1]
    cpexport("load", job, "--to", database.url())
    words = ("--column", f"cells_{wide.lower()}", "--column", "Cells_Parent_Nuclei")
    ran = cpexport("info", "--to", database.url(), *words, "--format", "json")
    found = json.loads(ran.out)

    assert (ran.status, ran.err) == (0, "")
    assert [column["table"] for column in found["columns"]] == ["Per_Cells_part2", "Per_Cells"]
    read = database.rows(found["query"])
    assert len(read) == 25
    assert {row[2] for row in read} == {values[wide]}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("Cells_AreaShape_Are",), "Did you mean Cells_AreaShape_Area?"),
        (("Cells_AreaShape_Area", "Nuclei_AreaShape_Area"), "name columns of one object type"),
    ],
)
def test_what_does_not_exist_is_named(
    cpexport: Run, job: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    to = tmp_path / "x.sqlite"
    cpexport("load", job, "--to", to)
    ran = cpexport("info", "--to", to, *(word for name in words for word in ("--column", name)))

    assert (ran.status, ran.out) == (2, "")
    assert message in ran.err
