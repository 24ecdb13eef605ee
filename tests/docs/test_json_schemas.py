"""The schemas of JSON reports, in docs/reference/schemas, describe every field of real reports."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from support.fixtures import Ran, extract, unpacked
from support.page_reader import ROOT
from support.site import Site

Run = Callable[..., Ran]
SCHEMAS = ROOT / "docs" / "reference" / "schemas"


def schema(name: str) -> dict[str, Any]:
    return dict(json.loads((SCHEMAS / f"{name}.json").read_text("utf-8")))


def closed(schema: Any) -> Any:
    """A schema that allows no other fields than those it describes."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    # The fields of `settings` are the options of `plan`.
    more = {"additionalProperties": False} if "properties" in schema else {}
    return {name: closed(value) for name, value in schema.items()} | more


def describes(name: str, report: str) -> None:
    found = json.loads(report)
    errors = list(Draft202012Validator(closed(schema(name))).iter_errors(found))

    assert [f"{error.json_path}: {error.message}" for error in errors] == []


@pytest.fixture
def screen(tmp_path: Path) -> Path:
    """The example, with a few of its outputs: one that failed, and others."""
    extract(ROOT / "examples" / "screen.tar.xz", tmp_path)
    for folder in (tmp_path / "screen" / "outputs").iterdir():
        if not folder.name.startswith(("P1-A01", "P1-B02")):
            shutil.rmtree(folder)
    return tmp_path / "screen"


@pytest.mark.parametrize("name", sorted(path.stem for path in SCHEMAS.iterdir()))
def test_every_schema_is_one_and_describes_every_field(name: str) -> None:
    found = schema(name)

    Draft202012Validator.check_schema(found)
    assert undescribed(found) == []


def undescribed(schema: Any) -> list[str]:
    if isinstance(schema, list):
        return [name for item in schema for name in undescribed(item)]
    if not isinstance(schema, dict):
        return []
    own = [n for n, s in schema.get("properties", {}).items() if not s.get("description")]
    return own + [name for value in schema.values() for name in undescribed(value)]


def test_the_module_for_cellprofiler(cpexport: Run, tmp_path: Path) -> None:
    words = ("--install", tmp_path, "--to", tmp_path / "x.sqlite", "--check", "--format", "json")
    ran = cpexport("module", *words, env={"PATH": str(tmp_path)})
    describes("module", ran.out)
    describes("module", cpexport("module", *words[:2], *words[-2:]).out)

    assert json.loads(ran.out)["check"]["problem"] == (
        "cellprofiler is not on the PATH; activate its environment"
    )


def test_a_check_of_outputs(cpexport: Run, screen: Path) -> None:
    cells = screen / "outputs" / "P1-A01-1" / "Cells.csv"
    cells.write_text(
        "".join(f"{line.rpartition(',')[0]}\n" for line in cells.read_text().splitlines())
    )
    ran = cpexport("check", screen / "outputs", "--columns", "--format", "json")

    describes("check", ran.out)
    assert json.loads(ran.out)["columns"]


def test_a_check_without_a_batch_file_and_with_left_out_files(cpexport: Run, screen: Path) -> None:
    (screen / "Batch_data.h5").unlink()
    first = screen / "outputs" / "P1-A01-1"
    (first / "Nuclei (1).csv").write_bytes((first / "Nuclei.csv").read_bytes())
    ran = cpexport("check", screen / "outputs", "--format", "json")

    describes("check", ran.out)
    assert json.loads(ran.out)["planned"] is None
    assert json.loads(ran.out)["left_out"]


def test_a_check_that_plans_jobs_again(site: Site) -> None:
    site.plan("--images-per-batch", 6)
    site.fail({"1-6": ["exit 7"], "7-12": ["Failure"]})
    site.submit()
    again = site.home / "again"
    ran = site.call("check", site.run, "--resubmit", again, "--format", "json")

    describes("check", ran.out)
    assert len(json.loads(ran.out)["resubmit"]["jobs"]) == 2


def test_plans_of_ranges_and_of_groups(cpexport: Run, screen: Path) -> None:
    ranges = unpacked("10_ranges") / "Batch_data.h5"
    for batch_file in (ranges, screen / "Batch_data.h5"):
        describes("plan", cpexport("plan", batch_file, "--format", "json").out)


def test_loads_of_one_run_and_of_several(cpexport: Run, screen: Path, tmp_path: Path) -> None:
    one = ("load", screen / "outputs", "--to", tmp_path / "one.sqlite", "--format", "json")
    runs = ("load", "--table-number", f"a={screen / 'outputs'}", f"b={screen / 'outputs'}")
    describes("load", cpexport(*one).out)
    ran = cpexport(*runs, "--to", tmp_path / "runs.sqlite", "--format", "json")

    describes("load", ran.out)
    assert [run["name"] for run in json.loads(ran.out)["runs"]] == ["a", "b"]


def test_a_load_that_would_be(cpexport: Run, screen: Path, tmp_path: Path) -> None:
    words = ("load", screen / "outputs", "--to", tmp_path / "new.sqlite", "--dry-run")

    describes("dry-run", cpexport(*words, "--format", "json").out)


def test_a_verification_that_finds_a_difference(
    cpexport: Run, screen: Path, tmp_path: Path
) -> None:
    database = tmp_path / "screen.sqlite"
    cpexport("load", screen / "outputs", "--to", database)
    with sqlite3.connect(database) as db:
        db.execute("UPDATE Per_Cells SET Cells_AreaShape_Area = 1 WHERE ImageNumber = 2")
    db.close()
    (screen / "outputs" / "P1-A01-1").rename(tmp_path / "elsewhere")
    ran = cpexport("verify", screen / "outputs", "--to", database, "--format", "json")

    describes("verify", ran.out)
    assert json.loads(ran.out)["batches"]["not_verified"]
    assert json.loads(ran.out)["differences"]


def test_errors(cpexport: Run, tmp_path: Path) -> None:
    for words in (
        ("load", tmp_path / "nowhere", "--to", tmp_path / "new.sqlite"),
        ("load", tmp_path, "--to", "screen.pdf"),
        ("verify", tmp_path, "--to", tmp_path / "none.sqlite"),
    ):
        ran = cpexport(*words, "--format", "json")

        describes("error", ran.out)
        assert ran.status in (1, 2)


def test_a_script(cpexport: Run, screen: Path, tmp_path: Path) -> None:
    words = ("script", screen / "outputs", "--out", tmp_path / "import", "--format", "json")

    describes("script", cpexport(*words).out)


def test_what_destinations_and_files_hold(cpexport: Run, screen: Path, tmp_path: Path) -> None:
    database = tmp_path / "screen.sqlite"
    cpexport("load", screen / "outputs", "--to", database, "--wells", "mean")
    for name, words in (
        ("info", (database, "--column", "Nuclei_AreaShape_Area")),
        ("info", (database,)),
        ("info-files", (screen / "outputs",)),
    ):
        describes(name, cpexport("info", *words, "--format", "json").out)


def test_what_is_removed_annotated_and_exported(
    cpexport: Run, screen: Path, tmp_path: Path
) -> None:
    database, layout = tmp_path / "screen.sqlite", tmp_path / "layout.csv"
    cpexport("load", screen / "outputs", "--to", database)
    layout.write_text("Well,Compound\nA01,DMSO\n")
    to = ("--to", database, "--format", "json")
    describes("annotate", cpexport("annotate", layout, *to).out)
    describes("export", cpexport("export", "Per_Image", *to, "--out", tmp_path / "t.csv").out)
    describes("remove", cpexport("remove", *to, "--image-sets", "1-5", "--yes").out)
