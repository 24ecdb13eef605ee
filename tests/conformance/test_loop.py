"""Whole loops with the real CellProfiler: plan, run, kill, check, run again, load, compare."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from real import (
    Ran,
    answer_of,
    cpexport,
    files,
    killed,
    lost,
    run,
)
from screens import (
    NOT_WHOLE,
    WHOLE,
    Screen,
    drawn,
    grouped,
    home,
    needs_cellprofiler,
    own,
    plain,
)
from support.fixtures import closeness, columns, tables

from cpexport.imagesets import ImageSets

__all__ = ["drawn", "grouped", "home", "own", "plain"]

needs_cellprofiler()


@dataclass
class Loop:
    """What each step of one loop left, in order. `missing` are the image sets of each job that is
    to be run again: of the one killed, and of the one that failed."""

    folder: Path
    missing: Sequence[str]
    planned: Ran
    submitted: Ran
    victims: Sequence[int]
    first_check: Ran
    left: Sequence[str]
    resubmitted: Ran
    submitted_again: Ran
    last_check: Ran
    loaded: Ran

    @property
    def database(self) -> Path:
        return self.folder / "loaded.sqlite"

    def jobs(self, run: str) -> dict[str, str]:
        """The folder of each job of a plan, with the image sets it runs."""
        lines = (self.folder / run / "jobs.tsv").read_text("utf-8").splitlines()
        return {words[4]: words[5] for words in (line.split("\t") for line in lines)}


def went_round(
    folder: Path,
    screen: Screen,
    plan: Sequence[str],
    victim: str,
    when: str,
    missing: Sequence[str],
) -> Loop:
    """One loop in which the second job is killed, and the last lacks a picture in its first try.

    `victim` is the folder of the second job, which is killed when it has logged `when`.
    """
    folder.mkdir()
    words = ["plan", "--batch", screen.batch_file, "--format", "shell", "--out", "run", *plan]
    planned = cpexport(*words, cwd=folder)
    picture = screen.images / screen.fields[-1].file("ER")
    hidden = picture.rename(folder / picture.name)
    part = folder / "run" / "outputs" / f"{victim}.part"
    try:
        with killed(part, folder / "run" / "logs" / "2.log", when) as victims:
            submitted = run(["sh", "run/submit.sh"], folder)
    finally:
        hidden.rename(picture)
    first_check = cpexport("check", "run", "--format", "json", cwd=folder)
    left = list(files(folder / "run" / "outputs"))
    resubmitted = cpexport("check", "run", "--resubmit", "run2", "--format", "json", cwd=folder)
    again = run(["sh", "run2/submit.sh"], folder)
    last_check = cpexport("check", "run", "--format", "json", cwd=folder)
    to = f"sqlite:///{folder / 'loaded.sqlite'}"
    loaded = cpexport("load", "run", "--to", to, "--format", "json", cwd=folder)
    return Loop(
        folder,
        missing,
        planned,
        submitted,
        victims,
        first_check,
        left,
        resubmitted,
        again,
        last_check,
        loaded,
    )


@pytest.fixture(scope="module")
def kept(home: Path, plain: Screen) -> Loop:
    """Image sets in threes, each job's measurements kept: those of the job that failed too, so that
    only the last image set of it is lost."""
    options = ["--images-per-batch", "3", "--keep-measurements"]
    when = "Image # 5, module IdentifySecondaryObjects"
    return went_round(home / "kept", plain, options, "batch_4_6", when, ["4-6", "12"])


@pytest.fixture(scope="module")
def in_groups(home: Path, grouped: Screen) -> Loop:
    """Two groups a job, CSV files only, which are written at the end of a job or never."""
    options = ["--images-per-batch", "4"]
    when = "Image # 7, module IdentifySecondaryObjects"
    return went_round(home / "in_groups", grouped, options, "batch_5_8", when, ["5-8", "9-12"])


@pytest.fixture(params=["kept", "in_groups"])
def loop(request: pytest.FixtureRequest) -> Loop:
    found: Loop = request.getfixturevalue(request.param)
    return found


def sets(ranges: Sequence[Sequence[int]]) -> ImageSets:
    return ImageSets.from_ranges((first, last) for first, last in ranges)


def seen_in(check: Ran) -> dict[str, dict[str, Any]]:
    """The batches of a check, by the name of their folder."""
    return {Path(batch["path"]).name: batch for batch in answer_of(check)["batches"]}


LEFT_BY_LOST_JOBS = {"batch_file.sha256", "done.txt", "failed.txt", "measurements.h5.part"}


class TestLoop:
    """Planned, run with one job killed and one failed, checked, run again, loaded."""

    def test_what_plan_writes_is_run(self, loop: Loop) -> None:
        assert loop.planned.status == WHOLE, loop.planned.err
        assert len(loop.victims) == 1, loop.submitted
        assert loop.submitted.status == NOT_WHOLE

    def test_what_the_killed_and_the_failed_job_did_not_do_is_missing_and_nothing_else(
        self, loop: Loop
    ) -> None:
        assert loop.first_check.status == NOT_WHOLE
        missing = sets(answer_of(loop.first_check)["missing"])
        assert missing == ImageSets.parse(",".join(loop.missing))

    def test_each_batch_says_what_became_of_it(self, loop: Loop) -> None:
        jobs = loop.jobs("run")
        victim, failure = list(jobs)[1], list(jobs)[-1]

        found = seen_in(loop.first_check)
        assert set(found) == {
            *(name for name in jobs if name not in (victim, failure)),
            f"{victim}.part",
            f"{failure}.part",
        }
        for name, batch in found.items():
            state = "failed" if name.endswith(".part") else "complete"
            assert batch["state"] == state
            planned = ImageSets.parse(jobs[name.removesuffix(".part")])
            complete = planned - ImageSets.parse(",".join(loop.missing))
            assert batch["complete"] == str(complete)
        assert "never finished" in found[f"{victim}.part"]["reason"]
        assert "Failure" in found[f"{failure}.part"]["reason"]

    def test_jobs_that_did_not_end_leave_nothing_that_looks_done(self, loop: Loop) -> None:
        for name in loop.left:
            if ".part/" in name:
                assert Path(name).name in LEFT_BY_LOST_JOBS

    def test_what_is_missing_is_run_again_and_nothing_else(self, loop: Loop) -> None:
        assert loop.resubmitted.status == NOT_WHOLE
        again = answer_of(loop.resubmitted)["resubmit"]
        planned = [job["image_sets"] for job in again["jobs"]]
        assert planned == loop.missing == list(loop.jobs("run2").values())
        assert again["under_way"] == []
        assert again["given_up"] == []

    def test_then_all_is_there(self, loop: Loop) -> None:
        assert loop.submitted_again.status == WHOLE, loop.submitted_again
        assert loop.last_check.status == WHOLE
        said = answer_of(loop.last_check)
        assert (said["planned"], said["complete"]) == (12, 12)
        assert said["missing"] == said["unexpected"] == said["duplicate"] == []

    def test_a_check_of_the_second_plan_sees_the_jobs_of_the_first(self, loop: Loop) -> None:
        said = answer_of(cpexport("check", "run2", "--format", "json", cwd=loop.folder))

        assert said["missing"] == []

    def test_the_last_job_has_loaded_what_a_load_of_all_does(self, loop: Loop) -> None:
        assert loop.loaded.status == WHOLE
        assert answer_of(loop.loaded)["image_sets"] == 12
        by_jobs = loop.folder / "run" / "screen.sqlite"
        for table in ("Per_Image", "Per_Cells", "Per_Nuclei"):
            one, other = columns(by_jobs, table), columns(loop.database, table)
            assert one == other

    @pytest.mark.parametrize("table", ["Per_Image", "Per_Cells", "Per_Nuclei"])
    def test_tables_are_those_of_exporttodatabase(self, loop: Loop, own: Path, table: str) -> None:
        ours, theirs = columns(loop.database, table), columns(own, table)

        # Another module is the last one, how long it takes differs, and so do groups.
        names = [name for name in ours if not is_of_the_run(name)]
        assert names == [name for name in theirs if not is_of_the_run(name)]
        assert len(theirs["ImageNumber"]) > 10
        found = {name: closeness(ours[name], theirs[name]) for name in names}
        assert {name: how for name, how in found.items() if how == "different"} == {}

    def test_every_picture_is_counted_under_its_own_number(
        self, loop: Loop, plain: Screen, own: Path
    ) -> None:
        drawn = [float(field.nuclei) for field in plain.fields]

        assert columns(loop.database, "Per_Image")["Image_Count_Nuclei"] == drawn
        assert columns(own, "Per_Image")["Image_Count_Nuclei"] == drawn
        assert set(tables(own)) <= set(tables(loop.database))


def is_of_the_run(column: str) -> bool:
    return column.startswith(("Image_ExecutionTime_", "Image_Group_"))


class TestGroups:
    """A group is run whole or not at all."""

    def test_no_job_cuts_a_group(self, in_groups: Loop, grouped: Screen) -> None:
        for plan in ("run", "run2"):
            for job in in_groups.jobs(plan).values():
                numbers = set(ImageSets.parse(job))
                assert all(
                    members <= numbers or not members & numbers
                    for members in grouped.members().values()
                )

    def test_none_is_half_complete_after_jobs_were_killed(
        self, in_groups: Loop, grouped: Screen
    ) -> None:
        missing = set(sets(answer_of(in_groups.first_check)["missing"]))

        halves = [
            group
            for group, members in grouped.members().items()
            if members & missing not in (set(), members)
        ]
        assert halves == []

    def test_groups_are_numbered_as_in_one_run(self, in_groups: Loop, grouped: Screen) -> None:
        found = columns(in_groups.database, "Per_Image")

        assert found["Image_Group_Number"] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]
        assert found["Image_Group_Index"] == [1, 2] * 6


class TestLostJobs:
    """A job that is killed with the shell that runs it, as schedulers do: nothing tells of it."""

    @pytest.mark.parametrize("temporary", ["", "scratch"])
    def test_check_names_what_it_left_and_runs_it_again(
        self, grouped: Screen, tmp_path: Path, temporary: str
    ) -> None:
        words = ["plan", "--batch", grouped.batch_file, "--images-per-batch", "6"]
        cpexport(*words, "--format", "shell", "--out", "run", cwd=tmp_path)
        place = {"CPEXPORT_TMPDIR": str(tmp_path / temporary)} if temporary else {}
        lost(["sh", "run/task.sh", "1"], tmp_path, "Image # 3, module LoadData", place)

        check = cpexport("check", "run", "--resubmit", "run2", "--format", "json", cwd=tmp_path)
        assert check.status == NOT_WHOLE
        (job,) = answer_of(check)["resubmit"]["jobs"][:1]
        assert (job["image_sets"], answer_of(check)["resubmit"]["under_way"]) == ("1-6", [])
        assert seen_in(check)["batch_1_6.part"]["state"] == "failed"
