"""submit.sh submits each job once, whoever runs it however often, and the last job after them."""

import os
import shutil
import subprocess

import pytest
from support.clusters import Slurm
from support.fixtures import rows
from support.site import Site, program
from support.submitting import COUNT, arrays, last, on, played, received, records, sizes


class TestOnce:
    def test_two_people_at_once_submit_once(self, slurm: Slurm, site: Site) -> None:
        on(slurm, site).plan("--images-per-batch", 6, "--option=--hold", scheduler="slurm")
        words = ["sh", str(site.run / "submit.sh")]
        environment = {**os.environ, **site.environment}
        both = [
            subprocess.Popen(words, env=environment, stdout=-1, stderr=-2, text=True)
            for _ in range(2)
        ]
        said = "".join(one.communicate(timeout=60)[0] for one in both)
        queue = slurm.must("squeue", "-h", "-o", "%F %j").splitlines()
        slurm.must("scancel", *arrays(said), last(said))
        slurm.wait([*arrays(said), last(said)])

        assert len(arrays(said)) == 1
        assert sorted(line.split()[1] for line in queue) == ["cpexport", "cpexport-merge"]
        assert list(records(site).values()) == [
            [arrays(said)[0], "4", "1-6", "7-12", "13-18", "19-24"]
        ]
        assert "is submitting jobs for these outputs" in said or "were already submitted" in said

    def test_who_submits_now_is_named_and_nothing_is_submitted(self, site: Site) -> None:
        played(site)
        site.plan("--images-per-batch", 6, scheduler="slurm")
        lock = site.run / "outputs" / "status" / "submit.lock"
        lock.mkdir(parents=True)
        (lock / "who").write_text("ada on login2\n")
        said = site.submit()

        assert "ada on login2 is submitting jobs" in said
        assert str(lock) in said
        assert received(site) == []

    @pytest.mark.parametrize("what", ["a file in its place", "no room"])
    def test_nothing_is_submitted_that_cannot_be_recorded(self, site: Site, what: str) -> None:
        played(site)
        site.plan("--images-per-batch", 6, scheduler="slurm")
        status = site.run / "outputs" / "status"
        if what == "no room":
            (site.run / "logs").mkdir()
            status.mkdir()
        else:
            status.write_text("")
        # A process that may write no byte meets what one does on a full disk.
        script = 'trap "" XFSZ; [ "$1" = "no room" ] && ulimit -f 0; exec sh "$2"'
        done = subprocess.run(
            ["sh", "-c", script, "sh", what, site.run / "submit.sh"],
            env={**os.environ, **site.environment},
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.returncode == 1
        assert "nothing was submitted" in done.stderr
        assert received(site) == []

    def test_a_submission_that_was_cut_off_is_told_with_what_to_do(self, site: Site) -> None:
        """sbatch is killed with all that waits for it, when nobody knows what Slurm has done."""
        played(site, "kill -9 0")
        site.plan("--images-per-batch", 6, scheduler="slurm")
        words = ["sh", str(site.run / "submit.sh")]
        environment = {**os.environ, **site.environment}
        subprocess.run(words, env=environment, start_new_session=True, check=False)
        shutil.rmtree(site.run / "outputs" / "status" / "submit.lock")
        ((name, half),) = records(site).items()
        played(site)
        again = site.submit()
        record = site.run / "outputs" / "status" / name
        subprocess.run(["sed", "-i", "1s/[[:space:]]/&12/", record], check=True)
        with_id = site.submit()

        assert half == ["4", "1-6", "7-12", "13-18", "19-24"]
        assert "jobs 1 to 4 may have been submitted" in again
        assert str(record) in again
        assert "squeue" in again
        assert "were already submitted as 12" in with_id
        assert sizes(site) == ["1-4"]

    def test_jobs_that_the_record_lost_are_not_submitted_again(self, site: Site) -> None:
        """A dying node can leave it cut off, here after a whole line."""
        played(site)
        site.plan("--images-per-batch", 6, scheduler="slurm")
        site.submit()
        (name,) = records(site)
        record = site.run / "outputs" / "status" / name
        record.write_text("".join(record.read_text().splitlines(keepends=True)[:3]))

        assert "jobs 1 to 4 were already submitted as 7" in site.submit()
        assert sizes(site) == ["1-4"]

    @pytest.mark.parametrize(
        "answer",
        [
            "echo 'sbatch: error: Socket timed out on send/recv operation' >&2; exit 1",
            "kill -9 $$",
            "exit 0",
        ],
    )
    def test_an_answer_that_was_lost_is_not_taken_for_a_refusal(
        self, site: Site, answer: str
    ) -> None:
        played(site, answer)
        site.plan("--images-per-batch", 6, scheduler="slurm")
        first, again = site.submit(), site.submit()

        assert "may have been submitted" in first
        assert "may have been submitted" in again
        assert sizes(site) == ["1-4"]

    def test_jobs_whose_id_cannot_be_recorded_are_cancelled(self, site: Site) -> None:
        """The folder is taken away while sbatch runs."""
        played(
            site,
            f"rm -rf {site.run}/outputs/status; echo 7",
            scancel=f'echo "$@" >{site.home}/cancelled',
        )
        site.plan("--images-per-batch", 6, scheduler="slurm")
        said = site.submit()

        assert "these jobs were cancelled" in said
        assert (site.home / "cancelled").read_text() == "7\n"

    def test_what_another_plan_has_submitted_meanwhile_is_not_submitted_again(
        self, site: Site
    ) -> None:
        """Two people plan what is missing at the same time, and both submit it."""
        played(site)
        site.plan("--images-per-batch", 12, scheduler="slurm")
        site.submit()
        program(site, "squeue", "exit 0")
        site.resubmit()
        first = site.again
        site.resubmit()
        second = site.again
        submitted = site.submit(first)
        for record in (site.run / "outputs" / "status").glob("*.submitted"):
            # The clocks of machines differ, and a copy of a run has new times.
            os.utime(record, (0, 0))
        for folder in (first, second):
            os.utime(folder / "plan.json")
        refused = site.submit(second)

        assert arrays(submitted) == ["7"]
        assert arrays(refused) == []
        assert "image set 1 is in jobs that were submitted after this plan was made" in refused

    def test_what_was_submitted_before_a_plan_was_made_is_not_in_its_way(self, site: Site) -> None:
        """All of it has ended; its record may look newer than the plan."""
        played(site)
        site.plan("--images-per-batch", 12, scheduler="slurm")
        site.submit()
        program(site, "squeue", "exit 0")
        site.resubmit()
        for record in (site.run / "outputs" / "status").glob("*.submitted"):
            os.utime(record)
        os.utime(site.again / "plan.json", (1, 1))

        assert arrays(site.submit(site.again)) == ["7"]

    def test_a_record_that_says_another_id_by_now_is_a_submission_since(self, site: Site) -> None:
        """Somebody removed it, and submitted the same plan once more."""
        played(site)
        site.plan("--images-per-batch", 12, scheduler="slurm")
        site.submit()
        program(site, "squeue", "exit 0")
        site.resubmit()
        (record,) = (site.run / "outputs" / "status").glob("*.submitted")
        record.write_text(record.read_text().replace("\t7\t", "\t8\t"))

        assert "image set 1 is in jobs that were submitted after" in site.submit(site.again)

    def test_other_image_sets_of_another_plan_are_in_nobodys_way(self, site: Site) -> None:
        played(site)
        site.plan("--images-per-batch", 12, scheduler="slurm")
        status = site.run / "outputs" / "status"
        status.mkdir()
        (status / "0123456789ab.0.submitted").write_text("slurm\t3\n25-36\n37,40-48\n")

        assert arrays(site.submit()) == ["7"]


class TestLastJob:
    def test_waits_for_all_others_whatever_else_was_asked_for(
        self, slurm: Slurm, site: Site
    ) -> None:
        on(slurm, site).plan(
            *("--images-per-batch", 6, "--option=--dependency=singleton", "--option=--hold"),
            scheduler="slurm",
        )
        said = site.submit()
        slurm.until_waiting(last(said), "Dependency")
        slurm.must("scontrol", "release", *arrays(said))
        slurm.wait([*arrays(said), last(said)])

        assert rows(site.run / "screen.sqlite", COUNT) == [(24,)]

    def test_runs_when_the_others_were_cancelled(self, slurm: Slurm, site: Site) -> None:
        on(slurm, site).plan("--images-per-batch", 6, "--option=--hold", scheduler="slurm")
        said = site.submit()
        slurm.must("scancel", *arrays(said))
        slurm.wait([*arrays(said), last(said)])
        log = (site.run / "logs" / f"merge_{last(said)}.log").read_text()

        assert "missing" in log

    def test_has_limits_of_its_own(self, slurm: Slurm, site: Site) -> None:
        limits = ("--time", 5, "--memory", "300M")
        on(slurm, site).plan("--images-per-batch", 6, *limits, "--option=--hold", scheduler="slurm")
        said = site.submit()
        found = slurm.must("squeue", "-h", "-j", last(said), "-o", "%l %m").split()
        array = slurm.must("squeue", "-h", "-j", arrays(said)[0], "-o", "%l %m").split()
        slurm.must("scancel", *arrays(said), last(said))
        slurm.wait([*arrays(said), last(said)])

        assert array[:2] == ["5:00", "300M"]
        assert found == ["30:00", "4G"]

    def test_gets_no_more_time_than_its_partition_allows(self, slurm: Slurm, site: Site) -> None:
        """It would wait for ever; the tests' partition allows an hour."""
        on(slurm, site).plan(
            *("--images-per-batch", 6, "--merge-time", "1-12:00:00", "--option=--hold"),
            scheduler="slurm",
        )
        said = site.submit()
        found = slurm.must("squeue", "-h", "-j", last(said), "-o", "%l").strip()
        slurm.must("scancel", *arrays(said), last(said))
        slurm.wait([*arrays(said), last(said)])

        assert found == "1:00:00"
        assert "gets 1:00:00, the most that its partition allows" in said

    def test_has_the_limits_that_it_is_given(self, site: Site) -> None:
        played(site)
        site.plan("--merge-time", "2:00:00", "--merge-memory", "8G", scheduler="slurm")
        site.submit()
        array, merge = received(site)

        assert not [word for word in array if word.startswith(("--time", "--mem"))]
        assert {"--time=02:00:00", "--mem=8192M"} <= set(merge)
