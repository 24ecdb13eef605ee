"""Decoding one batch, apart from what is done with it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cpexport.decode import decode, scratch_folder
from cpexport.errors import SourceError
from cpexport.imagesets import ImageSets
from cpexport.shape import Shape
from cpexport.survey import survey


def test_a_batch_that_changed_since_it_was_looked_at_is_refused(
    copy: Callable[..., Path], tmp_path: Path
) -> None:
    folder = copy("40_spreadsheet", "outputs/P1-A01-1")
    (batch,) = survey([folder]).batches
    image = folder / "Image.csv"
    image.write_text(image.read_text().replace("DMSO", "taxol"))

    with pytest.raises(SourceError, match="changed since it was looked at"):
        decode(batch, batch.complete, {}, Shape(), tmp_path)


def test_decoding_leaves_nothing_in_the_scratch_folder_but_what_it_returns(
    case: Callable[[str], Path],
) -> None:
    (batch,) = survey([case("40_spreadsheet") / "outputs" / "P1-A01-1"]).batches
    with scratch_folder() as scratch:
        decoded = decode(batch, ImageSets.span(1, 1), {}, Shape(), scratch)
        there = sorted(scratch.rglob("*.arrow"))
        decoded.remove()

        assert there == sorted(path for _, path in decoded.files)
        assert list(scratch.iterdir()) == []


def test_scratch_folders_of_processes_that_died_are_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    dead = tmp_path / f"cpexport-scratch-{2**22 + 1}-x"
    mine = tmp_path / f"cpexport-scratch-{os.getpid()}-x"
    dead.mkdir()
    mine.mkdir()
    with scratch_folder():
        left = {path.name for path in tmp_path.iterdir()}

    assert dead.name not in left
    assert mine.name in left
