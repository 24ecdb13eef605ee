"""Jobs of a list of LoadData, run by the real CellProfiler without a batch file."""

import csv
from pathlib import Path

import pytest
from real import answer_of, cpexport, run
from screen import MEASURE, Field, pipeline_text, write_list
from screens import GROUPED, NOT_WHOLE, WHOLE, drawn, home, needs_cellprofiler
from support.fixtures import columns

__all__ = ["drawn", "home"]

needs_cellprofiler()

SETTINGS = {"ranges": {}, "groups": GROUPED}


@pytest.fixture(params=["ranges", "groups"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, drawn: tuple[Path, list[Field]]) -> Path:
    """A list whose groups are not in one piece, and whose sites begin with 0; and a pipeline."""
    images, fields = drawn
    write_list(tmp_path / "plain.csv", sorted(fields, key=lambda field: field.site), images)
    with (tmp_path / "plain.csv").open(newline="") as stream:
        header, *rows = csv.reader(stream)
    with (tmp_path / "load_data.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *([*row[:-1], f"0{row[-1]}"] for row in rows)])
    modules = ["LoadData", *MEASURE, "ExportToSpreadsheet"]
    text = pipeline_text(modules, SETTINGS[request.param])
    (tmp_path / "analysis.cppipe").write_text(text)
    return tmp_path


def test_a_list_is_planned_run_and_run_again(folder: Path, drawn: tuple[Path, list[Field]]) -> None:
    words = ["plan", "--plan", "load_data.csv", "--pipeline", "analysis.cppipe"]
    cpexport(*words, "--images-per-batch", "4", "--format", "shell", "--out", "run", cwd=folder)
    last = drawn[0] / drawn[1][-1].file("ER")
    hidden = last.rename(folder / last.name)
    try:
        first = run(["sh", "run/submit.sh"], folder)
    finally:
        hidden.rename(last)
    check = cpexport("check", "run", "--resubmit", "run2", "--format", "json", cwd=folder)
    second = run(["sh", "run2/submit.sh"], folder)
    end = cpexport("check", "run", "--format", "json", cwd=folder)
    found = columns(folder / "run" / "screen.sqlite", "Per_Image")
    in_order = sorted(drawn[1], key=lambda field: field.site)

    assert (first.status, second.status) == (NOT_WHOLE, WHOLE), second.out
    assert 12 in [last for _, last in answer_of(check)["missing"]]
    assert (end.status, answer_of(end)["complete"], answer_of(end)["missing"]) == (WHOLE, 12, [])
    assert found["ImageNumber"] == list(range(1, 13))
    assert found["Image_Metadata_Well"] == [field.well for field in in_order]
    assert found["Image_Count_Nuclei"] == [float(field.nuclei) for field in in_order]


def test_printed_commands_run(folder: Path) -> None:
    words = ["plan", "--plan", "load_data.csv", "--pipeline", "analysis.cppipe"]
    lines = cpexport(*words, "--images-per-batch", "2", cwd=folder).out.splitlines()
    done = run(["sh", "-c", lines[-1]], folder)
    check = cpexport("check", "outputs", "--plan", "load_data.csv", "--format", "json", cwd=folder)

    assert done.status == WHOLE, done.err
    said = answer_of(check)
    assert (said["complete"], said["unexpected"], said["misplaced"]) == (2, [], [])
