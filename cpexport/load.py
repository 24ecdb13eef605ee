"""Loads every complete image set of every batch into one destination, exactly once."""

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from cpexport import measured
from cpexport.ahead import inspected_ahead
from cpexport.analyses import join_analyses
from cpexport.attempts import Attempts
from cpexport.batch import LeftOut, details_of, notes_of
from cpexport.decode import scratch_folder
from cpexport.errors import UsageError
from cpexport.features import IMAGE
from cpexport.imagesetnames import Name
from cpexport.imagesets import NONE, ImageSets
from cpexport.lacking import lacking, sentences
from cpexport.leftout import kept, missing, refuse_nothing
from cpexport.leftout import left_out as all_left_out
from cpexport.paths import PathMap
from cpexport.shape import Shape
from cpexport.sinks import Sink, open_sink
from cpexport.skipped import skipped_there
from cpexport.steps import other_pipelines, planned_of_readable, replaced_by
from cpexport.succession import Consent, Succession
from cpexport.survey import Progress, Survey, survey
from cpexport.tables import object_of
from cpexport.wanted import refuse_strange, refuse_strange_wells
from cpexport.wells import Wells, make_wells
from cpexport.withdrawal import Withdrawn
from cpexport.workers import THREAD, Crew, Workers
from cpexport.writing import Writing


@dataclass(frozen=True)
class Run:
    """A run in a destination that numbers them, and what of it is missing there.

    `names` are what people call what is missing; `planned`, `skipped` and `known` are as in
    `Report`.
    """

    name: str
    table_number: int
    missing: ImageSets
    names: Mapping[int, Name] = field(default_factory=dict)
    planned: int | None = None
    skipped: ImageSets = NONE
    known: bool = True


@dataclass(frozen=True)
class Report:
    """What a load did. `rows` are the rows written, by table. `replaced` counts the older outputs
    of which newer ones took the place, in part or wholly.

    `whole` is whether nothing is missing: no planned image set, or without a batch file none that
    the numbers show. `planned` is how many the batch files plan, None if one of the runs has none;
    `names` are what people call what is missing. `skipped` are image sets that FlagImage skipped:
    what was measured of them is loaded. `known` is whether any image set is there, whose number
    tells of gaps. `notes` are things worth knowing that cost nothing, `details` those of them that
    need no action. `made` are the rows of tables that were computed anew from others. `runs` are
    those it was about, where the destination numbers them; `missing` is then the numbers missing in
    any. `histories` are the folders in which jobs keep count of their attempts.
    """

    destination: str
    loaded: int
    already: int
    left_out: tuple[LeftOut, ...]
    missing: ImageSets
    image_sets: int
    rows: Mapping[str, int]
    seconds: float
    whole: bool
    notes: tuple[str, ...] = field(default=())
    details: tuple[str, ...] = field(default=())
    made: Mapping[str, int] = field(default_factory=dict)
    runs: tuple[Run, ...] = field(default=())
    replaced: int = 0
    planned: int | None = None
    names: Mapping[int, Name] = field(default_factory=dict)
    skipped: ImageSets = NONE
    known: bool = True
    histories: tuple[Path, ...] = ()


def load(
    outputs: Sequence[Path],
    to: str,
    *,
    batch_file: Path | None = None,
    prefix: str = "",
    shape: Shape | None = None,
    paths: PathMap | None = None,
    wells: Wells | None = None,
    run: str | None = None,
    patient: bool = False,
    consent: Consent = Consent(),  # noqa: B008 (it is frozen)
    workers: Workers = THREAD,
    progress: Progress = lambda done: None,
) -> Report:
    """Loads what is new and complete below `outputs` into the destination `to`, a URL.

    Killed anywhere and run again, the destination ends up the same. `patient` is whether jobs may
    still run, so that there being nothing to load yet is no error. `shape` is what the tables are
    to look like; without, as the destination's are, or as CellProfiler's separate ones. `paths`
    are the paths of pictures in them; without, as the destination's, or those of the jobs. `wells`
    are wanted besides those that the destination has. `run` is the name of the run that all of
    `outputs` are of, where the destination numbers runs; then wells are left as they are. `consent`
    is what a person says of pictures and of what may be replaced; it is not kept. `workers` look at
    batches and decode them.

    Raises:
        UsageError: a path or URL makes no sense, or a run is named or not where it should be.
        SourceError: nothing at all can be loaded, or the batch file cannot be read.
        CollisionError: different pictures have one image set number, or nothing tells whether they
            are, or a newer output lacks what an older one has; nothing was changed.
        SinkError: the destination refuses. Batches that were committed before stay.
    """
    began = time.monotonic()
    with (
        open_sink(to, prefix, shape, run, paths) as sink,
        scratch_folder() as scratch,
        closing(Crew(workers)) as crew,
    ):
        if sink.shape.numbered != (run is not None):
            raise UsageError("name a run where the destination numbers runs, and only there")
        ledger = sink.ledger().unknown() if sink.reshaped else sink.ledger()
        found = survey(
            outputs,
            batch_file,
            known=ledger.settled,
            tables={
                pipeline: {object_of(name, prefix) for name in names}
                for pipeline, names in ledger.csv_tables.items()
            },
            look=partial(inspected_ahead, crew),
            same_pictures=consent.same_pictures,
            progress=progress,
        )
        if not patient:
            refuse_nothing(found, outputs)
        if run is None:
            refuse_strange(shape, found.batches, sink.layout())
            refuse_strange_wells(wells, found.batches, sink.layout())
        if sink.reshaped:
            with sink.alone():
                sink.reshape()
            ledger = sink.ledger()
        succession = Succession(sink, consent)
        writing = Writing(sink, succession, prefix, scratch, crew, progress)
        todo = list(found.batches)
        while True:
            plan, unread = planned_of_readable(todo, ledger, succession)
            writing.damaged += unread
            todo = [b for b in todo if not any(b is other for other, _ in unread)]
            damaged = writing.write([step for step in plan.steps if step.image_sets])
            if not damaged:
                break
            # An older output may have what a damaged one was to bring.
            written = [step.batch for step in plan.steps if step.image_sets]
            todo = [b for b in todo if not any(b is other for other in written)]
            ledger = sink.ledger()
        writing.note([step for step in plan.steps if not step.image_sets], writing.superseded)
        entered = ledger.by_signature
        writing.already += [s.batch for s in plan.moved if s.batch.known_by in entered]
        writing.note([s for s in plan.moved if s.batch.known_by not in entered], writing.already)
        if not patient:
            _refuse_all_damaged(found, writing)
        taken_out = writing.withdraw()
        writing.settle(found)
        report = _report(sink, found, writing, taken_out, run)
    attempts = Attempts()
    made: Mapping[str, int] = {}
    joined: tuple[str, ...] = ()
    if run is None:
        made = attempts(lambda _: make_wells(to, prefix, wells))
        joined = attempts(lambda _: join_analyses(to, prefix, same_pictures=consent.same_pictures))
    notes = (*report.notes, *joined, *(f"{report.destination}: {note}" for note in attempts.notes))
    return replace(report, made=made, notes=notes, seconds=time.monotonic() - began)


def _refuse_all_damaged(found: Survey, writing: Writing) -> None:
    if writing.damaged and not (writing.loaded or writing.already or found.known):
        raise writing.damaged[0][1]


def _report(
    sink: Sink, found: Survey, writing: Writing, taken_out: Sequence[Withdrawn], run: str | None
) -> Report:
    ledger = sink.ledger()
    there = ledger.loaded
    left_out = [
        *all_left_out(found, sink, ledger.entries, there, sink.layout().types, writing.damaged),
        *(LeftOut(one.entry.path, one.reason) for one in taken_out),
    ]
    entries = (*ledger.entries, *(one.entry for one in taken_out))
    ran = [one.image_sets for one in found.batches] + [one.image_sets for one in entries]
    gone = missing(found.plan, there, ran)
    skipped = _skipped(sink, found) & there
    features = sink.shape.unshaped(sink.layout().features)
    passed_over = {id(batch) for batch in writing.superseded}
    brought = [batch for batch in found.batches if id(batch) not in passed_over]
    notes = [*found.notes, *sentences(lacking(brought, sink.shape.keeps, features))]
    notes += [f"{b.source.path}: newer outputs have its image sets" for b in writing.superseded]
    notes += kept(found.batches, () if writing.loaded else found.known, ledger)
    notes += other_pipelines((older, new.pipeline) for older, new in writing.replaced.values())
    notes += notes_of(found.batches)
    notes += [
        f"{sink.name}: {note}" for note in (*sink.notes, *writing.notes, *measured.notes(sink))
    ]
    if writing.unmapped:
        notes.append(
            f"{sink.name}: {writing.unmapped} paths of pictures are in no folder of --path-map, "
            "and stay as they were"
        )
    return Report(
        destination=sink.name,
        loaded=len(writing.loaded),
        already=len(writing.already) + len(found.known),
        left_out=tuple(left_out),
        missing=gone.image_sets,
        image_sets=writing.image_sets,
        rows=writing.rows,
        seconds=0,
        whole=not gone.image_sets and not left_out,
        notes=tuple(notes),
        details=(*details_of(found.batches), *replaced_by(writing.replaced.values())),
        runs=tuple(
            Run(name, n, gone.image_sets, gone.names, gone.planned, skipped, gone.known)
            for name, n in sink.runs().items()
            if name == run
        ),
        planned=gone.planned,
        names=gone.names,
        skipped=skipped,
        replaced=len(writing.replaced),
        known=gone.known,
        histories=found.histories,
    )


def _skipped(sink: Sink, found: Survey) -> ImageSets:
    """The image sets that FlagImage skipped: those in the destination where the batch file's
    pipeline tells which those are, else those of the batches seen now."""
    if found.plan is None:
        return ImageSets.from_ranges(r for batch in found.batches for r in batch.skipped.ranges)
    features = sink.layout().features.get(IMAGE, {})
    return skipped_there(found.plan.pipeline, features, lambda some: sink.read(IMAGE, some))
