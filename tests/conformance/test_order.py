"""Groups that are not in order, by the real CellProfiler, which numbers image sets anew."""

import csv
from pathlib import Path

import pytest
from real import (
    answer_of,
    cpexport,
    run,
    what_would_run,
)
from screens import (
    FAILED,
    NOT_WHOLE,
    WHOLE,
    Screen,
    drawn,
    home,
    needs_cellprofiler,
    out_of_order,
    scattered,
)
from support.fixtures import columns

__all__ = ["drawn", "home", "out_of_order", "scattered"]

needs_cellprofiler()


class TestScatteredGroups:
    """A list that is not sorted by its groups: jobs by -g number image sets anew."""

    @pytest.mark.parametrize("format", ["commands", "list", "array", "json"])
    def test_plan_prints_it_with_a_problem(self, scattered: Screen, format: str) -> None:
        words = ["plan", "--batch", scattered.batch_file, "--format", format]
        ran = cpexport(*words, cwd=scattered.home)

        assert ran.status == NOT_WHOLE
        assert ran.err.startswith("problem: ")
        assert "sort the list by Metadata_Plate, Metadata_Well" in ran.err

    def test_plan_writes_nothing_to_submit(self, scattered: Screen) -> None:
        words = ["plan", "--batch", scattered.batch_file, "--format", "shell", "--out", "run"]
        ran = cpexport(*words, cwd=scattered.home)

        assert ran.status == FAILED
        assert ran.err.startswith("problem: ")
        assert not (scattered.home / "run").exists()

    def test_its_jobs_would_indeed_run_other_pictures(self, scattered: Screen) -> None:
        words = ["plan", "--batch", scattered.batch_file, "--format", "json"]
        jobs = answer_of(cpexport(*words, cwd=scattered.home))["jobs"]

        answers = what_would_run([job["command"] for job in jobs], scattered.home)
        assert [a["pictures"] for a in answers] == [[n, n + 6] for n in range(1, 7)]
        assert [a["numbers"] for a in answers] == [[n, n + 1] for n in range(1, 12, 2)]


@pytest.fixture(scope="module")
def outputs(out_of_order: Screen) -> Path:
    """What all jobs of that list leave, of up to three groups each."""
    words = ["plan", "--batch", out_of_order.batch_file, "--images-per-batch", "6"]
    planned = cpexport(*words, "--format", "shell", "--out", "run", cwd=out_of_order.home)
    assert planned.status == WHOLE, planned.err
    ran = run(["sh", "run/submit.sh"], out_of_order.home)
    assert ran.status == WHOLE, ran
    return out_of_order.home / "run" / "outputs"


class TestGroupsOutOfOrder:
    """Each group in one piece, but not in the order of names: ranges that CellProfiler keeps."""

    def test_groups_share_a_job_only_where_they_are_in_order(self, outputs: Path) -> None:
        names = {path.name for path in outputs.iterdir()} - {"status"}

        assert names == {"group_P2-9", "batch_3_6", "group_P1-9", "batch_9_12"}

    def test_every_job_gives_the_pictures_listed_under_its_numbers(
        self, outputs: Path, out_of_order: Screen
    ) -> None:
        found = {}
        for path in outputs.glob("*/Image.csv"):
            with path.open(newline="") as stream:
                for row in csv.DictReader(stream):
                    found[int(float(row["ImageNumber"]))] = (
                        row["FileName_DNA"],
                        row["FileName_ER"],
                        int(float(row["Count_Nuclei"])),
                    )

        assert found == {
            number: (field.file("DNA"), field.file("ER"), field.nuclei)
            for number, field in enumerate(out_of_order.fields, start=1)
        }

    def test_check_and_load_find_all_of_it(self, outputs: Path, out_of_order: Screen) -> None:
        to = f"sqlite:///{out_of_order.home / 'loaded.sqlite'}"

        assert cpexport("check", "run", cwd=out_of_order.home).status == WHOLE
        assert cpexport("load", "run", "--to", to, cwd=out_of_order.home).status == WHOLE
        counts = columns(out_of_order.home / "loaded.sqlite", "Per_Image")["Image_Count_Nuclei"]
        assert counts == [field.nuclei for field in out_of_order.fields]

    def test_one_range_over_groups_out_of_order_would_not(self, out_of_order: Screen) -> None:
        command = ["cellprofiler", "-c", "-r", "-p", str(out_of_order.batch_file)]
        words = [*command, "-f", "1", "-l", "4", "-o", "out", "-d", "out/done.txt"]
        (answer,) = what_would_run([words], out_of_order.home)

        assert answer["numbers"] == [1, 2, 3, 4]
        assert answer["pictures"] == [3, 4, 1, 2]
