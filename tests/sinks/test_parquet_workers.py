"""Folders of Parquet whose files workers write have the content that one process loads."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.calls import load
from support.csv_outputs import NEW, image, nucleus, output
from support.datasets import asked, content, leftovers
from support.deadly_workers import Deadly
from support.fixtures import unpacked

import cpexport
from cpexport.loading.progress import ProgressEvent
from cpexport.loading.workers import ExecutorSpec
from cpexport.sinks.sql.sink import LedgerSink
from cpexport.sinks.sql.stager import Staged

THREADS = ExecutorSpec(partial(ThreadPoolExecutor, 2), 2)


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of outputs too large for one group."""
    monkeypatch.setattr("cpexport.loading.groups._LEAST", 1)
    monkeypatch.setattr("cpexport.loading.groups._SHARES", 1)


@pytest.fixture
def adopted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many batches each transaction with files of workers had."""
    numbers: list[int] = []
    adopt = LedgerSink.adopt

    def counting(sink: LedgerSink, staged: Staged, batches: Any) -> None:
        adopt(sink, staged, batches)
        numbers.append(len(batches))

    monkeypatch.setattr(LedgerSink, "adopt", counting)
    return numbers


def jobs(folder: Path, areas: Sequence[float]) -> list[Path]:
    """Small outputs of jobs, with one image set and one nucleus each."""
    return [
        output(
            folder / f"job{n}",
            [image(n, f"{n}.tif", "/images", Count_Nuclei=1)],
            Nuclei=[nucleus(n, 1, area)],
        )
        for n, area in enumerate(areas, 1)
    ]


def same(one: Path, other: Path) -> bool:
    return content(one) == content(other) and leftovers(one) == set()


def test_all_but_the_first_batch_are_written_by_workers_in_groups(
    tmp_path: Path, adopted: list[int]
) -> None:
    outputs = [unpacked("40_spreadsheet") / "outputs"]
    urls = [f"parquet:{tmp_path}/screen", f"sqlite:///{tmp_path}/x.sqlite"]

    report, _ = (load(outputs, to, workers=THREADS) for to in urls)

    assert sum(adopted) == report.loaded - 1 > len(adopted)
    for table in ("Per_Image", "Per_Nuclei", "Per_Cells", "Per_Cytoplasm"):
        assert cpexport.read(urls[0], table).equals(cpexport.read(urls[1], table))
    assert leftovers(tmp_path / "screen") == set()


def test_batches_that_another_load_has_written_meanwhile_are_there_once(
    tmp_path: Path, adopted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs, to = jobs(tmp_path, [1.5] * 12), f"parquet:{tmp_path}/screen"
    adopt = LedgerSink.adopt
    others: list[int] = []

    def late(sink: LedgerSink, staged: Staged, batches: Any) -> None:
        if not others:
            others.append(load(outputs, to).loaded)
        adopt(sink, staged, batches)

    monkeypatch.setattr(LedgerSink, "adopt", late)
    report = load(outputs, to, workers=THREADS)

    load(outputs, f"parquet:{tmp_path}/alone")
    assert adopted == []
    assert (report.loaded, report.already, others) == (1, 11, [11])
    assert same(tmp_path / "screen", tmp_path / "alone")


@pytest.mark.parametrize("kind", ["parquet", "delta"])
def test_outputs_that_run_again_replace_the_older_ones(
    tmp_path: Path, adopted: list[int], kind: str
) -> None:
    to = f"{kind}:{tmp_path}/screen"
    load(jobs(tmp_path / "old", [1.5] * 12), to, workers=THREADS)
    again = [
        output(
            tmp_path / f"again{n}",
            [image(n, f"{n}.tif", "/images", Count_Nuclei=1)],
            NEW,
            Nuclei=[nucleus(n, 1, 2.5)],
        )
        for n in range(1, 13)
    ]

    report = load(again, to, workers=THREADS)

    load(again, f"parquet:{tmp_path}/alone")
    assert (report.replaced, sum(adopted)) == (12, 11 + 12)
    assert same(tmp_path / "screen", tmp_path / "alone")


def test_values_that_no_column_was_made_for_widen_it_and_nothing_is_lost(
    tmp_path: Path, adopted: list[int]
) -> None:
    """A large integer among real numbers makes a column text, which no header shows."""
    outputs = jobs(tmp_path, [2**60 + 1 if n == 7 else n + 0.5 for n in range(12)])

    load(outputs, f"parquet:{tmp_path}/screen", workers=THREADS)
    load(outputs, f"parquet:{tmp_path}/alone")

    assert same(tmp_path / "screen", tmp_path / "alone")
    assert 0 < sum(adopted) < 11


@pytest.mark.slow
def test_a_batch_that_kills_its_worker_costs_its_group_nothing(
    tmp_path: Path, adopted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs, to = unpacked("10_ranges") / "outputs", tmp_path / "screen"

    workers = ExecutorSpec(partial(Deadly, "decoded"), 3)
    report = load([outputs], f"parquet:{to}", workers=workers)

    (left_out,) = report.left_out
    assert Path(left_out.path).name == "batch_7_12"
    assert "was killed, usually because memory ran out" in left_out.reason
    assert leftovers(to) == set()
    again = load([outputs], f"parquet:{to}")
    assert (again.loaded, again.is_complete) == (1, True)
    assert asked(to, "SELECT count(*), count(DISTINCT ImageNumber) FROM Per_Image") == [(24, 24)]


def test_an_output_that_changes_costs_its_group_nothing(
    tmp_path: Path, adopted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = jobs(tmp_path, [1.5] * 12)

    def change(event: ProgressEvent) -> None:
        # The first batch is about to be written, and the groups of all others not yet sent.
        if (event.what, event.batches) == ("loaded", 0):
            with (outputs[4] / "Nuclei.csv").open("a") as file:
                file.write("5,2,1.5\n")

    to = tmp_path / "screen"
    report = load(outputs, f"parquet:{to}", workers=THREADS, progress=change)

    assert [left.path for left in report.left_out] == [str(outputs[4])]
    assert adopted == [5, 5]
    assert asked(to, "SELECT list(ImageNumber ORDER BY ImageNumber) FROM Per_Image") == [
        ([n for n in range(1, 13) if n != 5],)
    ]
    assert leftovers(to) == set()


def test_what_a_killed_load_left_for_a_group_is_deleted(tmp_path: Path) -> None:
    outputs, to = unpacked("10_ranges") / "outputs", tmp_path / "screen"
    load([outputs / "batch_1_6"], f"parquet:{to}")
    left = to / "_cpexport_parts-abc_1234"
    left.mkdir()
    (left / "Per_Image@0.parquet.part").write_bytes(b"PAR1")

    load([outputs / "batch_1_6"], f"parquet:{to}")

    assert not left.exists()
