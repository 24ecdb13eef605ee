"""Formats the report of `annotate`, as a table and JSON."""

from collections.abc import Iterator, Mapping, Sequence

from cpexport.cli.json_text import json_text
from cpexport.cli.tables import aligned, filled
from cpexport.commands.annotate import AnnotateReport
from cpexport.spelling import counted

_SHOWN = 24


def annotate_text(report: AnnotateReport, format: str, width: int | None = None) -> str:
    """Describes what became of a layout, as `table` or `json`."""
    if format == "json":
        return json_text(report.to_dict())
    others = len(report.columns) - _SHOWN
    more = [f"and {others:,} more"] if others > 0 else []
    lines = [
        ["destination", report.destination],
        ["table", report.table],
        *([["view", report.view]] if report.view else []),
        ["columns", filled([*report.columns[:_SHOWN], *more]) or "none"],
        ["wells", f"{report.wells} with a row"],
    ]
    text = aligned(lines, width)
    text += _listed("In the layout, but in no image set:", report.not_there)
    return text + _listed("In image sets, but not in the layout:", report.without)


def _listed(title: str, wells: Mapping[str, Sequence[str]]) -> str:
    lines = list(_lines(wells))
    return "\n".join(["\n", title, aligned(lines)]) if lines else ""


def _lines(wells: Mapping[str, Sequence[str]]) -> Iterator[list[str]]:
    for plate, names in wells.items():
        more = len(names) - _SHOWN
        shown = [*names[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]
        yield [plate or "every plate", f"{counted(len(names), 'well')}: {' '.join(shown)}"]
