"""Writes the outputs of random runs as jobs do that count their own image sets from 1."""

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fuzz.model import PLATE, SITE, WELL, ImageSet, Job, Run, Value

KEY = (PLATE, WELL, SITE)
_REFERS = "TrackObjects_ParentImageNumber"


def counted_from_1(job: Job) -> Job:
    """The same job with image sets 1, 2, ... in the order in which it ran them."""
    own = {one.number: place for place, one in enumerate(job.sets, start=1)}

    def referred(row: Mapping[str, Value]) -> dict[str, Value]:
        return {
            name: own.get(value, value)
            if name.startswith(_REFERS) and isinstance(value, int)
            else value
            for name, value in row.items()
        }

    def moved(one: ImageSet) -> ImageSet:
        objects = {name: tuple(map(referred, rows)) for name, rows in one.objects.items()}
        return replace(one, number=own[one.number], objects=objects)

    return replace(
        job,
        sets=tuple(map(moved, job.sets)),
        pairs=tuple((*p[:4], own[p[4]], p[5], own[p[6]], p[7]) for p in job.pairs),
        failed=frozenset(own[number] for number in job.failed),
    )


def write_list(run: Run, path: Path) -> Path:
    """Writes the run's image sets as a list that LoadData reads."""
    names = [f.name for f in run.planned_features]
    names = [n for n in names if n.startswith(("Metadata_", "FileName_", "PathName_"))]
    with path.open("w", newline="") as stream:
        out = csv.writer(stream)
        out.writerow([n if n.startswith("Metadata_") else f"Image_{n}" for n in names])
        for one in run.planned:
            values = [one.image.get(name) for name in names]
            out.writerow(["" if value is None else value for value in values])
    return path
