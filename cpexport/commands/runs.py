"""Loads and verifies several runs in one destination that numbers runs, each on its own."""

import logging
import shlex
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from cpexport.cellprofiler.image_set_list import table as rows_of
from cpexport.cellprofiler.pipeline_use import pipelines_used
from cpexport.commands.load import load
from cpexport.commands.load_report import LoadReport
from cpexport.commands.run_names import Named, named, outputs_of
from cpexport.commands.verify import verify
from cpexport.commands.verify_report import VerifyReport, verified_together
from cpexport.derived import treatments
from cpexport.derived.analyses import join_analyses
from cpexport.derived.group_renumbering import number_other_runs
from cpexport.derived.wells import make_wells, wrong_wells
from cpexport.destination_url import file_url
from cpexport.errors import LeftOut, SourceError, UsageError
from cpexport.imagesets import ImageSets
from cpexport.loading.progress import Progress, of_run
from cpexport.loading.request import LoadRequest
from cpexport.loading.retry import Retry
from cpexport.loading.wanted import check_wanted_of_runs
from cpexport.loading.workers import THREAD, ExecutorSpec
from cpexport.sinks.registry import open_sink
from cpexport.sources.base import fingerprint
from cpexport.sources.detect import find
from cpexport.sources.error_containment import contained
from cpexport.verification.diff import Difference
from cpexport.verification.orphans import strange_runs

_log = logging.getLogger(__name__)

# Of a run's batches, so many are compared with those of other runs before it is loaded.
_SAMPLE = 5


def destination(arguments: Sequence[Path], to: str | None) -> str:
    """Returns the destination: `to`, or a SQLite file in the working folder, named after the first
    argument.

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
    request: LoadRequest,
    workers: ExecutorSpec = THREAD,
    progress: Progress = lambda done: None,
) -> LoadReport:
    """Loads like `load`, but each argument as a run if the request's shape, or else the
    destination, numbers runs.

    Runs are loaded one after the other. After an error of the destination, or a collision, the runs
    before it stay loaded. A run without anything to load is left out if another can be loaded.

    Raises:
        UsageError: a run has no name, two runs have the same name, or there is one batch file for
            several runs; or as `load`.
        SourceError, CollisionError, SinkError: as `load`.
    """
    to, prefix = request.to, request.prefix
    with open_sink(to, prefix, request.shape, writing=False) as sink:
        numbered, known = sink.shape.numbered, sink.ledger.runs()
    if not numbered:
        return load(request, workers, progress)
    runs = runs_of(request, known)
    check_named(runs, request.batch_file)
    arguments = () if request.run_folders else request.outputs
    unnamed = [
        run
        for run, argument in zip(runs, arguments, strict=False)
        if run.first == argument and run.name not in known
    ]
    _check_not_held(unnamed, known, to, prefix)
    outputs = [run.outputs for run in runs]
    notes = check_wanted_of_runs(request.shape, request.wells, outputs, to, prefix)
    reports, failed = [], []
    for run, shown in in_turn(runs, progress):
        try:
            one = request.of_run(run.name, run.outputs, several=len(runs) > 1)
            reports.append(load(one, workers, shown))
        except SourceError as error:
            _log.info("run %s is left out: %s", run.name, error)
            failed.append(error)
    if not reports:
        raise failed[0]
    same_pictures = request.consent.same_pictures
    Retry()(lambda _: number_other_runs(to, prefix))
    made = Retry()(lambda _: make_wells(to, prefix, request.wells))
    Retry()(lambda _: treatments.renew(to, prefix))
    joined = Retry()(lambda _: join_analyses(to, prefix, same_pictures=same_pictures))
    report = _together(reports, failed)
    if without := without_run(request.lists, report.planned) if len(runs) > 1 else ():
        report = replace(report, left_out=(*report.left_out, *without), is_complete=False)
    twice = _twice(to, prefix, {run.name for run in runs} - known.keys())
    return replace(report, made=made, notes=(*notes, *report.notes, *joined, *twice))


def verify_runs(
    request: LoadRequest,
    workers: ExecutorSpec = THREAD,
    progress: Progress = lambda done: None,
) -> VerifyReport:
    """Verifies like `verify`, but each argument as a run if the destination numbers runs.

    Raises:
        UsageError: as `load_runs`, or a run does not exist in the destination.
        SourceError, SinkError: as `verify`.
    """
    to, prefix = request.to, request.prefix
    with open_sink(to, prefix, writing=False) as sink:
        numbered, known = sink.shape.numbered, sink.ledger.runs()
        strange = list(strange_runs(sink)) if numbered else []
        if numbered:
            strange += [Difference(table, "", what) for table, what in wrong_wells(sink, prefix)]
    if not numbered:
        return verify(request, workers, progress)
    runs = runs_of(request, known)
    check_named(runs, request.batch_file)
    results = [
        verify(request.of_run(run.name, run.outputs, several=len(runs) > 1), workers, shown)
        for run, shown in in_turn(runs, progress)
    ]
    others = known.keys() - {run.name for run in runs}
    unseen = [LeftOut(f"run {name}", "not among OUTPUTS") for name in sorted(others)]
    return verified_together(results, strange, unseen)


def runs_of(request: LoadRequest, known: Collection[str]) -> list[Named]:
    """Returns the runs of a request; `known` are those of its destination.

    Raises:
        UsageError: two arguments could be the same known run.
    """
    if request.run_folders:
        return [Named(folders, name) for name, folders in request.run_folders.items()]
    return named(request.outputs, known)


def in_turn(runs: Sequence[Named], progress: Progress) -> Iterator[tuple[Named, Progress]]:
    """Yields each run with a function that reports its progress by its name and place."""
    for place, run in enumerate(runs, start=1):
        yield run, of_run(progress, f"{run.name}, {place} of {len(runs)}")


def check_named(runs: Sequence[Named], batch_file: Path | None) -> None:
    """Refuses runs that have no distinct names or do not exist.

    Raises:
        UsageError: a run has no name, two runs have the same name, or several runs have one batch
            file.
        SourceError: the outputs of a run do not exist.
    """
    names = [run.name for run in runs]
    for run in runs:
        if not run.name:
            raise UsageError(
                f"{run.first}: this run has no name; name it, for example "
                f"{shlex.quote(f'plate1={run.first}')}"
            )
        if names.count(run.name) > 1:
            raise UsageError(
                f"two runs are called {run.name}; give them different names, for example "
                f"{shlex.quote(f'{run.name}-2={run.first}')}"
            )
    if batch_file is not None and len(runs) > 1:
        raise UsageError(
            "--batch works with one run only; load the other runs in their own commands"
        )
    for run in runs:
        if not run.first.exists():
            advice = "name the folder that holds the jobs' outputs"
            raise SourceError(run.first, "does not exist", advice)


def _check_not_held(new: Sequence[Named], known: Collection[str], to: str, prefix: str) -> None:
    """Refuses new runs that the user did not name, if a known run has their outputs: a folder that
    was moved, or is named by another path, has another name. The first few batches tell.

    Raises:
        UsageError: a run has such outputs.
        SourceError: a path cannot be listed.
    """
    if not new or not known:
        return
    run_of: dict[str, str] = {}
    for name in known:
        with open_sink(to, prefix, run=name, writing=False) as sink:
            run_of |= {entry.fingerprint: name for entry in sink.ledger.entries()}
    for run in new:
        for source in find(run.outputs).sources()[:_SAMPLE]:
            with suppress(SourceError), contained(source):
                if (name := run_of.get(fingerprint(source), "")) != "":
                    old, again = (shlex.quote(f"{n}={run.first}") for n in (name, run.name))
                    raise UsageError(
                        f"{source.path}: run {name} of the destination has this batch; write {old} "
                        f"to add to that run, or {again} to load it once more as another run"
                    )


def _twice(to: str, prefix: str, new: Collection[str]) -> Iterator[str]:
    """Notes that a `new` run holds outputs that another run also holds: all counts then include
    them twice."""
    if not new:
        return
    fingerprints: dict[str, set[str]] = {}
    with open_sink(to, prefix, writing=False) as sink:
        destination, names = sink.name, list(sink.ledger.runs())
    for name in names:
        with open_sink(to, prefix, run=name, writing=False) as sink:
            fingerprints[name] = {
                entry.fingerprint for entry in sink.ledger.read().entries if entry.loaded
            } - {""}
    for index, name in enumerate(names):
        for other in names[:index] if name in new else ():
            if both := fingerprints[name] & fingerprints[other]:
                shared = f"{len(both)} batch{'es' * (len(both) > 1)}"
                yield (
                    f"{destination}: run {name} has the same outputs as run {other} "
                    f"({shared}), so they are stored twice"
                )


def without_run(lists: Sequence[Path], planned: int | None) -> tuple[LeftOut, ...]:
    """Names the image sets of lists that no run counts, as none of its outputs is on their plate.

    planned: how many the runs count; None if some run knows no plan.
    """
    listed = rows_of(lists).num_rows if lists else 0
    rest = listed - (planned or listed)
    if rest <= 0:
        return ()
    are = "is on a plate" if rest == 1 else "are on plates"
    reason = f"{rest:,} of its {listed:,} image sets {are} that no run has an output of"
    return (LeftOut(str(lists[0]), reason),)


def _together(reports: Sequence[LoadReport], failed: Sequence[SourceError]) -> LoadReport:
    """Combines the reports of all runs."""
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
        replacements=tuple(one for report in reports for one in report.replacements),
        left_out=(*(left for report in reports for left in report.left_out), *lost),
        missing=ImageSets.from_ranges(missing),
        image_sets=sum(report.image_sets for report in reports),
        rows=rows,
        seconds=sum(report.seconds for report in reports),
        is_complete=not lost and all(report.is_complete for report in reports),
        notes=tuple(dict.fromkeys(note for report in reports for note in report.notes)),
        details=tuple(dict.fromkeys(note for report in reports for note in report.details)),
        runs=tuple(run for report in reports for run in report.runs),
        planned=sum(planned) if len(planned) == len(reports) else None,
        # The same number is a different image set in each run: `runs` has the names.
        names={},
        skipped=ImageSets.from_ranges(skipped),
        histories=tuple(path for report in reports for path in report.histories),
        pipelines=pipelines_used(use for report in reports for use in report.pipelines),
    )
