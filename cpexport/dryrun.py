"""What a load would do: which batches it would bring, into which tables. It changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cpexport.imagesets import ImageSets
from cpexport.lacking import lacking, sentences
from cpexport.paths import PathMap
from cpexport.runnames import named
from cpexport.shape import Shape
from cpexport.sinks import open_sink
from cpexport.steps import other_pipelines, planned_of_readable
from cpexport.succession import Consent, Succession
from cpexport.survey import Progress, survey
from cpexport.tables import joined, object_of
from cpexport.wanted import refuse_strange, refuse_strange_of_runs


@dataclass(frozen=True)
class DryRun:
    """What would be done for one argument, or for all of them where runs are not numbered.

    `tables` are all that there would be, by the name of their first part, with the number of
    columns of each part. `notes` are what people should know of the destination. `replaced` counts
    the older outputs of which newer ones would take the place, in part or wholly.
    """

    destination: str
    run: str | None
    to_load: int
    already: int
    left_out: tuple[str, ...]
    image_sets: ImageSets
    tables: dict[str, tuple[int, ...]]
    notes: tuple[str, ...] = field(default=())
    replaced: int = 0


def dry_run(
    arguments: Sequence[Path],
    to: str,
    *,
    batch_file: Path | None = None,
    prefix: str = "",
    shape: Shape | None = None,
    paths: PathMap | None = None,
    consent: Consent = Consent(),  # noqa: B008 (it is frozen)
    progress: Progress = lambda done: None,
) -> tuple[DryRun, ...]:
    """What `runs.load_runs` would do, one for each run.

    Columns are those that files name: values that do not fit what a name promises can make more.

    Raises:
        UsageError, SourceError, CollisionError, SinkError: as the load would.
    """
    with open_sink(to, prefix, shape, None, paths, writing=False) as sink:
        numbered, known = sink.shape.numbered, sink.runs()
    if not numbered:
        return (_one(arguments, to, None, batch_file, prefix, shape, paths, consent, progress),)
    runs = named(arguments, known)
    refuse_strange_of_runs(shape, [run.outputs for run in runs], to, prefix)
    return tuple(
        _one([run.outputs], to, run.name, batch_file, prefix, shape, paths, consent, progress)
        for run in runs
    )


def _one(
    outputs: Sequence[Path],
    to: str,
    run: str | None,
    batch_file: Path | None,
    prefix: str,
    shape: Shape | None,
    paths: PathMap | None,
    consent: Consent,
    progress: Progress,
) -> DryRun:
    with open_sink(to, prefix, shape, run, paths, writing=False) as sink:
        ledger = sink.ledger().unknown() if sink.reshaped else sink.ledger()
        seen = survey(
            outputs,
            batch_file,
            known=ledger.by_signature,
            tables={
                pipeline: {object_of(name, prefix) for name in names}
                for pipeline, names in ledger.csv_tables.items()
            },
            same_pictures=consent.same_pictures,
            progress=progress,
        )
        if run is None:
            refuse_strange(shape, seen.batches, sink.layout())
        plan, unread = planned_of_readable(seen.batches, ledger, Succession(sink, consent))
        steps = [step for step in plan.steps if step.image_sets]
        had = sink.shape.unshaped(sink.layout().features)
        replaced = {one.signature: (one, step.batch) for step in steps for one in step.older}
        features = joined([had, *(step.batch.features for step in steps)])
        sink.prepare(sink.shape.shaped(features))
        layout = sink.becoming()
        tables = {name: layout.parts(name) for name in sorted(layout.objects)}
        return DryRun(
            sink.name,
            run,
            len(steps),
            len(seen.known) + len(plan.moved),
            (
                *(left.path for left in seen.left_out),
                *(
                    str(batch.source.path)
                    for batch in seen.batches
                    if not batch.complete or any(batch is other for other, _ in unread)
                ),
                *(left.path for batch in seen.batches for left in batch.left_out),
            ),
            ImageSets.from_ranges(ends for step in steps for ends in step.image_sets.ranges),
            {parts[0].name: tuple(len(p.schema) for p in parts) for parts in tables.values()},
            (
                *seen.notes,
                *sentences(lacking(seen.batches, sink.shape.keeps)),
                *sink.notes,
                *other_pipelines((one, batch.pipeline) for one, batch in replaced.values()),
            ),
            len(replaced),
        )
