"""Finds what would make the jobs of a plan fail, before anything is submitted.

The jobs run on other machines, so most problems can only be warnings; certain ones are `fatal`.
"""

import os
import shlex
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.pipeline import Module
from cpexport.imagesets import ImageSets
from cpexport.jobs.image_folders import image_files, list_of
from cpexport.jobs.list_files import list_problems
from cpexport.jobs.path_mappings import wrong_paths
from cpexport.jobs.plan import Plan
from cpexport.jobs.plugins import plugin_problems, uses_module
from cpexport.jobs.problem import Problem
from cpexport.jobs.scheduler_options import partition
from cpexport.jobs.schedulers.slurm import most_minutes
from cpexport.jobs.settings import Settings, clock

# Bytes of disk: the least for any plan, and the usual need of an image set.
_LITTLE = 64 * 2**20
_EACH = 2**20
_SOME = 5


def problems(
    plan: Plan, batch_file: BatchFile, *, check_images: bool = False, printed: bool = False
) -> tuple[Problem, ...]:
    """Returns all problems of a plan that can be found, the fatal ones first.

    `printed` is whether the plan's commands are only shown, so that they may run anywhere.

    Raises:
        SourceError: the batch file is damaged.
    """
    all_problems = [
        *_outputs(plan, printed),
        *_batch_file(batch_file),
        *_program(plan.settings, printed),
        *_version(batch_file),
        *plugin_problems(batch_file, plan.settings, printed=printed),
        *_time(plan),
        *_paths(batch_file),
        *_modules(batch_file, plan.settings.keep_measurements),
        *_numbers(plan, batch_file),
        *(_images(batch_file) if check_images else ()),
    ]
    return tuple(sorted(all_problems, key=lambda problem: not problem.fatal))


def _outputs(plan: Plan, printed: bool) -> Iterator[Problem]:
    """Checks that the jobs' folders can be made and have room on this machine.

    If the commands are `printed`, these problems are not fatal.
    """
    folder = plan.outputs.absolute()
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        advice = (
            "run the jobs on a machine that can write it, or move the batch file to another folder"
        )
        advice = advice if printed else "choose another folder with --out"
        yield Problem(f"{folder}: the jobs' output cannot be written here; {advice}", not printed)
        return
    free = shutil.disk_usage(folder).free
    if free < _LITTLE:
        yield Problem(f"{folder}: only {free >> 20} MiB are free; free some space", not printed)
    elif free < _EACH * len(plan.image_sets):
        yield Problem(
            f"{folder}: {free >> 20} MiB are free, less than 1 MiB for each image set; free some "
            "space"
        )


def _batch_file(batch_file: BatchFile) -> Iterator[Problem]:
    if batch_file.text is not None:
        return
    mode = batch_file.path.stat().st_mode
    if not mode & stat.S_IROTH:
        yield Problem(
            f"{batch_file.path}: not readable for all users; if jobs run as another user, "
            f"run: chmod a+r {shlex.quote(str(batch_file.path))}"
        )


def _program(settings: Settings, printed: bool) -> Iterator[Problem]:
    """Checks that jobs find `cellprofiler`, as far as this machine shows."""
    if shutil.which("cellprofiler") or settings.modules or settings.container:
        return
    if settings.scheduler == "shell" and not printed:
        advice = "activate its environment, or name a --container or --module"
        yield Problem(
            f"cellprofiler is not on the PATH, and the jobs run on this machine; {advice}", True
        )
    else:
        yield Problem(
            "cellprofiler is not on the PATH here; make sure that jobs find it where they run"
        )


def _time(plan: Plan) -> Iterator[Problem]:
    """Finds jobs that ask for more time than Slurm allows: they would wait forever."""
    minutes = max((task.time or 0 for task in plan.tasks), default=0)
    if plan.settings.scheduler != "slurm" or not minutes:
        return
    if (most := most_minutes(partition(plan.settings))) and minutes > most.minutes:
        yield Problem(
            f"jobs request {clock(minutes)}, but {most} allows {clock(most.minutes)}, so they "
            "would wait forever; give a shorter --time, or another --partition"
        )


def _version(batch_file: BatchFile) -> Iterator[Problem]:
    """Compares the version that made the batch file with the one on this machine, if any."""
    if batch_file.version is None and not batch_file.is_list:
        yield Problem(
            f"{batch_file.path}: does not state the version of CellProfiler that created it; run "
            "the jobs with that version"
        )
    if batch_file.measured:
        yield Problem(
            f"{batch_file.path}: contains measurements of a job, so it is not a batch file; name "
            "the Batch_data.h5 that CreateBatchFiles wrote",
            fatal=True,
        )
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
        yield Problem(f"cellprofiler --version: {error}; make sure that jobs can run it")
        return
    version = (done.stdout.strip().splitlines() or [""])[-1].strip()
    if done.returncode or not version[:1].isdigit():
        message = (done.stderr.strip().splitlines() or [version or "nothing"])[-1]
        yield Problem(
            f"cellprofiler --version ended with {done.returncode} and printed "
            f"{message[:80]!r}; make sure that jobs can run it"
        )
    elif batch_file.version and version != batch_file.version:
        yield Problem(
            f"{batch_file.path}: created by CellProfiler {batch_file.version}, but "
            f"`cellprofiler` here is {version}; run the jobs with the same version"
        )


def _modules(batch_file: BatchFile, kept: bool) -> Iterator[Problem]:
    """Finds settings of modules that make batch jobs fail or leave nothing."""
    exports = uses_module(batch_file.pipeline)
    for module in batch_file.pipeline.modules:
        if module.enabled and module.name == "CreateBatchFiles" and batch_file.is_list:
            yield Problem(
                f"{batch_file.pipeline_file}: has the module CreateBatchFiles, so each job would "
                "write a batch file and measure nothing; disable that module, or plan with the "
                "Batch_data.h5 that it writes",
                True,
            )
        elif module.enabled and module.name == "CreateBatchFiles":
            if module.setting("in distributed mode") == "Yes":
                yield Problem(
                    f"{batch_file.path}: created in distributed mode, which CellProfiler no "
                    "longer supports, so every job would fail; create it again with that "
                    "setting off",
                    True,
                )
            if module.setting("computers running Windows?") == "Yes":
                yield Problem(
                    f"{batch_file.path}: created for a cluster of Windows machines; for any other "
                    "cluster, create it again with that setting off"
                )
        elif module.enabled and module.name == "LoadData" and batch_file.is_list:
            yield from list_problems(batch_file, module)
        elif module.enabled and module.name == "LoadData":
            yield from _list(batch_file, module)
        elif module.enabled and module.name == "ExportToDatabase":
            exports = True
            yield from _database(batch_file, module)
        exports |= module.enabled and module.name == "ExportToSpreadsheet"
    # CellProfiler 4 and later discard the measurements of headless runs; earlier versions keep them
    # on request.
    if not exports and not kept:
        yield Problem(
            f"{batch_file.path}: the pipeline exports nothing, so jobs would leave no output; "
            "give --keep-measurements, or add ExportToSpreadsheet or ExportToCpexport"
        )


def _list(batch_file: BatchFile, module: Module) -> Iterator[Problem]:
    """Checks that LoadData's list exists, as every job reads it again (loaddata.py,
    get_cache_info)."""
    kind, folder, name = list_of(module)
    if kind == "Elsewhere..." and not Path(folder, name).is_file():
        yield Problem(
            f"{batch_file.path}: its LoadData list {Path(folder, name)} does not exist on "
            "this machine; make sure that it exists where jobs run, because each job reads it"
        )


def _database(batch_file: BatchFile, module: Module) -> Iterator[Problem]:
    """Refuses ExportToDatabase with SQLite: CreateBatchFiles makes the tables in its own output
    folder, and jobs make none."""
    if module.setting("Database type") == "SQLite":
        shared = module.setting("Output file location").startswith("Elsewhere")
        if batch_file.is_list and not shared:
            # Without a batch file, each job makes the tables in its own folder.
            return
        yield Problem(
            f"{batch_file.path}: ExportToDatabase writes SQLite: "
            + (
                "all jobs write to one file and block each other"
                if shared
                else "a job finds no tables in its own folder and fails"
            )
            + "; use ExportToCpexport or ExportToSpreadsheet instead, or only --keep-measurements",
            fatal=not shared,
        )


def _numbers(plan: Plan, batch_file: BatchFile) -> Iterator[Problem]:
    """Finds jobs that would renumber image sets: `-g` with a list not in the order of groups."""
    if batch_file.renumbers and any(not task.job.by_range for task in plan.tasks):
        tags = ", ".join(batch_file.group_tags)
        yield Problem(
            f"{batch_file.path}: LoadData's list is not in the order of its groups, so jobs "
            "would number image sets differently and check would find other images; sort the "
            f"list by {tags} and create the batch file again",
            True,
        )


def _paths(batch_file: BatchFile) -> Iterator[Problem]:
    if not batch_file.is_list:
        for reason in wrong_paths(batch_file):
            yield Problem(f"{batch_file.path}: {reason}")


def _images(batch_file: BatchFile) -> Iterator[Problem]:
    """Finds images that do not exist or are empty, among those that are files."""
    missing: dict[str, set[int]] = {}
    is_good: dict[str, bool] = {}
    elsewhere = 0
    for number, path in image_files(batch_file):
        if path is None:
            elsewhere += 1
            continue
        if path not in is_good:
            is_good[path] = _is_image(path)
        if not is_good[path]:
            missing.setdefault(path, set()).add(number)
    if missing:
        examples = ", ".join(list(missing)[:_SOME]) + (" ..." if len(missing) > _SOME else "")
        sets = ImageSets.of(number for numbers in missing.values() for number in numbers)
        yield Problem(
            f"{batch_file.path}: {len(missing)} of {len(is_good)} images are missing or "
            f"empty: {examples} ({sets.words}); restore them, or create the batch file "
            "without them",
            True,
        )
    if elsewhere:
        yield Problem(f"{batch_file.path}: {elsewhere} images are not files and were not checked")


def _is_image(path: str) -> bool:
    try:
        return Path(path).stat().st_size > 0
    except (OSError, ValueError):
        return False
