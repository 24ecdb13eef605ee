"""Loads that are killed, or run side by side: in the end the content is that of one quiet load."""

import json
import os
import random
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from support.background_loads import SCREEN_BATCHES, SCREEN_IMAGE_SETS, SCREEN_STATUS, Load, screen
from support.calls import load
from support.fixtures import content, rows, unpacked

pytestmark = pytest.mark.slow

MOMENTS = 12


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], float]:
    """The content that an undisturbed load leaves, and how many seconds it takes."""
    to = tmp_path_factory.mktemp("quiet") / "screen.sqlite"
    began = time.monotonic()
    status, _, err = Load(to, screen()).end()
    seconds = time.monotonic() - began
    assert (status, err) == (SCREEN_STATUS, "")
    return dict(content(to)), seconds


def whole(to: Path, words: list[str], expected: dict[str, object]) -> bool:
    """Whether one more load ends well, and leaves the content expected and nothing else."""
    status, _, err = Load(to, words).end()
    assert (status, err) == (SCREEN_STATUS, "")
    assert content(to) == expected
    assert sorted(path.name for path in to.parent.iterdir()) == [to.name, "tmp"]
    assert list((to.parent / "tmp").iterdir()) == []
    return True


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_killed_at_any_moment_and_run_again_the_content_is_the_same(
    tmp_path: Path, quiet: tuple[dict[str, object], float], moment: int
) -> None:
    expected, seconds = quiet
    to = tmp_path / "screen.sqlite"
    first = Load(to, screen())

    time.sleep(random.Random(moment).uniform(0, seconds))
    first.send(signal.SIGKILL)

    assert whole(to, screen(), expected)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_by_a_signal_and_run_again_the_content_is_the_same(
    tmp_path: Path, quiet: tuple[dict[str, object], float], number: signal.Signals
) -> None:
    expected, _ = quiet
    to = tmp_path / "screen.sqlite"
    first = Load(to, screen())

    assert first.wait_until(lambda: to.exists() and to.stat().st_size > 0)
    first.send(number)

    assert whole(to, screen(), expected)


def test_interrupted_it_says_so_in_one_line_and_leaves_no_temporary_files(tmp_path: Path) -> None:
    to = tmp_path / "screen.sqlite"
    first = Load(to, screen())

    assert first.wait_until(lambda: to.exists() and to.stat().st_size > 0)
    first.send(signal.SIGINT)

    status, out, err = first.end()
    assert status == 130
    assert json.loads(out)["problem"] == "interrupted"
    assert err.strip() == "cpexport: interrupted; run the same command again to continue"
    assert list(first.scratch.iterdir()) == []


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("number", [1, 3, 4, 12])
def test_killed_as_it_syncs_and_run_again_the_content_is_the_same(
    tmp_path: Path, quiet: tuple[dict[str, object], float], number: int
) -> None:
    expected, _ = quiet
    to = tmp_path / "screen.sqlite"
    kill = f"inject=fsync,fdatasync:signal=SIGKILL:when={number}"
    trace = ("strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=fsync,fdatasync", "-e", kill)
    status, _, _ = Load(to, screen(), before=trace).end()

    assert status not in (0, SCREEN_STATUS)
    assert whole(to, screen(), expected)


def test_killed_while_a_large_first_batch_is_written_and_run_again_it_is_loaded(
    tmp_path: Path, case: Callable[[str], Path]
) -> None:
    words = [str(case("60_perf") / "outputs")]
    to = tmp_path / "screen.sqlite"
    first = Load(to, words)

    # SQLite writes pages before it commits once its cache is full.
    assert first.wait_until(lambda: to.exists() and to.stat().st_size > 0)
    first.send(signal.SIGKILL)
    status, _, err = Load(to, words).end()

    # 3: the batch file beside the outputs plans more image sets.
    assert (status, err) == (3, "")
    assert rows(to, "SELECT count(*) FROM Per_Image") == [(10,)]
    assert rows(to, "SELECT count(*) FROM Per_Cells") == [(946,)]


def test_a_load_waits_for_another_that_writes_its_large_first_batch(
    tmp_path: Path, case: Callable[[str], Path]
) -> None:
    words = [str(case("60_perf") / "outputs")]
    to = tmp_path / "screen.sqlite"
    first = Load(to, words)

    assert first.wait_until(lambda: to.exists() and to.stat().st_size > 0)
    os.killpg(first.group, signal.SIGSTOP)
    second = Load(to, words)
    time.sleep(2)
    os.killpg(first.group, signal.SIGCONT)
    ends = [first.end(), second.end()]

    assert [(status, err) for status, _, err in ends] == [(3, "")] * 2
    assert rows(to, "SELECT count(*) FROM Per_Image") == [(10,)]
    assert rows(to, "SELECT count(*) FROM _cpexport_batches") == [(1,)]


@pytest.mark.parametrize("loads", [2, 4])
def test_loads_at_once_into_one_file_load_each_batch_once(
    tmp_path: Path, quiet: tuple[dict[str, object], float], loads: int
) -> None:
    expected, _ = quiet
    to = tmp_path / "screen.sqlite"

    started = [Load(to, screen()) for _ in range(loads)]
    ends = [load.end() for load in started]

    assert [(status, err) for status, _, err in ends] == [(SCREEN_STATUS, "")] * loads
    reports = [json.loads(out) for _, out, _ in ends]
    assert sum(report["image_sets"] for report in reports) == SCREEN_IMAGE_SETS
    assert sum(report["rows"].get("Per_Image", 0) for report in reports) == SCREEN_IMAGE_SETS
    assert content(to) == expected
    assert rows(to, "SELECT count(*) FROM _cpexport_batches") == [(SCREEN_BATCHES,)]
    assert list(started[0].scratch.iterdir()) == []


def test_loads_of_different_outputs_at_once_are_as_if_one_after_the_other(
    tmp_path: Path, case: Callable[[str], Path]
) -> None:
    home = case("11_h5_and_csv") / "outputs"
    folders = [home / name for name in ("batch_1_6", "batch_7_12", "batch_13_18", "batch_19_24")]
    to = tmp_path / "screen.sqlite"

    started = [
        Load(to, [str(folder), "--batch", str(home.parent / "Batch_data.h5")]) for folder in folders
    ]
    ends = [load.end() for load in started]

    alone = tmp_path / "alone.sqlite"
    Load(alone, [str(home)]).end()
    # What the others have not loaded yet is missing for each but the last.
    assert {status for status, _, _ in ends} <= {0, 3}
    assert [err for _, _, err in ends] == [""] * 4
    quiet, found = content(alone), content(to)
    pairs = ("Per_Relationships", "Per_RelationshipTypes")
    assert {t: r for t, r in found.items() if t not in pairs} == {
        t: r for t, r in quiet.items() if t not in pairs
    }
    view = "SELECT * FROM Per_RelationshipsView ORDER BY 1, 2, 3, 4, 5, 6, 7, 8"
    assert rows(to, view) == rows(alone, view)


def test_a_load_killed_while_it_counts_for_the_optimizer_is_completed_by_the_next(
    tmp_path: Path,
) -> None:
    """All rows are stored by then, so the next load has nothing else to write."""
    to = tmp_path / "screen.sqlite"
    outputs = unpacked("10_ranges") / "outputs"
    load([outputs], f"sqlite:///{to}")
    with closing(sqlite3.connect(to)) as db, db:
        db.execute("DELETE FROM sqlite_stat1")
    # What such a load leaves: the first bytes of a journal are written when it is whole.
    journal = tmp_path / "screen.sqlite-journal"
    journal.write_bytes(bytes(512))

    assert load([outputs], f"sqlite:///{to}").loaded == 0

    assert not journal.exists()
    assert rows(to, "SELECT count(*) > 0 FROM sqlite_stat1 WHERE tbl = 'Per_Cells'") == [(1,)]
