"""A run that was moved or copied is looked at where it is, and never instead another one."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from support.fixtures import rows, unpacked
from support.site import Site, program, ranges

AREAS = "SELECT count(*), sum(Nuclei_AreaShape_Area = 777) FROM Per_Nuclei"


def replaced(site: Site) -> Path:
    """A run that was moved away, and another one in its place, which measured other areas."""
    old = site.home / "old"
    site.plan("--images-per-batch", 12)
    site.submit()
    site.run.rename(old)
    site.plan("--images-per-batch", 12)
    site.submit()
    for table in site.run.glob("outputs/*/Nuclei.csv"):
        header, *lines = table.read_text().splitlines()
        at = header.split(",").index("AreaShape_Area")
        fields = [line.split(",") for line in lines]
        text = [",".join([*f[:at], "777", *f[at + 1 :]]) for f in fields]
        table.write_text("\n".join([header, *text, ""]))
    return old


def checked(site: Site, folder: Path) -> dict[str, Any]:
    return dict(json.loads(site.call("check", folder, "--format", "json").out))


def test_only_what_lies_in_the_moved_run_is_loaded(site: Site) -> None:
    old = replaced(site)
    database = site.home / "old.sqlite"
    ran = site.call("load", old, "--to", f"sqlite:///{database}")
    said = checked(site, old)
    ((count, others),) = rows(database, AREAS)

    assert ran.status == 0, ran.err
    assert count > 0
    assert others == 0
    assert (said["complete"], said["duplicate"], said["left_out"]) == (24, [], [])
    assert {Path(batch["path"]).parents[1] for batch in said["batches"]} == {old}
    assert any("moved or copied from" in note for note in said["notes"])


def test_a_moved_run_is_run_again_where_it_is(site: Site) -> None:
    site.plan("--images-per-batch", 12)
    site.fail({"1-12": ["exit 7"]})
    site.submit()
    moved = site.home / "moved"
    site.run.rename(moved)
    site.plan("--images-per-batch", 12)
    again = site.resubmit(outputs=moved)
    site.submit(site.again)

    assert again["outputs"] == str(moved / "outputs")
    assert site.call("check", moved).status == 0
    assert rows(moved / "screen.sqlite", "SELECT count(*) FROM Per_Image") == [(24,)]
    assert not list((site.run / "outputs").iterdir())
    assert not (site.run / "screen.sqlite").exists()


@pytest.mark.parametrize("scheduler", ["shell", "slurm"])
def test_the_files_of_a_moved_run_do_not_submit_the_run_in_its_place(
    scheduler: str, site: Site
) -> None:
    site.plan("--images-per-batch", 12, scheduler=scheduler)
    moved = site.home / "moved"
    site.run.rename(moved)
    site.plan("--images-per-batch", 12, scheduler=scheduler)
    said = site.submit(moved)

    assert f"{moved} was moved or copied from {site.run}, so nothing was done" in said
    assert f"cpexport check '{moved}' --resubmit" in said
    assert not list((site.run / "outputs").iterdir())


def test_a_resubmission_does_not_bring_outputs_of_a_run_that_took_the_place(site: Site) -> None:
    site.plan("--images-per-batch", 12)
    site.fail({"1-12": ["exit 7"]})
    site.submit()
    site.resubmit()
    site.run.rename(site.home / "old")
    site.plan("--images-per-batch", 12)
    site.submit()
    said = checked(site, site.again)

    assert said["batches"] == []
    ((left),) = said["left_out"]
    assert left["path"] == str(site.again / "plan.json")
    assert "has the outputs of another plan" in left["reason"]


def test_a_run_that_is_moved_with_its_resubmission_and_batch_file_is_whole(site: Site) -> None:
    project = site.home / "project"
    project.mkdir()
    shutil.copy(unpacked("10_ranges") / "Batch_data.h5", project)
    words = ("--batch", project / "Batch_data.h5", "--images-per-batch", 12, "--format", "shell")
    site.call("plan", *words, "--out", project / "run")
    site.fail({"1-12": ["exit 7"]})
    site.submit(project / "run")
    again = project / "again"
    site.call("check", project / "run", "--resubmit", again)
    site.submit(again)
    elsewhere = site.home / "elsewhere"
    project.rename(elsewhere)
    said = checked(site, elsewhere / "again")

    assert (said["complete"], said["missing"], said["duplicate"]) == (24, [], [])


@pytest.mark.parametrize("known", [True, False], ids=["this version", "version 0.1.0"])
def test_a_copy_has_no_duplicates_of_its_original(known: bool, site: Site) -> None:
    site.plan("--images-per-batch", 12)
    site.submit()
    if not known:
        path = site.run / "plan.json"
        said = json.loads(path.read_text())
        for key in ("id", "folder", "beside"):
            del said[key]
        path.write_text(json.dumps(said))
    shutil.copytree(site.run, site.home / "copy")
    said = checked(site, site.home / "copy")

    assert (said["complete"], said["duplicate"]) == (24, [])
    assert len(said["batches"]) == 2


def test_a_batch_file_that_moved_is_not_called_another_one(site: Site) -> None:
    batch = site.home / "B.h5"
    shutil.copy(unpacked("10_ranges") / "Batch_data.h5", batch)
    site.call("plan", "--batch", batch, "--out", site.run, "--format", "shell")
    batch.rename(site.home / "C.h5")
    ran = site.call("check", site.run)

    assert (ran.status, ran.out) == (1, "")
    assert f"its batch file {batch} no longer exists" in ran.err
    assert "another batch file" not in ran.err
    assert site.call("check", site.run, "--batch", site.home / "C.h5").status == 3


def test_a_plan_whose_jobs_have_no_commands_is_read(site: Site) -> None:
    site.plan("--images-per-batch", 12)
    path = site.run / "plan.json"
    said = json.loads(path.read_text())
    said["jobs"] = [{"task": n, "image_sets": s} for n, s in ((1, "1-12"), (2, "13-24"))]
    path.write_text(json.dumps(said))

    assert ranges(site.resubmit()) == ["1-12", "13-24"]


@pytest.mark.parametrize("words", [("task.sh", "1"), ("merge.sh",)])
def test_no_file_of_a_moved_run_works_for_the_run_in_its_place(
    site: Site, words: tuple[str, ...]
) -> None:
    site.plan("--images-per-batch", 12, scheduler="shell")
    moved = site.home / "moved"
    site.run.rename(moved)
    site.plan("--images-per-batch", 6, scheduler="shell")

    script, *more = words
    done = subprocess.run(
        ["sh", str(moved / script), *more], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert f"{moved} was moved or copied from {site.run}, so nothing was done" in done.stderr
    assert not list(site.run.rglob("*.part*"))
    assert not (site.run / "screen.sqlite").exists()


@pytest.mark.parametrize("number", [0, 1], ids=["a job", "the last job"])
def test_lsf_reads_array_sh_as_a_job_starts_and_so_names_its_plan(number: int, site: Site) -> None:
    """bsub is told words, and keeps no copy of the file that they name."""
    program(
        site,
        "bsub",
        f"echo \"$*\" >>{site.home}/received\necho 'Job <7> is submitted to queue <x>.'",
    )
    site.plan("--images-per-batch", 12, scheduler="lsf")
    site.submit()
    command = (site.home / "received").read_text().splitlines()[number]
    job = command[command.rindex(" sh ") :]
    site.run.rename(site.home / "moved")
    site.plan("--images-per-batch", 6, scheduler="lsf")

    lsf = {"LSB_JOBID": "7", "LSB_JOBINDEX": "1"}
    done = subprocess.run(
        ["sh", "-c", job],
        env={**os.environ, **site.environment, **lsf},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "contains another plan than the one that submitted this job" in done.stderr
    assert not list(site.run.rglob("*.part*"))


def test_a_job_that_waited_as_its_run_was_moved_does_nothing_in_its_place(site: Site) -> None:
    """A scheduler keeps array.sh as it was submitted; here that is played by a copy."""
    site.plan("--images-per-batch", 12, scheduler="slurm")
    spooled = site.home / "slurm_script"
    spooled.write_bytes((site.run / "array.sh").read_bytes())
    site.run.rename(site.home / "moved")
    site.plan("--images-per-batch", 6, scheduler="slurm")

    slurm = {"SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "1"}
    done = subprocess.run(
        ["sh", str(spooled), "0"],
        env={**os.environ, **slurm},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "contains another plan than the one that submitted this job" in done.stderr
    assert not list(site.run.rglob("*.part*"))


class TestResubmissionBeside:
    """A run is moved, another one planned in its place, and the resubmission stays where it was."""

    @pytest.fixture
    def beside(self, site: Site) -> Path:
        site.plan("--images-per-batch", 12)
        site.resubmit()
        site.run.rename(site.home / "moved")
        site.plan("--images-per-batch", 6)
        return site.again

    @pytest.mark.parametrize("words", [("task.sh", "1"), ("merge.sh",), ("submit.sh",)])
    def test_none_of_its_files_works_for_the_run_in_the_place(
        self, beside: Path, site: Site, words: tuple[str, ...]
    ) -> None:
        script, *more = words
        done = subprocess.run(
            ["sh", str(beside / script), *more],
            env={**os.environ, **site.environment},
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.returncode == 1
        assert f"{site.run}: not the run that was planned in {beside}" in done.stderr
        assert not list((site.run / "outputs").iterdir())
        assert not (site.run / "screen.sqlite").exists()

    def test_a_plan_that_was_damaged_since_is_in_nobodys_way(self, site: Site) -> None:
        site.plan("--images-per-batch", 12)
        site.resubmit()
        (site.run / "plan.json").write_text("")
        site.submit(site.again)

        assert len(list((site.run / "outputs").glob("batch_*"))) == 2


@pytest.mark.parametrize("end", ["", "kill"], ids=["ends", "is stopped"])
def test_a_job_leaves_nothing_to_the_run_that_took_the_place_as_it_ran(
    end: str, site: Site
) -> None:
    site.plan("--images-per-batch", 12, scheduler="shell")
    cellprofiler = site.home / "bin" / "cellprofiler"
    cellprofiler.rename(site.home / "bin" / "real")
    go, began = site.home / "go", site.home / "began"
    program(
        site,
        "cellprofiler",
        # A plan for this machine asks for the version, and would wait for ever.
        f'if [ "$1" != --version ]; then\n  touch {began}\n'
        f'  while [ ! -e {go} ]; do sleep 0.05; done\nfi\nexec {site.home}/bin/real "$@"',
    )
    with subprocess.Popen(
        ["sh", str(site.run / "task.sh"), "1"],
        env={**os.environ, **site.environment},
        stderr=subprocess.PIPE,
        text=True,
    ) as job:
        while not began.exists():
            assert job.poll() is None
            time.sleep(0.02)
        site.run.rename(site.home / "moved")
        site.plan("--images-per-batch", 6, scheduler="shell")
        if end:
            job.terminate()
        go.touch()
        said = job.communicate(timeout=60)[1]

    assert job.returncode == 1
    assert f"{site.run}: not the run that was planned" in said
    assert not list((site.run / "outputs").iterdir())
