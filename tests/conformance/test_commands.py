"""Every command planned, as understood by the real CellProfiler."""

import io
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from real import (
    Ran,
    answer_of,
    cpexport,
    what_would_run,
)
from screens import (
    FAILED,
    WHOLE,
    drawn,
    grouped,
    home,
    needs_cellprofiler,
    out_of_order,
    plain,
)
from support.fixtures import DATA, unpacked

from cpexport.cli.main import main
from cpexport.imagesets import ImageSets

__all__ = ["drawn", "grouped", "home", "out_of_order", "plain"]

needs_cellprofiler()

SIZES = (1, 5, 7, 50, 1000)
MOST_JOBS = 12
MADE = ("plain", "grouped", "out_of_order")


def cases() -> list[str]:
    """The batch files of the real outputs among the tests' data."""
    return [
        f"{name}/{path.relative_to(unpacked(name))}"
        for name in sorted(p.name.split(".")[0] for p in (DATA / "cases").glob("*.tar.xz"))
        for path in sorted(unpacked(name).rglob("Batch_data.h5"))
    ]


OLDER = [name for name in cases() if name.startswith("70_cp319/")]
ALL = [*MADE, *(name for name in cases() if name not in OLDER)]


@dataclass(frozen=True)
class Asked:
    """A plan of a batch file, and for each of its jobs what CellProfiler says it would run.

    `problem` is why plan says that the jobs would run in vain.
    """

    options: str
    problem: str
    jobs: Sequence[dict[str, Any]]
    answers: Sequence[dict[str, Any]]


def planned(*words: object) -> Ran:
    """Runs `cpexport plan` here, which is quick, and without CellProfiler to ask for its version,
    which is not."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setenv("PATH", "/usr/bin:/bin")
        with pytest.raises(SystemExit) as end:
            main(["plan", *map(str, words)])
    return Ran(int(end.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def asked(home: Path, request: pytest.FixtureRequest) -> dict[str, list[Asked]]:
    """The plans of every batch file, put to CellProfiler all at once, as it is slow to start."""
    paths = {name: request.getfixturevalue(name).batch_file for name in MADE}
    for name in cases():
        case, _, part = name.partition("/")
        paths[name] = unpacked(case) / part
    plans: list[tuple[str, str, str, list[dict[str, Any]]]] = []
    for name, path in paths.items():
        for options in ["", "--by-group", *(f"--images-per-batch={size}" for size in SIZES)]:
            ran = planned("--batch", path, *options.split(), "--format", "json")
            if ran.status == FAILED and options == "--by-group":
                assert "is not grouped" in ran.err
                continue
            if ran.status == FAILED and ran.err.startswith("problem: "):
                plans.append((name, options, ran.err, []))
                continue
            assert ran.status == WHOLE, ran.err
            jobs = answer_of(ran)["jobs"]
            if len(jobs) <= MOST_JOBS:
                plans.append((name, options, "", jobs))
    commands = [job["command"] for *_, jobs in plans for job in jobs]
    answers = iter(what_would_run(commands, home))
    found: dict[str, list[Asked]] = {}
    for name, options, problem, jobs in plans:
        some = [next(answers) for _ in jobs]
        found.setdefault(name, []).append(Asked(options, problem, jobs, some))
    return found


class TestCommands:
    """CellProfiler's own code says of each command planned which image sets it runs."""

    @pytest.mark.parametrize("name", ALL)
    def test_each_runs_the_image_sets_planned(
        self, asked: dict[str, list[Asked]], name: str
    ) -> None:
        for plan in asked[name]:
            if plan.problem:
                pytest.skip(plan.problem.splitlines()[0])
            for job, answer in zip(plan.jobs, plan.answers, strict=True):
                planned = list(ImageSets.parse(job["image_sets"]))
                assert "error" not in answer, (plan.options, job, answer)
                assert answer["numbers"] == answer["pictures"] == planned, (plan.options, job)

    @pytest.mark.parametrize("name", ALL)
    def test_together_they_run_each_picture_once(
        self, asked: dict[str, list[Asked]], name: str
    ) -> None:
        every = {
            tuple(sorted(number for answer in plan.answers for number in answer["pictures"]))
            for plan in asked[name]
            if not any("error" in answer for answer in plan.answers)
        }
        if not every:
            pytest.skip(asked[name][0].problem.splitlines()[0])

        assert len(every) == 1, "plans of other sizes run other pictures"
        (pictures,) = every
        assert pictures == tuple(range(1, len(pictures) + 1))

    @pytest.mark.parametrize("name", ALL)
    def test_no_group_is_cut(self, asked: dict[str, list[Asked]], name: str) -> None:
        alone = [plan for plan in asked[name] if plan.options == "--by-group"]
        if not alone:
            pytest.skip("not grouped")
        wanted = sorted(tuple(answer["pictures"]) for answer in alone[0].answers)

        for plan in asked[name]:
            found = []
            for answer in plan.answers:
                of = dict(zip(answer["numbers"], answer["pictures"], strict=True))
                found += [tuple(of[number] for number in group) for group in answer["groups"]]
            assert sorted(found) == wanted, plan.options

    def test_plan_has_a_problem_only_with_batch_files_whose_jobs_fail(
        self, asked: dict[str, list[Asked]]
    ) -> None:
        found = {
            name: plan.problem for name, plans in asked.items() for plan in plans if plan.problem
        }
        assert {name.removesuffix("/Batch_data.h5") for name in found} == {
            "08_unsorted_groups",
            "20_sqlite/shared",
            "batch_files/06_batch_distributed",
            "batch_files/21_sqlite_batch",
        }
        for plan in asked["batch_files/06_batch_distributed/Batch_data.h5"]:
            assert all("error" in answer for answer in plan.answers)
        for plan in asked["08_unsorted_groups/Batch_data.h5"]:
            assert any(answer["pictures"] != answer["numbers"] for answer in plan.answers)

    @pytest.mark.parametrize("name", OLDER)
    def test_plan_warns_of_a_batch_file_that_this_version_cannot_run(
        self, asked: dict[str, list[Asked]], home: Path, name: str
    ) -> None:
        assert all("error" in answer for plan in asked[name] for answer in plan.answers)

        case, _, part = name.partition("/")
        ran = cpexport("plan", "--batch", unpacked(case) / part, "--format", "list", cwd=home)
        assert "run the jobs with the same version" in ran.err
