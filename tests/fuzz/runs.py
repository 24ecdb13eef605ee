"""Random runs of pipelines over screens: formats, styles of files, a plan, and jobs."""

import random
from collections.abc import Sequence
from dataclasses import replace

from fuzz.jobs import random_jobs
from fuzz.model import CSV, FORMATS, H5, PLATE, SQLCSV, SQLITE, WELL, Run, Style
from fuzz.screens import identities_of, planned_run, planned_sets


def random_run(rng: random.Random, name: str, large: bool) -> Run:
    """A run of 1 to 12 image sets, with all that can happen to its jobs. `large` is
    whether there can be integers that no real number of another run can stand beside."""
    plates = [f"P{n}" for n in range(1, rng.choice((2, 2, 3)))]
    identities = identities_of(rng, plates, rng.randint(1, 12))
    formats = _formats(rng)
    style = _style(rng, formats)
    plan = planned_run(rng, formats, large)
    if style.done_file is False and SQLITE in formats:
        style = replace(style, done_file=True)
    tags = rng.choice(((), (), (PLATE,), (PLATE, WELL)))
    known = planned_sets(rng, plan, identities, tags)
    jobs = random_jobs(rng, plan, known, formats, tags, style)
    first = [f for f, _ in plan.features if f.name.startswith(("FileName", "PathName", "URL"))]
    metadata = [f for f, _ in plan.features if f.name.startswith("Metadata_")]
    return Run(
        name,
        known,
        tuple(first + metadata),
        plan.objects,
        tags,
        tuple(jobs),
        style,
        rng.choice(("beside", "beside", "named", "none")),
    )


def _formats(rng: random.Random) -> tuple[str, ...]:
    """Mostly one; outputs of several formats can replace each other where they name alike."""
    if rng.random() < 0.3:
        return (H5, CSV)
    return (rng.choice(FORMATS),)


def _style(rng: random.Random, formats: Sequence[str]) -> Style:
    def chance(share: float) -> bool:
        return rng.random() < share

    old = formats == (SQLCSV,) or (formats == (H5,) and chance(0.3))
    return Style(
        version="3.1.9" if old else "4.2.8.1",
        file_prefix=rng.choice(("", "", "MyExpt_")),
        table_prefix=rng.choice(("", "MyExpt_")),
        side_by_side=chance(0.4),
        nan=rng.choice(("nan", "")),
        experiment_csv=chance(0.8),
        relationships_csv=chance(0.5),
        repeated_metadata=chance(0.3),
        done_file=chance(0.6),
        flat=len(formats) == 1 and formats != (CSV,) and chance(0.3),
        means=chance(0.3),
    )
