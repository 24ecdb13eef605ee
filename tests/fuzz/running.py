"""Runs cases, each in a folder of its own, and tells of those that fail."""

import multiprocessing
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from fuzz.cases import Case, Options, random_case
from fuzz.commands import Commands
from fuzz.loading import Fault
from fuzz.mariadb import Account
from fuzz.shrinking import shrunk
from fuzz.trials import Trial

# In memory where that can be: all that is loaded is synced.
_MEMORY = Path("/dev/shm")
# Of what is wrong, so many characters tell what kind it is of, and this share is enough.
_TOLD, _ALIKE = 300, 0.6


@dataclass(frozen=True)
class Failure:
    """A case that failed: what was wrong, and the commands that led to it."""

    seed: int
    kind: str
    what: str
    commands: tuple[str, ...]
    case: str

    def __str__(self) -> str:
        lines = [f"seed {self.seed}: {self.what}", self.case, *self.commands]
        lines.append(f"again: cd tests && python -m fuzz --seed {self.seed} --shrink --keep FOLDER")
        return "\n  ".join(lines)


@contextmanager
def folder() -> Iterator[Path]:
    """An empty folder, gone afterwards; what commands remember of outputs is kept in it."""
    memory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    home = Path(tempfile.mkdtemp(prefix="cpexport-fuzz-", dir=memory))
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(home / "cache")
    try:
        yield home
    finally:
        if before is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = before
        shutil.rmtree(home, ignore_errors=True)


def attempt(case: Case, account: Account | None = None, keep: Path | None = None) -> Failure | None:
    """Tries a case; what is wrong, if anything is. Its folder is copied to `keep` then."""
    commands = Commands()
    with folder() as home, warnings.catch_warnings():
        # People would see them on stderr.
        warnings.simplefilter("error")
        trial = Trial(case, home, commands, account)
        try:
            trial.run()
        except Fault as fault:
            if keep is not None:
                shutil.copytree(home, keep)
            said = tuple(line.replace(str(home), str(keep or "FOLDER")) for line in commands.said)
            what = str(fault).replace(str(home), "FOLDER")
            return Failure(case.seed, fault.kind, what, said, summary(case))
        finally:
            trial.to.clear()
    return None


def smallest(case: Case, failure: Failure, account: Account | None = None) -> Case:
    """The smallest case found that fails in the same of its trials, with about the same words."""

    def fails(smaller: Case) -> bool:
        try:
            found = attempt(smaller, account)
        except (LookupError, ValueError):
            # It makes no sense any more, such as damage to rows that are gone.
            return False
        if found is None or found.kind != failure.kind:
            return False
        return SequenceMatcher(None, found.what[:_TOLD], failure.what[:_TOLD]).ratio() > _ALIKE

    return shrunk(case, fails)


def _of_seed(seed: int, options: Options, account: Account | None) -> Failure | None:
    return attempt(random_case(seed, options), account)


def every(
    seeds: Sequence[int], options: Options, processes: int, account: Account | None = None
) -> Iterator[Failure | None]:
    """Tries the cases of some seeds, in order."""
    if processes == 1:
        for seed in seeds:
            yield _of_seed(seed, options, account)
        return
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        tried = [pool.submit(_of_seed, seed, options, account) for seed in seeds]
        for one in tried:
            yield one.result()


def summary(case: Case) -> str:
    """A case in a few words: its runs, jobs, and what befell them."""
    parts = [f"{case.destination}, steps {case.steps}"]
    for run in case.runs:
        tags = f" by {'+'.join(run.tags)}" if run.tags else ""
        batch = {"none": "no batch file"}.get(run.batch_file, f"batch file {run.batch_file}")
        parts.append(f"{run.name}: {len(run.planned)} planned{tags}, {batch}, {run.style}")
        for job in run.jobs:
            job_tables = [f"failed {sorted(job.failed)}"] if job.failed else []
            job_tables += [str(job.damage)] if job.damage else []
            job_tables += [job.exit_status] if job.exit_status != "Complete" else []
            parts.append(f"  {job.name}: {job.format} {list(job.numbers)} {', '.join(job_tables)}")
    return "\n  ".join(parts)
