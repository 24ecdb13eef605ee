"""Jobs of a list of LoadData: planned, run again and found without a batch file."""

import csv
import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.csv_outputs import OLD, image, nucleus, output
from support.fixtures import Ran

import cpexport as package
from cpexport.errors import SourceError, UsageError
from cpexport.jobs.plan import Plan

Run = Callable[..., Ran]

MODULE = "{name}:[module_num:{n}|svn_version:'Unknown'|enabled:True]\n"
LOAD_DATA = """    Base image location:{base}|
    Process just a range of rows?:{rows}
    Group images by metadata?:{groups}
    Select metadata tags for grouping:Plate,Well
"""


def pipeline(
    path: Path, *more: str, groups: str = "No", rows: str = "No", base: str = "None"
) -> Path:
    names = ["LoadData", *more, "ExportToSpreadsheet"]
    text = "CellProfiler Pipeline: http://www.cellprofiler.org\nVersion:5\n"
    for n, name in enumerate(names, 1):
        text += "\n" + MODULE.format(name=name, n=n)
        if name == "LoadData":
            text += LOAD_DATA.format(groups=groups, rows=rows, base=base)
    path.write_text(text)
    return path


KEYS = [(p, w, s) for s in ("01", "02") for p in ("P1", "P2") for w in ("A,01", "A02")]


def load_data(path: Path, keys: list[tuple[str, str, str]] = KEYS) -> Path:
    """A list whose sites, and so the groups of wells, are not in one piece."""
    with path.open("w", newline="", encoding="utf-8-sig") as stream:
        out = csv.writer(stream)
        tags = ["Metadata_Plate", "Metadata_Well", "Metadata_Site"]
        out.writerow(["Image_PathName_DNA", "Image_FileName_DNA", "Image_Series_DNA", *tags])
        out.writerows(["/data/ä", f"{p}_{w}_{s}.tif", 0, p, w, s] for p, w, s in keys)
    return path


def ran(home: Path, key: tuple[str, str, str]) -> None:
    """The output of a job with one image set. CellProfiler has made a number of its site."""
    plate, well, site = key
    metadata = {"Metadata_Plate": plate, "Metadata_Well": well, "Metadata_Site": int(site)}
    row = {**image(1, f"{plate}_{well}_{site}.tif"), "Count_Cells": 1, **metadata}
    output(home / "_".join(key), [row], OLD, Cells=[nucleus(1, 1, 5)])


def rows_of(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream))


def listed(plan: Plan) -> list[str]:
    return [str(task.job.image_sets) for task in plan.tasks]


@pytest.mark.parametrize("scheduler", ["slurm", "sge", "lsf", "pbs", "shell"])
def test_jobs_run_ranges_of_a_list(
    scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    found = pipeline(tmp_path / "a.cppipe")
    source = load_data(tmp_path / "load_data.csv")
    plan = package.plan(
        plan=source,
        pipeline=found,
        images_per_batch=3,
        container="cp.sif",
        out=tmp_path / "run",
        scheduler=scheduler,
    )
    folder = tmp_path / "run"
    words = plan.command(plan.tasks[1])

    assert listed(plan) == ["1-3", "4-6", "7-8"]
    want = ("-p", f"{folder}/pipeline.cppipe", "--data-file", f"{folder}/load_data.csv")
    assert words[3:11] == (*want, "-f", "4", "-l", "6")
    task = (folder / "task.sh").read_text()
    assert '--data-file "$batch_file" "$@"' in task
    assert "/data/ä" in task
    assert "--plan" in (folder / "merge.sh").read_text()
    assert (folder / "pipeline.cppipe").read_bytes() == found.read_bytes()
    # LoadData keeps Image_ in the names of planes, and takes no mark of the byte order.
    assert rows_of(folder / "load_data.csv")[0][:3] == [
        "PathName_DNA",
        "FileName_DNA",
        "Image_Series_DNA",
    ]
    assert [row[-3:] for row in rows_of(folder / "load_data.csv")[1:]] == [list(k) for k in KEYS]


def test_groups_have_lists_of_their_own(tmp_path: Path) -> None:
    found = pipeline(tmp_path / "a.cppipe", groups="Yes")
    half = len(KEYS) // 2
    first = load_data(tmp_path / "one.csv", KEYS[:half])
    second = tmp_path / "two.csv.gz"
    second.write_bytes(gzip.compress(load_data(tmp_path / "x.csv", KEYS[half:]).read_bytes()))
    plan = package.plan(plan=[first, second], pipeline=found, out=tmp_path / "run")

    assert listed(plan) == ["1,5", "2,6", "3,7", "4,8"]
    for task in plan.tasks:
        own = rows_of(plan.list_of(task))
        assert plan.command(task)[6] == str(plan.list_of(task))
        assert [tuple(row[-3:]) for row in own[1:]] == [
            KEYS[number - 1] for number in task.job.image_sets
        ]
    with pytest.raises(UsageError, match="one list that is not compressed"):
        package.plan(plan=[first, second], pipeline=found)
    zeros = load_data(tmp_path / "zeros.csv", [("007", "A02", "1")])
    for unsayable in (first, zeros):
        with pytest.raises(SourceError, match="-g cannot express"):
            package.plan(plan=unsayable, pipeline=found)


def test_what_is_missing_runs_again_until_nothing_is(tmp_path: Path, cpexport: Run) -> None:
    pipeline(tmp_path / "a.cppipe", groups="Yes")
    load_data(tmp_path / "plan.csv")
    for key in KEYS[:5]:
        ran(tmp_path / "tree", key)
    words = ("check", "tree", "--plan", "plan.csv", "--format", "json")
    alone = cpexport(*words, "--resubmit", "again")
    again = cpexport(*words, "--resubmit", "again", "--pipeline", "a.cppipe")
    said = json.loads(again.out)

    assert (alone.status, "name it with --pipeline" in alone.out) == (2, True)
    assert (said["missing"], again.status) == ([[6, 8]], 3)
    # Groups run whole.
    assert [job["image_sets"] for job in said["resubmit"]["jobs"]] == ["2,6", "3,7", "4,8"]
    for key in KEYS[5:]:
        ran(tmp_path / "tree", key)
    # The plan that was written says what was planned, without an option.
    assert cpexport("check", "again").status == 0
    report = cpexport("report", "tree", "--plan", "plan.csv", "--key", "Plate,Well,Site")
    assert "8 of 8 image sets complete" in report.out


def test_a_list_beside_outputs_is_found(tmp_path: Path, cpexport: Run) -> None:
    for key in KEYS[1:]:
        ran(tmp_path / "tree", key)
    load_data(tmp_path / "load_data.csv")
    checked = cpexport("check", "tree", "--format", "json")
    loaded = cpexport("load", "tree", "--to", "a.sqlite")
    said = json.loads(checked.out)

    assert (said["planned"], said["missing"], said["missing_names"]) == (
        8,
        [[1, 1]],
        {"1": "P1 A,01 site 01"},
    )
    assert (checked.status, loaded.status) == (3, 3)
    assert "load_data.csv says which image sets were planned" in loaded.err
    load_data(tmp_path / "tree" / "load_data.csv", KEYS[:4])
    assert "several lists of image sets" in cpexport("check", "tree").err
    shutil.copy(tmp_path / "tree" / "load_data.csv", tmp_path / "load_data.csv")
    less = cpexport("check", "tree")
    assert "lacks 4 image sets of these outputs, so it is not used" in less.err
    assert "unknown without a batch file" in less.out
    named = cpexport("check", "tree", "--plan", "load_data.csv")
    assert "unexpected  4  5 (P1 A02 site 2), 6 (P1 A,01 site 2)" in named.out


@pytest.mark.parametrize(
    ("more", "settings", "problem"),
    [
        (("CreateBatchFiles",), {}, "each job would write a batch file"),
        ((), {"rows": "Yes"}, "processes just a range of rows"),
        ((), {"base": "Default Input Folder"}, "which jobs do not know"),
        (("MyPlugin",), {}, "does not include MyPlugin"),
    ],
)
def test_pipelines_that_do_not_run_a_list_are_named(
    more: tuple[str, ...], settings: dict[str, str], problem: str, tmp_path: Path, cpexport: Run
) -> None:
    load_data(tmp_path / "load_data.csv")
    pipeline(tmp_path / "a.cppipe", *more, **settings)
    words = ("plan", "--plan", "load_data.csv", "--pipeline", "a.cppipe", "--out", "run")
    done = cpexport(*words)

    assert problem in done.err
    assert (done.status == 0) is (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--plan", "load_data.csv"), "--plan and --pipeline need each other"),
        (("--pipeline", "a.cppipe"), "name one batch file"),
        (("--plan", "load_data.csv", "--pipeline", "gone.cppipe"), "gone.cppipe: cannot be read"),
        (("--plan", "load_data.csv", "--pipeline", "load_data.csv"), "contains no pipeline"),
        (("--plan", "load_data.csv", "--pipeline", "b.cppipe"), "has no module LoadData"),
        (("--plan", "same.csv", "--pipeline", "a.cppipe"), "two rows have the same"),
        (("Batch_data.h5", "--plan", "load_data.csv"), "exclude each other"),
        (("--plan", "none.csv", "--pipeline", "c.cppipe"), "groups images by Metadata_Plate"),
    ],
)
def test_what_makes_no_sense_writes_nothing(
    words: tuple[str, ...], problem: str, tmp_path: Path, cpexport: Run
) -> None:
    load_data(tmp_path / "load_data.csv")
    load_data(tmp_path / "same.csv", KEYS[:1] * 2)
    (tmp_path / "none.csv").write_text("Image_FileName_DNA,Metadata_Well\na.tif,A01\n")
    text = pipeline(tmp_path / "a.cppipe").read_text()
    (tmp_path / "b.cppipe").write_text(text.replace("LoadData", "Groups"))
    pipeline(tmp_path / "c.cppipe", groups="Yes")
    done = cpexport("plan", *words, "--out", "run")

    assert (done.status in (1, 2), problem in done.err) == (True, True), done.err
    assert not (tmp_path / "run").exists()
