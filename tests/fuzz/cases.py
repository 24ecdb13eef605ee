"""What is done with random runs: options, the order of loads, and what is tried besides."""

import random
from dataclasses import dataclass, replace

from fuzz.expected import Shape
from fuzz.model import CSV, SQLCSV, Run
from fuzz.runs import random_run
from fuzz.screens import HOME

FILES = ("sqlite", "sqlite", "parquet", "duckdb")
"""Destinations that are files, those more often that are faster."""

SERVER = "mariadb"
TRIALS = ("again", "verify", "damage", "check", "read", "script", "beside")
_SHARES = {"read": 0.2, "script": 0.1, "beside": 0.1}


@dataclass(frozen=True)
class Options:
    """What cases can be about: kinds of destinations, and whether loads are killed."""

    destinations: tuple[str, ...] = FILES
    kills: bool = True


@dataclass(frozen=True)
class Case:
    """One case. `steps` are places of jobs by run: those that end before each load.

    `one_by_one` is whether a load is told the folders of those jobs, and not the one that holds
    all. `wells` are kinds of `--wells`. `kill` is how many seconds after it has begun to write the
    last load is killed, None for never.
    """

    seed: int
    runs: tuple[Run, ...]
    steps: tuple[tuple[tuple[int, ...], ...], ...]
    destination: str
    shape: Shape
    wells: tuple[str, ...] = ()
    longest: int | None = None
    prefix: str = ""
    numbered: bool = False
    one_by_one: bool = False
    trials: frozenset[str] = frozenset()
    kill: float | None = None

    @property
    def options(self) -> tuple[str, ...]:
        """The words that say what tables are to look like."""
        shape, words = self.shape, []
        if shape.layout != "separate" or shape.only:
            words += ["--objects", ",".join([shape.layout, *shape.only])]
        if shape.aggregate:
            words += ["--aggregate", ",".join(shape.aggregate)]
        if self.longest:
            words += ["--max-column-length", str(self.longest)]
        if self.numbered:
            words += ["--table-number"]
        for pair in shape.path_map:
            words += ["--path-map", "=".join(pair)]
        return tuple(words)


def random_case(seed: int, options: Options) -> Case:
    """The case of a seed; the same for the same seed and options."""
    rng = random.Random(seed)

    def chance(share: float) -> bool:
        return rng.random() < share

    kinds = ("mean", "median", "std")
    destination = rng.choice(options.destinations)
    aggregate = tuple(k for k in kinds if chance(0.6)) if chance(0.25) else ()
    wells = tuple(k for k in kinds if chance(0.6)) if chance(0.2) else ()
    numbered = chance(0.2)
    many = rng.choice((1, 2, 2)) if numbered else 1
    runs = tuple(random_run(rng, f"run{n}", many == 1) for n in range(many))
    objects = sorted(name for name in runs[0].objects if all(name in r.objects for r in runs))
    layout = rng.choice(("separate", "separate", "separate", "combined", "view", "none"))
    if layout == "view" and destination == "parquet":
        layout = "separate"
    only = tuple(sorted(rng.sample(objects, rng.randint(1, len(objects))))) if objects else ()
    shape = Shape(
        layout,
        only if chance(0.2) and layout != "none" else (),
        aggregate,
        ((HOME, "/mnt/lab/é"),) if chance(0.2) else (),
    )
    one_by_one = not numbered and chance(0.3)
    if len(runs) > 1:
        # A batch file is named for one run only.
        runs = tuple(r if r.batch_file != "named" else replace(r, batch_file="none") for r in runs)
    runs = tuple(_loadable(run, one_by_one) for run in runs)
    return Case(
        seed,
        runs,
        tuple(_steps(rng, run) for run in runs),
        destination,
        shape,
        wells,
        rng.choice((None, None, None, 40, 20)),
        rng.choice(("", "", "Scr_")),
        numbered,
        one_by_one and not runs[0].style.flat,
        frozenset(t for t in TRIALS if chance(_SHARES.get(t, 0.5))),
        rng.uniform(0, 0.2) if chance(0.02) and options.kills else None,
    )


def _loadable(run: Run, one_by_one: bool) -> Run:
    """The run without what makes its outcome hang on the order of loads."""
    jobs = []
    for job in run.jobs:
        if job.format == CSV and job.damage and job.damage.kind == "gone":
            # That a table is gone is known by those of other jobs.
            others = [o for o in run.jobs if o.format == CSV and not o.damage and o is not job]
            if not others or one_by_one:
                job = replace(job, damage=None)
        jobs.append(job)
    return replace(run, jobs=tuple(jobs))


def _steps(rng: random.Random, run: Run) -> tuple[tuple[int, ...], ...]:
    """The jobs in some order, cut into loads."""
    places = list(range(len(run.jobs)))
    rng.shuffle(places)
    gone = any(job.format == CSV and job.damage and job.damage.kind == "gone" for job in run.jobs)
    # Jobs of MySQL / CSV in one folder all write its SETUP.SQL, which says when they ran.
    if gone or (run.style.flat and run.jobs[0].format == SQLCSV):
        return (tuple(places),)
    cuts = sorted(rng.sample(range(1, len(places)), min(len(places) - 1, rng.choice((0, 0, 1, 2)))))
    return tuple(tuple(places[a:b]) for a, b in zip([0, *cuts], [*cuts, len(places)], strict=True))
