"""The sentences at the top of a report: what a reader should look at first."""

from collections.abc import Iterator, Sequence

from cpexport.cellprofiler.image_set_names import listed, named
from cpexport.commands.check_report import GAPS
from cpexport.reporting.build import ReportData
from cpexport.reporting.markup import number, percent
from cpexport.reporting.run_state import RunState, State
from cpexport.reporting.well_values import ShownMetric
from cpexport.spelling import counted

_SETS = 8
_PLATES = 4
_WELLS = 3
_METRICS = 6


def findings(data: ReportData) -> Iterator[str]:
    """Yields a sentence for each thing that needs attention; none if nothing does."""
    for run in data.runs:
        yield from _incomplete(data, run, f"{run.run}: " if len(data.runs) > 1 else "")
    yield from _whole_plates(data)
    yield from _batches(data)
    keys = [shown for shown in data.metrics if shown.metric.is_key][:_METRICS]
    names = [plate.title for plate in data.screen.plates]
    for shown in keys:
        yield from _edges(shown, names)
    for shown in keys:
        yield from _effects(shown, data)
    for shown in keys:
        yield from _outliers(shown, data)
    if data.found.trouble:
        yield data.found.trouble


def _incomplete(data: ReportData, run: RunState, begin: str) -> Iterator[str]:
    gaps = "" if run.plan else f", which are {GAPS}"
    words = {
        State.MISSING: f"without any output{gaps}",
        State.FAILED: "failed",
        State.RUNNING: "in jobs that wait or run",
    }
    for state, what in words.items():
        if image_sets := run.by_state[state]:
            names = named(run.plan.identities, image_sets) if run.plan else {}
            entries = listed(image_sets, names)
            where = f": {', '.join(entries)}"
            if len(entries) > _SETS:
                where = f", on {_by_plate(data, run, state)}" if data.screen.plates else ""
            yield f"{begin}{_counted(len(image_sets), 'image set')} {what}{where}"
    for image_sets, what in (
        (run.found.unexpected, "are not in the batch file"),
        (run.found.mismatched_images, "have other images than in the batch file"),
    ):
        if image_sets:
            yield f"{begin}{_counted(len(image_sets), 'image set')} {what}: {image_sets}"


def _by_plate(data: ReportData, run: RunState, state: State) -> str:
    """The plates with image sets of a run in a state, and how many; those with the most first."""
    index = data.runs.index(run)
    found = {
        plate.title: count
        for plate in data.screen.plates
        if (count := sum(well.states.get(state, 0) for well in plate.wells if well.run == index))
    }
    ordered = sorted(found.items(), key=lambda item: -item[1])
    return _some([f"{name} ({count:,})" for name, count in ordered])


def _whole_plates(data: ReportData) -> Iterator[str]:
    empty = [
        plate.title
        for plate in data.screen.plates
        if plate.incomplete and not plate.states.get(State.COMPLETE)
    ]
    if empty and len(data.screen.plates) > 1:
        yield f"{_counted(len(empty), 'plate')} without any complete image set: {_some(empty)}"


def _batches(data: ReportData) -> Iterator[str]:
    failed = sum(data.facts.states[state] for state in ("failed", "unreadable"))
    if failed and data.facts.errors:
        often = ", most often" if len(data.facts.errors) > 1 else ""
        yield f"{_counted(failed, 'batch')} failed{often}: {data.facts.errors[0].reason}"


def _edges(shown: ShownMetric, names: Sequence[str]) -> Iterator[str]:
    found = [
        f"{name} ({percent(edge.change)})"
        for name, edge in zip(names, shown.quality.edges, strict=True)
        if edge.matters
    ]
    if found:
        yield f"{shown.metric.title}: wells at the edge differ from inner wells on {_some(found)}"


def _effects(shown: ShownMetric, data: ReportData) -> Iterator[str]:
    name, found = data.effects(shown)
    strong = sorted((one for one in found if one.matters), key=lambda one: -abs(one.change))
    if strong:
        which = _some([f"{one.text} ({percent(one.change)})" for one in strong])
        others = "the median of their plate" if data.negative is None else "negative controls"
        yield f"{shown.metric.title}: wells differ from {others}, by {name}: {which}"


def _outliers(shown: ShownMetric, data: ReportData) -> Iterator[str]:
    wells = list(data.screen.wells) if shown.quality.outliers else []
    plates = [plate.title for plate in data.screen.plates for _ in plate.wells]
    found = [
        f"{plates[one.well]} {wells[one.well].name} ({number(one.value)})"
        for one in shown.quality.outliers
    ]
    if found:
        more = shown.quality.more + max(len(found) - _WELLS, 0)
        where = ", ".join(found[:_WELLS]) + (f" and {more:,} more" if more else "")
        yield f"{shown.metric.title}: far from the median of the plate in {where}"


def _counted(number: int, what: str) -> str:
    return counted(number, what).replace(str(number), f"{number:,}", 1)


def _some(names: Sequence[str]) -> str:
    more = len(names) - _PLATES
    return ", ".join(names[:_PLATES]) + (f" and {more} more" if more > 0 else "")
