"""Formats the reports of commands about destinations, as tables and JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cpexport.cli.report_jobs import missing_text
from cpexport.cli.tables import aligned, left_out, table
from cpexport.commands.dry_run import DryRun
from cpexport.commands.load_report import LoadReport, Run
from cpexport.commands.verify import VerifyReport
from cpexport.derived.cpa_files import Properties
from cpexport.loading.left_out import Missing

if TYPE_CHECKING:
    # The import loads drivers of servers, which most loads do not need.
    from cpexport.commands.script import Script

# How many image sets of one difference are shown.
_SHOWN = 10


def properties_text(found: Properties, file: Path) -> str:
    """Describes a properties file that was written."""
    wells = f"{found.plate_type} wells by {found.well}" if found.plate_type else found.well
    return aligned(
        [
            ["written", str(file)],
            ["objects", found.objects.table if found.objects else "none"],
            ["images", ", ".join(picture.name for picture in found.pictures)],
            ["plates", wells or "none"],
        ]
    )


def script_text(done: "Script", format: str, width: int | None = None) -> str:
    """Describes a script and the load for it, as `table` or `json`."""
    loaded = load_text(done.loaded, format, width)
    if format == "json":
        report = json.loads(loaded) | {"script": str(done.file)}
        report |= {"files": done.files, "files_written": done.written}
        return json.dumps(report, indent=2, ensure_ascii=False)
    changed = f"{done.written} written, {done.files - done.written} as they were"
    rows = [["files", changed], [done.form.script, done.command]]
    return f"{loaded}\n\n{aligned(rows)}"


def dry_run_text(runs: Sequence[DryRun], format: str, width: int | None = None) -> str:
    """Describes what a load would do, as `table` or `json`."""
    if format == "json":
        return json.dumps([_dry_run_json(run) for run in runs], indent=2, ensure_ascii=False)
    lines = []
    for run in runs:
        lines += [["run", run.run]] if run.run else [["destination", run.destination]]
        lines += [["batches", _batches(f"{run.to_load} to load", run.replaced, run.already)]]
        lines += [["image sets", str(run.image_sets) or "none"]]
        lines += [[name, f"{_listed(parts)} columns"] for name, parts in run.tables.items()]
        lines += [["missing", _named(run.missing)]]
    left = [left for run in runs for left in run.left_out]
    return aligned(lines, width) + left_out(left, "Left out:", width)


def _dry_run_json(run: DryRun) -> dict[str, Any]:
    gaps = run.missing
    fields = {name: value for name, value in vars(run).items() if name != "details"}
    return fields | {
        "image_sets": str(run.image_sets),
        "left_out": [asdict(left) for left in run.left_out],
        "planned": gaps.planned,
        "missing": gaps.image_sets.ranges,
        "missing_names": {n: str(name) for n, name in gaps.names.items()},
        "notes": [*run.notes, *run.details],
    }


def _listed(parts: tuple[int, ...]) -> str:
    return " + ".join(map(str, parts))


def verify_text(found: VerifyReport, format: str, width: int | None = None) -> str:
    """Describes a verification, as `table` or `json`."""
    return _verify_json(found) if format == "json" else _verify_table(found, width)


def _verify_json(found: VerifyReport) -> str:
    return json.dumps(
        {
            "destination": found.destination,
            "batches": {
                "verified": found.verified,
                "different": found.different,
                "not_loaded": [asdict(unseen) for unseen in found.not_loaded],
                "not_verified": [asdict(unseen) for unseen in found.not_verified],
            },
            "tables": {name: asdict(tally) for name, tally in found.tables.items()},
            "differences": [
                {
                    **({"run": difference.run} if difference.run else {}),
                    "batch": difference.batch,
                    "table": difference.table,
                    "column": difference.column,
                    "image_sets": difference.image_sets[:_SHOWN],
                    "count": len(difference.image_sets),
                    "what": difference.what,
                }
                for difference in found.differences
            ],
            "missing": [
                {
                    **({"run": run} if run else {}),
                    "image_sets": gaps.image_sets.ranges,
                    "planned": gaps.planned,
                    "names": {n: str(name) for n, name in gaps.names.items()},
                }
                for run, gaps in found.missing.items()
                if gaps.image_sets
            ],
            "seconds": round(found.seconds, 3),
        },
        indent=2,
        ensure_ascii=False,
    )


def _verify_table(found: VerifyReport, width: int | None) -> str:
    lines = [
        ["destination", found.destination],
        ["batches", f"{found.verified} verified, {found.different} different"],
    ]
    lines += [[n, f"{t.rows} rows, {t.values} values"] for n, t in found.tables.items()]
    for run, gaps in found.missing.items():
        if gaps.image_sets:
            lines += [[f"missing of {run}" if run else "missing", _named(gaps)]]
    text = aligned(lines, width)
    text += left_out(found.not_loaded, "Not loaded:", width)
    text += left_out(found.not_verified, "Not verified:", width)
    if found.differences:
        head = ["TABLE", "COLUMN", "IMAGE SETS", "BATCH", "DIFFERENCE"]
        rows = []
        for difference in found.differences:
            sets = ",".join(map(str, difference.image_sets[:_SHOWN]))
            if more := len(difference.image_sets) - _SHOWN:
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
    return _load_json(report) if format == "json" else _load_table(report, width)


def _load_table(report: LoadReport, width: int | None) -> str:
    lines = [
        ["destination", report.destination],
        ["batches", _batches(f"{report.loaded} loaded", report.replaced, report.already)],
        ["image sets", f"{report.image_sets} loaded"],
        *([name, f"{rows} rows"] for name, rows in {**report.rows, **report.made}.items()),
        *([["skipped", str(report.skipped)]] if report.skipped else []),
        *([] if report.runs else [["missing", _missing(report)]]),
        *(
            [f"run {run.table_number}", f"{run.name}, missing {_missing(run)}"]
            for run in report.runs
        ),
    ]
    return aligned(lines, width) + left_out(report.left_out, "Left out:", width)


def _batches(new: str, replaced: int, already: int) -> str:
    counts = [new, *([f"{replaced} replaced"] if replaced else []), f"{already} there already"]
    return ", ".join(counts)


def _missing(found: LoadReport | Run) -> str:
    return _named(Missing(found.missing, found.planned, found.names, found.known))


def _named(found: Missing) -> str:
    planned = found.planned is not None
    return missing_text(found.image_sets, found.names, planned=planned, known=found.known)


def _load_json(report: LoadReport) -> str:
    return json.dumps(
        {
            "destination": report.destination,
            "batches": {
                "loaded": report.loaded,
                "replaced": report.replaced,
                "already": report.already,
                "left_out": [{"path": b.path, "reason": b.reason} for b in report.left_out],
            },
            "image_sets": report.image_sets,
            "planned": report.planned,
            "skipped": report.skipped.ranges,
            "missing": report.missing.ranges,
            "missing_names": {n: str(name) for n, name in report.names.items()},
            "rows": {**report.rows, **report.made},
            "seconds": round(report.seconds, 3),
            "notes": [*report.notes, *report.details],
            **({"runs": [_run_json(run) for run in report.runs]} if report.runs else {}),
        },
        indent=2,
        ensure_ascii=False,
    )


def _run_json(run: Run) -> dict[str, Any]:
    return {
        "name": run.name,
        "table_number": run.table_number,
        "missing": run.missing.ranges,
        "missing_names": {n: str(name) for n, name in run.names.items()},
        "planned": run.planned,
        "skipped": run.skipped.ranges,
    }
