"""What would make the jobs of a plan fail, told before anything is submitted.

The jobs run elsewhere, so most of it can only be a warning; what is certain is a `Problem` that is
`fatal`.
"""

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from cpexport.batchfile import BatchFile
from cpexport.features import IMAGE
from cpexport.imagefolders import file_of, list_of
from cpexport.imagesets import ImageSets
from cpexport.mappings import wrong_paths
from cpexport.measurements import MeasurementFile
from cpexport.pipeline import Module
from cpexport.plan import Plan
from cpexport.schedulers import partition
from cpexport.settings import Settings, clock
from cpexport.slurm import most_minutes

_LITTLE = 64 * 2**20
_EACH = 2**20
_SOME = 5


@dataclass(frozen=True)
class Problem:
    """What is wrong and what to do; `fatal` if jobs run in vain for certain."""

    text: str
    fatal: bool = False

    def __str__(self) -> str:
        return self.text


def problems(
    plan: Plan, batch_file: BatchFile, *, check_images: bool = False, printed: bool = False
) -> tuple[Problem, ...]:
    """All that can be found wrong with a plan, the worst first. `printed` is whether its commands
    are only shown, and so may be run anywhere.

    Raises:
        SourceError: the batch file is damaged.
    """
    found = [
        *_outputs(plan, printed),
        *_batch_file(batch_file),
        *_program(plan.settings, printed),
        *_version(batch_file),
        *_unshipped(batch_file),
        *_time(plan),
        *(Problem(f"{batch_file.path}: {said}") for said in wrong_paths(batch_file)),
        *_modules(batch_file, plan.settings.keep_measurements),
        *_numbers(plan, batch_file),
        *(_images(batch_file) if check_images else ()),
    ]
    return tuple(sorted(found, key=lambda problem: not problem.fatal))


def _outputs(plan: Plan, printed: bool) -> Iterator[Problem]:
    """Whether the jobs' folders can be made, and have room: here, if the commands are not
    `printed`."""
    there = plan.outputs.absolute()
    while not there.exists():
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        advice = "run the jobs where it can, or put the batch file into another folder"
        advice = advice if printed else "name another --out"
        yield Problem(f"{there}: the jobs' output cannot be written here; {advice}", not printed)
        return
    free = shutil.disk_usage(there).free
    if free < _LITTLE:
        yield Problem(f"{there}: only {free >> 20} MiB are free; make room", not printed)
    elif free < _EACH * len(plan.image_sets):
        yield Problem(f"{there}: {free >> 20} MiB are free, less than 1 MiB for each image set")


def _batch_file(batch_file: BatchFile) -> Iterator[Problem]:
    mode = batch_file.path.stat().st_mode
    if not mode & stat.S_IROTH:
        yield Problem(
            f"{batch_file.path}: not readable by everyone; chmod a+r if jobs run as another user"
        )


def _program(settings: Settings, printed: bool) -> Iterator[Problem]:
    """Whether `cellprofiler` is found where jobs run, as far as that is this machine."""
    if shutil.which("cellprofiler") or settings.modules or settings.container:
        return
    if settings.scheduler == "shell" and not printed:
        advice = "activate its environment, or name a --container or --module"
        yield Problem(f"cellprofiler is not on the PATH, and the jobs run here; {advice}", True)
    else:
        yield Problem("cellprofiler is not on the PATH here; see that jobs find it where they run")


def _time(plan: Plan) -> Iterator[Problem]:
    """Jobs that ask for more time than there is wait for ever, as far as Slurm says it here."""
    asked = max((task.time or 0 for task in plan.tasks), default=0)
    if plan.settings.scheduler != "slurm" or not asked:
        return
    if (most := most_minutes(partition(plan.settings))) and asked > most.minutes:
        yield Problem(
            f"jobs ask for {clock(asked)}, and {most} allows {clock(most.minutes)}: they would "
            "wait for ever; give a shorter --time, or another --partition"
        )


def _unshipped(batch_file: BatchFile) -> Iterator[Problem]:
    """Modules without which CellProfiler runs a pipeline all the same, and says Complete."""
    names = dict.fromkeys(m.name for m in batch_file.pipeline.modules if m.enabled)
    strange = [name for name in names if name not in shipped()]
    if strange:
        yield Problem(
            f"{batch_file.path}: CellProfiler does not ship {', '.join(strange)}: where jobs do "
            "not find their plugins, it leaves them out and still says Complete; see that "
            "--plugins-directory or the preferences of the jobs' user name them"
        )


@cache
def shipped() -> frozenset[str]:
    """The names of the modules that CellProfiler 2.1 to 5 ships."""
    text = resources.files("cpexport").joinpath("cellprofiler_modules.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def _version(batch_file: BatchFile) -> Iterator[Problem]:
    """The version that made the batch file against the one that is here, if there is one."""
    if batch_file.version is None:
        yield Problem(f"{batch_file.path}: does not say which CellProfiler made it")
    if batch_file.measured:
        yield Problem(f"{batch_file.path}: holds measurements of a job, and is no batch file")
    if shutil.which("cellprofiler") is None:
        return
    try:
        done = subprocess.run(
            ["cellprofiler", "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=120,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        yield Problem(f"cellprofiler --version: {error}; see that jobs can run it")
        return
    here = (done.stdout.strip().splitlines() or [""])[-1].strip()
    if done.returncode or not here[:1].isdigit():
        said = (done.stderr.strip().splitlines() or [here or "nothing"])[-1]
        yield Problem(
            f"cellprofiler --version ended with {done.returncode} and said {said[:80]!r}; "
            "see that jobs can run it"
        )
    elif batch_file.version and here != batch_file.version:
        yield Problem(
            f"{batch_file.path}: made by CellProfiler {batch_file.version}, "
            f"and `cellprofiler` here is {here}; run the jobs with the same version"
        )


def _modules(batch_file: BatchFile, kept: bool) -> Iterator[Problem]:
    """Settings of modules with which batch jobs fail or leave nothing."""
    exports = False
    for module in batch_file.pipeline.modules:
        if module.enabled and module.name == "CreateBatchFiles":
            if module.setting("in distributed mode") == "Yes":
                yield Problem(
                    f"{batch_file.path}: made in distributed mode, which CellProfiler does not "
                    "support any more: every job fails; make it again with that setting off",
                    True,
                )
            if module.setting("computers running Windows?") == "Yes":
                yield Problem(f"{batch_file.path}: made for a cluster of Windows machines")
        elif module.enabled and module.name == "LoadData":
            yield from _list(batch_file, module)
        elif module.enabled and module.name == "ExportToDatabase":
            exports = True
            yield from _database(batch_file, module)
        exports |= module.enabled and module.name == "ExportToSpreadsheet"
    # CellProfiler 4 throws the measurements of headless runs away; before, they are kept on demand.
    if not exports and not kept:
        yield Problem(
            f"{batch_file.path}: the pipeline exports nothing, so jobs would leave nothing: "
            "give --keep-measurements, or add ExportToSpreadsheet"
        )


def _list(batch_file: BatchFile, module: Module) -> Iterator[Problem]:
    """LoadData reads its CSV file again in every job (loaddata.py, get_cache_info)."""
    kind, folder, name = list_of(module)
    if kind == "Elsewhere..." and not Path(folder, name).is_file():
        yield Problem(
            f"{batch_file.path}: its LoadData list {Path(folder, name)} does not exist on this "
            "side; see that it does where jobs run, as each of them reads it"
        )


def _database(batch_file: BatchFile, module: Module) -> Iterator[Problem]:
    """CreateBatchFiles makes the tables in its own output folder, and jobs make none."""
    if module.setting("Database type") == "SQLite":
        elsewhere = module.setting("Output file location").startswith("Elsewhere")
        yield Problem(
            f"{batch_file.path}: ExportToDatabase writes SQLite: "
            + (
                "all jobs write into one file and lock each other out"
                if elsewhere
                else "in a folder of its own a job finds no tables and fails"
            )
            + "; use ExportToSpreadsheet, or --keep-measurements without it",
            fatal=not elsewhere,
        )


def _numbers(plan: Plan, batch_file: BatchFile) -> Iterator[Problem]:
    """Jobs by -g on a list that is not in the order of its groups number image sets anew."""
    if batch_file.renumbers and any(not task.job.by_range for task in plan.tasks):
        tags = ", ".join(batch_file.group_tags)
        yield Problem(
            f"{batch_file.path}: LoadData's list is not in the order of its groups, so jobs number "
            f"image sets otherwise than it does and check would find other pictures; sort the list "
            f"by {tags} and make the batch file again",
            True,
        )


def _images(batch_file: BatchFile) -> Iterator[Problem]:
    """Images that do not exist or are empty, of those that are files here."""
    missing: dict[str, set[int]] = {}
    seen: dict[str, bool] = {}
    elsewhere = 0
    with MeasurementFile(batch_file.path) as file:
        for feature in file.features(IMAGE):
            if not feature.startswith("URL_"):
                continue
            numbers, urls = file.one_each(IMAGE, feature)
            for number, url in zip(numbers.tolist(), urls.tolist(), strict=True):
                path = file_of(str(url))
                if path is None:
                    elsewhere += 1
                    continue
                if path not in seen:
                    seen[path] = _is_image(path)
                if not seen[path]:
                    missing.setdefault(path, set()).add(number)
    if missing:
        some = ", ".join(list(missing)[:_SOME]) + (" ..." if len(missing) > _SOME else "")
        sets = ImageSets.of(number for numbers in missing.values() for number in numbers)
        yield Problem(
            f"{batch_file.path}: {len(missing)} of {len(seen)} images are missing or empty: "
            f"{some} ({sets.words})",
            True,
        )
    if elsewhere:
        yield Problem(f"{batch_file.path}: {elsewhere} images are no files and were not looked at")


def _is_image(path: str) -> bool:
    try:
        return Path(path).stat().st_size > 0
    except (OSError, ValueError):
        return False
