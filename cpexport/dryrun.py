"""What a load would do: which batches it would bring, into which tables. It changes nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from cpexport.batch import LeftOut, details_of, notes_of
from cpexport.errors import SourceError
from cpexport.imagesets import NONE, ImageSets
from cpexport.lacking import lacking, sentences
from cpexport.ledger import Ledger
from cpexport.leftout import Missing, left_out, missing, other_outputs, refuse_nothing
from cpexport.paths import PathMap
from cpexport.runnames import named
from cpexport.runs import refuse_unnamed
from cpexport.shape import Shape
from cpexport.sinks import open_sink
from cpexport.steps import Step, other_pipelines, planned_of_readable, replaced_by
from cpexport.succession import Consent, Succession
from cpexport.survey import Progress, survey
from cpexport.tables import joined, object_of, table_of
from cpexport.wanted import refuse_strange, refuse_strange_of_runs, refuse_strange_wells
from cpexport.wells import Wells
from cpexport.withdrawal import cut_off


@dataclass(frozen=True)
class DryRun:
    """What would be done for one argument, or for all of them where runs are not numbered.

    `tables` are all that there would be, by the name of their first part, with the number of
    columns of each part. `left_out` and `missing` are as the load would report them, but for damage
    that only reading the values shows. `notes` are what people should know of the destination,
    `details` those that need no action. `replaced` counts the older outputs of which newer ones
    would take the place, in part or wholly.
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
    replaced: int = 0

    @property
    def whole(self) -> bool:
        """Whether nothing would be missing or left out."""
        return not self.left_out and not self.missing.image_sets


def dry_run(
    arguments: Sequence[Path],
    to: str,
    *,
    batch_file: Path | None = None,
    prefix: str = "",
    shape: Shape | None = None,
    paths: PathMap | None = None,
    wells: Wells | None = None,
    consent: Consent = Consent(),  # noqa: B008 (it is frozen)
    progress: Progress = lambda done: None,
) -> tuple[DryRun, ...]:
    """What `runs.load_runs` would do, one for each run.

    Columns are those that files name: values that do not fit what a name promises can make more.

    Raises:
        UsageError, SourceError, CollisionError, SinkError: as the load would.
    """
    with open_sink(to, prefix, shape, None, paths, writing=False) as sink:
        destination, numbered, known = sink.name, sink.shape.numbered, sink.runs()
    one = partial(
        _one,
        to=to,
        batch_file=batch_file,
        prefix=prefix,
        shape=shape,
        paths=paths,
        wells=wells,
        consent=consent,
        progress=progress,
    )
    if not numbered:
        return (one(arguments, None),)
    runs = named(arguments, known)
    refuse_unnamed(runs, batch_file)
    refuse_strange_of_runs(shape, wells, [run.outputs for run in runs], to, prefix)
    found: list[DryRun] = []
    failed: list[SourceError] = []
    for run in runs:
        try:
            found.append(one([run.outputs], run.name))
        except SourceError as error:
            failed.append(error)
            found.append(_nothing(destination, run.name, error))
    if len(failed) == len(found):
        raise failed[0]
    return tuple(found)


def _nothing(destination: str, run: str, error: SourceError) -> DryRun:
    """A run of which nothing can be loaded, among others."""
    why = (LeftOut(error.path, f"{error.problem}; {error.advice}"),)
    return DryRun(destination, run, 0, 0, why, Missing(known=False), NONE, {})


def _tables(
    ledger: Ledger, steps: Iterable[Step], prefix: str
) -> Mapping[str | None, frozenset[str]]:
    """The tables of CSV outputs by pipeline, as the ledger would have them."""
    tables = dict(ledger.csv_tables)
    for batch in (step.batch for step in steps):
        if batch.source.format == "spreadsheet":
            new = {table_of(name, prefix) for name in batch.features}
            tables[batch.pipeline] = tables.get(batch.pipeline, frozenset()) | new
    return tables


def _one(
    outputs: Sequence[Path],
    run: str | None,
    *,
    to: str,
    batch_file: Path | None,
    prefix: str,
    shape: Shape | None,
    paths: PathMap | None,
    wells: Wells | None,
    consent: Consent,
    progress: Progress,
) -> DryRun:
    with open_sink(to, prefix, shape, run, paths, writing=False) as sink:
        ledger = sink.ledger().unknown() if sink.reshaped else sink.ledger()
        seen = survey(
            outputs,
            batch_file,
            known=ledger.settled,
            tables={
                pipeline: {object_of(name, prefix) for name in names}
                for pipeline, names in ledger.csv_tables.items()
            },
            same_pictures=consent.same_pictures,
            progress=progress,
        )
        refuse_nothing(seen, outputs)
        if run is None:
            refuse_strange(shape, seen.batches, sink.layout())
            refuse_strange_wells(wells, seen.batches, sink.layout())
        plan, unread = planned_of_readable(seen.batches, ledger, Succession(sink, consent))
        if unread and not (plan.steps or plan.moved or seen.known):
            raise unread[0][1]
        steps = [step for step in plan.steps if step.image_sets]
        had = sink.shape.unshaped(sink.layout().features)
        replaced = {one.signature: (one, step.batch) for step in steps for one in step.older}
        features = joined([had, *(step.batch.features for step in steps)])
        sink.prepare(sink.shape.shaped(features))
        layout = sink.becoming()
        tables = {name: layout.parts(name) for name in sorted(layout.objects)}
        new = ImageSets.from_ranges(ends for step in steps for ends in step.image_sets.ranges)
        kept = [replace(entry, loaded=entry.loaded - new) for entry in ledger.entries]
        csv_tables = _tables(ledger, plan.steps, prefix)
        taken_out = cut_off(sink, kept, csv_tables, prefix) if steps else []
        gone = {one.entry.signature for one in taken_out}
        stay = [r for one in kept if one.signature not in gone for r in one.loaded.ranges]
        there = ImageSets.from_ranges(stay) | new
        ran = [b.image_sets for b in seen.batches] + [e.image_sets for e in ledger.entries]
        others = other_outputs(seen.batches)
        return DryRun(
            sink.name,
            run,
            len(steps),
            len(seen.known) + len(plan.moved),
            (
                *left_out(seen, sink, kept, there, layout.types, unread, others),
                *(LeftOut(one.entry.path, one.reason) for one in taken_out),
            ),
            missing(seen.plan, there, ran),
            new,
            {parts[0].name: tuple(len(p.schema) for p in parts) for parts in tables.values()},
            (
                *seen.notes,
                *sentences(lacking((step.batch for step in steps), sink.shape.keeps, had)),
                *sink.notes,
                *other_pipelines((one, batch.pipeline) for one, batch in replaced.values()),
                *notes_of(seen.batches),
            ),
            (*details_of(seen.batches), *replaced_by(replaced.values())),
            len(replaced),
        )
