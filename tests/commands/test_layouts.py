"""Outputs as known workflows leave them are loaded like the same outputs of one run."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.fixtures import Ran, rows
from support.layouts import LAYOUTS, SITES, example, gallery, imc, nfcore

import cpexport as package
from cpexport.errors import SourceError, UsageError

Run = Callable[..., Ran]

OBJECTS = """
SELECT Image_Metadata_Plate, Image_Metadata_Well, Image_Metadata_Site, count(*),
       round(sum(Cells_AreaShape_Area), 6), round(sum(Cells_Location_Center_X), 6)
FROM Per_Image JOIN Per_Cells USING (ImageNumber) GROUP BY ImageNumber ORDER BY 1, 2, 3
"""
PAIRS = """
SELECT Image_Metadata_Plate, Image_Metadata_Well, Image_Metadata_Site, count(*),
       sum(object_number1), sum(object_number2)
FROM Per_Image JOIN Per_Relationships ON image_number1 = ImageNumber
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[object, ...]]]:
    """What is in a database of the same sites, numbered over the whole run."""
    home = tmp_path_factory.mktemp("plain")
    for site in SITES:
        shutil.copytree(example() / "-".join(site), home / "outputs" / "-".join(site))
    package.load(home / "outputs", home / "a.sqlite")
    return {query: rows(home / "a.sqlite", query) for query in (OBJECTS, PAIRS)}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_one_run(
    layout: str, wanted: dict[str, list[tuple[object, ...]]], tmp_path: Path
) -> None:
    tree = LAYOUTS[layout](tmp_path / "tree")
    report = package.load(tree, tmp_path / "a.sqlite")

    assert (report.image_sets, report.left_out, report.exit_status) == (len(SITES), (), 0)
    for query, rows_wanted in wanted.items():
        assert rows(tmp_path / "a.sqlite", query) == rows_wanted
    numbers = rows(tmp_path / "a.sqlite", "SELECT ImageNumber FROM Per_Image ORDER BY 1")
    assert numbers == [(number,) for number in range(1, len(SITES) + 1)]
    assert package.verify(tree, tmp_path / "a.sqlite").exit_status == 0


def test_a_workspace_says_what_was_planned(tmp_path: Path, cpexport: Run) -> None:
    tree = gallery(tmp_path / "tree")
    shutil.rmtree(tree / "workspace" / "analysis" / "2026_11" / "P2" / "analysis" / "P2-A02-1")
    for folder in ("workspace", "workspace/analysis", "workspace/analysis/2026_11"):
        ran = cpexport("check", tree / folder, "--format", "json")
        said = json.loads(ran.out)
        assert list(said["missing_names"].values()) == ["P2 A02 site 1"]
        assert "load_data.csv" in ran.err


def test_one_job_of_another_workflow_has_files_of_others(tmp_path: Path) -> None:
    report = package.load(imc(tmp_path / "tree"), tmp_path / "a.sqlite")

    assert (report.image_sets, report.left_out) == (2, ())
    assert report.rows["Per_cell"] > 0


@pytest.mark.parametrize(
    ("layout", "pattern", "names"),
    [
        (gallery, "workspace/analysis/*/{plate}/analysis", ["P1", "P2"]),
        (gallery, "workspace/analysis/{batch}/{plate}", ["2026_11/P1", "2026_11/P2"]),
        (nfcore, "cellprofiler/analysis/b1_{plate}_*_*", ["P1", "P2"]),
    ],
)
def test_runs_are_named_by_paths(
    layout: Callable[[Path], Path], pattern: str, names: list[str], tmp_path: Path, cpexport: Run
) -> None:
    layout(tmp_path / "tree")
    words = ("tree", "--run-from", pattern, "--to", "a.sqlite")
    assert cpexport("load", *words).status == 0
    again = json.loads(cpexport("load", *words, "--format", "json").out)
    found = "SELECT table_number, name FROM _cpexport_runs ORDER BY 1"
    plates = "SELECT DISTINCT TableNumber, Image_Metadata_Plate FROM Per_Image ORDER BY 1"

    assert rows(tmp_path / "a.sqlite", found) == list(enumerate(names, 1))
    assert rows(tmp_path / "a.sqlite", plates) == [(1, "P1"), (2, "P2")]
    assert (again["batches"]["loaded"], again["batches"]["already"]) == (0, len(SITES))
    assert cpexport("verify", *words).status == 0
    counted = package.dry_run(tmp_path / "tree", tmp_path / "b.sqlite", run_from=pattern)
    assert [run.run for run in counted] == names


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("analysis", "not a pattern of folders"),
        ("/{plate}", "not a pattern of folders"),
        ("../{plate}", "not a pattern of folders"),
        ("cellprofiler/{plate}/x", "finds no folder"),
        ("cellprofiler/analysis/{plate}_A01_*", "misses .*b1_P1_A02_1"),
    ],
)
def test_a_pattern_that_leaves_outputs_out_is_refused(
    pattern: str, problem: str, tmp_path: Path
) -> None:
    nfcore(tmp_path / "tree")
    with pytest.raises(UsageError, match=problem):
        package.load(tmp_path / "tree", tmp_path / "a.sqlite", run_from=pattern)
    with pytest.raises(SourceError, match="is not a folder"):
        package.load(tmp_path / "gone", tmp_path / "a.sqlite", run_from="{plate}")
    assert not (tmp_path / "a.sqlite").exists()
