"""Looks over all batches below some folders: finds, inspects and judges them, one by one.

Both `load` and `check` begin with it, so that both mean the same by complete.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cpexport.batch import Batch, Evidence, LeftOut, Source, signature
from cpexport.batchfile import BatchFile, BatchFileFoundError, digest, read_batch_file
from cpexport.completeness import judge, not_readable
from cpexport.contained import contained, gone
from cpexport.discover import TEMPORARY, Found, find
from cpexport.errors import SourceError
from cpexport.findbatch import Candidates, beside, notes_on, the_one, told_apart
from cpexport.imagesets import ImageSets
from cpexport.jobs import PLAN
from cpexport.pictures import Pictures
from cpexport.plan import Planned
from cpexport.plans import read_plans
from cpexport.remembered import Remembered
from cpexport.skipped import without_rows
from cpexport.sources.leftover import holds_measurements, is_left_over
from cpexport.stamps import Stamps, read_stamps
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
        with contained(source):
            return source.inspect()
    except SourceError as error:
        return error


Look = Callable[[Sequence[Source]], Iterable[Evidence | SourceError]]


def one_by_one(sources: Sequence[Source]) -> Iterable[Evidence | SourceError]:
    """What is found by looking at each of the sources, in order, when it is asked for."""
    return map(look_at, sources)


@dataclass(frozen=True)
class Survey:
    """What was found: the batch file, the batches judged, and signatures that were known already.

    `plans` are those by which jobs were submitted, the newest last; `histories` the folders in
    which jobs keep count of their attempts; `notes` are about batch files. `left_out` are files
    that may be data, but no batch's.
    """

    plan: BatchFile | None
    batches: tuple[Batch, ...]
    known: tuple[str, ...] = ()
    plans: tuple[Planned, ...] = ()
    histories: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


def survey(
    outputs: Sequence[Path],
    batch_file: Path | None = None,
    *,
    known: Collection[str] = (),
    tables: Mapping[str | None, Collection[str]] | None = None,
    look: Look = one_by_one,
    same_pictures: bool = False,
    progress: Progress = lambda done: None,
) -> Survey:
    """All batches below `outputs`, compared with the batch file.

    `batch_file` is found beside or below the outputs, or in their plan, where it is not given.
    Sources with `known` signatures are not opened. `tables` are tables that known CSV outputs
    have, by their pipelines. `look` is how all others are looked at. With `same_pictures` image
    sets are those of the batch file by their numbers alone.

    Raises:
        UsageError: several batch files were found.
        SourceError: a path does not exist, the batch file cannot be read, or jobs were planned or
            run with another one.
    """

    def told(files: int) -> None:
        progress(Done("looked at", files, None, unit="files"))

    found = find(outputs, told)
    read = read_plans(found.plans, outputs)
    plans = read.plans
    if read.away:
        # A plan for what was missing leaves its outputs beside those of the first plan.
        found = find([*outputs, *read.away], told)
    looking = _Looking(known, Remembered(outputs), look, progress)
    candidates = told_apart(found.batch_files)
    kept = [
        path
        for path in found.temporary
        if path.parent.name not in TEMPORARY and holds_measurements(path)
    ]
    found = found.retold(outputs=(*candidates.outputs, *kept))
    path = batch_file or the_one(candidates.batch_files)
    if path is None:
        near = beside(outputs)
        candidates = replace(candidates, not_read=(*candidates.not_read, *near.not_read))
        path = the_one(near.batch_files) or _planned_with(plans)
    stamps = read_stamps(found.stamps)
    plan = _read(path, plans, stamps)
    every = looking.at(found, plan, candidates)
    if renamed := [Path(e.path) for e in _errors(every) if isinstance(e, BatchFileFoundError)]:
        # Only now, as to open every file just for this would take as long as to look at it.
        found = found.retold(batch_files=renamed)
        plan = plan or _read(the_one(renamed), plans, stamps)
        every = looking.at(found, plan, candidates)
        _refuse_only_batch_files(every, renamed, outputs)
    inspected = [one for one in every if one.signature not in known]
    have: dict[str | None, set[str]] = {p: set(names) for p, names in (tables or {}).items()}
    for one in inspected:
        if isinstance(one.found, Evidence) and one.source.format == "spreadsheet":
            have.setdefault(_pipeline(one.found), set()).update(one.found.tables)
    batches = _judged(inspected, plan, have, same_pictures)
    old = tuple(one.signature for one in every if one.signature in known)
    notes = notes_on(plan, [*candidates.batch_files, *renamed])
    notes += read.notes
    notes += tuple(_left_over(found, [one.source for one in every]))
    notes += tuple(_without_rows(inspected, plan if len(inspected) == len(every) else None))
    left_out = (*found.left_out, *read.left_out, *stamps.left_out)
    return Survey(plan, tuple(batches), old, plans, found.histories, notes, left_out)


def pictures_of(batch: Batch) -> Pictures:
    """The pictures of a batch's image sets, without what its own modules measured.

    Raises:
        SourceError: the batch cannot be read any more.
    """
    with contained(batch.source), batch.source.open() as opened:
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
        return _Inspected(source, "", found=gone(source, error))


@dataclass(frozen=True)
class _Looking:
    """How all sources are looked at: but for those `known`, and those `remembered`."""

    known: Collection[str]
    remembered: Remembered
    look: Look
    progress: Progress

    def at(self, found: Found, plan: BatchFile | None, candidates: Candidates) -> list[_Inspected]:
        """All sources; those that are not known inspected."""
        sources = [*found.sources(plan.pipeline if plan else None), *candidates.not_read]
        every = [_signed(source) for source in sources]
        self._inspect([one for one in every if one.signature not in self.known])
        return every

    def _inspect(self, every: Sequence[_Inspected]) -> None:
        for one in every:
            if one.found is None:
                one.key = self.remembered.key(one.source)
                one.found = self.remembered.evidence(one.source, one.key)
        unseen = [one for one in every if one.found is None]
        shared: dict[object, Features] = {}
        done = len(every) - len(unseen)
        self.progress(Done("inspected", done, len(every)))
        for one, found in zip(unseen, self.look([one.source for one in unseen]), strict=True):
            one.found = found
            if isinstance(found, Evidence):
                one.found = _shared(found, shared)
                self.remembered.note(one.source, one.key, one.found)
            done += 1
            self.progress(Done("inspected", done, len(every)))
        self.remembered.keep()


def _judged(
    every: Sequence[_Inspected],
    plan: BatchFile | None,
    have: Mapping[str | None, Collection[str]],
    same_pictures: bool,
) -> list[Batch]:
    """The batches of all sources, in their order. Those that cannot be read come last to be judged:
    only the others tell whether they are missed."""
    judged = {
        id(one): replace(
            judge(
                one.source,
                one.found,
                plan,
                _siblings(one.source, one.found, have),
                same_pictures=same_pictures,
            ),
            signature=one.signature,
        )
        for one in every
        if isinstance(one.found, Evidence)
    }
    ranges = (some for batch in judged.values() for some in batch.complete.ranges)
    missing = plan is None or not plan.planned <= ImageSets.from_ranges(ranges)
    for one in every:
        if isinstance(one.found, SourceError):
            judged[id(one)] = not_readable(one.source, one.found, missing)
    return [judged[id(one)] for one in every]


def _pipeline(evidence: Evidence) -> str | None:
    return evidence.pipeline.digest if evidence.pipeline else None


def _siblings(
    source: Source, evidence: Evidence, have: Mapping[str | None, Collection[str]]
) -> Collection[str]:
    """The tables that CSV outputs of the same pipeline have, or of any if it is not known, and
    those that it says are exported."""
    if source.format != "spreadsheet":
        return ()
    if evidence.pipeline is None:
        return set().union(*have.values())
    exported = filter(evidence.pipeline.exports_table, evidence.lacking)
    return {*have[evidence.pipeline.digest], *exported}


def _shared(evidence: Evidence, shared: dict[object, Features]) -> Evidence:
    """The same evidence, its features shared with batches that have the very same ones."""
    key = tuple((name, tuple(types.items())) for name, types in evidence.features.items())
    return replace(evidence, features=shared.setdefault(key, evidence.features))


def _without_rows(every: Iterable[_Inspected], plan: BatchFile | None) -> Iterator[str]:
    """That image sets which no output has may have been skipped."""
    found = [(one.source, one.found) for one in every if isinstance(one.found, Evidence)]
    held = ImageSets.from_ranges(r for _, evidence in found for r in evidence.held.ranges)
    jobs = [
        evidence.held
        for source, evidence in found
        if source.format == "database" and evidence.pipeline and evidence.pipeline.skips
    ]
    if said := without_rows(jobs, held, plan.planned if plan else None):
        yield said


def _errors(every: Iterable[_Inspected]) -> list[SourceError]:
    return [one.found for one in every if isinstance(one.found, SourceError)]


def _planned_with(plans: Sequence[Planned]) -> Path | None:
    """The batch file of the newest plan.

    Raises:
        SourceError: it is not where it was.
    """
    if not plans:
        return None
    newest = plans[-1]
    if not newest.batch_file.exists():
        raise SourceError(
            newest.path,
            f"its batch file {newest.batch_file} is not there any more",
            "put it back, or name it where it is now with --batch",
        )
    return newest.batch_file


def _read(path: Path | None, plans: Iterable[Planned], stamps: Stamps) -> BatchFile | None:
    """The batch file, if there is one, which must be the one that jobs were planned and run with.

    Raises:
        SourceError: it cannot be read, or is another one.
    """
    if path is None:
        return None
    plan = read_batch_file(path)
    _refuse_others(plan, plans, stamps)
    return plan


def _refuse_only_batch_files(
    every: Sequence[_Inspected], renamed: Collection[Path], outputs: Iterable[Path]
) -> None:
    """Refuses what was given as outputs and is a batch file, where nothing else is there."""
    if not every:
        for path in set(outputs) & set(renamed):
            raise BatchFileFoundError(path)


def _left_over(found: Found, sources: Iterable[Source]) -> Iterator[str]:
    """What is to be said of temporary files in the folders of jobs that left something else."""
    paths = {path for source in sources if source.files for path in (source.path, *source.files)}
    homes = paths | {path.parent for path in paths}
    for path in found.temporary:
        home = path.parent.parent if path.parent.name in TEMPORARY else path.parent
        if path not in paths and home in homes and is_left_over(path):
            yield f"{path}: left over from a job that was killed, and not read"


def _refuse_others(plan: BatchFile, plans: Iterable[Planned], stamps: Stamps) -> None:
    """Refuses jobs of another batch file: the same numbers need not be the same pictures there."""
    said = {other.path: other.sha256 for other in plans} | dict(stamps.sha256)
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
