"""Writes two files that MultiQC puts into its own report: the whole report, and a table of plates.

MultiQC 1.35 takes what is in `*_mqc.html`, with an id and a title in a comment at its beginning,
and tables in `*_mqc.json` (its documentation, Custom content).
"""

import json
import math
from pathlib import Path
from typing import Any, Final

from cpexport.reporting.build import ReportData
from cpexport.reporting.markup import clean, element
from cpexport.reporting.run_state import WORDS, State
from cpexport.reporting.write import check_replaceable, write

_HTML: Final = "cpexport_mqc.html"
_JSON: Final = "cpexport_mqc.json"
_ID: Final = "cpexport_report"
_TABLE: Final = "cpexport_plates"
_HEADER: Final = f"""\
<!--
id: '{_ID}'
section_name: 'cpexport'
description: 'shows the plates, the quality and the batches of a CellProfiler run.'
-->
"""


def check_replaceable_files(report: Path) -> None:
    """Checks that `write_files` may write its files next to a report.

    Raises:
        UsageError: cpexport did not write an existing one.
    """
    check_replaceable(report.parent / _HTML, _ID)
    check_replaceable(report.parent / _JSON, _TABLE)


def write_files(data: ReportData, page: str, report: Path) -> tuple[Path, Path]:
    """Writes both files next to a report, whose text is `page`; returns their paths.

    Raises:
        OSError: a file cannot be written.
    """
    html, table = report.parent / _HTML, report.parent / _JSON
    write(_HEADER + framed(page), html)
    write(json.dumps(plates(data), indent=1) + "\n", table)
    return html, table


def framed(page: str) -> str:
    """The report in a frame, so that its styles and names do not mix with those of MultiQC."""
    # The script runs in an origin of its own, and can neither read nor change the page around it.
    return element(
        "iframe",
        srcdoc=page,
        sandbox="allow-scripts",
        title="cpexport report",
        style="width:100%;height:85vh;border:1px solid #ccc;border-radius:6px",
    )


def plates(data: ReportData) -> dict[str, Any]:
    """A table with a row for each plate: its image sets by state, and medians of its wells."""
    keys = [shown for shown in data.metrics if shown.metric.is_key]
    titles = {f"state_{state.name.lower()}": WORDS[state] for state in State}
    titles |= {f"median_{place}": shown.metric.title for place, shown in enumerate(keys)}
    rows: dict[str, dict[str, float]] = {}
    for place, plate in enumerate(data.screen.plates):
        row: dict[str, float] = {
            f"state_{state.name.lower()}": count for state, count in plate.states.items()
        }
        for column, shown in enumerate(keys):
            median = shown.quality.spreads[place].median
            if math.isfinite(median):
                row[f"median_{column}"] = median
        rows[clean(plate.title)] = row
    return {
        "id": _TABLE,
        "section_name": "cpexport: plates",
        "description": "Image sets of each plate, and medians of its wells.",
        "plot_type": "table",
        "pconfig": {"id": f"{_TABLE}_table", "title": "cpexport: plates"},
        "headers": {
            name: {"title": clean(title), "format": "{:,.0f}" if name[0] == "s" else "{:,.4g}"}
            for name, title in titles.items()
        },
        "data": rows,
    }
