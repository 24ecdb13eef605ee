"""`--objects` takes the object types that outputs have, and no others."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from support.calls import dry_run, load_runs, verify_runs
from support.fixtures import Ran
from support.small_jobs import Objects, csv_job

from cpexport.errors import UsageError
from cpexport.tables.options import TableOptions

Run = Callable[..., Ran]


def of(*images: int) -> Objects:
    return {
        name: [
            {"ImageNumber": image, "ObjectNumber": 1, "AreaShape_Area": image * 1.5}
            for image in images
        ]
        for name in ("Nuclei", "Cells", "Cytoplasm")
    }


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    csv_job(tmp_path / "outputs" / "j1", {1: {}, 2: {}}, of(1, 2))
    return csv_job(tmp_path / "outputs" / "j2", {3: {}}, of(3)).parent


def shape(words: str) -> TableOptions:
    return TableOptions.parse(words, None, None)


def rows(file: Path, query: str) -> list[tuple[object, ...]]:
    db = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()


@pytest.mark.parametrize(
    ("words", "strange", "meant"),
    [
        ("Nuclei,Cell", "Cell", "Cells"),
        ("seperate", "seperate", "separate"),
        ("Seperate", "Seperate", "separate"),
        ("combined,nuclei", "nuclei", "Nuclei"),
        ("cytoplasm", "cytoplasm", "Cytoplasm"),
        ("Nuclei,Mitochondria", "Mitochondria", ""),
    ],
)
@pytest.mark.parametrize("kind", ["sqlite:///", "duckdb:///", "parquet:"])
def test_types_that_no_output_has_are_refused_before_anything_is_made(
    kind: str, words: str, strange: str, meant: str, outputs: Path, tmp_path: Path
) -> None:
    to = f"{kind}{tmp_path / 'to'}"
    said = []
    for run in (load_runs, dry_run):
        with pytest.raises(UsageError) as refused:
            run([outputs], to, shape=shape(words))
        said.append(str(refused.value))

    assert said[0] == said[1]
    assert f"--objects {strange}: no output has such an object type" in said[0]
    assert "existing object types: Cells, Cytoplasm, Nuclei" in said[0]
    assert ("Did you mean" in said[0]) == bool(meant)
    assert f"Did you mean {meant}?" in said[0] or not meant
    assert [path.name for path in tmp_path.iterdir()] == ["outputs"]


def test_a_type_that_is_counted_may_be_named_though_no_job_left_a_table_of_it(
    tmp_path: Path,
) -> None:
    found = {name: rows for name, rows in of(1).items() if name != "Cytoplasm"}
    csv_job(tmp_path / "outputs" / "j1", {1: {"Count_Cytoplasm": 0}}, found)
    to = f"sqlite:///{tmp_path / 'x.sqlite'}"

    load_runs([tmp_path / "outputs"], to, shape=shape("Nuclei,Cytoplasm"))

    assert rows(tmp_path / "x.sqlite", "SELECT Nuclei_AreaShape_Area FROM Per_Nuclei") == [(1.5,)]


def test_of_runs_one_need_not_have_what_another_has(tmp_path: Path) -> None:
    one = csv_job(tmp_path / "one" / "job", {1: {}}, {"Nuclei": of(1)["Nuclei"]}).parent
    two = csv_job(tmp_path / "two" / "job", {1: {}}, {"Cells": of(1)["Cells"]}).parent
    to = f"sqlite:///{tmp_path / 's.sqlite'}"
    wanted = TableOptions.parse("Nuclei,Cells", None, None, numbered=True)

    assert load_runs([one, two], to, shape=wanted).is_complete
    with pytest.raises(UsageError, match="no output has such an object type"):
        load_runs([one, two], f"{to}2", shape=TableOptions.parse("Nuclei,Celsl", None, None, True))


@pytest.mark.parametrize(
    ("made_with", "right", "tables"),
    [
        ("Nuclei,Cell", "Nuclei,Cells", {"Per_Nuclei", "Per_Cells"}),
        ("seperate", "separate", {"Per_Nuclei", "Per_Cells", "Per_Cytoplasm"}),
        ("seperate", "Nuclei", {"Per_Nuclei"}),
    ],
)
def test_a_destination_that_was_made_with_strange_types_takes_the_right_ones(
    made_with: str, right: str, tables: set[str], outputs: Path, tmp_path: Path
) -> None:
    """As version 0.1.0 made it."""
    file, asked = tmp_path / "s.sqlite", shape(made_with)
    to = f"sqlite:///{file}"
    known = [name for name in asked.only if name in of(1)]
    load_runs([outputs], to, shape=shape(",".join(known) or "none"))
    db = sqlite3.connect(file)
    words = "UPDATE _cpexport_settings SET value = ? WHERE name = 'shape'"
    db.execute(words, (asked.as_json(),))
    db.commit()
    db.close()

    foreseen = dry_run([outputs], to, shape=shape(right))[0].to_load
    report = load_runs([outputs], to, shape=shape(right))
    made = rows(file, "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'Per_%'")
    objects = {str(n) for (n,) in made} & {f"Per_{name}" for name in of(1)}
    assert (foreseen, report.loaded, report.is_complete) == (2, 2, True)
    assert objects == tables
    for table in tables:
        assert rows(file, f"SELECT ImageNumber FROM {table} ORDER BY 1") == [(1,), (2,), (3,)]
    found = verify_runs([outputs], to)
    assert (found.differences, found.not_loaded, found.not_verified) == ((), (), ())
    assert load_runs([outputs], to).already == 2


def test_a_destination_with_types_that_are_there_keeps_them(outputs: Path, cpexport: Run) -> None:
    to = ("--to", "sqlite:///s.sqlite")
    first = cpexport("load", outputs, *to, "--objects", "Nuclei")
    ran = cpexport("load", outputs, *to, "--objects", "Nuclei,Cells")

    assert first.status == 0
    assert ran.status == 1
    assert "was created with --objects separate,Nuclei" in ran.err


def test_what_was_not_wanted_is_not_said_to_be_in_no_output(outputs: Path, tmp_path: Path) -> None:
    to = f"sqlite:///{tmp_path / 's.sqlite'}"
    load_runs([outputs], to, shape=shape("Nuclei"))
    late = csv_job(outputs / "j3", {4: {}}, of(4))
    (late / "Cells.csv").unlink()
    report = load_runs([outputs], to)
    left_out = load_runs([outputs], f"{to}2").left_out

    assert not [note for note in report.notes if "no output" in note]
    assert report.left_out == left_out
    assert ["the table of Cells is missing" in left.reason for left in left_out] == [True]


def test_objects_named_again_in_a_destination_with_runs(outputs: Path, cpexport: Run) -> None:
    to = ("--to", "sqlite:///runs.sqlite", "--objects", "Nuclei,Cells")
    first = cpexport("load", "--table-number", f"a={outputs}", *to)
    again = cpexport("load", f"b={outputs}", *to)

    assert (first.status, again.status) == (0, 0), again.err
