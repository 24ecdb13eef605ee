"""Reports as text: the tables that people read, and the formats that programs and schedulers do."""

import json
from collections.abc import Iterable
from pathlib import Path

from cpexport.check import Check, Job, command
from cpexport.load import Report


def check_text(found: Check, format: str, outputs: Path) -> str:
    """A check as `table`, `list`, `array`, `commands` or `json`.

    `outputs` is where commands put what they run again.

    `list` has a line `task<TAB>first<TAB>last` for each job, or `task<TAB><TAB><TAB>group` where
    only `-g` can say it; `array` the missing image sets as schedulers write arrays; `commands` a
    whole command a line.
    """
    if format == "list":
        return "\n".join(_task(number, job) for number, job in enumerate(found.jobs, start=1))
    if format == "array":
        return str(found.missing)
    if format == "commands":
        return "\n".join(command(job, found.plan.path, outputs) for job in found.jobs)
    return _check_json(found) if format == "json" else _check_table(found)


def _task(number: int, job: Job) -> str:
    where = [job.first, job.last] if job.group is None else ["", "", job.group]
    return "\t".join(map(str, [number, *where]))


def load_text(report: Report, format: str) -> str:
    """A load as a table or as JSON."""
    return _load_json(report) if format == "json" else _load_table(report)


def _check_json(found: Check) -> str:
    return json.dumps(
        {
            "planned": len(found.plan.planned),
            "complete": len(found.complete),
            "missing": found.missing.ranges,
            "unexpected": found.unexpected.ranges,
            "duplicate": found.duplicate.ranges,
            "batches": [
                {
                    "path": seen.path,
                    "image_sets": str(seen.image_sets),
                    "complete": str(seen.complete),
                    "state": seen.state,
                    "reason": seen.reason,
                    "evidence": seen.evidence,
                    "notes": seen.notes,
                }
                for seen in found.batches
            ],
        },
        indent=2,
        ensure_ascii=False,
    )


def _check_table(found: Check) -> str:
    lines = [
        ["planned", str(len(found.plan.planned)), str(found.plan.planned)],
        ["complete", str(len(found.complete)), str(found.complete)],
        ["missing", str(len(found.missing)), str(found.missing)],
    ]
    for name, odd in (("unexpected", found.unexpected), ("duplicate", found.duplicate)):
        if odd:
            lines.append([name, str(len(odd)), str(odd)])
    text = _aligned(lines)
    complete = [seen for seen in found.batches if seen.state == "complete" and not seen.reason]
    text += f"\n\n{len(complete)} of {len(found.batches)} batches are complete"
    rest = [seen for seen in found.batches if seen not in complete]
    if rest:
        rows = [["STATE", "IMAGE SETS", "COMPLETE", "BATCH", "REASON"]]
        for seen in rest:
            sets, done = str(seen.image_sets) or "-", str(seen.complete) or "-"
            rows.append([seen.state, sets, done, seen.path, seen.reason])
        text += "\n" + _aligned(rows)
    signs = sorted({seen.evidence for seen in found.batches if seen.evidence})
    if signs:
        text += f"\n\nEvidence that an image set is done: {', '.join(signs)}"
    return text


def _load_json(report: Report) -> str:
    return json.dumps(
        {
            "destination": report.destination,
            "batches": {
                "loaded": report.loaded,
                "already": report.already,
                "left_out": [{"path": b.path, "reason": b.reason} for b in report.left_out],
            },
            "image_sets": report.image_sets,
            "missing": report.missing.ranges,
            "rows": report.rows,
            "seconds": round(report.seconds, 3),
            "notes": report.notes,
        },
        indent=2,
        ensure_ascii=False,
    )


def _load_table(report: Report) -> str:
    lines = [
        ["destination", report.destination],
        ["batches", f"{report.loaded} loaded, {report.already} there already"],
        ["image sets", f"{report.image_sets} loaded"],
        *([name, f"{rows} rows"] for name, rows in report.rows.items()),
        ["missing", str(report.missing) or "none"],
    ]
    text = _aligned(lines)
    if report.left_out:
        text += "\n\nLeft out:\n"
        text += "\n".join(f"{left.path}: {left.reason}" for left in report.left_out)
    return text


def _aligned(rows: Iterable[list[str]]) -> str:
    """Columns of equal width, two blanks apart, the last one as long as it is."""
    table = list(rows)
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]) - 1)]
    return "\n".join(
        "  ".join([c.ljust(w) for c, w in zip(row, widths, strict=False)] + [row[-1]]).rstrip()
        for row in table
    )
