"""Looks over all batches below some folders: finds, inspects and judges them, one by one.

Both `load` and `check` begin with it, so that both mean the same by complete.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cpexport.batch import Batch, Evidence, Source, signature
from cpexport.batchfile import NAME, BatchFile, read_batch_file
from cpexport.completeness import judge, not_readable
from cpexport.discover import Found, find
from cpexport.errors import SourceError, UsageError
from cpexport.pictures import Pictures
from cpexport.tables import Features


@dataclass(frozen=True)
class Done:
    """How far something is: so many batches of so many, and what was in them."""

    what: str
    batches: int
    total: int
    image_sets: int = 0
    values: int = 0


Progress = Callable[[Done], None]
"""Told again and again; may raise to stop between two batches."""


@dataclass(frozen=True)
class Survey:
    """What was found: the plan, the batches judged, and sources that were known already."""

    plan: BatchFile | None
    batches: tuple[Batch, ...]
    known: tuple[Source, ...] = ()


def survey(
    outputs: Sequence[Path],
    batch_file: Path | None = None,
    *,
    known: Callable[[Source], bool] = lambda source: False,
    tables: Mapping[str | None, Collection[str]] | None = None,
    progress: Progress = lambda done: None,
) -> Survey:
    """All batches below `outputs`, compared with the batch file.

    `batch_file` is found beside or below the outputs where it is not given. Sources that are
    `known` are not opened. `tables` are tables that known CSV outputs have, by their pipelines.

    Raises:
        UsageError: several batch files were found.
        SourceError: a path does not exist, or the batch file cannot be read.
    """
    found = find(outputs)
    path = batch_file or _batch_file(found, outputs)
    plan = read_batch_file(path) if path else None
    sources = found.sources(plan.pipeline if plan else None)
    old: list[Source] = []
    new: list[Source] = []
    for source in sources:
        (old if known(source) else new).append(source)
    shared: dict[object, Features] = {}
    inspected = [
        (source, seen, _shared(evidence, shared))
        for i, source in enumerate(new)
        for seen, evidence in [_inspect(source, progress, i, len(new))]
    ]
    progress(Done("inspected", len(new), len(new)))
    have: dict[str | None, set[str]] = {p: set(names) for p, names in (tables or {}).items()}
    for source, _, evidence in inspected:
        if isinstance(evidence, Evidence) and source.format == "spreadsheet":
            have.setdefault(_pipeline(evidence), set()).update(evidence.tables)
    batches = [
        replace(
            judge(source, evidence, plan, _siblings(source, evidence, have))
            if isinstance(evidence, Evidence)
            else not_readable(source, evidence),
            signature=seen,
        )
        for source, seen, evidence in inspected
    ]
    return Survey(plan, tuple(batches), tuple(old))


def pictures_of(batch: Batch) -> Pictures:
    """The pictures of a batch's image sets, without what its own modules measured.

    Raises:
        SourceError: the batch cannot be read any more.
    """
    return batch.source.pictures().without(batch.flags)


def _inspect(
    source: Source, progress: Progress, done: int, total: int
) -> tuple[str, Evidence | SourceError]:
    """The signature of a source before it was looked at, and its evidence or what is wrong."""
    progress(Done("inspected", done, total))
    try:
        before = signature(source)
        return before, source.inspect()
    except SourceError as error:
        return "", error
    except OSError as error:
        return "", SourceError(source.path, f"cannot be read: {error.strerror}", "check it")


def _pipeline(evidence: Evidence) -> str | None:
    return evidence.pipeline.digest if evidence.pipeline else None


def _siblings(
    source: Source, evidence: Evidence, have: Mapping[str | None, Collection[str]]
) -> Collection[str]:
    """The tables that CSV outputs of the same pipeline have, or of any if it is not known."""
    if source.format != "spreadsheet":
        return ()
    pipeline = _pipeline(evidence)
    return set().union(*have.values()) if pipeline is None else have[pipeline]


def _shared(
    evidence: Evidence | SourceError, shared: dict[object, Features]
) -> Evidence | SourceError:
    """The same evidence, its features shared with batches that have the very same ones."""
    if isinstance(evidence, SourceError):
        return evidence
    key = tuple((name, tuple(types.items())) for name, types in evidence.features.items())
    return replace(evidence, features=shared.setdefault(key, evidence.features))


def _batch_file(found: Found, outputs: Iterable[Path]) -> Path | None:
    """The one batch file below the outputs, else the one in a folder that holds them."""
    paths = list(found.batch_files)
    if not paths:
        beside = [top.parent / NAME for top in outputs]
        paths = list({path.resolve(): path for path in beside if path.is_file()}.values())
    if len(paths) > 1 and len({path.read_bytes() for path in paths}) > 1:
        some = ", ".join(str(path) for path in paths[:3])
        raise UsageError(f"several batch files ({some}); name the right one with --batch")
    return paths[0] if paths else None
