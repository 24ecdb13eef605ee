"""The quality of a screen as HTML: a block for each metric, of which the script shows one."""

import math
from collections.abc import Iterator, Sequence

from cpexport.reporting.build import ReportData
from cpexport.reporting.charts import boxes, line
from cpexport.reporting.markup import Html, element, joined, number, percent, table
from cpexport.reporting.quality import OUTLYING, Quality
from cpexport.reporting.screen import Plate, natural
from cpexport.reporting.well_values import ShownMetric

_MOST_PLATES = 60


def quality_section(data: ReportData) -> Html:
    """The section, with a list to choose the metric from."""
    shown = [(place, one) for place, one in enumerate(data.metrics) if one.metric.kind != "rows"]
    title = element("h2", "Quality", id="quality")
    if not shown:
        note = (
            "Counts and measurements come from a database. Load the outputs with cpexport load, "
            "and make this report with --to and the URL of the database."
        )
        return element("section", title, element("p", note))
    first = next((place for place, one in shown if one.metric.is_key), shown[0][0])
    options = (
        element("option", one.metric.title, value=place, selected=place == first)
        for place, one in shown
    )
    return element(
        "section",
        title,
        element(
            "p",
            "All statistics are of wells. An edge well is in the first or last row or column of a "
            f"plate of {data.screen.format} wells. An outlying well is more than {OUTLYING:g} "
            "robust standard deviations (1.4826 MAD) from the median of its plate; on a plate with "
            "an edge effect, from that of the edge or of the inner wells.",
        ),
        element(
            "p",
            element("label", "Feature ", for_="feature"),
            element("select", *options, id="feature"),
            class_="tools",
        ),
        *(_block(place, one, data, place == first) for place, one in shown),
    )


def _block(place: int, shown: ShownMetric, data: ReportData, open_: bool) -> Html:
    plates, quality = data.screen.plates, shown.quality
    some = plates[:_MOST_PLATES]
    return element(
        "div",
        element("h3", shown.metric.title),
        element(
            "div",
            boxes([plate.title for plate in some], quality.spreads[: len(some)]),
            _outliers(quality, data),
            _drift(quality, data.times),
        ),
        element(
            "div",
            _by_plate(some, quality),
            _by_treatment(data, shown),
            element("p", f"The first {_MOST_PLATES} of {len(plates)} plates.")
            if len(plates) > _MOST_PLATES
            else "",
        ),
        class_="metric",
        data_metric=place,
        hidden=not open_,
    )


def _by_plate(plates: Sequence[Plate], quality: Quality) -> Html:
    names = [plate.title for plate in plates]
    with_z = any(math.isfinite(z) for z in quality.z_prime)
    titles = ["Plate", "Wells", "Median", "Quartiles", "Edge", "Inner", "Edge effect"]
    return table(
        [*titles, *(["Z\u2032"] if with_z else [])],
        (
            [
                name,
                spread.wells,
                number(spread.median),
                f"{number(spread.quarter)} to {number(spread.three_quarters)}",
                number(edge.edge),
                number(edge.inner),
                element("strong", percent(edge.change), class_="flag")
                if edge.matters
                else percent(edge.change),
                *([number(z)] if with_z else []),
            ]
            for name, spread, edge, z in zip(
                names, quality.spreads, quality.edges, quality.z_prime, strict=False
            )
        ),
        "Wells by plate",
    )


def _by_treatment(data: ReportData, shown: ShownMetric) -> Html:
    """A table of the wells with each text of the first column of a layout that has a few."""
    name, found = data.effects(shown)
    if not name:
        return Html()
    rows = (
        [
            one.text,
            one.spread.wells,
            number(one.spread.median),
            f"{number(one.spread.quarter)} to {number(one.spread.three_quarters)}",
            element("strong", percent(one.change), class_="flag")
            if one.matters
            else percent(one.change),
        ]
        for one in sorted(found, key=lambda one: natural(one.text))
    )
    against = "plate" if data.negative is None else "negative controls"
    titles = [name, "Wells", "Median", "Quartiles", f"Against {against}"]
    return table(titles, rows, f"Wells by {name}")


def _outliers(quality: Quality, data: ReportData) -> Html:
    if not quality.outliers:
        return element("p", "No outlying wells.")
    wells = list(data.screen.wells)
    plates = [plate for plate in data.screen.plates for _ in plate.wells]
    more = f" The other {quality.more:,} are not listed." if quality.more else ""
    return joined(
        [
            table(
                ["Well", "Plate", "Value", "Robust deviations"],
                (
                    [
                        wells[one.well].name,
                        plates[one.well].title,
                        number(one.value),
                        f"{one.deviations:+.1f}",
                    ]
                    for one in quality.outliers
                ),
                "Outlying wells",
            ),
            element("p", more) if more else "",
        ]
    )


def _drift(quality: Quality, times: Sequence[str]) -> Html:
    known = [value for value in quality.drift if math.isfinite(value)]
    if len(known) < 2:
        return Html()
    chart = line(quality.drift, list(_when(times)))
    quarter = max(len(known) // 4, 1)
    begin, end = (sum(some) / quarter for some in (known[:quarter], known[-quarter:]))
    change = percent((end - begin) / abs(begin)) if begin else "-"
    return element(
        "figure",
        element(
            "figcaption",
            "Drift: mean of the image sets, in the order in which their jobs ended. From the first "
            f"to the last quarter: {change}.",
        ),
        chart,
    )


def _when(times: Sequence[str]) -> Iterator[str]:
    """A label for each point in time."""
    for place, time in enumerate(times, start=1):
        yield time[:16].replace("T", " ") if time else f"batch {place}"
