"""Reports as text: the tables that people read, and the formats that programs and schedulers do."""

import json
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cpexport.check import Check
from cpexport.plan import Plan, Task
from cpexport.resubmit import Resubmission
from cpexport.scripts import SUBMIT

# Of the image sets that something differs in.


def plan_text(plan: Plan, format: str) -> str:
    """A plan as `list`, `array`, `commands` or `json`.

    `list` has a line `task<TAB>first<TAB>last` for each job, or `task<TAB><TAB><TAB>group` where
    only `-g` can say it; `array` the image sets as schedulers write arrays; `commands` a whole
    command a line, quoted for a shell.
    """
    if format == "list":
        return "\n".join(map(_task, plan.tasks))
    if format == "array":
        return str(plan.image_sets)
    if format == "commands":
        return "\n".join(shlex.join(plan.command(task)) for task in plan.tasks)
    return json.dumps(plan.as_json(), indent=2, ensure_ascii=False)


def submit_text(plan: Plan, folder: Path) -> str:
    """How to submit what was written into a folder."""
    sets = len(plan.image_sets)
    submit = shlex.join(["sh", str(folder / SUBMIT)])
    return f"{len(plan.tasks)} jobs on {sets} image sets; run them with: {submit}"


def check_text(
    found: Check,
    format: str,
    again: Resubmission | None = None,
    folder: Path | None = None,
    *,
    verbose: bool = False,
) -> str:
    """A check as `table` or `json`, with what was written into a folder to run again.

    A table says by what an image set counts as done only if it is `verbose`."""
    if format == "json":
        return _check_json(found, again)
    text = _check_table(found, verbose)
    if again:
        text += "\n\n" + _again_table(again)
    if again and folder and again.plan.tasks:
        text += "\n" + submit_text(again.plan, folder)
    return text


def _task(task: Task) -> str:
    job = task.job
    where = [job.first, job.last] if job.by_range else ["", "", job.group_text]
    return "\t".join(map(str, [task.number, *where]))


def _again_table(again: Resubmission) -> str:
    sets = again.plan.image_sets
    rows = [["run again", str(len(sets)), f"{sets or '-'} in {len(again.plan.tasks)} jobs"]]
    if again.busy:
        rows.append(["under way", str(len(again.busy)), str(again.busy)])
    rows += [["given up", str(len(some)), f"{some}: {why}"] for some, why in again.given_up.items()]
    return aligned(rows)


def _again_json(again: Resubmission) -> dict[str, Any]:
    return {
        **again.plan.as_json(),
        "under_way": again.busy.ranges,
        "given_up": [
            {"image_sets": str(some), "reason": why} for some, why in again.given_up.items()
        ],
    }


def _check_json(found: Check, again: Resubmission | None) -> str:
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
                    "notes": [*seen.notes, *seen.details],
                }
                for seen in found.batches
            ],
            "left_out": [{"path": left.path, "reason": left.reason} for left in found.left_out],
            **({"resubmit": _again_json(again)} if again else {}),
        },
        indent=2,
        ensure_ascii=False,
    )


def _check_table(found: Check, verbose: bool) -> str:
    lines = [
        ["planned", str(len(found.plan.planned)), str(found.plan.planned)],
        ["complete", str(len(found.complete)), str(found.complete)],
        ["missing", str(len(found.missing)), str(found.missing)],
    ]
    for name, odd in (("unexpected", found.unexpected), ("duplicate", found.duplicate)):
        if odd:
            lines.append([name, str(len(odd)), str(odd)])
    text = aligned(lines)
    complete = [seen for seen in found.batches if seen.state == "complete" and not seen.reason]
    text += f"\n\n{len(complete)} of {len(found.batches)} batches are complete"
    rest = [seen for seen in found.batches if seen not in complete]
    if rest:
        rows = [["STATE", "IMAGE SETS", "COMPLETE", "BATCH", "REASON"]]
        for seen in rest:
            sets, done = str(seen.image_sets) or "-", str(seen.complete) or "-"
            rows.append([seen.state, sets, done, seen.path, seen.reason])
        text += "\n" + aligned(rows)
    if found.left_out:
        text += "\n\nLeft out:\n"
        text += "\n".join(f"{left.path}: {left.reason}" for left in found.left_out)
    signs = sorted({seen.evidence for seen in found.batches if seen.evidence})
    if signs and verbose:
        text += f"\n\nEvidence that an image set is done: {', '.join(signs)}"
    return text


def aligned(rows: Iterable[list[str]]) -> str:
    """Columns of equal width, two blanks apart, the last one as long as it is."""
    table = list(rows)
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]) - 1)]
    return "\n".join(
        "  ".join([c.ljust(w) for c, w in zip(row, widths, strict=False)] + [row[-1]]).rstrip()
        for row in table
    )
