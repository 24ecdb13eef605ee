"""Formats what `info` says about a destination, as tables and JSON."""

from cpexport.cli.json_text import json_text
from cpexport.cli.tables import aligned, brief, table
from cpexport.commands.info import InfoReport


def info_text(found: InfoReport, format: str, width: int | None = None) -> str:
    """Describes a destination, or the columns that were asked for, as `table` or `json`."""
    if format == "json":
        return json_text(found.to_dict())
    if found.columns:
        head = ["COLUMN", "TABLE", "OBJECT", "FEATURE", "TYPE"]
        rows = [[c.column, c.table, c.object, c.feature, c.type] for c in found.columns]
        return f"{table(head, rows, width=width)}\n\n{found.query}"
    lines = [
        ["destination", found.destination],
        ["batches", str(found.batches)],
        ["image sets", f"{len(found.image_sets)}  {brief(found.image_sets)}"],
        *([["runs", ", ".join(found.runs)]] if found.runs else []),
    ]
    rows = [[one.name, str(one.rows), str(one.columns)] for one in found.tables]
    tables = table(["TABLE", "ROWS", "COLUMNS"], rows, width=width)
    return f"{aligned(lines, width)}\n\n{tables}"
