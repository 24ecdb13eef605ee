"""Which batch file the jobs below some folders were run with.

`Batch_data.h5` is only the name that CreateBatchFiles gives it: people rename it and copy it beside
their jobs, and jobs of CellProfiler 3 can be told to write a file of that name.
"""

from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from cpexport.batch import Evidence, Nothing
from cpexport.batchfile import NAME, BatchFile, digest, is_batch_file, is_measured
from cpexport.errors import SourceError, UsageError
from cpexport.measurements import MeasurementFile


@dataclass(frozen=True)
class NotReadSource:
    """A file named Batch_data.h5 that cannot be read, or is none: a source that says why."""

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
    """Files named Batch_data.h5, by what they are.

    `batch_files` have each content once; `outputs` hold what a job measured; `not_read` are
    damaged, or something else.
    """

    batch_files: tuple[Path, ...] = ()
    outputs: tuple[Path, ...] = ()
    not_read: tuple[NotReadSource, ...] = ()


def told_apart(paths: Sequence[Path]) -> Candidates:
    """What the files `paths` are, all of them named Batch_data.h5."""
    batch_files, outputs, not_read = [], [], []
    try:
        contents = _by_content(paths)
    except SourceError:
        # One of them cannot be read at all, which is found again below.
        contents = [[path] for path in paths]
    for alike in contents:
        try:
            with MeasurementFile(alike[0]) as file:
                if is_batch_file(file):
                    batch_files.append(alike[0])
                elif is_measured(file):
                    outputs += alike
                else:
                    raise SourceError(alike[0], "lists no image sets", "leave it out of OUTPUTS")
        except SourceError as error:
            problem = f"not a batch file: {error.problem}"
            advice = "make it again with CreateBatchFiles, or name the right one with --batch"
            not_read += [NotReadSource(path, SourceError(path, problem, advice)) for path in alike]
    return Candidates(tuple(batch_files), tuple(outputs), tuple(not_read))


def beside(outputs: Iterable[Path]) -> Candidates:
    """What the files named Batch_data.h5 in the folders that hold `outputs` are."""
    paths = [top.parent / NAME for top in outputs]
    there = {path.resolve(): path for path in paths if path.is_file()}
    return told_apart(tuple(there.values()))


def the_one(paths: Sequence[Path]) -> Path | None:
    """The batch file, of several that are alike; None if there is none.

    Raises:
        UsageError: they are not alike.
        SourceError: one cannot be read.
    """
    different = [alike[0] for alike in _by_content(paths)]
    if len(different) > 1:
        some = ", ".join(str(path) for path in different[:3])
        raise UsageError(
            f"several batch files ({some}); name the right one with --batch, or one run's "
            "folder at a time (load takes several as runs, with --table-number)"
        )
    return paths[0] if paths else None


def notes_on(plan: BatchFile | None, batch_files: Collection[Path]) -> tuple[str, ...]:
    """What people should know of the batch file that is used, and of those that are not."""
    if plan is None:
        return ()
    used = [f"{plan.path}: holds measurements of a job; its image sets are taken as the plan"]
    return (
        *(used if plan.measured else ()),
        *(
            f"{path}: another batch file than {plan.path}, and not used; give it with --batch if "
            "the jobs were run with it"
            for path in _others(batch_files, plan.path)
        ),
    )


def _others(paths: Collection[Path], used: Path) -> list[Path]:
    """Those of some batch files that are not as the one that is used."""
    return [alike[0] for alike in _by_content([used, *paths])[1:]]


def _by_content(paths: Sequence[Path]) -> list[list[Path]]:
    """The files that are alike, together, in order; only those of equal length are read."""
    if len(paths) < 2:
        return [[path] for path in paths]
    lengths: dict[int, list[Path]] = {}
    for path in paths:
        try:
            lengths.setdefault(path.stat().st_size, []).append(path)
        except OSError as error:
            raise SourceError(path, f"cannot be read: {error.strerror}", "check it") from error
    keys = {
        path: digest(path) if len(alike) > 1 else str(path)
        for alike in lengths.values()
        for path in alike
    }
    contents: dict[str, list[Path]] = {}
    for path in paths:
        contents.setdefault(keys[path], []).append(path)
    return list(contents.values())
