"""Random jobs on a screen: which image sets each runs, and what befalls it and its files."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from fuzz.model import (
    CSV,
    H5,
    IMAGE,
    SQLCSV,
    SQLITE,
    Damage,
    ImageSet,
    Job,
    Style,
    rows_of,
)
from fuzz.screens import Plan, measured, pairs_of

_BEGAN = datetime(2026, 3, 1, 12, 0, 0, 250)


def random_jobs(
    rng: random.Random,
    plan: Plan,
    known: tuple[ImageSet, ...],
    formats: Sequence[str],
    tags: Sequence[str],
    style: Style,
) -> list[Job]:
    jobs: list[Job] = []
    # Files of MySQL / CSV in one folder share their columns, and are named for ranges.
    shared = style.flat and SQLCSV in formats
    parts = _parts(rng, known, tags)
    if len(parts) > 1 and rng.random() < 0.3:
        # Never started.
        parts.pop(rng.randrange(len(parts)))
    for number, part in enumerate(parts):
        jobs.append(_job(rng, plan, part, rng.choice(formats), tags, number, whole=shared))
        if rng.random() < 0.25:
            jobs[-1] = _harmed(rng, plan, jobs[-1], style)
    for number in range(len(parts), len(parts) + (0 if shared else rng.choice((0, 0, 1, 2)))):
        # Run again, by ranges of its own; newer, so that it replaces what is there.
        some = rng.choice(_parts(rng, known, tags))
        numbers = {one.number for one in some}
        before = {job.format for job in jobs if numbers & set(job.numbers)}
        if len(before) > 1:
            # What outputs of other formats lack is told by values, which can all be missing.
            continue
        format = rng.choice(sorted(before) or formats)
        jobs.append(_job(rng, plan, some, format, tags, number, whole=True))
        if rng.random() < 0.2:
            jobs[-1] = _harmed(rng, plan, jobs[-1], style)
    return jobs


def _parts(
    rng: random.Random, known: Sequence[ImageSet], tags: Sequence[str]
) -> list[Sequence[ImageSet]]:
    """The image sets cut into ranges, of grouped runs between groups."""
    ends = [
        place
        for place in range(1, len(known))
        if not tags or any(known[place].image[tag] != known[place - 1].image[tag] for tag in tags)
    ]
    chosen = sorted(rng.sample(ends, min(len(ends), rng.randint(0, 3))))
    return [known[a:b] for a, b in zip([0, *chosen], [*chosen, len(known)], strict=True)]


def _job(
    rng: random.Random,
    plan: Plan,
    part: Sequence[ImageSet],
    format: str,
    tags: Sequence[str],
    number: int,
    *,
    whole: bool,
) -> Job:
    """A job on some image sets. One that is not `whole` can lack features that others have."""
    features = [pair for pair in plan.features if format != SQLCSV or not _marks(pair[0].name)]
    if not whole and rng.random() < 0.3:
        usual = ("integer", "real", "nan", "text", "mixed", "single", "whole", "infinite")
        features = [
            (feature, kind)
            for feature, kind in features
            if kind not in usual
            or feature.name.startswith(("Height", "Children", "Metadata"))
            or rng.random() < 0.7
        ]
    groups = _groups(part, tags)
    sets = tuple(measured(rng, plan, one, features, groups) for one in part)
    name = f"batch_{part[0].number}_{part[-1].number}"
    return Job(
        f"{name}_{number}" if whole else name,
        format,
        sets,
        pairs_of(rng, plan, sets),
        _BEGAN + timedelta(hours=number, seconds=rng.randrange(3000)),
        tuple(feature for feature, _ in features),
    )


def _marks(name: str) -> bool:
    return name.startswith(("ModuleError_", "ExecutionTime_"))


def _groups(part: Sequence[ImageSet], tags: Sequence[str]) -> dict[int, tuple[int, int, int]]:
    """Group number, index and length as a job counts them in its own image sets."""
    keys = [tuple(str(one.image[tag]) for tag in tags) for one in part]
    ranks = {key: place for place, key in enumerate(sorted(set(keys)), start=1)}
    seen: dict[tuple[str, ...], int] = {}
    found = {}
    for one, key in zip(part, keys, strict=True):
        seen[key] = seen.get(key, 0) + 1
        found[one.number] = (ranks[key], seen[key], keys.count(key))
    return found


def _harmed(rng: random.Random, plan: Plan, job: Job, style: Style) -> Job:
    """The job with some image sets that raised, or with its files damaged."""
    if rng.random() < 0.4 and job.format != SQLCSV:
        failed = frozenset(n for n in job.numbers if rng.random() < 0.5)
        said = rng.choice(("Complete", "Failure"))
        return replace(_without(job, failed), failed=failed, exit_status=said)
    tables = [IMAGE, *plan.objects]
    kinds = {
        H5: ("early", "unended", "cut", "empty"),
        CSV: ("rows", "rows", "gone"),
        SQLITE: ("rows", "cut"),
        SQLCSV: ("rows", "rows", "gone"),
    }[job.format]
    kind = rng.choice(kinds)
    if kind not in ("rows", "gone"):
        return replace(job, damage=Damage(kind))
    table = rng.choice(tables if job.format in (CSV, SQLCSV) else tables[1:] or [""])
    rows = rows_of(job, table, style.side_by_side and job.format != CSV)
    # A job whose only file is gone has left nothing to tell of it.
    traces = job.format == CSV and (style.experiment_csv or style.done_file)
    alone = kind == "gone" and not plan.objects and not traces
    if table == "" or alone or (kind == "rows" and not rows):
        return job
    return replace(job, damage=Damage(kind, table, rng.randrange(max(1, len(rows)))))


def _without(job: Job, failed: frozenset[int]) -> Job:
    """The job with nothing but pictures of the image sets that raised."""
    begins = ("FileName", "PathName", "URL", "Metadata", "Group")

    def bare(one: ImageSet) -> ImageSet:
        kept = {name: v for name, v in one.image.items() if name.startswith(begins)}
        return ImageSet(one.number, kept)

    sets = tuple(bare(one) if one.number in failed else one for one in job.sets)
    pairs = tuple(p for p in job.pairs if not {p[4], p[6]} & failed)
    return replace(job, sets=sets, pairs=pairs)
