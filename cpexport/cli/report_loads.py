"""Formats the reports of commands about destinations, as tables and JSON."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cpexport.cli.json_text import json_text
from cpexport.cli.report_jobs import missing_text
from cpexport.cli.tables import aligned, brief, left_out, table
from cpexport.commands.dry_run import DryRun
from cpexport.commands.load_report import LoadReport, Run
from cpexport.commands.remove import RemoveReport
from cpexport.commands.verify_report import SHOWN, VerifyReport
from cpexport.derived.cpa_files import Properties
from cpexport.errors import printable
from cpexport.loading.left_out import Missing
from cpexport.spelling import counted

# How many batches a report of a removal names.
_SHOWN = 20

if TYPE_CHECKING:
    # The import loads drivers of servers, which most loads do not need.
    from cpexport.commands.script import Script


def properties_text(found: Properties, file: Path) -> str:
    """Describes a properties file that was written."""
    wells = f"{found.plate_type} wells by {found.well}" if found.plate_type else found.well
    return aligned(
        [
            ["written", str(file)],
            ["objects", found.objects.table if found.objects else "none"],
            ["images", ", ".join(channel.name for channel in found.channels)],
            ["plates", wells or "none"],
        ]
    )


def remove_text(report: RemoveReport, format: str, width: int | None = None) -> str:
    """Describes what was removed, or would be, as `table` or `json`."""
    if format == "json":
        return json_text(report.to_dict())
    done = "to remove" if report.dry_run else "removed"
    lines = [
        ["destination", report.destination],
        ["batches", counted(len(report.batches), "batch")],
        ["image sets", f"{report.count} {done}, {report.left} left"],
        *([name, counted(rows, "row")] for name, rows in report.rows.items()),
        *([f"run {name}", str(sets)] for name, sets in report.runs.items()),
        *([] if report.runs else [["numbers", brief(report.image_sets)]]),
    ]
    text = aligned(lines, width)
    paths = [f"{path}: {sets.words}" for path, sets in report.batches.items()]
    shown = paths[:_SHOWN] + ([f"and {len(paths) - _SHOWN} more"] if len(paths) > _SHOWN else [])
    return "\n".join([text, "", "From:", *map(printable, shown)])


def script_text(done: "Script", format: str, width: int | None = None) -> str:
    """Describes a script and the load for it, as `table` or `json`."""
    if format == "json":
        return json_text(done.to_dict())
    changed = f"{done.written} written, {done.files - done.written} unchanged"
    rows = [["files", changed], [done.form.script, done.command]]
    return f"{_load_table(done.loaded, width)}\n\n{aligned(rows)}"


def dry_run_text(runs: Sequence[DryRun], format: str, width: int | None = None) -> str:
    """Describes what a load would do, as `table` or `json`."""
    if format == "json":
        return json_text([run.to_dict() for run in runs])
    lines = []
    for run in runs:
        lines += [["run", run.run]] if run.run else [["destination", run.destination]]
        lines += [["batches", _batches(f"{run.to_load} to load", run.replaced, run.already)]]
        lines += [["image sets", str(run.image_sets) or "none"]]
        lines += [[name, _columns(parts)] for name, parts in run.tables.items()]
        lines += [["missing", _named(run.missing)]]
    left = [left for run in runs for left in run.left_out]
    return aligned(lines, width) + left_out(left, "Left out:", width)


def _columns(parts: tuple[int, ...]) -> str:
    first, *more = parts
    return f"{' + '.join(map(str, parts))} columns" if more else counted(first, "column")


def verify_text(found: VerifyReport, format: str, width: int | None = None) -> str:
    """Describes a verification, as `table` or `json`."""
    return json_text(found.to_dict()) if format == "json" else _verify_table(found, width)


def _verify_table(found: VerifyReport, width: int | None) -> str:
    lines = [
        ["destination", found.destination],
        ["batches", f"{found.verified} verified, {found.different} different"],
    ]
    lines += [
        [name, f"{counted(one.rows, 'row')}, {counted(one.values, 'value')}"]
        for name, one in found.tables.items()
    ]
    for run, gaps in found.missing.items():
        if gaps.image_sets:
            lines += [[f"missing of {run}" if run else "missing", _named(gaps)]]
    text = aligned(lines, width)
    text += left_out(found.not_loaded, "Left out:", width)
    text += left_out(found.not_verified, "Not verified:", width)
    if found.differences:
        head = ["TABLE", "COLUMN", "IMAGE SETS", "BATCH", "DIFFERENCE"]
        rows = []
        for difference in found.differences:
            sets = ",".join(map(str, difference.image_sets[:SHOWN]))
            if more := len(difference.image_sets) - SHOWN:
                sets += f" and {more} more" if more > 0 else ""
            batch = difference.batch
            if difference.run:
                batch = f"{difference.run}: {batch}"
            column = difference.column or "-"
            rows.append([difference.table, column, sets or "-", batch or "-", difference.what])
        text += "\n\nDifferent:\n" + table(head, rows, width=width)
    return text


def load_text(report: LoadReport, format: str, width: int | None = None) -> str:
    """Describes a load, as `table` or `json`. `width` is that of a narrow terminal."""
    return json_text(report.to_dict()) if format == "json" else _load_table(report, width)


def _load_table(report: LoadReport, width: int | None) -> str:
    lines = [
        ["destination", report.destination],
        ["batches", _batches(f"{report.loaded} loaded", report.replaced, report.already)],
        ["image sets", f"{report.image_sets} loaded"],
        *([name, counted(rows, "row")] for name, rows in {**report.rows, **report.made}.items()),
        *([["skipped", str(report.skipped)]] if report.skipped else []),
        *([] if report.runs else [["missing", _missing(report)]]),
        *(
            [f"run {run.table_number}", f"{run.name}, missing {_missing(run)}"]
            for run in report.runs
        ),
    ]
    return aligned(lines, width) + left_out(report.left_out, "Left out:", width)


def _batches(new: str, replaced: int, already: int) -> str:
    counts = [new, *([f"{replaced} replaced"] if replaced else []), f"{already} already loaded"]
    return ", ".join(counts)


def _missing(found: LoadReport | Run) -> str:
    return _named(Missing(found.missing, found.planned, found.names, found.known))


def _named(found: Missing) -> str:
    planned = found.planned is not None
    return missing_text(found.image_sets, found.names, planned=planned, known=found.known)
