"""Following a run along: check and load look again and again, and end when all is there."""

import os
import pty
import re
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support import forks
from support.fixtures import Ran, rows
from support.site import Case, Site, program

from cpexport.cellprofiler.batch_file import read_batch_file
from cpexport.commands.check import check
from cpexport.commands.check_report import CheckReport
from cpexport.commands.seen import Seen
from cpexport.commands.watch import RunProgress, follow_check, standing
from cpexport.imagesets import NONE, ImageSets
from cpexport.jobs.history import History
from cpexport.jobs.records import Attempt
from cpexport.loading.evidence_cache import EvidenceCache
from cpexport.loading.survey import survey
from cpexport.loading.whole_batches import WholeBatches
from cpexport.sources.base import Source, signature


@pytest.fixture
def running(site: Site) -> Site:
    """Six jobs of four image sets, the third of which fails, submitted in a moment."""
    site.plan("--images-per-batch", 4)
    site.fail({"9-12": ["exit 7"]})
    return site


def rest(site: Site) -> None:
    """Runs all, and then what failed once more."""
    site.submit()
    site.resubmit()
    site.submit(site.again)


def rest_but_one(site: Site) -> None:
    """Runs all but the job that fails."""
    (site.run / "merge.sh").write_text("")
    site.submit()


def watching(site: Site, *words: object) -> "subprocess.Popen[str]":
    """A command that follows a run along, begun."""
    return subprocess.Popen(
        [forks.python(), "-m", "cpexport", *map(str, words)],
        env={**os.environ, **site.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class TestCheck:
    def test_it_ends_when_all_is_there_and_says_so(self, running: Site) -> None:
        with watching(running, "check", running.run, "--watch", "0.2") as watch:
            assert watch.stderr
            first = watch.stderr.readline()
            rest(running)
            out, err = watch.communicate(timeout=60)
        lines = [first, *err.splitlines(keepends=True)]

        assert watch.returncode == 0
        assert "complete  24  1-24" in out
        assert lines[0] == "0 complete, 0 running, 0 failed, 24 missing\n"
        assert lines[-1] == "24 complete, 0 running, 0 failed, 0 missing\n"
        assert len(lines) == len(set(lines)) > 2

    def test_a_terminal_shows_a_table_and_a_bar(self, running: Site) -> None:
        rest(running)
        mine, theirs = pty.openpty()
        words = [str(forks.python()), "-m", "cpexport", "check", str(running.run), "--watch", "1"]
        environment = {**os.environ, **running.environment, "TERM": "xterm", "COLUMNS": "80"}
        done = subprocess.run(
            words, env=environment, stdout=subprocess.PIPE, stderr=theirs, check=True
        )
        drawn = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", os.read(mine, 100_000).decode())

        assert re.search(r"complete\s+24\s+1-24", drawn)
        assert "100 %" in drawn
        assert b"complete  24  1-24" in done.stdout

    def test_with_resubmit_makes_no_sense(self, running: Site) -> None:
        ran = running.call("check", running.run, "--watch", "1", "--resubmit", "again")

        assert (ran.status, ran.out) == (2, "")


class TestLoad:
    def test_batches_are_loaded_as_they_are_completed(self, running: Site, case: Case) -> None:
        (running.run / "merge.sh").write_text("")
        batch = case("10_ranges") / "Batch_data.h5"
        with_jobs = threading.Timer(1, rest, [running])
        with_jobs.start()
        database = running.home / "watched.sqlite"
        words = ["--to", f"sqlite:///{database}", "--batch", batch, "--watch", "0.2"]
        ran = running.call("load", running.run, *words)
        with_jobs.join()

        assert ran.status == 0, ran.err
        assert "batches          6 loaded, 0 already loaded" in ran.out
        assert "image sets       24 loaded" in ran.out
        assert rows(database, "SELECT count(*), count(DISTINCT ImageNumber) FROM Per_Image") == [
            (24, 24)
        ]

    def test_each_pass_says_how_much_of_the_plan_is_loaded_and_an_interrupt_sums_up(
        self, running: Site, case: Case
    ) -> None:
        rest_but_one(running)
        batch = case("10_ranges") / "Batch_data.h5"
        to = f"sqlite:///{running.home / 'watched.sqlite'}"
        words = ("load", running.run, "--to", to, "--batch", batch, "--watch", "600")
        with watching(running, *words) as watch:
            assert watch.stderr
            line, idle = watch.stderr.readline(), watch.stderr.readline()
            watch.send_signal(2)
            out, err = watch.communicate(timeout=60)

        day = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
        said = (
            "20 of 24 planned image sets are in the destination, "
            "20 loaded since this command started"
        )
        assert re.fullmatch(f"{day}  {said}\n", line)
        # Of a shell nobody knows whether there is more to come.
        assert "no job waits or runs, and 4 image sets are missing; run them again" in idle
        assert watch.returncode == 130
        assert "image sets       20 loaded" in out
        assert "cpexport: interrupted; run the same command again to continue" in err

    def test_it_ends_when_all_jobs_have_ended_and_something_is_missing(
        self, running: Site, case: Case
    ) -> None:
        """By the word of a scheduler, which knows all that is to come."""
        rest_but_one(running)
        (running.run / "outputs" / "status" / "x.0.submitted").write_text("slurm\t7\n9-12\n")
        program(running, "squeue", "exit 0")
        program(running, "sacct", "exit 1")
        batch = case("10_ranges") / "Batch_data.h5"
        to = f"sqlite:///{running.home / 'watched.sqlite'}"
        ran = running.call("load", running.run, "--to", to, "--batch", batch, "--watch", "0.2")

        assert ran.status == 3
        assert "image sets       20 loaded" in ran.out
        assert "no job waits or runs, and 4 image sets are missing" in ran.err

    def test_without_a_batch_file_it_would_not_know_when_to_end(
        self, copy: Callable[..., Path], tmp_path: Path, cpexport: Callable[..., Ran]
    ) -> None:
        outputs = copy("40_spreadsheet", "outputs/P1-A01-1")

        ran = cpexport("load", outputs, "--to", tmp_path / "s.sqlite", "--watch", "1")

        assert (ran.status, ran.out) == (2, "")
        assert "none was found; name it with --batch" in ran.err

    def test_a_batch_file_near_the_outputs_says_when_to_end(
        self, copy: Callable[..., Path], tmp_path: Path, cpexport: Callable[..., Ran]
    ) -> None:
        copy("11_h5_and_csv", "Batch_data.h5")
        outputs = copy("11_h5_and_csv", "outputs")

        ran = cpexport("load", outputs, "--to", tmp_path / "s.sqlite", "--watch", "1")

        assert (ran.status, "missing            none" in ran.out) == (0, True)


class TestStanding:
    @pytest.fixture
    def found(self, case: Case) -> Callable[..., CheckReport]:
        plan = read_batch_file(case("10_ranges") / "Batch_data.h5")

        def make(complete: str, *batches: tuple[str, str]) -> CheckReport:
            seen = [Seen("b", ImageSets.parse(sets), NONE, state, "") for sets, state in batches]
            return CheckReport(plan, ImageSets.parse(complete), NONE, NONE, tuple(seen))

        return make

    def test_every_image_set_is_in_one_place(self, found: Callable[..., CheckReport]) -> None:
        history = History(
            (Attempt("", ImageSets.span(5, 8), "", "", "failed"),), running=ImageSets.span(7, 12)
        )
        now = standing(replace(found("1-4,7", ("17-18", "failed")), history=history))

        assert [str(s) for s in (now.complete, now.running, now.failed, now.missing)] == [
            "1-4,7",
            "8-12",
            "5-6,17-18",
            "13-16,19-24",
        ]

    def test_the_time_left_is_by_what_was_done_meanwhile(
        self, found: Callable[..., CheckReport]
    ) -> None:
        looks = iter([found("1-4"), found("1-14"), found("1-24"), found("1-24")])
        times = iter([0.0, 0.0, 20.0, 40.0])
        drawn: list[RunProgress] = []
        follow_check(lambda whole: next(looks), 0, drawn.append, lambda: next(times))

        assert [now.eta for now in drawn] == [None, 20.0, 0.0]


class TestLaterLooks:
    """A look at a run with a million batches opens only those that are new or not whole."""

    @pytest.fixture
    def outputs(self, copy: Callable[..., Path]) -> Path:
        """Two of four jobs have ended."""
        outputs = copy("10_ranges", "outputs", "outputs")
        copy("10_ranges", "Batch_data.h5")
        for name in ("batch_13_18", "batch_19_24"):
            (outputs / name).rename(outputs.parent / name)
        return outputs

    @pytest.fixture
    def opened(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        names: list[str] = []

        def key(self: EvidenceCache, source: Source) -> str:
            names.append(source.path.name)
            return ""

        monkeypatch.setattr(EvidenceCache, "key", key)
        return names

    def test_they_count_the_batches_that_they_do_not_open(
        self, outputs: Path, opened: list[str]
    ) -> None:
        whole = WholeBatches()
        first = check([outputs], outputs.parent / "Batch_data.h5", whole=whole)
        before, opened[:] = set(opened), []
        (outputs.parent / "batch_19_24").rename(outputs / "batch_19_24")
        later = check([outputs], outputs.parent / "Batch_data.h5", whole=whole)

        assert len(before) == 2
        assert set(opened) == {"batch_19_24"}
        assert (str(first.missing), str(later.missing)) == ("13-24", "13-18")
        assert str(later.complete) == "1-12,19-24"

    def test_the_last_look_sees_what_was_lost_meanwhile(self, outputs: Path) -> None:
        looks: list[CheckReport] = []

        def look(whole: WholeBatches) -> CheckReport:
            looks.append(check([outputs], outputs.parent / "Batch_data.h5", whole=whole))
            return looks[-1]

        def draw(now: RunProgress) -> None:
            if len(looks) == 1:
                for name in ("batch_13_18", "batch_19_24"):
                    (outputs.parent / name).rename(outputs / name)
                (outputs / "batch_1_6").rename(outputs.parent / "batch_1_6")
            elif len(looks) == 3:
                (outputs.parent / "batch_1_6").rename(outputs / "batch_1_6")
            drawn.append(str(now.complete))

        drawn: list[str] = []
        last = follow_check(look, 0, draw)

        assert drawn == ["1-12", "7-24", "1-24"]
        assert not last.missing
        assert len(last.batches) == 4


def test_an_interrupt_ends_a_watch_at_once(running: Site) -> None:
    with watching(running, "check", running.run, "--watch", "600") as watch:
        assert watch.stderr
        assert watch.stderr.readline().startswith("0 complete")
        watch.send_signal(2)

        assert watch.wait(10) == 130


def test_a_folder_that_gets_another_name_while_it_is_looked_at_stops_nothing(
    copy: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = copy("10_ranges", "outputs", "outputs")
    (outputs / "batch_1_6").rename(outputs / "batch_1_6.part")

    def late(source: Source) -> str:
        if source.path.name == "batch_1_6.part":
            source.path.rename(outputs / "batch_1_6")
        return signature(source)

    monkeypatch.setattr("cpexport.loading.inspection.signature", late)
    gone, *others = sorted(survey([outputs]).batches, key=lambda batch: len(batch.complete))

    assert (gone.source.path.name, len(gone.complete)) == ("batch_1_6.part", 0)
    assert "cannot be read: No such file" in gone.reason
    assert [len(batch.complete) for batch in others] == [6, 6, 6]
