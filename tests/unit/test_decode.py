"""Decoding one batch, apart from what is done with it."""

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from cpexport.cellprofiler.features import EXPERIMENT
from cpexport.errors import SinkError, SourceError
from cpexport.files.scratch import scratch_folder
from cpexport.imagesets import ImageSets
from cpexport.loading.decode import decode
from cpexport.loading.survey import survey
from cpexport.tables.options import TableOptions


def test_a_batch_that_changed_since_it_was_looked_at_is_refused(
    copy: Callable[..., Path], tmp_path: Path
) -> None:
    folder = copy("40_spreadsheet", "outputs/P1-A01-1")
    (batch,) = survey([folder]).batches
    image = folder / "Image.csv"
    image.write_text(image.read_text().replace("DMSO", "taxol"))

    with pytest.raises(SourceError, match="changed after it was inspected"):
        decode(batch, batch.complete, {}, TableOptions(), tmp_path)


def test_decoding_leaves_nothing_in_the_scratch_folder_but_what_it_returns(
    case: Callable[[str], Path],
) -> None:
    (batch,) = survey([case("40_spreadsheet") / "outputs" / "P1-A01-1"]).batches
    with scratch_folder() as scratch:
        decoded = decode(batch, ImageSets.span(1, 1), {}, TableOptions(), scratch)
        there = sorted(scratch.rglob("*.arrow"))
        decoded.remove()

        assert there == sorted(path for _, path in decoded.files)
        assert [path.name for path in scratch.iterdir()] == ["lock"]


@pytest.mark.parametrize("block", [1, 700, 1 << 30])
def test_rows_come_in_blocks_of_so_many_values_and_one_at_least(
    case: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    (batch,) = survey([case("40_spreadsheet") / "outputs" / "P1-A01-1"]).batches
    whole = {
        name: rows.read_all()
        for name, rows in decode(batch, batch.complete, {}, TableOptions(), tmp_path).rows()
    }
    monkeypatch.setattr("cpexport.loading.decode._BLOCK", block)

    for name, rows in decode(batch, batch.complete, {}, TableOptions(), tmp_path).rows():
        blocks = list(rows)
        sizes = {some.num_rows for some in blocks[:-1]}
        # As text, in which NaN is NaN.
        assert str(pa.Table.from_batches(blocks).to_pylist()) == str(whole[name].to_pylist())
        assert sizes <= {max(1, block // whole[name].num_columns)}
    nothing = decode(batch, ImageSets(), {}, TableOptions(), tmp_path)
    assert {name: [some.num_rows for some in rows] for name, rows in nothing.rows()} == {
        name: [1 if name == EXPERIMENT else 0] for name in whole
    }


def test_scratch_folders_of_processes_that_died_are_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "cpexport-scratch-abcdefgh").mkdir()
    (tmp_path / "cpexport-scratch-abcdefgh" / "lock").touch()
    (tmp_path / "cpexport-scratch-nolock").mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "cpexport-scratch-link").symlink_to(elsewhere)
    with scratch_folder() as own:
        left = {path.name for path in tmp_path.iterdir()}

    assert left == {own.name, "elsewhere", "cpexport-scratch-link"}


def test_a_scratch_folder_of_a_load_that_runs_stays_whatever_its_process_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two containers with one folder for temporary files number their processes alike."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with scratch_folder() as one:
        with scratch_folder() as other:
            assert one.is_dir()
            assert other != one
        assert not other.exists()
        assert one.is_dir()

    assert list(tmp_path.iterdir()) == []


_MANY = """
import sys, tempfile
from cpexport.files.scratch import scratch_folder
tempfile.tempdir = sys.argv[1]
for _ in range(200):
    with scratch_folder() as folder:
        (folder / "rows").write_text("rows")
        with open(folder / "rows") as rows:
            assert rows.read() == "rows"
"""


def test_loads_that_start_together_delete_no_folder_of_each_other(tmp_path: Path) -> None:
    loads = [subprocess.Popen([sys.executable, "-c", _MANY, tmp_path]) for _ in range(4)]

    assert [load.wait() for load in loads] == [0] * 4
    assert list(tmp_path.iterdir()) == []


def test_a_scratch_folder_without_room_is_named_and_nothing_stays_there(
    case: Callable[[str], Path], tmp_path: Path
) -> None:
    (batch,) = survey([case("40_spreadsheet") / "outputs" / "P1-A01-1"]).batches
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(
            SinkError, match="File too large; free some space, or set TMPDIR"
        ) as said:
            decode(batch, batch.complete, {}, TableOptions(), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert str(tmp_path) in str(said.value)
    assert list(tmp_path.iterdir()) == []
