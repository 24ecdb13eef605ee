"""What must be so, from what the day itself did and what is on disk; none of the package is asked.

* No image set is offered while a job that has it waits or runs, and no two such jobs have it.
* What a job has finished stays as it is, and so do the records of jobs; what runs keeps its folder.
* What is missing is what no folder of the run has whole.
* A destination has each image set once, all of it from one attempt on that image set in this run.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from days import slurm
from days.cluster import Cluster
from days.outputs import area, count, whole

Sets = frozenset[int]


class Fault(Exception):  # noqa: N818
    """What is not as it must be."""


@dataclass(frozen=True)
class Case:
    """A batch file, its image sets, and how they are grouped."""

    batch_file: Path
    planned: Sets
    groups: tuple[Sets, ...] = ()

    def grouped(self, sets: Iterable[int]) -> Sets:
        """These, with the whole group of each."""
        some = frozenset(sets)
        return some.union(*(group for group in self.groups if group & some))


@dataclass(eq=False)
class Run:
    """A folder that was planned, moved or copied, and the folders with files that run its jobs.

    `seen` are the attempts that had each image set whole, whenever that was; `bad` are image sets
    that fail for ever.
    """

    place: Path
    case: Case
    bad: Sets = frozenset()
    plans: "list[Planned]" = field(default_factory=list)
    seen: dict[int, set[int]] = field(default_factory=dict)

    @property
    def outputs(self) -> Path:
        return self.place / "outputs"

    @property
    def status(self) -> Path:
        return self.outputs / "status"

    def folders(self) -> list[Path]:
        """Those of jobs."""
        if not self.outputs.is_dir():
            return []
        return sorted(p for p in self.outputs.iterdir() if p.is_dir() and p.name != "status")

    def complete(self) -> Sets:
        """The image sets that some folder has whole; notes which attempt wrote them."""
        found: set[int] = set()
        for folder in self.folders():
            for number, attempt in whole(folder, self.case.groups).items():
                self.seen.setdefault(number, set()).add(attempt)
                found.add(number)
        return frozenset(found)

    @property
    def missing(self) -> Sets:
        return self.case.planned - self.complete()


@dataclass(eq=False)
class Planned:
    """A folder with the files that run jobs, as it was when it was written."""

    place: Path
    id: str
    jobs: Sequence[Sets]
    run: Run


def planned(place: Path, run: Run) -> Planned:
    """A plan as it was written, entered into its run."""
    lines = (place / "jobs.tsv").read_text().splitlines()
    jobs = [numbers(line.split("\t")[5]) for line in lines]
    found = Planned(place, json.loads((place / "plan.json").read_text())["id"], jobs, run)
    run.plans.append(found)
    return found


def numbers(text: str) -> Sets:
    """`1-3,7` as numbers."""
    parts = [part.partition("-") for part in text.split(",") if part]
    return frozenset(n for a, _, b in parts for n in range(int(a), int(b or a) + 1))


def pairs(ranges: Iterable[Sequence[int]]) -> Sets:
    return frozenset(n for first, last in ranges for n in range(first, last + 1))


def of_task(cluster: Cluster, task: tuple[str, str], runs: Iterable[Run]) -> tuple[Planned, Sets]:
    """The plan that a task of Slurm belongs to, and its image sets."""
    id, index = task
    script = (cluster.home / "spool" / id).read_text()
    (plan,) = (p for run in runs for p in run.plans if f":-{p.id}}}\n" in script)
    offset = int(cluster.jobs()[id]["arguments"][0])
    return plan, plan.jobs[offset + int(index) - 1]


def busy(cluster: Cluster, runs: Sequence[Run]) -> dict[Run, list[Sets]]:
    """The image sets of each task that waits or runs."""
    found: dict[Run, list[Sets]] = {run: [] for run in runs}
    for task in cluster.tasks(*slurm.ACTIVE):
        plan, sets = of_task(cluster, task, runs)
        found[plan.run].append(sets)
    return found


def judge_once(cluster: Cluster, runs: Sequence[Run]) -> None:
    for run, some in busy(cluster, runs).items():
        every = [number for sets in some for number in sets]
        twice = sorted({number for number in every if every.count(number) > 1})
        if twice:
            raise Fault(f"{run.place}: several jobs that wait or run have {twice}")


def judge_offer(run: Run, offered: Sequence[Sets], cluster: Cluster, runs: Sequence[Run]) -> None:
    """What a resubmission offers is missing, once, and in no job that waits or runs."""
    every = [number for sets in offered for number in sets]
    if len(set(every)) != len(every):
        raise Fault(f"{run.place}: offered twice: {sorted(every)}")
    now = frozenset[int]().union(*busy(cluster, runs)[run])
    if both := sorted(now & set(every)):
        raise Fault(f"{run.place}: offered while a job has them: {both}")
    if more := sorted(set(every) - run.case.grouped(run.missing)):
        raise Fault(f"{run.place}: offered though they are there: {more}")


def digest(folder: Path) -> str:
    found = sha256()
    for path in sorted(folder.rglob("*")):
        found.update(os.fsencode(path.relative_to(folder)) + b"\0")
        if path.is_file():
            found.update(path.read_bytes())
    return found.hexdigest()


@dataclass(frozen=True)
class Kept:
    """What a run has that nothing may take away: finished outputs, and records of jobs."""

    finished: Mapping[str, str]
    records: Mapping[str, bytes]

    @classmethod
    def of(cls, run: Run) -> "Kept":
        finished = {
            folder.name: digest(folder)
            for folder in run.folders()
            if ".part" not in folder.name and (folder / "done.txt").is_file()
        }
        records = [*run.status.glob("*.status"), *run.status.glob("*.submitted")]
        return cls(finished, {path.name: path.read_bytes() for path in records})

    def judge(self, run: Run, *, mended: bool) -> None:
        """That all of it is there still; records may go where a person took them away."""
        now = Kept.of(run)
        for name, before in self.finished.items():
            if now.finished.get(name) != before:
                what = "changed" if name in now.finished else "gone"
                raise Fault(f"{run.outputs / name}: was finished, and is {what}")
        for name, text in self.records.items():
            is_there = name in now.records
            if name.endswith(".status") and is_there:
                is_there = now.records[name].startswith(text)
            if not (is_there or mended):
                raise Fault(f"{run.status / name}: a record is gone or changed")


def judge_live(cluster: Cluster, runs: Sequence[Run]) -> None:
    """What runs has its folder, unless its run was moved meanwhile."""
    for attempt in cluster.running.values():
        plan, _ = of_task(cluster, attempt.task, runs)
        folder = attempt.folder
        there = folder is None or folder.parent != plan.run.outputs or folder.is_dir()
        if not there and attempt.process.poll() is None:
            raise Fault(f"{folder}: gone while its job runs")


def loaded(database: Path) -> Sets:
    """The image sets that a destination has; none where it is not there yet."""
    if not database.exists():
        return frozenset()
    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        return frozenset(n for (n,) in db.execute("SELECT ImageNumber FROM Per_Image"))
    except sqlite3.Error:
        return frozenset()
    finally:
        db.close()


def judge_rows(database: Path, run: Run, must: Sets | None = None) -> None:
    """That a destination has these image sets (None: any that were ever whole), each once and as
    one attempt wrote it."""
    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        images = db.execute("SELECT ImageNumber, Image_Intensity_Attempt FROM Per_Image").fetchall()
        nuclei = db.execute(
            "SELECT ImageNumber, Nuclei_Number_Object_Number, Nuclei_AreaShape_Area "
            "FROM Per_Nuclei ORDER BY 1, 2"
        ).fetchall()
    except sqlite3.Error:
        if must:
            raise
        return
    finally:
        db.close()
    there = dict(images)
    if len(there) != len(images):
        raise Fault(f"{database}: image sets twice: {sorted(n for n, _ in images)}")
    if must is not None and there.keys() != must:
        raise Fault(f"{database}: has {sorted(there)}, not {sorted(must)}")
    for number, attempt in there.items():
        if attempt not in run.seen.get(number, ()):
            allowed = run.seen.get(number)
            raise Fault(f"{database}: {number} is of attempt {attempt}, not of {allowed}")
    rows = [
        (n, nucleus, area(int(there[n]), n, nucleus))
        for n in sorted(there)
        for nucleus in range(1, count(n) + 1)
    ]
    if nuclei != rows:
        raise Fault(f"{database}: nuclei are {nuclei}, not {rows}")
