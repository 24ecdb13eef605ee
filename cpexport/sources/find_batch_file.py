"""Finds the batch file of the jobs below some folders.

`Batch_data.h5` is only the name that CreateBatchFiles gives it. People rename it and copy it next
to their jobs, and a job of CellProfiler 3 can write its own output under that name.
"""

import shlex
from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from cpexport.cellprofiler.batch_file import NAME, BatchFile, digest, is_batch_file, is_measured
from cpexport.cellprofiler.hdf5.measurement_file import MeasurementFile
from cpexport.errors import SourceError, UsageError
from cpexport.sources.base import Evidence, Nothing


@dataclass(frozen=True)
class NotReadSource:
    """A file named Batch_data.h5 that is damaged or not a batch file: a source that reports why."""

    path: Path
    error: SourceError
    format: str = "none"
    files: tuple[Path, ...] = ()

    @property
    def evidence_files(self) -> None:
        return None

    def inspect(self) -> Evidence:
        raise self.error

    def open(self) -> AbstractContextManager[Nothing]:
        return nullcontext(Nothing())


@dataclass(frozen=True)
class Candidates:
    """Files named Batch_data.h5, sorted by their content.

    `batch_files` has one file for each distinct content, `outputs` are measurements of jobs, and
    `not_read` are damaged or something else.
    """

    batch_files: tuple[Path, ...] = ()
    outputs: tuple[Path, ...] = ()
    not_read: tuple[NotReadSource, ...] = ()


def sorted_by_content(paths: Sequence[Path]) -> Candidates:
    """Sorts files named Batch_data.h5 by their content."""
    batch_files, outputs, not_read = [], [], []
    try:
        contents = _by_content(paths)
    except SourceError:
        # One file cannot be read at all; the loop below finds it again and reports it.
        contents = [[path] for path in paths]
    for copies in contents:
        try:
            with MeasurementFile(copies[0]) as file:
                if is_batch_file(file):
                    batch_files.append(copies[0])
                elif is_measured(file):
                    outputs += copies
                else:
                    raise SourceError(copies[0], "lists no image sets", "move it out of OUTPUTS")
        except SourceError as error:
            problem = f"not a batch file: {error.problem}"
            advice = "create it again with CreateBatchFiles, or name the right one with --batch"
            not_read += [NotReadSource(path, SourceError(path, problem, advice)) for path in copies]
    return Candidates(tuple(batch_files), tuple(outputs), tuple(not_read))


def next_to(outputs: Iterable[Path]) -> Candidates:
    """Sorts the files named Batch_data.h5 in the folders that contain `outputs`."""
    paths = [top.parent / NAME for top in outputs]
    existing = {path.resolve(): path for path in paths if path.is_file()}
    return sorted_by_content(tuple(existing.values()))


def the_one(paths: Sequence[Path]) -> Path | None:
    """Returns the only batch file among identical copies; None if `paths` is empty.

    Raises:
        UsageError: the files differ.
        SourceError: a file cannot be read.
    """
    different = [alike[0] for alike in _by_content(paths)]
    if len(different) > 1:
        some = ", ".join(str(path) for path in different[:3])
        raise UsageError(
            f"several batch files ({some}); name the right one with --batch, or name the "
            "folder of one run (load takes several runs with --table-number)"
        )
    return paths[0] if paths else None


def notes_on(plan: BatchFile | None, batch_files: Collection[Path]) -> tuple[str, ...]:
    """The notes for users about the batch file in use, and about others that are not used."""
    if plan is None:
        return ()
    notes = [f"{plan.path}: contains measurements of a job; its image sets are used as the plan"]
    return (
        *(notes if plan.measured else ()),
        *(
            f"{path}: a different batch file than {plan.path}, not used; if the jobs ran with "
            f"it, add --batch {shlex.quote(str(path))}"
            for path in _others(batch_files, plan.path)
        ),
    )


def _others(paths: Collection[Path], used: Path) -> list[Path]:
    """The batch files with another content than the one in use; one for each content."""
    return [alike[0] for alike in _by_content([used, *paths])[1:]]


def _by_content(paths: Sequence[Path]) -> list[list[Path]]:
    """Groups identical files, in order. Reads only files of equal length."""
    if len(paths) < 2:
        return [[path] for path in paths]
    lengths: dict[int, list[Path]] = {}
    for path in paths:
        try:
            lengths.setdefault(path.stat().st_size, []).append(path)
        except OSError as error:
            raise SourceError(
                path,
                f"cannot be read: {error.strerror}",
                "make it readable, or move it out of OUTPUTS",
            ) from error
    keys = {
        path: digest(path) if len(same_length) > 1 else str(path)
        for same_length in lengths.values()
        for path in same_length
    }
    contents: dict[str, list[Path]] = {}
    for path in paths:
        contents.setdefault(keys[path], []).append(path)
    return list(contents.values())
