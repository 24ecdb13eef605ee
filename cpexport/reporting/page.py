"""The whole report as one HTML page that asks for nothing else."""

import base64
import hashlib
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from cpexport import __version__
from cpexport.derived.stored_plan import is_stored
from cpexport.reporting import plate_map
from cpexport.reporting.batches_section import batches_section
from cpexport.reporting.build import NO_WELLS, ReportData
from cpexport.reporting.charts import state_bar
from cpexport.reporting.findings import findings
from cpexport.reporting.markup import Html, element, joined, table
from cpexport.reporting.page_data import as_script, page_data
from cpexport.reporting.quality_section import quality_section
from cpexport.reporting.run_state import WORDS, State, added_up
from cpexport.spelling import counted

MARK: Final = '<meta name="generator" content="cpexport'
"""What the first lines of a report have, by which it is known as one."""

_MOST_ROWS: Final = 200


def page(data: ReportData, outputs: tuple[Path, ...] = ()) -> str:
    """The page; `outputs` are where the commands that run image sets again write."""
    script, style = asset("report.js"), asset("report.css")
    title = f"{data.title} \u00b7 cpexport report"
    head = [
        element("meta", charset="utf-8"),
        Html(f'{MARK} {__version__}">'),
        element("meta", http_equiv="Content-Security-Policy", content=_policy(script)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Html(style)),
    ]
    body = [*sections(data), *scripts(data, script, outputs)]
    return "\n".join(["<!doctype html>", '<html lang="en">', *head, *body, "</html>", ""])


def sections(data: ReportData) -> Iterator[Html]:
    """The parts of the page that one sees."""
    yield element(
        "header",
        element("h1", data.title),
        element("nav", *_links(), aria_label="Sections"),
    )
    yield element(
        "main",
        _glance(data),
        _plates(data),
        quality_section(data),
        batches_section(data),
    )
    yield element(
        "footer",
        element("p", f"Made by cpexport {__version__}, {_now():%Y-%m-%d %H:%M %Z}."),
    )


def scripts(data: ReportData, script: str, outputs: tuple[Path, ...]) -> Iterator[Html]:
    """The data of the page, and the script that shows it."""
    text = as_script(page_data(data, outputs))
    yield element("script", Html(text), type="application/json", id="report-data")
    yield element("script", Html(script))


@cache
def asset(name: str) -> str:
    """A file that is a part of every page."""
    return files("cpexport.reporting").joinpath("assets", name).read_text("utf-8")


def _now() -> datetime:
    return datetime.now().astimezone()


def _policy(script: str) -> str:
    """Lets a browser run the script of this page, and load and send nothing at all."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _links() -> Iterator[Html]:
    for id, title in (("plates", "Plates"), ("quality", "Quality"), ("batches", "Batches")):
        yield element("a", title, href=f"#{id}")


def _glance(data: ReportData) -> Html:
    """The state of the run at a glance."""
    states = added_up(data.runs)
    total = sum(states.values())
    planned = "planned" if data.found.plan else "known, without a batch file"
    figures = [
        element("div", element("b", f"{total:,}"), element("span", f"image sets {planned}")),
        *(
            element(
                "div",
                element("b", f"{count:,}"),
                element("span", element("i", class_=f"key s{int(state)}"), WORDS[state]),
            )
            for state, count in states.items()
            if count or state in (State.COMPLETE, State.FAILED, State.MISSING)
        ),
    ]
    sentences = list(findings(data))
    look = (
        element("ul", *(element("li", sentence) for sentence in sentences))
        if sentences
        else element("p", "Nothing shows that image sets are missing, and no well stands out.")
    )
    return element(
        "section",
        element("h2", "At a glance", class_="unseen"),
        state_bar(states),
        element("div", *figures, class_="figures"),
        element(
            "div",
            element("div", element("h3", "What to look at"), look),
            element("dl", *_about(data)),
            class_="two",
        ),
        class_="glance",
    )


def _about(data: ReportData) -> Iterator[Html]:
    facts: dict[str, object] = {}
    if data.found.plan:
        path = data.found.plan.path
        facts["Planned in" if is_stored(path) else "Batch file"] = path
    if data.destination:
        facts["Destination"] = f"{data.destination}, {counted(data.read, 'image set')} read"
    if any(run.run for run in data.runs):
        facts["Runs"] = ", ".join(run.run for run in data.runs)
    uses = [use for run in data.runs for use in run.found.pipelines]
    if versions := sorted({use.cellprofiler for use in uses if use.cellprofiler}):
        facts["CellProfiler"] = ", ".join(versions)
    if pipelines := dict.fromkeys(use.sha256 for use in uses if use.sha256):
        facts["Pipeline"] = joined((element("code", sha[:12]) for sha in pipelines), ", ")
    facts["Batches"] = sum(data.facts.states.values())
    if data.screen.plates:
        facts["Plates"] = f"{len(data.screen.plates)} of {data.screen.format} wells"
    for name, value in facts.items():
        yield element("dt", name)
        yield element("dd", value)


def _plates(data: ReportData) -> Html:
    screen = data.screen
    title = element("h2", "Plates", id="plates")
    if not screen.plates:
        return element("section", title, element("p", "There are no plate maps: ", _no_wells(data)))
    maps = (
        plate_map.drawn(screen.plates[index], place, screen.format)
        for place, index in enumerate(screen.drawn)
    )
    return element(
        "section",
        title,
        *map(_paragraph, _plate_notes(data)),
        element(
            "p",
            element("label", "Show ", for_="metric"),
            element("select", *_choices(data), id="metric"),
            element("span", *_legend(), id="legend"),
            class_="tools",
        ),
        _highlight(data),
        element("p", id="at", role="status", aria_live="polite", class_="unseen"),
        element("div", *maps, class_="plates"),
        _panel(),
        _incomplete(data),
        _plate_table(data),
    )


def _no_wells(data: ReportData) -> str:
    if data.found.plan or data.destination:
        return (
            "no image set has a well. cpexport looks for metadata such as Metadata_Plate and "
            "Metadata_Well; name other features with --plate and --well."
        )
    return f"{NO_WELLS}."


def _paragraph(text: str) -> Html:
    return element("p", text)


def _plate_notes(data: ReportData) -> Iterator[str]:
    """Yields what readers must know before they look at the maps."""
    screen = data.screen
    image_sets = sum(len(run.image_sets) for run in data.runs)
    yield (
        "Choose a well with the pointer, or with the arrow keys and Enter, to see its image sets, "
        "files, batches, and how to run it again."
    )
    if len(screen.drawn) < len(screen.plates):
        yield (
            f"The maps show {len(screen.drawn)} of {len(screen.plates)} plates: those that lack "
            "the most image sets. The tables have all plates."
        )
    if image_sets > screen.placed:
        nowhere = image_sets - screen.placed
        yield f"{nowhere:,} of {image_sets:,} image sets have no well in their metadata."
    without = sum(well.position is None for well in screen.wells)
    if without:
        yield (
            f"{counted(without, 'well')} with names that are no position on a plate of "
            f"{screen.format} wells: below the maps."
        )
    if data.unshown:
        yield (
            f"{counted(data.unshown, 'feature')} are left out to keep this file small; choose "
            "others with --features."
        )
    if lacking := ", ".join(data.treatments.left_out):
        yield f"To keep this file small, it leaves out these columns of the layout: {lacking}."


def _highlight(data: ReportData) -> Html:
    """A list to choose wells by what is in them; the script fills it."""
    if not data.treatments.names:
        return Html()
    return element(
        "p",
        element("label", "Only wells with ", for_="treatment"),
        element("select", element("option", "anything", value=""), id="treatment"),
        class_="tools",
    )


def _choices(data: ReportData) -> Iterator[Html]:
    yield element("option", "State of image sets", value=-1, selected=True)
    for place, shown in enumerate(data.metrics):
        yield element("option", shown.metric.title, value=place)


def _legend() -> Iterator[Html]:
    for state in State:
        yield element("span", element("i", class_=f"key s{int(state)}"), WORDS[state])


def _panel() -> Html:
    return element("aside", id="well", hidden=True, tabindex="-1", aria_label="Well")


def _incomplete(data: ReportData) -> Html:
    """A table of the wells that lack image sets, for those who do not see the maps."""
    rows: list[list[str]] = []
    more = 0
    for plate in data.screen.plates:
        for well in plate.wells:
            if well.state <= State.SKIPPED:
                continue
            if len(rows) == _MOST_ROWS:
                more += 1
                continue
            run = data.runs[well.run]
            lacking = [p for p in well.pieces if p.state > State.SKIPPED]
            image_sets = ", ".join(str(piece.image_sets) for piece in lacking)
            states = dict.fromkeys(WORDS[piece.state] for piece in lacking)
            reasons = dict.fromkeys(
                run.jobs[p.batch].reason if p.batch >= 0 else "no batch has it" for p in lacking
            )
            rows.append(
                [f"{plate.title} {well.name}", image_sets, ", ".join(states), "; ".join(reasons)]
            )
    if not rows:
        return Html()
    return element(
        "details",
        element("summary", f"{counted(len(rows) + more, 'incomplete well')}"),
        table(["Well", "Image sets", "State", "Why"], rows, "Incomplete wells"),
        element("p", f"{more:,} more wells are not listed.") if more else "",
        open=len(rows) <= 20,
    )


def _plate_table(data: ReportData) -> Html:
    """A table of all plates."""
    states = [state for state in State if any(p.states.get(state) for p in data.screen.plates)]
    rows = (
        [plate.title, len(plate.wells), *(plate.states.get(state, 0) for state in states)]
        for plate in data.screen.plates
    )
    titles = ["Plate", "Wells", *(WORDS[state] for state in states)]
    return element(
        "details",
        element("summary", f"All {counted(len(data.screen.plates), 'plate')}"),
        table(titles, rows, "Image sets by plate"),
    )
