"""Formats plans and checks: as tables for people, and for programs and schedulers."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from cpexport.cellprofiler.image_set_names import Name, listed
from cpexport.cli.json_text import json_text
from cpexport.cli.tables import aligned, brief, filled, left_out, paragraph, table, wrapped
from cpexport.commands.check_report import GAPS, CheckReport
from cpexport.commands.resubmit import Resubmission
from cpexport.commands.seen import Seen
from cpexport.imagesets import ImageSets
from cpexport.jobs.plan import Plan, Task
from cpexport.jobs.templates import SUBMIT
from cpexport.loading.columns import ColumnGap
from cpexport.spelling import counted

UNKNOWN = "unknown without a batch file"

T = TypeVar("T")
# The most characters that sbatch takes after --array (its manual).
_ARRAY = 4096
# The most batches that a table names for each difference between their features.
_PATHS = 5


def plan_text(plan: Plan, format: str) -> str:
    """Formats a plan as `list`, `array`, `commands` or `json`.

    `list` has a line `task<TAB>first<TAB>last` for each job, or `task<TAB><TAB><TAB>group` if only
    `-g` can select its image sets. `array` has the image sets as schedulers write arrays.
    `commands` has a whole command per line, quoted for a shell.
    """
    if format == "list":
        return "\n".join(map(_task, plan.tasks))
    if format == "array":
        return str(plan.image_sets)
    if format == "commands":
        return "\n".join(shlex.join(plan.command(task)) for task in plan.tasks)
    return json_text(plan.to_dict())


def too_long(text: str, format: str) -> tuple[str, ...]:
    """Advice about a printed array that is too long for sbatch."""
    if format != "array" or len(text) <= _ARRAY:
        return ()
    return (
        f"the array is {len(text)} characters long, but sbatch accepts {_ARRAY}; use --format "
        "list, which has a line for each task of an array that counts from 1, or --out and "
        "--resubmit",
    )


def submit_text(plan: Plan, folder: Path) -> str:
    """Returns how to submit the jobs whose files were written into a folder."""
    sets = len(plan.image_sets)
    submit = shlex.join(["sh", str(folder / SUBMIT)])
    what = f"{counted(len(plan.tasks), 'job')} on {counted(sets, 'image set')}"
    return f"{what}; run {'them' if len(plan.tasks) > 1 else 'it'} with: {submit}"


def check_text(
    found: CheckReport, format: str, *, verbose: bool = False, width: int | None = None
) -> str:
    """Formats a check as `table` or `json`, with the files that were written to run jobs again.

    Only a `verbose` table says how completion was recognized. `width` is that of a narrow terminal.
    """
    if format == "json":
        return json_text(found.to_dict())
    text = _check_table(found, verbose, width)
    if found.columns is not None:
        text += "\n\n" + _columns_table(found.columns, width)
    if again := found.resubmission:
        text += "\n\n" + _again_table(again, width)
        if again.folder and again.plan.tasks:
            text += "\n" + submit_text(again.plan, again.folder)
    return text


def _columns_table(gaps: Sequence[ColumnGap], width: int | None) -> str:
    """Lists the features that batches lack, with all their names, and some of the batches."""
    if not gaps:
        return "All batches have the same features."
    rows, below = [], []
    for gap in gaps:
        what = counted(len(gap.features), "feature") if gap.features else "the table"
        batches = f"{len(gap.batches):,} of {gap.of:,}"
        rows.append([gap.object, what, (gap.pipeline or "unknown")[:8], batches])
        more = len(gap.batches) - _PATHS
        paths = [*gap.batches[:_PATHS], *([f"{more:,} more"] if more > 0 else [])]
        names = ", ".join(gap.features)
        below.append(
            [*paragraph(names, width), *(line for p in paths for line in paragraph(p, width))]
        )
    head = ["OBJECT TYPE", "LACKING", "PIPELINE", "BATCHES"]
    return "Features that some batches lack:\n" + table(head, rows, below, width)


def _task(task: Task) -> str:
    job = task.job
    selection = [job.first, job.last] if job.by_range else ["", "", job.group_text]
    return "\t".join(map(str, [task.number, *selection]))


def _again_table(again: Resubmission, width: int | None) -> str:
    sets = again.plan.image_sets
    jobs = counted(len(again.plan.tasks), "job")
    rows = [["run again", str(len(sets)), f"{sets} in {jobs}"]]
    if not again.plan.tasks:
        made = "; no folder was made" if again.folder else ""
        rows = [["run again", "0", f"nothing{made}"]]
    if again.busy:
        rows.append(["under way", str(len(again.busy)), str(again.busy)])
    rows += [
        ["given up", str(len(given_up)), f"{given_up}: {why}"]
        for given_up, why in again.given_up.items()
    ]
    return aligned(rows, width)


def _check_table(found: CheckReport, verbose: bool, width: int | None) -> str:
    text = f"{_trouble(found.trouble, width)}\n\n" if found.trouble else ""
    text += aligned([*_sums(found), _missing(found)], width)
    replaced = [_replaced(seen) for seen in found.batches if seen.replaced_by]
    batches = [seen for seen in found.batches if not seen.replaced_by]
    unfinished = [seen for seen in batches if seen.state != "complete" or seen.reason]
    total = len(batches)
    is_are = "batch is" if total == 1 else "batches are"
    text += f"\n\n{total - len(unfinished)} of {total} {is_are} complete"
    text += f"; {len(replaced)} replaced" if replaced else ""
    if unfinished or found.queue or replaced:
        text += f"\n{_unfinished([*unfinished, *found.queue, *replaced], width)}"
    text += left_out(found.left_out, "Left out:", width)
    evidence = sorted({seen.evidence for seen in found.batches if seen.evidence})
    if evidence and verbose:
        text += f"\n\nEvidence that an image set is done: {', '.join(evidence)}"
    return text


def _replaced(seen: Seen) -> Seen:
    """A batch as the table shows it if other batches have all that it lacks."""
    part = f"{(seen.image_sets - seen.complete).words} " if seen.complete else ""
    why = f"{part}replaced by {', '.join(seen.replaced_by)}; nothing to do"
    before = f"{why} ({seen.state}: {seen.reason})" if seen.reason else why
    return Seen(seen.path, seen.image_sets, seen.complete, "replaced", before)


def _trouble(text: str, width: int | None) -> str:
    return filled(text.split(" "), " ") if width is None else "\n".join(wrapped(text, width))


def _sums(found: CheckReport) -> list[list[str]]:
    """Rows with the numbers of image sets that are planned, complete and so on."""
    planned = found.plan.planned if found.plan else None
    lines = [["planned", "", "unknown without a batch file"]]
    if planned is not None:
        lines = [["planned", str(len(planned)), brief(planned)]]
    lines.append(["complete", str(len(found.complete)), brief(found.complete)])
    for name, image_sets in (
        ("skipped", found.skipped),
        ("unexpected", found.unexpected),
        ("misplaced", found.mismatched_images),
        ("duplicate", found.duplicate),
    ):
        if image_sets:
            keyed = found.keyed if name == "unexpected" else {}
            sets = filled(listed(image_sets, keyed)) if keyed else brief(image_sets)
            lines.append([name, str(len(image_sets)), sets])
    return lines


def _missing(found: CheckReport) -> list[str]:
    if found.plan is None:
        known = any(seen.image_sets for seen in found.batches)
        return ["missing", "", missing_text(found.missing, found.names, planned=False, known=known)]
    names = missing_text(found.missing, found.names, planned=True) if found.missing else ""
    return ["missing", str(len(found.missing)), names]


def missing_text(
    missing: ImageSets, names: Mapping[int, Name], *, planned: bool, known: bool = True
) -> str:
    """Lists the missing image sets by their names, on as many lines as needed.

    Without a batch file (`planned`), these are gaps in the numbers; `known` is whether there are
    any numbers to find gaps in.
    """
    entries = listed(missing, names)
    if planned:
        return filled(entries) or "none"
    if not known:
        return UNKNOWN
    return filled([f"{UNKNOWN}; {GAPS}: {(entries or ['none'])[0]}", *entries[1:]])


def _unfinished(batches: Sequence[Seen], width: int | None = None) -> str:
    """Lists incomplete batches with the reason and the end of the log; equal ones share a row."""
    alike: dict[tuple[object, ...], list[Seen]] = {}
    for seen in batches:
        key = (bool(seen.log_file), seen.state, seen.reason, *seen.log)
        alike.setdefault(key, []).append(seen)
    rows, below = [], []
    for group in alike.values():
        state, reason, log = group[0].state, group[0].reason, group[0].log
        sets, done = (
            brief(ImageSets.from_ranges(r for image_sets in parts for r in image_sets.ranges))
            for parts in ([seen.image_sets for seen in group], [seen.complete for seen in group])
        )
        more = f" and {len(group) - 1:,} more" if len(group) > 1 else ""
        rows.append([state, sets or "-", done or "-", f"{group[0].path}{more}"])
        lines, attempt = paragraph(reason, width), _attempt(group)
        if width is None:
            below.append([*lines, *(f"| {line}" for line in log), *([attempt] if attempt else [])])
        else:
            quoted = [f"| {part}" for line in log for part in paragraph(line, width - 2)]
            below.append([*lines, *quoted, *paragraph(attempt, width)])
    return table(["STATE", "IMAGE SETS", "COMPLETE", "BATCH"], rows, below, width)


def _attempt(alike: Sequence[Seen]) -> str:
    """Returns each batch's attempt, how long the attempt took of its limit, and its log.

    Values that differ between the batches are left out.
    """
    words = []
    if attempt := _same(seen.attempt for seen in alike):
        words.append(f"attempt {attempt}")
    took = _same(None if seen.seconds is None else round(seen.seconds / 60) for seen in alike)
    limit = _same(seen.limit for seen in alike)
    minutes = " of ".join(str(value) for value in (took, limit) if value is not None)
    if minutes:
        words.append(f"{minutes} minutes{' at most' if took is None else ''}")
    if alike[0].log_file:
        words.append(f"log{'s such as' if len(alike) > 1 else ''} {alike[0].log_file}")
    return ", ".join(words)


def _same(values: Iterable[T]) -> T | None:
    """The value that all share; None if they differ."""
    first, *others = values
    return first if all(value == first for value in others) else None
