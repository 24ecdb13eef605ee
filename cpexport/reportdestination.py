"""What the commands about destinations print, as text."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cpexport.analyst import Properties
from cpexport.batch import LeftOut
from cpexport.dryrun import DryRun
from cpexport.leftout import Missing
from cpexport.load import Report, Run
from cpexport.report import aligned, missing_text
from cpexport.verify import Verification

if TYPE_CHECKING:
    # With it come drivers of servers, which most loads do without.
    from cpexport.script import Script

# Image sets of one difference.
_SHOWN = 10


def properties_text(found: Properties, file: Path) -> str:
    """What a properties file that was written shows."""
    wells = f"{found.plate_type} wells by {found.well}" if found.plate_type else found.well
    return aligned(
        [
            ["written", str(file)],
            ["objects", found.objects.table if found.objects else "none"],
            ["images", ", ".join(picture.name for picture in found.pictures)],
            ["plates", wells or "none"],
        ]
    )


def script_text(done: "Script", format: str) -> str:
    """What a folder's script holds, as `table` or `json`, below what was loaded for it."""
    loaded = load_text(done.loaded, format)
    if format == "json":
        said = json.loads(loaded) | {"script": str(done.file)}
        said |= {"files": done.files, "files_written": done.written}
        return json.dumps(said, indent=2, ensure_ascii=False)
    changed = f"{done.written} written, {done.files - done.written} as they were"
    rows = [["files", changed], [done.form.script, done.command]]
    return f"{loaded}\n\n{aligned(rows)}"


def dry_run_text(found: Sequence[DryRun], format: str) -> str:
    """What a load would do, as a table or as JSON."""
    if format == "json":
        return json.dumps([_dry_run_json(one) for one in found], indent=2, ensure_ascii=False)
    lines = []
    for one in found:
        lines += [["run", one.run]] if one.run else [["destination", one.destination]]
        lines += [["batches", _batches(f"{one.to_load} to load", one.replaced, one.already)]]
        lines += [["image sets", str(one.image_sets) or "none"]]
        lines += [[name, f"{_listed(parts)} columns"] for name, parts in one.tables.items()]
        lines += [["missing", _named(one.missing)]]
    return aligned(lines) + _left_out([left for one in found for left in one.left_out])


def _dry_run_json(one: DryRun) -> dict[str, Any]:
    gone = one.missing
    said = {name: value for name, value in vars(one).items() if name != "details"}
    return said | {
        "image_sets": str(one.image_sets),
        "left_out": [asdict(left) for left in one.left_out],
        "planned": gone.planned,
        "missing": gone.image_sets.ranges,
        "missing_names": {n: str(name) for n, name in gone.names.items()},
        "notes": [*one.notes, *one.details],
    }


def _left_out(left_out: Sequence[LeftOut]) -> str:
    """What was left out, below a table; nothing if nothing was."""
    if not left_out:
        return ""
    return "\n\nLeft out:\n" + "\n".join(f"{left.path}: {left.reason}" for left in left_out)


def _listed(parts: tuple[int, ...]) -> str:
    return " + ".join(map(str, parts))


def verify_text(found: Verification, format: str) -> str:
    """A verification as a table or as JSON."""
    return _verify_json(found) if format == "json" else _verify_table(found)


def _verify_json(found: Verification) -> str:
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
                    **({"run": one.run} if one.run else {}),
                    "batch": one.batch,
                    "table": one.table,
                    "column": one.column,
                    "image_sets": one.image_sets[:_SHOWN],
                    "count": len(one.image_sets),
                    "what": one.what,
                }
                for one in found.differences
            ],
            "missing": [
                {
                    **({"run": run} if run else {}),
                    "image_sets": one.image_sets.ranges,
                    "planned": one.planned,
                    "names": {n: str(name) for n, name in one.names.items()},
                }
                for run, one in found.missing.items()
                if one.image_sets
            ],
            "seconds": round(found.seconds, 3),
        },
        indent=2,
        ensure_ascii=False,
    )


def _verify_table(found: Verification) -> str:
    lines = [
        ["destination", found.destination],
        ["batches", f"{found.verified} verified, {found.different} different"],
    ]
    lines += [[n, f"{t.rows} rows, {t.values} values"] for n, t in found.tables.items()]
    for run, gone in found.missing.items():
        if gone.image_sets:
            lines += [[f"missing of {run}" if run else "missing", _named(gone)]]
    text = aligned(lines)
    for name, unseen in (
        ("Not loaded", found.not_loaded),
        ("Not verified", found.not_verified),
    ):
        if unseen:
            text += f"\n\n{name}:\n" + "\n".join(f"{one.path}: {one.reason}" for one in unseen)
    if found.differences:
        rows = [["TABLE", "COLUMN", "IMAGE SETS", "BATCH", "DIFFERENCE"]]
        for one in found.differences:
            sets = ",".join(map(str, one.image_sets[:_SHOWN]))
            if more := len(one.image_sets) - _SHOWN:
                sets += f" and {more} more" if more > 0 else ""
            batch = f"{one.run}: {one.batch}" if one.run else one.batch
            rows.append([one.table, one.column or "-", sets or "-", batch or "-", one.what])
        text += "\n\nDifferent:\n" + aligned(rows)
    return text


def load_text(report: Report, format: str) -> str:
    """A load as a table or as JSON."""
    return _load_json(report) if format == "json" else _load_table(report)


def _load_table(report: Report) -> str:
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
    return aligned(lines) + _left_out(report.left_out)


def _batches(new: str, replaced: int, already: int) -> str:
    counts = [new, *([f"{replaced} replaced"] if replaced else []), f"{already} there already"]
    return ", ".join(counts)


def _missing(found: Report | Run) -> str:
    return _named(Missing(found.missing, found.planned, found.names, found.known))


def _named(found: Missing) -> str:
    planned = found.planned is not None
    return missing_text(found.image_sets, found.names, planned=planned, known=found.known)


def _load_json(report: Report) -> str:
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
