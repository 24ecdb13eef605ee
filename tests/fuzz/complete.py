"""Which image sets of which job are to be in a destination: the oracle's first half.

Written from what CellProfiler leaves behind when jobs fail, not from what the package does.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fuzz.model import CSV, H5, IMAGE, SQLCSV, SQLITE, ImageSet, Job, Run, rows_of

NOTHING: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Standing:
    """What can be told of a job by its files: the image sets it was to run, and those complete.
    Of an `uncertain` one nothing tells how many it was to run."""

    held: frozenset[int] = NOTHING
    complete: frozenset[int] = NOTHING
    uncertain: bool = True


def standing(job: Job, run: Run) -> Standing:
    """A job's image sets, by what is left of its files."""
    every = frozenset(job.numbers)
    kind = job.damage.kind if job.damage else ""
    table = job.damage.table if job.damage else ""
    unreadable = kind in ("cut", "empty") or (kind == "gone" and table == IMAGE)
    # Without tables of objects, nothing tells how many rows are lost.
    unreadable |= kind == "rows" and table == IMAGE and job.format == CSV and not run.objects
    if unreadable:
        return Standing()
    if kind == "early":
        return Standing(every, uncertain=False)
    held, measured, listed = every, every - job.failed, every
    last = max(measured, default=0)
    if job.format in (SQLITE, SQLCSV):
        # Their rows are written when an image set is through.
        held = measured
    short = _short(job, run)
    if kind == "rows" and table == IMAGE:
        kept = frozenset(job.numbers[: job.damage.rows if job.damage else 0])
        there = frozenset(n for name in run.objects for n in rows_of(job, name))
        if job.format == SQLCSV:
            # Files are named for the last image set, so that those that are gone are known.
            begin = max(kept, default=job.numbers[0] - 1) + 1
            there |= frozenset(range(begin, job.numbers[-1] + 1))
        held, measured = kept | there, kept & measured
        last = max(measured | (held - kept), default=0)
        listed = kept
    complete = measured - short
    if not held:
        return Standing()
    # Without a batch file, of what is no image row nobody knows the group.
    grouped = held if run.batch_file != "none" else held & listed
    # A table that ends within a line has lost what followed, too: image sets without objects.
    cut = kind == "rows" and table == IMAGE and job.format == CSV
    return Standing(held, _whole_groups(job, run, grouped, last, complete), uncertain=cut)


def _short(job: Job, run: Run) -> frozenset[int]:
    """Image sets of which a table of objects lacks rows."""
    damage = job.damage
    if damage is None or damage.kind not in ("rows", "gone") or damage.table == IMAGE:
        return NOTHING
    together = run.style.side_by_side and job.format != CSV
    rows = rows_of(job, damage.table, together)
    if damage.kind == "gone":
        return frozenset(rows)
    return frozenset(rows[damage.rows :])


def _whole_groups(
    job: Job,
    run: Run,
    held: frozenset[int],
    last: int,
    complete: frozenset[int],
) -> frozenset[int]:
    """In a grouped run a group is complete or it is not; that of the `last` image set measured is
    not where the job did not come to its end."""
    if not run.tags or not tags_known(job, run):
        return complete
    groups: dict[str, set[int]] = {}
    known = {one.number: one for one in run.planned}
    for number in held:
        groups.setdefault(_key(known[number], run.tags), set()).add(number)
    found: set[int] = set()
    ended = ended_well(job, run)
    for members in groups.values():
        if members <= complete and (ended or last not in members):
            found |= members
    return frozenset(found)


def ended_well(job: Job, run: Run) -> bool:
    """Whether a job is known to have come to its end, or nothing says that it has not."""
    said = says(job, run)
    if job.format == H5:
        return said == "Complete"
    return said != "Failure"


def says(job: Job, run: Run) -> str | None:
    """What a job says of its end, in its files or beside them."""
    if job.format == H5:
        unended = job.damage is not None and job.damage.kind in ("early", "unended")
        beside = run.style.done_file and not run.style.flat and job.exit_status == "Failure"
        return job.exit_status if not unended else "Failure" if beside else None
    return job.exit_status if run.style.done_file and not run.style.flat else None


def tags_known(job: Job, run: Run) -> bool:
    """Whether a job's files, or the batch file, say by what the run is grouped."""
    return run.batch_file != "none" or says_tags(job, run)


def says_tags(job: Job, run: Run) -> bool:
    """Whether a job's own files say by what it was grouped, or that it was not."""
    if job.format in (SQLITE, SQLCSV):
        # Only a pipeline that groups nothing is plain there.
        return not run.tags
    return job.format == H5 or run.style.experiment_csv


def _key(one: ImageSet, tags: Sequence[str]) -> str:
    return json.dumps([str(one.image[tag]) for tag in tags])


def owners(jobs: Iterable[Job], run: Run) -> dict[int, Job]:
    """Image set to the job that it is loaded from: the newest that has it complete."""
    found: dict[int, Job] = {}
    for job in sorted(jobs, key=lambda job: job.finished):
        for number in standing(job, run).complete:
            found[number] = job
    return found


def groups(run: Run, owned: Mapping[int, Job]) -> dict[int, tuple[int, int, int]] | None:
    """Group number, index and length over the whole run; None where they stay as the jobs counted
    them, as nothing says by what the run is grouped."""
    if run.batch_file != "none":
        counted: Sequence[int] = [one.number for one in run.planned]
    elif any(says_tags(job, run) for job in owned.values()):
        counted = sorted(owned)
    else:
        return None
    known = {one.number: one for one in run.planned}
    keys = {n: tuple(str(known[n].image[tag]) for tag in run.tags) for n in counted}
    ranks = {key: place for place, key in enumerate(sorted(set(keys.values())), start=1)}
    members: dict[tuple[str, ...], list[int]] = {}
    for number in counted:
        members.setdefault(keys[number], []).append(number)
    return {
        n: (ranks[keys[n]], members[keys[n]].index(n) + 1, len(members[keys[n]])) for n in counted
    }
