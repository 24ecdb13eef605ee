"""Batches decoded by other processes: the same content, and none is lost when one is killed."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.background_loads import SCREEN_IMAGE_SETS, SCREEN_STATUS, Load, screen
from support.calls import load
from support.deadly_workers import Deadly, DeadlyPool
from support.fixtures import Ran, content, rows, unpacked

from cpexport.errors import SourceError
from cpexport.loading.decode import decode
from cpexport.loading.load_plan import LoadStep
from cpexport.loading.prefetch import decoded_ahead
from cpexport.loading.survey import survey
from cpexport.loading.workers import THREAD, ExecutorSpec, Processes, WorkerPool, processes
from cpexport.tables.options import TableOptions


def running(folder: Path) -> set[int]:
    """The processes that have `folder` as TMPDIR."""
    found = set()
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"TMPDIR={folder}\0".encode() in environ.read_bytes():
                found.add(int(environ.parent.name))
        except OSError:
            continue
    return found


def workers_of(one: Load) -> set[int]:
    """The processes of a load that decode."""
    found = set()
    for process in running(one.scratch):
        with suppress(OSError):
            words = Path(f"/proc/{process}/cmdline").read_text()
            found |= {process} if "workers import serve" in words else set()
    return found


def gone(folder: Path) -> bool:
    """Whether no process has `folder` as TMPDIR any more, within some seconds."""
    end = time.monotonic() + 20
    while running(folder):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize(
    "words",
    [(), ("--objects", "combined", "--aggregate", "mean")],
    ids=["separate", "combined"],
)
def test_the_content_does_not_depend_on_how_many_processes_decode(
    cpexport: Callable[..., Ran], tmp_path: Path, words: tuple[str, ...]
) -> None:
    found = []
    for jobs in (1, 3):
        to = tmp_path / f"{jobs}.sqlite"
        ran = cpexport(
            "load", *screen(), "--to", f"sqlite:///{to}", "--jobs", jobs, *words, "--quiet"
        )
        assert (ran.status, ran.err) == (SCREEN_STATUS, "")
        found.append(content(to))

    assert found[0] == found[1]
    assert len(found[0]["ledger"]) == SCREEN_IMAGE_SETS


def doses(file: Path, change: Callable[[str], str]) -> None:
    """Changes the doses in an Image.csv."""
    with file.open(newline="") as stream:
        header, *lines = csv.reader(stream)
    place = header.index("Metadata_Dose")
    for line in lines:
        line[place] = change(line[place])
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *lines])


@pytest.mark.parametrize("jobs", [1, 3])
def test_what_was_decoded_as_numbers_is_text_as_the_job_wrote_it_once_it_has_to_be_text(
    cpexport: Callable[..., Ran], copy: Callable[..., Path], tmp_path: Path, jobs: int
) -> None:
    copy("10_ranges", "outputs", "outputs")
    for batch in ("batch_13_18", "batch_19_24"):
        doses(tmp_path / "outputs" / batch / "Image.csv", lambda dose: "1.50")
    doses(tmp_path / "outputs" / "batch_7_12" / "Image.csv", lambda dose: "much")

    ran = cpexport("load", "outputs", "--to", "sqlite:///x.sqlite", "--jobs", jobs, "--quiet")

    assert (ran.status, ran.err) == (0, "")
    words = "SELECT DISTINCT Image_Metadata_Dose FROM Per_Image WHERE ImageNumber > 6 ORDER BY 1"
    assert rows(tmp_path / "x.sqlite", words) == [("1.50",), ("much",)]


@pytest.mark.parametrize("executor", [Deadly, DeadlyPool])
@pytest.mark.parametrize("what", ["inspected", "decoded"])
def test_a_batch_that_kills_its_worker_is_named_and_all_others_are_loaded(
    tmp_path: Path, what: str, executor: Callable[..., Executor], monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is remembered is not looked at.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    outputs, to = unpacked("10_ranges") / "outputs", tmp_path / "x.sqlite"
    names = sorted(path.name for path in outputs.iterdir())
    assert "batch_7_12" in names

    report = load([outputs], f"sqlite:///{to}", workers=ExecutorSpec(partial(executor, what), 3))

    (left_out,) = report.left_out
    assert Path(left_out.path).name == "batch_7_12"
    assert "was killed, usually because memory ran out" in left_out.reason
    assert not report.is_complete
    loaded = rows(to, "SELECT DISTINCT path FROM _cpexport_batches")
    assert sorted(Path(str(path)).name for (path,) in loaded) == [
        name for name in names if name != "batch_7_12"
    ]
    again = load([outputs], f"sqlite:///{to}")
    assert (again.loaded, again.is_complete) == (1, True)


SCRIPT = """
import multiprocessing
import sys
import cpexport

print("the script begins")
if sys.argv[3:]:
    multiprocessing.set_executable(sys.argv[3])
print(cpexport.load(sys.argv[1], sys.argv[2], jobs=2).loaded, "loaded")
"""


def run_script(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs a script that loads a run by two processes, without `if __name__ == "__main__"`."""
    script = folder / "script.py"
    script.write_text(SCRIPT)
    outputs, to = unpacked("10_ranges") / "outputs", f"sqlite:///{folder / 'x.sqlite'}"
    return subprocess.run(
        [sys.executable, script, outputs, to, *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_workers_do_not_run_the_script_again(tmp_path: Path) -> None:
    ran = run_script(tmp_path)

    assert (ran.returncode, ran.stderr) == (0, "")
    (loaded,) = rows(tmp_path / "x.sqlite", "SELECT count(*) FROM _cpexport_batches")
    assert ran.stdout.splitlines() == ["the script begins", f"{loaded[0]} loaded"]


def test_a_script_in_which_processes_cannot_begin_is_told_so(tmp_path: Path) -> None:
    ran = run_script(tmp_path, "/bin/false")

    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1].endswith(
        "worker processes end as soon as they start; work without them with --jobs 1"
    )
    assert not (tmp_path / "x.sqlite").exists()


@pytest.mark.parametrize("error", [MemoryError(), RecursionError("deep"), TypeError("odd")])
def test_whatever_a_worker_raises_costs_its_batch(error: Exception, tmp_path: Path) -> None:
    batches = survey([unpacked("13_groups") / "outputs"]).batches[:2]
    steps = [LoadStep(batch, batch.complete, ()) for batch in batches]

    def failing(batch: Any, image_sets: Any, types: Any) -> Any:
        if batch is batches[0]:
            raise error
        return decode(batch, image_sets, types, TableOptions(), tmp_path)

    with closing(WorkerPool(THREAD)) as pool:
        (_, first), (_, second) = decoded_ahead(pool, steps, dict, failing)

    assert isinstance(first, SourceError)
    assert first.path == str(batches[0].source.path)
    assert not isinstance(second, SourceError)


def test_an_error_that_cannot_be_sent_from_a_process_is_sent_as_its_text() -> None:
    raising = partial(exec, "raise type('Odd', (Exception,), {})('what')")
    with Processes(1) as executor:
        with pytest.raises(RuntimeError, match="Odd: what"):
            executor.submit(raising).result()

        assert executor.submit(partial(abs, -1)).result() == 1


def test_a_worker_killed_once_costs_nothing(tmp_path: Path) -> None:
    quiet = Load(tmp_path / "quiet" / "x.sqlite", screen(), more=("--jobs", "1"))
    assert quiet.end()[0] == SCREEN_STATUS
    one = Load(tmp_path / "one" / "x.sqlite", screen(), more=("--jobs", "2"))

    assert one.wait_until(lambda: bool(workers_of(one)))
    for worker in workers_of(one):
        os.kill(worker, signal.SIGKILL)

    status, _, err = one.end()
    assert (status, err) == (SCREEN_STATUS, "")
    assert content(one.to) == content(quiet.to)
    assert list(one.scratch.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_load_that_is_stopped_leaves_no_process_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    one = Load(tmp_path / "one" / "x.sqlite", screen(), more=("--jobs", "2"))
    assert one.wait_until(lambda: one.to.exists() and one.to.stat().st_size > 0), one.end()
    assert workers_of(one)

    os.kill(one.group, number)

    _, _, err = one.end()
    assert gone(one.scratch)
    assert "Traceback" not in err


class Counting(ThreadPoolExecutor):
    """Counts what was asked of it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.asked: list[Future[Any]] = []

    def submit(self, call: Callable[..., Any], /, *words: Any, **named: Any) -> Future[Any]:
        self.asked.append(super().submit(call, *words, **named))
        return self.asked[-1]


def steps() -> list[LoadStep]:
    found = survey([unpacked("10_ranges") / "outputs"])
    return [LoadStep(batch, batch.complete) for batch in found.batches]


@pytest.mark.parametrize("number", [1, 2])
def test_no_more_is_decoded_than_a_slow_destination_can_take(tmp_path: Path, number: int) -> None:
    executor, todo = Counting(number), steps()
    names, most = [], []

    with closing(WorkerPool(ExecutorSpec(lambda: executor, number))) as crew:
        ahead = decoded_ahead(
            crew, todo, dict, partial(decode, shape=TableOptions(), scratch=tmp_path)
        )
        for taken, (step, _) in enumerate(ahead, 1):
            names.append(step)
            most.append(len(executor.asked) - taken)

    assert names == todo
    assert max(most) == number + 1


def test_no_more_is_asked_for_while_too_many_bytes_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cpexport.loading.prefetch.BYTES", 1)
    executor, todo = Counting(1), steps()
    asked = []

    with closing(WorkerPool(ExecutorSpec(lambda: executor, 1))) as crew:
        for _ in decoded_ahead(
            crew, todo, dict, partial(decode, shape=TableOptions(), scratch=tmp_path)
        ):
            asked.append(len(executor.asked))
            wait(executor.asked)

    # As the second is used the third waits, and is too much already for a fourth.
    assert asked[1] == 3
    assert asked[-1] == len(todo) == 4


def allocator() -> str:
    """What Arrow has memory from, in the process that calls."""
    return str(pa.default_memory_pool().backend_name)


def test_what_a_process_frees_goes_back_to_the_system() -> None:
    executor = Processes(1)
    try:
        assert executor.submit(allocator).result() == "system"
    finally:
        executor.shutdown()


def test_processes_are_not_begun_for_little_work() -> None:
    assert processes(None).fit(1_000_000) is THREAD
    assert processes(None).fit(10**10) is not THREAD
    assert processes(2).fit(1_000_000).number == 2
    assert processes(1) is THREAD
