"""Finds what a load would do, without changing anything: its batches and its tables."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from cpexport.cellprofiler.pipeline_use import PipelineUse, pipelines_used
from cpexport.commands.runs import check_named, in_turn, runs_of, without_run
from cpexport.errors import LeftOut, SourceError
from cpexport.imagesets import NONE, ImageSets, union
from cpexport.loading.contradictions import other_outputs
from cpexport.loading.inspection import NoneKnown
from cpexport.loading.left_out import Missing, check_not_empty, left_out, missing
from cpexport.loading.load_plan import Loaded, LoadStep, planned_of_readable
from cpexport.loading.missing_features import lacking, sentences
from cpexport.loading.progress import Progress
from cpexport.loading.recorded_endings import with_recorded_endings
from cpexport.loading.replaced_outputs import Replacement, newer_of, other_pipelines, replacements
from cpexport.loading.request import LoadRequest
from cpexport.loading.succession import Succession
from cpexport.loading.survey import survey
from cpexport.loading.wanted import (
    check_features,
    check_not_an_output,
    check_not_itself,
    check_object_types,
    check_wanted_of_runs,
    check_wells,
)
from cpexport.loading.withdrawal import cut_off
from cpexport.outcome import stamped, status
from cpexport.sinks.ledger import Entry
from cpexport.sinks.registry import open_sink
from cpexport.sources.base import details_of, features_of, notes_of
from cpexport.tables.layout import joined, object_of, table_of


@dataclass(frozen=True)
class DryRun:
    """What a load would do with one run, or with all outputs if runs are not numbered.

    to_load, already: how many batches it would load, and how many are loaded already.
    left_out, missing: as the load would report them, except for damage that only reading the values
        shows.
    image_sets: the image sets that it would load.
    tables: all tables that the destination would have, by the name of their first part, with the
        number of columns of each part.
    notes: for the user; `details` need no action.
    replacements: the older outputs that newer ones would replace, partly or wholly.
    pipelines: those that made what the destination would hold.
    missing_ok: whether the exit status is 0 even if something would be missing or left out.
    """

    destination: str
    run: str | None
    to_load: int
    already: int
    left_out: tuple[LeftOut, ...]
    missing: Missing
    image_sets: ImageSets
    tables: dict[str, tuple[int, ...]]
    notes: tuple[str, ...] = field(default=())
    details: tuple[str, ...] = field(default=())
    replacements: tuple[Replacement, ...] = ()
    pipelines: tuple[PipelineUse, ...] = ()
    missing_ok: bool = False

    @property
    def replaced(self) -> int:
        """How many older outputs newer ones would replace."""
        return len(self.replacements)

    @property
    def is_complete(self) -> bool:
        """Whether nothing would be missing or left out."""
        return not self.left_out and not self.missing.image_sets

    @property
    def exit_status(self) -> int:
        """0: nothing would be missing. 3: something would be missing or left out."""
        return status(self.is_complete, self.missing_ok)

    def to_dict(self) -> dict[str, Any]:
        """The run as `cpexport load --dry-run --format json` prints it, in a list of all runs."""
        fields = {
            "destination": self.destination,
            "run": self.run,
            "to_load": self.to_load,
            "already": self.already,
            "left_out": [left.to_dict() for left in self.left_out],
            "missing": self.missing.image_sets.to_list(),
            "image_sets": str(self.image_sets),
            "tables": {name: list(columns) for name, columns in self.tables.items()},
            "notes": [*self.notes, *self.details],
            "replaced": self.replaced,
            "replacements": [replacement.to_dict() for replacement in self.replacements],
            "pipelines": [pipeline.to_dict() for pipeline in self.pipelines],
            "planned": self.missing.planned,
            "missing_names": {str(n): str(name) for n, name in self.missing.names.items()},
        }
        return stamped(self.exit_status, fields)


def dry_run(request: LoadRequest, progress: Progress = lambda done: None) -> tuple[DryRun, ...]:
    """Returns what `runs.load_runs` would do, for each run.

    The columns are those that files name; a load makes more if values do not fit the type that a
    name promises.

    Raises:
        UsageError, SourceError, CollisionError, SinkError: as the load would.
    """
    to, prefix = request.to, request.prefix
    with open_sink(to, prefix, request.shape, None, request.paths, writing=False) as sink:
        destination, numbered, known = sink.name, sink.shape.numbered, sink.ledger.runs()
    if not numbered:
        return (_one(request, progress),)
    runs = runs_of(request, known)
    check_named(runs, request.batch_file)
    outputs = [run.outputs for run in runs]
    notes = check_wanted_of_runs(request.shape, request.wells, outputs, to, prefix)
    results: list[DryRun] = []
    planned: list[int | None] = []
    failed: list[SourceError] = []
    for run, shown in in_turn(runs, progress):
        try:
            one = request.of_run(run.name, run.outputs, several=len(runs) > 1)
            results.append(_one(one, shown))
            planned.append(results[-1].missing.planned)
        except SourceError as error:
            failed.append(error)
            results.append(_nothing(destination, run.name, error))
    if len(failed) == len(results):
        raise failed[0]
    if len(runs) > 1:
        counted = None if None in planned else sum(filter(None, planned))
        left_out = *results[-1].left_out, *without_run(request.lists, counted)
        results[-1] = replace(results[-1], left_out=left_out)
    first, *others = results
    return replace(first, notes=(*notes, *first.notes)), *others


def _nothing(destination: str, run: str, error: SourceError) -> DryRun:
    """The result for a run without anything to load, if there are other runs."""
    why = (LeftOut(error.path, f"{error.problem}; {error.advice}"),)
    return DryRun(destination, run, 0, 0, why, Missing(known=False), NONE, {})


def _tables(
    known: Mapping[str | None, frozenset[str]], steps: Iterable[LoadStep], prefix: str
) -> Mapping[str | None, frozenset[str]]:
    """The tables of CSV outputs by pipeline, as the ledger would have them after the load."""
    tables = dict(known)
    for batch in (step.batch for step in steps):
        if batch.source.format == "spreadsheet":
            new = {table_of(name, prefix) for name in batch.features}
            tables[batch.pipeline] = tables.get(batch.pipeline, frozenset()) | new
    return tables


@dataclass(frozen=True)
class _Unknown:
    """A ledger by which no batch is recognized as loaded."""

    ledger: Loaded

    def holding(self, image_sets: ImageSets) -> tuple[Entry, ...]:
        return tuple(replace(entry, fingerprint="") for entry in self.ledger.holding(image_sets))


@dataclass(frozen=True)
class _Again:
    """A ledger by which batches that a user removed are not recognized as loaded."""

    ledger: Loaded
    removed: Collection[str]

    def holding(self, image_sets: ImageSets) -> tuple[Entry, ...]:
        return tuple(
            replace(entry, fingerprint="") if entry.signature in self.removed else entry
            for entry in self.ledger.holding(image_sets)
        )


def _use(entry: Entry) -> PipelineUse:
    return PipelineUse(entry.pipeline, entry.version, 1, entry.loaded)


def _pipeline(step: LoadStep) -> PipelineUse:
    return PipelineUse(step.batch.pipeline, step.batch.version, 1, step.image_sets)


def _one(request: LoadRequest, progress: Progress) -> DryRun:
    """The dry run of one run, or of all outputs if runs are not numbered."""
    to, prefix, run = request.to, request.prefix, request.run
    with open_sink(to, prefix, request.shape, run, request.paths, writing=False) as sink:
        ledger, summary = sink.ledger, sink.ledger.summary()
        check_not_itself(request.to, request.outputs)
        found = survey(
            request.outputs,
            request.batch_file,
            known=NoneKnown() if sink.reshaped or request.again else ledger,
            tables={
                pipeline: {object_of(name, prefix) for name in names}
                for pipeline, names in summary.csv_tables.items()
            },
            same_pictures=request.consent.same_pictures,
            numbering=request.numbering(sink.ledger),
            lists=request.lists,
            progress=progress,
        )
        found = with_recorded_endings(found)
        check_not_an_output(request.to, found.batches)
        check_not_empty(found, request.outputs)
        notes: tuple[str, ...] = ()
        if run is None:
            check_object_types(request.shape, found.batches, sink.layout())
            notes = check_features(request.shape, found.batches, sink.layout())
            check_wells(request.wells, found.batches, sink.layout())
        again = {entry.signature for entry in sink.ledger.removed() if request.again}
        plan, unreadable = planned_of_readable(
            found.batches,
            _Unknown(ledger) if sink.reshaped else _Again(ledger, again) if again else ledger,
            Succession(sink, request.consent),
            () if request.again else sink.ledger.removed(),
        )
        if unreadable and not (plan.steps or plan.already_loaded or found.known):
            raise unreadable[0][1]
        steps = plan.steps.with_rows(True)
        loaded_features = sink.shape.unshaped(sink.layout().features)
        replaced = {
            old.signature: (old, newer_of(step.batch)) for step in steps for old in step.older
        }
        features = joined([loaded_features, *features_of(step.batch for step in steps)])
        sink.prepare(sink.shape.shaped(features))
        layout = sink.pending_layout()
        tables = {name: layout.parts(name) for name in sorted(layout.objects)}
        new = union(step.image_sets for step in steps)

        def kept() -> Iterator[Entry]:
            """The entries of the ledger as they would be after the load."""
            for entry in ledger.entries():
                yield replace(entry, loaded=entry.loaded - new)

        csv_tables = _tables(summary.csv_tables, plan.steps, prefix)
        taken_out = cut_off(sink, kept(), csv_tables, prefix) if steps else []
        present = summary.loaded - union(one.entry.loaded for one in taken_out) | new
        ran = chain((batch.image_sets for batch in found.batches), summary.ran)
        others = other_outputs(found.batches)
        return DryRun(
            sink.name,
            run,
            len(steps),
            len(found.known) + len(plan.already_loaded),
            (
                *left_out(found, sink, kept(), present, layout.types, unreadable, others),
                *(LeftOut(out.entry.path, out.reason) for out in taken_out),
            ),
            missing(found, present, ran),
            new,
            {parts[0].name: tuple(len(p.schema) for p in parts) for parts in tables.values()},
            (
                *notes,
                *found.notes,
                *sentences(
                    lacking(
                        (step.batch for step in steps),
                        sink.shape.keeps,
                        loaded_features,
                        sink.shape.keeps_feature,
                    )
                ),
                *sink.notes,
                *other_pipelines(replaced.values()),
                *notes_of(found.facts.not_whole),
            ),
            (*details_of(found.facts.not_whole), *map(str, replacements(replaced.values()))),
            replacements(replaced.values()),
            pipelines_used(chain(map(_use, kept()), map(_pipeline, steps)))
            if steps
            else summary.pipelines,
        )
