"""Loads and verifies several runs in one destination that numbers them, each as if alone."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from cpexport.analyses import join_analyses
from cpexport.attempts import Attempts
from cpexport.batch import LeftOut
from cpexport.comparison import Difference
from cpexport.errors import SourceError, UsageError
from cpexport.imagesets import ImageSets
from cpexport.load import Report, load
from cpexport.numbering import number_other_runs
from cpexport.paths import PathMap
from cpexport.remainder import strange_runs
from cpexport.runnames import Named, named, outputs_of
from cpexport.shape import Shape
from cpexport.sinks import open_sink
from cpexport.sinks.urls import file_url
from cpexport.succession import Consent
from cpexport.survey import Progress
from cpexport.verify import Unseen, Verification, verified_together, verify
from cpexport.wanted import refuse_strange_of_runs
from cpexport.wells import Wells, make_wells, untrue_wells
from cpexport.workers import THREAD, Workers


def destination(arguments: Sequence[Path], to: str | None) -> str:
    """Where outputs go; if that is not said, a file in the working folder, called as the first.

    Raises:
        UsageError: there is no argument.
    """
    if not arguments:
        raise UsageError("name the folder that holds the jobs' outputs")
    if to is not None:
        return to
    outputs = outputs_of(arguments[0]).resolve()
    name = outputs.stem if outputs.is_file() else outputs.name
    return file_url("sqlite", Path(f"{name}.sqlite"))


def load_runs(
    arguments: Sequence[Path],
    to: str,
    *,
    batch_file: Path | None = None,
    prefix: str = "",
    shape: Shape | None = None,
    paths: PathMap | None = None,
    wells: Wells | None = None,
    patient: bool = False,
    consent: Consent = Consent(),  # noqa: B008 (it is frozen)
    workers: Workers = THREAD,
    progress: Progress = lambda done: None,
) -> Report:
    """`load`, each argument as a run where `shape`, or else the destination, numbers runs.

    Runs are loaded one after the other: an error of the destination, or a collision, leaves those
    before. A run of which nothing can be loaded is left out, if there is another.

    Raises:
        UsageError: runs without a name, or two with one; a batch file for several, or none where
            jobs may still run; as `load`.
        SourceError, CollisionError, SinkError: as `load`.
    """
    if patient and batch_file is None:
        raise UsageError("--watch needs --batch, to know when all is there")
    with open_sink(to, prefix, shape, writing=False) as sink:
        numbered, known = sink.shape.numbered, sink.runs()
    if not numbered:
        return load(
            arguments,
            to,
            batch_file=batch_file,
            prefix=prefix,
            shape=shape,
            paths=paths,
            wells=wells,
            patient=patient,
            consent=consent,
            workers=workers,
            progress=progress,
        )
    runs = named(arguments, known)
    refuse_unnamed(runs, batch_file)
    refuse_strange_of_runs(shape, wells, [run.outputs for run in runs], to, prefix)
    reports, failed = [], []
    for run in runs:
        try:
            report = load(
                [run.outputs],
                to,
                batch_file=batch_file,
                prefix=prefix,
                shape=shape,
                paths=paths,
                run=run.name,
                patient=patient,
                consent=consent,
                workers=workers,
                progress=progress,
            )
        except SourceError as error:
            failed.append(error)
        else:
            reports.append(report)
    if not reports:
        raise failed[0]
    Attempts()(lambda _: number_other_runs(to, prefix))
    made = Attempts()(lambda _: make_wells(to, prefix, wells))
    joined = Attempts()(lambda _: join_analyses(to, prefix, same_pictures=consent.same_pictures))
    whole = _together(reports, failed)
    twice = _twice(to, prefix, {run.name for run in runs} - known.keys())
    return replace(whole, made=made, notes=(*whole.notes, *joined, *twice))


def verify_runs(
    arguments: Sequence[Path],
    to: str,
    *,
    batch_file: Path | None = None,
    prefix: str = "",
    same_pictures: bool = False,
    progress: Progress = lambda done: None,
) -> Verification:
    """`verify`, each argument as a run where the destination numbers runs.

    Raises:
        UsageError: as `load_runs`, or no such run.
        SourceError, SinkError: as `verify`.
    """
    with open_sink(to, prefix, writing=False) as sink:
        numbered, there = sink.shape.numbered, sink.runs()
        strange = list(strange_runs(sink)) if numbered else []
        if numbered:
            strange += [Difference(table, "", what) for table, what in untrue_wells(sink, prefix)]
    if not numbered:
        return verify(
            arguments,
            to,
            batch_file=batch_file,
            prefix=prefix,
            same_pictures=same_pictures,
            progress=progress,
        )
    runs = named(arguments, there)
    refuse_unnamed(runs, batch_file)
    found = [
        verify(
            [run.outputs],
            to,
            batch_file=batch_file,
            prefix=prefix,
            run=run.name,
            same_pictures=same_pictures,
            progress=progress,
        )
        for run in runs
    ]
    others = there.keys() - {run.name for run in runs}
    unseen = [Unseen(f"run {name}", "not among OUTPUTS") for name in sorted(others)]
    return verified_together(found, strange, unseen)


def refuse_unnamed(runs: Sequence[Named], batch_file: Path | None) -> None:
    """Refuses runs that cannot be told apart, or do not exist.

    Raises:
        UsageError: one has no name, two have one, or several are to have one batch file.
        SourceError: one does not exist.
    """
    names = [run.name for run in runs]
    for run in runs:
        if not run.name:
            raise UsageError(
                f"{run.outputs}: this run has no name; name it, as in plate1={run.outputs}"
            )
        if names.count(run.name) > 1:
            raise UsageError(
                f"two runs are called {run.name}; give them other names, as in "
                f"{run.name}-2={run.outputs}"
            )
    if batch_file is not None and len(runs) > 1:
        raise UsageError("--batch goes with one run; load the others by themselves")
    for run in runs:
        if not run.outputs.exists():
            advice = "name the folder that holds the jobs' outputs"
            raise SourceError(run.outputs, "does not exist", advice)


def _twice(to: str, prefix: str, new: Collection[str]) -> Iterator[str]:
    """That a run which is `new` holds outputs that another run holds too: then all counts have them
    twice."""
    if not new:
        return
    held: dict[str, set[str]] = {}
    with open_sink(to, prefix, writing=False) as sink:
        destination, names = sink.name, list(sink.runs())
    for name in names:
        with open_sink(to, prefix, run=name, writing=False) as sink:
            held[name] = {one.fingerprint for one in sink.ledger().entries if one.loaded} - {""}
    for place, name in enumerate(names):
        for other in names[:place] if name in new else ():
            if both := held[name] & held[other]:
                many = f"{len(both)} batch{'es' * (len(both) > 1)}"
                yield (
                    f"{destination}: run {name} has the same outputs as run {other} ({many}), so "
                    "they are there twice"
                )


def _together(reports: Sequence[Report], failed: Sequence[SourceError]) -> Report:
    """What all loads did, as one."""
    rows: dict[str, int] = {}
    for report in reports:
        for table, count in report.rows.items():
            rows[table] = rows.get(table, 0) + count
    lost = [LeftOut(error.path, f"{error.problem}; {error.advice}") for error in failed]
    missing = [ends for report in reports for ends in report.missing.ranges]
    skipped = [ends for report in reports for ends in report.skipped.ranges]
    planned = [report.planned for report in reports if report.planned is not None]
    return replace(
        reports[-1],
        loaded=sum(report.loaded for report in reports),
        already=sum(report.already for report in reports),
        replaced=sum(report.replaced for report in reports),
        left_out=(*(left for report in reports for left in report.left_out), *lost),
        missing=ImageSets.from_ranges(missing),
        image_sets=sum(report.image_sets for report in reports),
        rows=rows,
        seconds=sum(report.seconds for report in reports),
        whole=not lost and all(report.whole for report in reports),
        notes=tuple(dict.fromkeys(note for report in reports for note in report.notes)),
        details=tuple(dict.fromkeys(note for report in reports for note in report.details)),
        runs=tuple(run for report in reports for run in report.runs),
        planned=sum(planned) if len(planned) == len(reports) else None,
        # One number is another image set in another run: `runs` has their names.
        names={},
        skipped=ImageSets.from_ranges(skipped),
        histories=tuple(path for report in reports for path in report.histories),
    )
