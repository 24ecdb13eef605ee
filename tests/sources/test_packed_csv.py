"""Tables compressed with gzip are read as if they were not, and cost no more than their batch."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from support.calls import load, verify
from support.fixtures import values_of
from support.packed import compress, uncompress
from support.small_outputs import experiment, images, objects

from cpexport.commands.load_report import LoadReport
from cpexport.files import memory

MEMBER = 1 << 20
"""Bytes that each gzip stream of a bomb expands to."""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Two jobs, each with a table of objects."""
    run = tmp_path / "run"
    for number in (1, 2):
        job = run / f"b{number}"
        images(job / "Image.csv", {number: 2})
        objects(job / "Nuclei.csv", {number: 2})
        experiment(job / "Experiment.csv", version="4.2.8")
    return run


def loaded(run: Path, to: str = "a") -> tuple[LoadReport, dict[str, dict[str, list[object]]]]:
    database = run.parent / f"{to}.sqlite"
    report = load([run], f"sqlite:///{database}")
    return report, values_of(database)


def test_compressed_outputs_load_as_the_same_rows(run: Path) -> None:
    _, plain = loaded(run)
    compress(run)
    report, packed = loaded(run, "b")

    assert report.is_complete
    assert (report.loaded, packed) == (2, plain)


def test_outputs_that_were_compressed_after_their_load_are_the_same_batches(run: Path) -> None:
    _, before = loaded(run)
    compress(run / "b1")
    report, after = loaded(run)

    assert (report.loaded, report.already, report.is_complete) == (0, 2, True)
    assert after == before
    assert verify([run], f"sqlite:///{run.parent / 'a.sqlite'}").exit_status == 0


def test_of_a_table_and_its_compressed_copy_the_copy_is_named_and_not_read(run: Path) -> None:
    compress(run / "b1")
    cells = run / "b1" / "Nuclei.csv.gz"
    objects(run / "b1" / "Nuclei.csv", {1: 2})
    cells.write_bytes(b"not read")
    report, values = loaded(run)
    (left,) = report.left_out

    assert (left.path, report.image_sets, report.exit_status) == (str(cells), 2, 3)
    assert left.reason == "Nuclei.csv next to it is the same table; delete one of the two"
    cells.unlink()
    uncompress(run)
    assert values == loaded(run, "b")[1]


def test_several_streams_and_zeros_after_them_are_one_table(run: Path) -> None:
    _, plain = loaded(run)
    for path in run.rglob("Nuclei.csv"):
        text = path.read_bytes()
        parts = [gzip.compress(part) for part in (text[:9], b"", text[9:])]
        path.with_name("Nuclei.csv.gz").write_bytes(b"".join([*parts, bytes(600)]))
        path.unlink()

    assert loaded(run, "b")[1] == plain


def cut(content: bytes) -> bytes:
    return gzip.compress(content)[:-9]


def damaged(content: bytes) -> bytes:
    packed = bytearray(gzip.compress(content))
    packed[-6] ^= 255
    return bytes(packed)


def bomb(content: bytes) -> bytes:
    rows = b"1,3,9\r\n" * (MEMBER // 7)
    return gzip.compress(content) + gzip.compress(rows) * 140


@pytest.mark.parametrize(
    ("pack", "problem"),
    [
        (cut, "is cut off in the middle; copy it again, or run its image sets again"),
        (damaged, "is damaged; copy it again"),
        (lambda content: content, "not compressed with gzip, as its name says"),
        (lambda content: b"", "is empty (0 bytes)"),
        (lambda content: gzip.compress(b""), "is empty (0 bytes)"),
        (lambda content: b"<!doctype html>", "is a web page"),
        (lambda content: gzip.compress(content[:-3]), "has 1 of 2 rows, because it is cut off"),
        (bomb, "expands to more than 500 times its size, as no table does"),
    ],
    ids=["cut", "damaged", "plain", "nothing", "packed nothing", "page", "cut before", "bomb"],
)
def test_what_cannot_be_unpacked_costs_its_batch_alone(
    pack: Callable[[bytes], bytes], problem: str, run: Path
) -> None:
    path = run / "b1" / "Nuclei.csv"
    path.with_name("Nuclei.csv.gz").write_bytes(pack(path.read_bytes()))
    path.unlink()
    report, _ = loaded(run)
    (left,) = report.left_out

    assert "Nuclei.csv.gz" in f"{left.path} {left.reason}"
    assert problem in left.reason
    assert (report.image_sets, report.exit_status) == (1, 3)


def test_what_does_not_fit_in_memory_unpacked_costs_its_batch_alone(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = run / "b1" / "Nuclei.csv"
    rows = b"".join(b"1,%d,%d\r\n" % (i, i * i % 9973) for i in range(3, MEMBER // 12))
    packed = gzip.compress(path.read_bytes()) + gzip.compress(rows) * 150
    path.with_name("Nuclei.csv.gz").write_bytes(packed)
    path.unlink()
    monkeypatch.setattr(memory, "available", lambda: 300 << 20)
    report, _ = loaded(run)
    (left,) = report.left_out

    assert "does not fit in memory (0.2 GB)" in left.reason
    assert report.image_sets == 1
