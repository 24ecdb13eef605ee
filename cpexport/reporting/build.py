"""Collects what a report shows, from the outputs of jobs or from a destination, or from both."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, islice
from typing import Final

import numpy as np

from cpexport.cellprofiler.image_identity import Identities
from cpexport.commands.check import check
from cpexport.commands.check_destination import check_destination
from cpexport.commands.check_report import CheckReport
from cpexport.derived.wells import wrong_wells
from cpexport.errors import UsageError
from cpexport.imagesets import NONE, ImageSets
from cpexport.loading.given_numbers import LedgerNumbers
from cpexport.loading.progress import Progress, silent
from cpexport.reporting.batch_facts import BatchFacts, facts
from cpexport.reporting.effects import Effect, effects
from cpexport.reporting.places import Located, Numbers, Places, chosen_features
from cpexport.reporting.quality import Mask
from cpexport.reporting.request import ReportRequest
from cpexport.reporting.run_state import RunState, State, as_loaded, lacking_features, of_ledger
from cpexport.reporting.screen import Screen, screen
from cpexport.reporting.treatments import Treatments
from cpexport.reporting.well_values import ShownMetric, WellValues, of_states
from cpexport.sinks.base import Sink
from cpexport.sinks.contents import check_has_image_sets, check_has_run
from cpexport.sinks.registry import open_sink

_ROUNDS: Final = 3
"""How often a destination is read again because a load wrote to it meanwhile."""
_MOST_FILES: Final = 2_000
"""The most image sets whose file names are shown."""


NO_WELLS: Final = (
    "without a batch file, nothing says which wells image sets are in; name it with --batch, or "
    "load the outputs and name the destination with --to"
)
"""The note about outputs without a batch file."""


@dataclass(frozen=True)
class ReportData:
    """All that a report shows.

    title: what it is about.
    destination: its URL, without a password; empty without one.
    read: how many image sets were read from the destination.
    metrics: the values of wells; only the number of image sets without a destination.
    unshown: how many features do not fit into the file.
    files: what identifies the images of some image sets, by run.
    treatments: what is in the wells.
    negative: which wells are negative controls; None if none are named.
    notes: what the reader should know.
    """

    title: str
    destination: str
    screen: Screen
    facts: BatchFacts
    metrics: tuple[ShownMetric, ...] = ()
    read: int = 0
    unshown: int = 0
    times: tuple[str, ...] = ()
    files: tuple[Identities, ...] = ()
    treatments: Treatments = field(default_factory=Treatments)
    negative: Mask | None = None
    notes: tuple[str, ...] = ()

    @property
    def runs(self) -> tuple[RunState, ...]:
        return self.screen.runs

    def effects(self, shown: ShownMetric) -> tuple[str, tuple[Effect, ...]]:
        """The column of a layout that has a few texts, and what the wells with each of them show;
        an empty name if there is none."""
        name, texts = self.treatments.groups(list(self.screen.wells))
        return name, effects(shown.values, self.screen.slices, texts, self.negative)

    @property
    def found(self) -> CheckReport:
        """The check of the first run: all runs share the batch file, and the plan."""
        return self.runs[0].found


def build(
    request: ReportRequest, progress: Progress = silent, found: CheckReport | None = None
) -> ReportData:
    """Collects what a report shows; reads every image set of a destination once.

    found: the check of the request's outputs, or of its destination, if it was made already.

    Raises:
        UsageError: options make no sense together, or a run or a feature does not exist.
        SourceError: the batch file cannot be read, or a path does not exist.
        SinkError: the destination cannot be read, or is empty.
    """
    request.check()
    if found is None and (request.outputs or request.to is None):
        found = _checked(request, progress)
    if request.to is None:
        assert found is not None
        return _of_outputs(request, found)
    before = _written(request.to, request.prefix)
    for _ in range(_ROUNDS):
        data = _of_destination(request, request.to, found)
        after = _written(request.to, request.prefix)
        if after == before:
            return data
        before = after
    note = "a load writes to this destination now, so the numbers are of different moments"
    return replace(data, notes=(*data.notes, f"{data.destination}: {note}; make the report again"))


def _checked(request: ReportRequest, progress: Progress) -> CheckReport:
    """The check of the outputs, whose image sets have the numbers of the destination."""
    look = partial(
        check,
        request.outputs,
        request.batch_file,
        same_pictures=request.same_pictures,
        key=request.key,
        lists=request.lists,
        progress=progress,
    )
    if request.to is None:
        return look()
    with open_sink(request.to, request.prefix, writing=False) as sink:
        runs = list(sink.ledger.runs())
    run = request.run if len(runs) != 1 else runs[0]
    with open_sink(request.to, request.prefix, run=run, writing=False) as sink:
        return look(numbers=LedgerNumbers(sink.ledger))


def _of_outputs(request: ReportRequest, found: CheckReport) -> ReportData:
    run, places = RunState.of(found), Places()
    identities = found.plan.identities if found.plan else Identities()
    located = _planned(run, places, request)
    on_plates = screen([run], [located], places, request.format)
    notes = () if found.plan else (NO_WELLS,)
    named = request.outputs[0] if request.outputs else found.batch_file.path.absolute().parent
    return ReportData(
        named.absolute().name or str(named),
        "",
        on_plates,
        facts([run]),
        (of_states(on_plates),),
        files=(_some_files(run, identities.select),),
        notes=(*found.notes, *notes),
    )


def _of_destination(request: ReportRequest, to: str, checked: CheckReport | None) -> ReportData:
    open_ = partial(open_sink, to, request.prefix, writing=False)
    places, located, states, files = (
        Places(),
        list[Located](),
        list[RunState](),
        list[Identities](),
    )
    notes: list[str] = []
    with open_(run=request.run) as sink:
        check_has_image_sets(sink, request.prefix)
        if request.run is not None:
            check_has_run(sink, request.run)
        destination, runs = sink.name, _runs(sink, request, checked)
        values = WellValues.chosen(sink, request)
    begins = [f"{name} \u00b7 " if len(runs) > 1 else "" for name in runs]
    for name, begin in zip(runs, begins, strict=True):
        with open_(run=name or None) as sink:
            loaded = values.add(sink, places, begin)
            if checked:
                run = RunState.of(as_loaded(checked, sink, request.prefix), name)
            else:
                run = _state(request, sink, name)
            notes += run.found.notes
            notes += () if checked else lacking_features(sink.ledger.entries())
            located.append(loaded.completed(_planned(run, places, request)))
            states.append(run)
            identities = run.plan.identities.select if run.plan else _identities_in(sink)
            files.append(_some_files(run, identities))
    with open_(run=request.run) as sink:
        values.take_well_tables(sink, places)
        values.take_treatments(sink, request.prefix, places, begins)
    with open_() as sink:
        notes += [f"{table} {what}" for table, what in wrong_wells(sink, request.prefix)]
    on_plates = screen(states, located, places, request.format)
    notes += values.control_notes(on_plates)
    return ReportData(
        destination.rpartition("/")[2] or destination,
        destination,
        on_plates,
        facts(states),
        values.judged(on_plates),
        values.measured.read,
        values.unshown,
        tuple(values.measured.times),
        tuple(files),
        values.treatments,
        values.negative_wells(on_plates),
        tuple(notes),
    )


def _runs(sink: Sink, request: ReportRequest, checked: CheckReport | None) -> list[str]:
    """The names of the runs to read; an empty name if the destination does not number runs.

    Raises:
        UsageError: there are several, and one batch file.
    """
    if request.run is not None:
        return [request.run]
    names = list(sink.ledger.runs()) or [""]
    if len(names) > 1 and (checked or request.batch_file or request.lists):
        listed = ", ".join(names)
        raise UsageError(f"{sink.name}: has several runs; name one with --run: {listed}")
    return names


def _state(request: ReportRequest, sink: Sink, run: str) -> RunState:
    """The state of a run by its destination, compared with the batch file if there is one."""
    if request.batch_file is None and not request.lists:
        return of_ledger(sink, request.prefix, run)
    found = check_destination(
        request.to or "",
        request.batch_file,
        request.lists,
        prefix=request.prefix,
        run=run or None,
        same_pictures=request.same_pictures,
    )
    return RunState.of(found, run)


def _planned(run: RunState, places: Places, request: ReportRequest) -> Located:
    """Where the batch file puts image sets; nowhere without one."""
    if run.plan is None:
        return Located.nowhere(NONE)
    columns = run.plan.identities.columns
    plate, well = request.plate, request.well
    if request.to is not None:
        # The destination can have features that jobs measured.
        plate, well = (name if name in columns else None for name in (plate, well))
    features = chosen_features(list(columns), plate, well)
    wells, parts = places.locate(features, columns)
    return Located(run.plan.identities.numbers, wells, parts)


def _identities_in(sink: Sink) -> Callable[[Numbers], Identities]:
    return lambda numbers: sink.ledger.identities(ImageSets.of_array(numbers))


def _some_files(run: RunState, find: Callable[[Numbers], Identities]) -> Identities:
    """What identifies the images of some image sets, those that are not complete first."""
    complete = run.by_state[State.COMPLETE]
    some = islice(chain(run.image_sets - complete, complete), _MOST_FILES)
    return find(np.fromiter(some, np.int64))


def _written(to: str, prefix: str) -> tuple[int, int, int]:
    """What changes whenever a load writes to a destination."""
    with open_sink(to, prefix, writing=False) as sink:
        return sink.ledger.summary().state
