"""Looks over all batches below some folders: finds, inspects and judges them, one by one.

Both `load` and `check` begin with it, so that both mean the same by complete.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from cpexport.batch import Batch, Evidence, LeftOut, Source, signature
from cpexport.batchfile import NAME, BatchFile, digest, read_batch_file
from cpexport.completeness import judge, not_readable
from cpexport.discover import Found, find
from cpexport.errors import SourceError, UsageError
from cpexport.jobs import PLAN
from cpexport.pictures import Pictures
from cpexport.plan import Planned, read_plan
from cpexport.remembered import Remembered
from cpexport.tables import Features


@dataclass(frozen=True)
class Done:
    """How far something is: so many batches of so many, and what was in them.

    `total` is None where nobody knows. `unit` is what is counted, if not batches.
    """

    what: str
    batches: int
    total: int | None
    image_sets: int = 0
    values: int = 0
    unit: str = "batches"


Progress = Callable[[Done], None]
"""Told again and again; may raise to stop between two batches."""


def look_at(source: Source) -> Evidence | SourceError:
    """The evidence of a source, or what is wrong with it; can be sent to another process."""
    try:
        return source.inspect()
    except SourceError as error:
        return error
    except OSError as error:
        return _gone(source, error)


Look = Callable[[Sequence[Source]], Iterable[Evidence | SourceError]]


def one_by_one(sources: Sequence[Source]) -> Iterable[Evidence | SourceError]:
    """What is found by looking at each of the sources, in order, when it is asked for."""
    return map(look_at, sources)


@dataclass(frozen=True)
class Survey:
    """What was found: the batch file, the batches judged, and signatures that were known already.

    `plans` are those by which jobs were submitted, the newest last; `histories` the folders in
    which jobs keep count of their attempts. `left_out` are files that may be data, but no batch's.
    """

    plan: BatchFile | None
    batches: tuple[Batch, ...]
    known: tuple[str, ...] = ()
    plans: tuple[Planned, ...] = ()
    histories: tuple[Path, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


def survey(
    outputs: Sequence[Path],
    batch_file: Path | None = None,
    *,
    known: Collection[str] = (),
    tables: Mapping[str | None, Collection[str]] | None = None,
    look: Look = one_by_one,
    progress: Progress = lambda done: None,
) -> Survey:
    """All batches below `outputs`, compared with the batch file.

    `batch_file` is found beside or below the outputs, or in their plan, where it is not given.
    Sources with `known` signatures are not opened. `tables` are tables that known CSV outputs
    have, by their pipelines. `look` is how all others are looked at.

    Raises:
        UsageError: several batch files were found.
        SourceError: a path does not exist, the batch file cannot be read, or jobs were planned or
            run with another one.
    """

    def told(files: int) -> None:
        progress(Done("looked at", files, None, unit="files"))

    found = find(outputs, told)
    plans = _plans(found, outputs)
    if away := [plan.outputs for plan in plans if _elsewhere(plan.outputs, outputs)]:
        # A plan for what was missing leaves its outputs beside those of the first plan.
        found = find([*outputs, *away], told)
    path = batch_file or _batch_file(found, outputs) or (plans[-1].batch_file if plans else None)
    plan = read_batch_file(path) if path else None
    if plan:
        _refuse_others(plan, plans, found.stamps)
    sources = found.sources(plan.pipeline if plan else None)
    every = [_signed(source) for source in sources]
    inspected = [one for one in every if one.signature not in known]
    _inspect(inspected, Remembered(outputs), look, progress)
    have: dict[str | None, set[str]] = {p: set(names) for p, names in (tables or {}).items()}
    for one in inspected:
        if isinstance(one.found, Evidence) and one.source.format == "spreadsheet":
            have.setdefault(_pipeline(one.found), set()).update(one.found.tables)
    batches = [_judged(one, plan, have) for one in inspected]
    old = tuple(one.signature for one in every if one.signature in known)
    return Survey(plan, tuple(batches), old, plans, found.histories, found.left_out)


def pictures_of(batch: Batch) -> Pictures:
    """The pictures of a batch's image sets, without what its own modules measured.

    Raises:
        SourceError: the batch cannot be read any more.
    """
    with batch.source.open() as opened:
        return opened.pictures.without(batch.flags)


@dataclass
class _Inspected:
    """A source, its signature and its files before anybody looked at it, and what was found."""

    source: Source
    signature: str
    key: str = ""
    found: Evidence | SourceError | None = None


def _signed(source: Source) -> _Inspected:
    try:
        return _Inspected(source, signature(source))
    except OSError as error:
        # Often because a job has just given its folder another name.
        return _Inspected(source, "", found=_gone(source, error))


def _inspect(
    every: Sequence[_Inspected], remembered: Remembered, look: Look, progress: Progress
) -> None:
    for one in every:
        if one.found is None:
            one.key = remembered.key(one.source)
            one.found = remembered.evidence(one.source, one.key)
    unseen = [one for one in every if one.found is None]
    shared: dict[object, Features] = {}
    done = len(every) - len(unseen)
    progress(Done("inspected", done, len(every)))
    for one, found in zip(unseen, look([one.source for one in unseen]), strict=True):
        one.found = found
        if isinstance(found, Evidence):
            one.found = _shared(found, shared)
            remembered.note(one.source, one.key, one.found)
        done += 1
        progress(Done("inspected", done, len(every)))
    remembered.keep()


def _gone(source: Source, error: OSError) -> SourceError:
    return SourceError(source.path, f"cannot be read: {error.strerror}", "check it")


def _judged(
    one: _Inspected, plan: BatchFile | None, have: Mapping[str | None, Collection[str]]
) -> Batch:
    assert one.found is not None
    if isinstance(one.found, SourceError):
        return not_readable(one.source, one.found)
    batch = judge(one.source, one.found, plan, _siblings(one.source, one.found, have))
    return replace(batch, signature=one.signature)


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


def _shared(evidence: Evidence, shared: dict[object, Features]) -> Evidence:
    """The same evidence, its features shared with batches that have the very same ones."""
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


def _plans(found: Found, outputs: Iterable[Path]) -> tuple[Planned, ...]:
    """The plans below the outputs and in the folders that hold them, the newest last."""
    plans = [plan for plan in map(read_plan, found.plans) if plan]
    for top in outputs:
        path = top.absolute().parent / PLAN
        beside = read_plan(path) if path.is_file() else None
        if beside and beside.outputs.resolve() == top.resolve():
            plans.append(beside)
    return tuple(sorted(plans, key=lambda plan: plan.path.stat().st_mtime_ns))


def _elsewhere(folder: Path, outputs: Iterable[Path]) -> bool:
    """Whether a folder is there, and not below the outputs."""
    tops = {top.resolve() for top in outputs}
    return folder.is_dir() and not tops & {folder.resolve(), *folder.resolve().parents}


def _refuse_others(plan: BatchFile, plans: Iterable[Planned], stamps: Sequence[Path]) -> None:
    """Refuses jobs of another batch file: the same numbers need not be the same pictures there."""
    said = {other.path: other.sha256 for other in plans}
    for stamp in stamps:
        # A folder is renamed when its job is complete, which may be now.
        with suppress(FileNotFoundError):
            said[stamp.parent] = stamp.read_text("utf-8", "replace").split(" ", 1)[0].strip()
    ours = digest(plan.path) if said else ""
    for path, sha256 in said.items():
        if sha256 != ours:
            verb = "planned" if path.name == PLAN else "run"
            raise SourceError(
                path,
                f"{verb} with another batch file than {plan.path} (SHA-256 {sha256[:12]}..., "
                f"not {ours[:12]}...)",
                f"give the batch file it was {verb} with as --batch, or take it away",
            )
