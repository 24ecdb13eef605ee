"""Reports as text: the tables that people read, and the formats that programs and schedulers do."""

import json
import shlex
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from cpexport.check import Check, Seen
from cpexport.imagesetnames import Name, listed
from cpexport.imagesets import ImageSets
from cpexport.plan import Plan, Task
from cpexport.resubmit import Resubmission
from cpexport.scripts import SUBMIT

GAPS = "gaps in the numbers"
UNKNOWN = "not known without a batch file"

# Of a terminal; what stands before a list there; of ranges.
_WIDTH, _LABEL, _BRIEF = 96, 16, 60
_INDENT = " " * 4
T = TypeVar("T")
# Of what sbatch takes after --array (its manual).
_ARRAY = 4096


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


def too_long(text: str, format: str) -> tuple[str, ...]:
    """What to do about a printed answer that sbatch does not take as an array."""
    if format != "array" or len(text) <= _ARRAY:
        return ()
    return (
        f"the array is {len(text)} characters long and sbatch takes {_ARRAY}; use --format list, a "
        "line for each task of an array that counts from 1, or --out and --resubmit",
    )


def submit_text(plan: Plan, folder: Path) -> str:
    """How to submit what was written into a folder."""
    sets = len(plan.image_sets)
    submit = shlex.join(["sh", str(folder / SUBMIT)])
    what = f"{_counted(len(plan.tasks), 'job')} on {_counted(sets, 'image set')}"
    return f"{what}; run {'them' if len(plan.tasks) > 1 else 'it'} with: {submit}"


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
    jobs = _counted(len(again.plan.tasks), "job")
    rows = [["run again", str(len(sets)), f"{sets or '-'} in {jobs}"]]
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
            "planned": None if found.plan is None else len(found.plan.planned),
            "complete": len(found.complete),
            "skipped": found.skipped.ranges,
            "missing": found.missing.ranges,
            "missing_is": "what the batch file plans" if found.plan else GAPS,
            "missing_names": {n: str(name) for n, name in found.names.items()},
            "unexpected": found.unexpected.ranges,
            "misplaced": found.misplaced.ranges,
            "duplicate": found.duplicate.ranges,
            "trouble": found.trouble,
            "batches": [
                {
                    "path": seen.path,
                    "image_sets": str(seen.image_sets),
                    "complete": str(seen.complete),
                    "skipped": str(seen.skipped),
                    "state": seen.state,
                    "reason": seen.reason,
                    **_job_json(seen),
                    "evidence": seen.evidence,
                    "notes": [*seen.notes, *seen.details],
                }
                for seen in found.batches
            ],
            "queue": [
                {
                    "job": seen.path,
                    "image_sets": str(seen.image_sets),
                    "state": seen.state,
                    "reason": seen.reason,
                    **_job_json(seen),
                }
                for seen in found.queue
            ],
            "notes": found.notes,
            "left_out": [{"path": left.path, "reason": left.reason} for left in found.left_out],
            **({"resubmit": _again_json(again)} if again else {}),
        },
        indent=2,
        ensure_ascii=False,
    )


def _job_json(seen: Seen) -> dict[str, Any]:
    """What is known of a job's last attempt: times in seconds."""
    return {
        "exit_status": seen.exit_status,
        "attempt": seen.attempt,
        "seconds": seen.seconds,
        "limit": None if seen.limit is None else seen.limit * 60,
        "node": seen.node,
        "log_file": seen.log_file,
        "log": seen.log,
    }


def _check_table(found: Check, verbose: bool) -> str:
    text = f"{_filled(found.trouble.split(' '), ' ')}\n\n" if found.trouble else ""
    text += aligned([*_sums(found), _missing(found)])
    rest = [seen for seen in found.batches if seen.state != "complete" or seen.reason]
    many = len(found.batches)
    text += f"\n\n{many - len(rest)} of {many} batches are complete"
    if rest or found.queue:
        text += f"\n{_unfinished([*rest, *found.queue])}"
    if found.left_out:
        text += "\n\nLeft out:\n"
        text += "\n".join(f"{left.path}: {left.reason}" for left in found.left_out)
    signs = sorted({seen.evidence for seen in found.batches if seen.evidence})
    if signs and verbose:
        text += f"\n\nEvidence that an image set is done: {', '.join(signs)}"
    return text


def _sums(found: Check) -> list[list[str]]:
    """How many image sets are planned, complete and so on."""
    planned = found.plan.planned if found.plan else None
    lines = [["planned", "", "not known without a batch file"]]
    if planned is not None:
        lines = [["planned", str(len(planned)), _brief(planned)]]
    lines.append(["complete", str(len(found.complete)), _brief(found.complete)])
    for name, some in (
        ("skipped", found.skipped),
        ("unexpected", found.unexpected),
        ("misplaced", found.misplaced),
        ("duplicate", found.duplicate),
    ):
        if some:
            lines.append([name, str(len(some)), _brief(some)])
    return lines


def _missing(found: Check) -> list[str]:
    if found.plan is None:
        known = any(seen.image_sets for seen in found.batches)
        return ["missing", "", missing_text(found.missing, {}, planned=False, known=known)]
    said = missing_text(found.missing, found.names, planned=True) if found.missing else ""
    return ["missing", str(len(found.missing)), said]


def missing_text(
    missing: ImageSets, names: Mapping[int, Name], *, planned: bool, known: bool = True
) -> str:
    """What is missing, by the names that people know, on as many lines as that takes. Where not
    one image set is `known`, their numbers have no gaps to tell of."""
    entries = listed(missing, names)
    if planned:
        return _filled(entries) or "none"
    if not known:
        return UNKNOWN
    return _filled([f"{UNKNOWN}; {GAPS}: {(entries or ['none'])[0]}", *entries[1:]])


def _unfinished(batches: Sequence[Seen]) -> str:
    """Batches that are not complete, those alike together: the reason, and the end of the log."""
    alike: dict[tuple[object, ...], list[Seen]] = {}
    for seen in batches:
        key = (bool(seen.log_file), seen.state, seen.reason, *seen.log)
        alike.setdefault(key, []).append(seen)
    rows = [["STATE", "IMAGE SETS", "COMPLETE", "BATCH"]]
    below = [""]
    for some in alike.values():
        state, reason, log = some[0].state, some[0].reason, some[0].log
        sets, done = (
            _brief(ImageSets.from_ranges(r for one in parts for r in one.ranges))
            for parts in ([seen.image_sets for seen in some], [seen.complete for seen in some])
        )
        more = f" and {len(some) - 1:,} more" if len(some) > 1 else ""
        rows.append([state, sets or "-", done or "-", f"{some[0].path}{more}"])
        lines = textwrap.wrap(reason, _WIDTH - len(_INDENT), break_on_hyphens=False)
        lines += [f"| {s}" for s in log]
        lines += [line for line in [_attempt(some)] if line]
        below.append("".join(f"\n{_INDENT}{line}" for line in lines))
    table = aligned(rows).split("\n")
    return "\n".join(row + under for row, under in zip(table, below, strict=True))


def _attempt(alike: Sequence[Seen]) -> str:
    """Which attempt of its job each of these was, how long it took of its limit, and its log;
    what differs between them is left out."""
    words = []
    if attempt := _same(seen.attempt for seen in alike):
        words.append(f"attempt {attempt}")
    took = _same(None if seen.seconds is None else round(seen.seconds / 60) for seen in alike)
    limit = _same(seen.limit for seen in alike)
    minutes = " of ".join(str(some) for some in (took, limit) if some is not None)
    if minutes:
        words.append(f"{minutes} minutes{' at most' if took is None else ''}")
    if alike[0].log_file:
        words.append(f"log{'s such as' if len(alike) > 1 else ''} {alike[0].log_file}")
    return ", ".join(words)


def _same(values: Iterable[T]) -> T | None:
    """The value that all have; None if they differ."""
    first, *others = values
    return first if all(value == first for value in others) else None


def _counted(many: int, what: str) -> str:
    return f"{many} {what}{'s' * (many != 1)}"


def _brief(image_sets: ImageSets) -> str:
    """Ranges, of many only the first."""
    text = str(image_sets)
    if len(text) <= _BRIEF:
        return text
    return f"{text[: text.rindex(',', 0, _BRIEF)]},..."


def _filled(words: Iterable[str], between: str = ", ") -> str:
    """Words one after the other, on lines that are not too long if no word is."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + len(between) + len(word) <= _WIDTH - _LABEL:
            lines[-1] += between + word
        else:
            lines[-1:] = [line + between.rstrip() for line in lines[-1:]]
            lines.append(word)
    return "\n".join(lines)


def aligned(rows: Iterable[list[str]]) -> str:
    """Columns of equal width, two blanks apart, the last one as long as it is; its lines after the
    first begin below it."""
    table = list(rows)
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]) - 1)]
    below = "\n" + " " * sum(width + 2 for width in widths)
    return "\n".join(
        "  ".join(
            [c.ljust(w) for c, w in zip(row, widths, strict=False)] + [row[-1].replace("\n", below)]
        ).rstrip()
        for row in table
    )
