"""The report of a load: what it wrote, and what the destination still lacks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from cpexport.cellprofiler.features import IMAGE
from cpexport.cellprofiler.flagged_image_sets import skipped_there
from cpexport.cellprofiler.image_set_names import Name
from cpexport.cellprofiler.pipeline_use import PipelineUse
from cpexport.errors import LeftOut
from cpexport.imagesets import NONE, ImageSets, union
from cpexport.loading import run_measurements
from cpexport.loading.left_out import kept, left_out, missing
from cpexport.loading.missing_features import lacking, sentences
from cpexport.loading.replaced_outputs import Replacement, other_pipelines, replacements
from cpexport.loading.surveyed import Survey
from cpexport.loading.withdrawal import Withdrawn
from cpexport.loading.writer import LoadWriter
from cpexport.outcome import INTERRUPTED, stamped, status
from cpexport.sinks.base import Sink
from cpexport.sources.base import details_of, notes_of


@dataclass(frozen=True)
class Run:
    """A run in a destination that numbers runs, and its missing image sets.

    `names` are the names of the missing image sets; `planned`, `skipped` and `known` are as in
    `LoadReport`.
    """

    name: str
    table_number: int
    missing: ImageSets
    names: Mapping[int, Name] = field(default_factory=dict)
    planned: int | None = None
    skipped: ImageSets = NONE
    known: bool = True

    def to_dict(self) -> dict[str, Any]:
        """The run as JSON reports have it."""
        return {
            "name": self.name,
            "table_number": self.table_number,
            "missing": self.missing.to_list(),
            "missing_names": {str(n): str(name) for n, name in self.names.items()},
            "planned": self.planned,
            "skipped": self.skipped.to_list(),
        }


@dataclass(frozen=True)
class LoadReport:
    """What a load did.

    destination: its URL, without a password.
    loaded, already: how many batches it loaded, and how many were in the destination before.
    left_out: batches and files that are not loaded, or not wholly, and why.
    missing: the planned image sets that the destination lacks; without a batch file, the gaps in
        the numbers. For several runs, the numbers that are missing in any of them.
    image_sets: how many image sets it loaded.
    rows: the rows written, by table.
    seconds: how long it took.
    is_complete: whether nothing is missing or left out.
    notes: for the user; nothing is lost. `details` need no action.
    made: the rows of computed tables, such as tables of wells.
    runs: the runs that were loaded, if the destination numbers runs.
    replacements: the older outputs that newer ones replaced, partly or wholly.
    planned: how many image sets the batch files list; None if a run has no batch file.
    names: the names of the missing image sets.
    skipped: image sets that FlagImage skipped; what was measured of them is loaded.
    known: whether there is any image set, in whose numbers gaps can be found.
    histories: the folders in which jobs record their attempts.
    pipelines: those that made what the destination holds.
    missing_ok: whether the exit status is 0 even if something is missing or left out.
    interrupted: whether the command line was stopped after this.
    """

    destination: str
    loaded: int
    already: int
    left_out: tuple[LeftOut, ...]
    missing: ImageSets
    image_sets: int
    rows: Mapping[str, int]
    seconds: float
    is_complete: bool
    notes: tuple[str, ...] = field(default=())
    details: tuple[str, ...] = field(default=())
    made: Mapping[str, int] = field(default_factory=dict)
    runs: tuple[Run, ...] = field(default=())
    replacements: tuple[Replacement, ...] = ()
    planned: int | None = None
    names: Mapping[int, Name] = field(default_factory=dict)
    skipped: ImageSets = NONE
    known: bool = True
    histories: tuple[Path, ...] = ()
    pipelines: tuple[PipelineUse, ...] = ()
    missing_ok: bool = False
    interrupted: bool = False

    @property
    def replaced(self) -> int:
        """How many older outputs newer ones replaced."""
        return len(self.replacements)

    @property
    def exit_status(self) -> int:
        """0: nothing is missing. 3: something is missing or left out. 130: interrupted."""
        return INTERRUPTED if self.interrupted else status(self.is_complete, self.missing_ok)

    def to_dict(self) -> dict[str, Any]:
        """The report as `cpexport load --format json` prints it: lists, texts and numbers."""
        fields: dict[str, Any] = {
            "destination": self.destination,
            "batches": {
                "loaded": self.loaded,
                "replaced": self.replaced,
                "already": self.already,
                "left_out": [left.to_dict() for left in self.left_out],
            },
            "image_sets": self.image_sets,
            "planned": self.planned,
            "skipped": self.skipped.to_list(),
            "missing": self.missing.to_list(),
            "missing_names": {str(n): str(name) for n, name in self.names.items()},
            "rows": {**self.rows, **self.made},
            "replacements": [replacement.to_dict() for replacement in self.replacements],
            "pipelines": [pipeline.to_dict() for pipeline in self.pipelines],
            "seconds": round(self.seconds, 3),
            "notes": [*self.notes, *self.details],
        }
        if self.runs:
            fields["runs"] = [run.to_dict() for run in self.runs]
        return stamped(self.exit_status, fields)


def report_on(
    sink: Sink, found: Survey, writer: LoadWriter, withdrawn: Sequence[Withdrawn], run: str | None
) -> LoadReport:
    """Reports what `writer` wrote of the outputs in `found`, and what the destination lacks.

    withdrawn: the batches that were removed at the end of the load.
    run: the run that was loaded, if the destination numbers runs.

    The report has no duration and no computed tables.
    """
    summary = sink.ledger.summary()
    loaded, types = summary.loaded, sink.layout().types
    # Of batches that need not be read again, only those with deleted image sets lack any.
    deleted = summary.rejected or bool(summary.settled - loaded)
    entries = sink.ledger.entries() if deleted else ()
    all_left_out = (
        *left_out(found, sink, entries, loaded, types, writer.damaged),
        *(LeftOut(batch.entry.path, batch.reason) for batch in withdrawn),
    )
    ran = chain(
        (batch.image_sets for batch in found.batches),
        summary.ran,
        (batch.entry.image_sets for batch in withdrawn),
    )
    gaps = missing(found, loaded, ran)
    skipped = _skipped(sink, found) & loaded
    replaced = replacements(writer.replaced.values())
    return LoadReport(
        destination=sink.name,
        loaded=writer.loaded,
        already=writer.already + len(found.known),
        left_out=all_left_out,
        missing=gaps.image_sets,
        image_sets=writer.image_sets,
        rows=writer.rows,
        seconds=0,
        is_complete=not gaps.image_sets and not all_left_out,
        notes=(*_notes_on_outputs(sink, found, writer), *_notes_on_sink(sink, writer)),
        details=(*details_of(found.facts.not_whole), *map(str, replaced)),
        runs=tuple(
            Run(name, number, gaps.image_sets, gaps.names, gaps.planned, skipped, gaps.known)
            for name, number in sink.ledger.runs().items()
            if name == run
        ),
        planned=gaps.planned,
        names=gaps.names,
        skipped=skipped,
        replacements=replaced,
        known=gaps.known,
        histories=found.histories,
        pipelines=summary.pipelines,
    )


def _notes_on_outputs(sink: Sink, found: Survey, writer: LoadWriter) -> Iterator[str]:
    """Yields what the user should know about the outputs, although nothing is lost."""
    yield from found.notes
    superseded = set(writer.superseded)
    used = (batch for batch in found.batches if str(batch.source.path) not in superseded)
    features = sink.shape.unshaped(sink.layout().features)
    shape = sink.shape
    yield from sentences(lacking(used, shape.keeps, features, shape.keeps_feature))
    for path in writer.superseded:
        yield f"{path}: newer outputs have its image sets"
    yield from kept(found.facts.not_whole, () if writer.loaded else found.known, sink.ledger)
    yield from other_pipelines(writer.replaced.values())
    yield from notes_of(found.facts.not_whole)


def _notes_on_sink(sink: Sink, writer: LoadWriter) -> Iterator[str]:
    """Yields what the user should know about the destination."""
    for note in (*sink.notes, *writer.notes, *run_measurements.notes(sink)):
        yield f"{sink.name}: {note}"
    for name in sink.shape.only or ():
        if name not in sink.layout().types:
            yield f"{sink.name}: no table of {name}: the outputs only count these objects"
    if writer.unmapped:
        yield (
            f"{sink.name}: {writer.unmapped} image paths do not begin with a folder of "
            "--path-map; they are unchanged"
        )


def _skipped(sink: Sink, found: Survey) -> ImageSets:
    """The image sets that FlagImage skipped.

    With a batch file, its pipeline shows which image sets in the destination were skipped; without
    its pipeline, only the batches of this load are known.
    """
    if found.plan is None or found.plan.is_list:
        return union(batch.skipped for batch in found.batches)
    features = sink.layout().features.get(IMAGE, {})
    return skipped_there(found.plan.pipeline, features, lambda columns: sink.read(IMAGE, columns))
