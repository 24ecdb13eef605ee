"""Outputs that nothing can be had from: one clear line, exit status 1, and nothing is changed."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import pytest
from support.fixtures import Ran, Refused, said_well, traces, unchanged

WRITER = "import h5py, sys; f = h5py.File(sys.argv[1], 'r+'); print(flush=True); sys.stdin.read()"


def test_a_folder_that_is_not_there(refused: Refused) -> None:
    refusal = refused("nowhere")

    assert said_well(refusal, "nowhere", "does not exist", "name the folder")
    assert unchanged(refusal)


def test_an_empty_folder(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir()

    refusal = refused("outputs")

    assert said_well(refusal, "outputs", "contains no output of a CellProfiler job")
    assert unchanged(refusal)


def test_a_folder_without_any_batch(refused: Refused, copy: Callable[..., Path]) -> None:
    copy("12_failed", "outputs/batch_1_4/log.txt", "outputs/log.txt")
    copy("12_failed", "Batch_data.h5", "outputs/Batch_data.h5")

    refusal = refused("outputs")

    assert said_well(refusal, "outputs", "contains no output of a CellProfiler job")
    assert unchanged(refusal)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("batch_13_16_kill9", "damaged"),
        ("batch_13_16_kill9_early", "never finished"),
        ("batch_1_4_truncated_h5", "shorter than its header states"),
        ("batch_1_4_zero_length", "empty (0 bytes)"),
        ("batch_21_24_missing_file", "not measured"),
        ("batch_40_45_all_past_the_end", "ran no image set"),
    ],
)
def test_a_measurement_file_of_a_job_that_failed(
    refused: Refused, copy: Callable[..., Path], name: str, says: str
) -> None:
    copy("12_failed", f"outputs/{name}", name)

    refusal = refused(name)

    assert said_well(refusal, name, says)
    assert unchanged(refusal)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_a_measurement_file_whose_end_is_zeros(
    refused: Refused, copy: Callable[..., Path], kept: float
) -> None:
    file = copy("12_failed", "outputs/batch_1_4/measurements.h5", "batch/measurements.h5")
    content = file.read_bytes()
    end = int(len(content) * kept)
    file.write_bytes(content[:end] + bytes(len(content) - end))

    refusal = refused("batch")

    assert said_well(refusal, "batch", "damaged", "run its image sets again")
    assert unchanged(refusal)


@pytest.mark.parametrize("feature", ["Nuclei/AreaShape_Area", "Image/Count_Nuclei"])
def test_a_measurement_file_in_which_the_index_of_one_feature_is_zeros(
    refused: Refused, copy: Callable[..., Path], feature: str
) -> None:
    # A block that never reached the disk: HDF5 reads it without complaint, and CellProfiler
    # writes no image number below 1 but -1.
    file = copy("12_failed", "outputs/batch_1_4/measurements.h5", "batch/measurements.h5")
    with h5py.File(file) as opened:
        (run,) = opened["Measurements"].values()
        block = run[feature]["index"].id.get_chunk_info(0)
    content = bytearray(file.read_bytes())
    content[block.byte_offset : block.byte_offset + block.size] = bytes(block.size)
    file.write_bytes(content)

    refusal = refused("batch")

    assert said_well(refusal, "batch", "damaged", "run its image sets again")
    assert unchanged(refusal)


@pytest.mark.parametrize(
    ("path", "place", "value"),
    [
        ("Image/ModuleError_12FlagImage/index", (0, 1), 10**9),
        ("Image/FileName_DNA/index", (1, 2), 10**9),
        ("Nuclei/AreaShape_Area/index", (0, 2), 2**50),
        ("Nuclei/AreaShape_Area/index", (2, 1), -(2**50)),
        ("Nuclei/Number_Object_Number/data", 1, 1),
    ],
    ids=["mark", "file name", "stop", "start", "number"],
)
def test_a_measurement_file_with_numbers_that_cannot_be(
    refused: Refused, copy: Callable[..., Path], path: str, place: Any, value: int
) -> None:
    file = copy("12_failed", "outputs/batch_1_4/measurements.h5", "batch/measurements.h5")
    with h5py.File(file, "r+") as opened:
        (run,) = opened["Measurements"].values()
        run[path][place] = value
        if path.endswith("ModuleError_12FlagImage/index"):
            run[path][place[0], 2] = value + 1

    refusal = refused("batch")

    assert said_well(refusal, "batch", "damaged", "run its image sets again")
    assert unchanged(refusal)


def test_a_measurement_file_that_a_job_is_writing(
    refused: Refused, copy: Callable[..., Path]
) -> None:
    file = copy("12_failed", "outputs/batch_1_4/measurements.h5", "batch/measurements.h5")

    with writer(file):
        refusal = refused("batch")

    assert said_well(refusal, "batch", "a job is still writing it", "wait")
    assert not any(name.startswith("to/") for name in refusal.changed)


@contextmanager
def writer(file: Path) -> Iterator[None]:
    """Another process that has a measurement file open for writing."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    process.stdout.readline()
    yield
    process.stdin.close()
    process.wait()
    process.stdout.close()


def text(refused: Refused, copy: Callable[..., Path]) -> str:
    copy("10_ranges", "outputs/batch_1_6/log.txt", "Batch_data.h5")
    return "Batch_data.h5"


def empty(refused: Refused, copy: Callable[..., Path]) -> str:
    copy("12_failed", "outputs/batch_1_4_zero_length/measurements.h5", "batch.h5")
    return "batch.h5"


def cut(refused: Refused, copy: Callable[..., Path]) -> str:
    file = copy("40_spreadsheet", "Batch_data.h5", "batch.h5")
    file.write_bytes(file.read_bytes()[:-1000])
    return "batch.h5"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (text, "not an HDF5 file"),
        (empty, "empty (0 bytes)"),
        (cut, "cut off"),
        (lambda refused, copy: "outputs", "a folder"),
        (lambda refused, copy: "nowhere.h5", "does not exist"),
    ],
    ids=["text", "empty", "cut", "folder", "missing"],
)
def test_a_batch_file_that_is_none(
    refused: Refused,
    copy: Callable[..., Path],
    make: Callable[[Refused, Callable[..., Path]], str],
    says: str,
) -> None:
    copy("40_spreadsheet", "outputs/P1-A01-1", "outputs/P1-A01-1")
    name = make(refused, copy)

    refusal = refused("outputs", "--batch", name)

    assert said_well(refusal, name, says)
    assert unchanged(refusal)


@pytest.mark.parametrize(
    "url",
    [
        "screen",
        "nonsense://",
        "oracle://u:canary@h/d",
        "oracle://u:canary@h:port/d",
        "://",
        "",
        "sqlite://host/screen.sqlite",
        "sqlite:///screen.sqlite?mode=ro",
    ],
)
def test_a_url_that_is_none_is_wrong_usage(
    cpexport: Callable[..., Ran], copy: Callable[..., Path], tmp_path: Path, url: str
) -> None:
    copy("40_spreadsheet", "outputs/P1-A01-1", "outputs/P1-A01-1")
    before = traces(tmp_path)

    ran = cpexport("load", "outputs", "--to", url)

    assert (ran.status, ran.out, len(ran.err.splitlines())) == (2, "", 1)
    assert "sqlite:///" in ran.err
    assert "canary" not in ran.err
    assert traces(tmp_path) == before


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("notes.txt", b"Plate 2, again on Monday.", "is a text file, not the output"),
        ("notes.md", b"Plate 2\n", "is a text file, not the output"),
        ("my.cppipe", b"CellProfiler Pipeline: http://www.cellprofiler.org\n", "is a pipeline"),
        ("plate.png", b"\x89PNG\r\n\x1a\n\x00", "is an image"),
        ("wells.xlsx", b"PK\x03\x04\x00", "is an Excel workbook or a zip file"),
        ("empty.txt", b"", "is empty (0 bytes)"),
    ],
)
def test_a_file_of_another_kind_is_called_what_it_is(
    refused: Refused, tmp_path: Path, name: str, content: bytes, what: str
) -> None:
    (tmp_path / name).write_bytes(content)

    refusal = refused(name)

    assert said_well(refusal, name, what)
    assert unchanged(refusal)


def test_a_misspelled_folder_is_corrected(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir()

    assert said_well(refused("output"), "output", "does not exist", "Did you mean", "outputs?")
