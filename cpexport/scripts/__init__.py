"""The files that run a plan: a list of jobs, and scripts for one scheduler.

The texts are files beside this one, in which `@name@` stands for a value, quoted for a shell.
"""

import json
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Final

from cpexport.errors import UsageError
from cpexport.jobs import PLAN
from cpexport.plan import Plan, Task
from cpexport.plans import origin
from cpexport.settings import Settings, clock
from cpexport.sinks.urls import file_url

_TEXTS = Path(__file__).parent
_PLACE = re.compile(r"@(\w+)@")


@dataclass(frozen=True)
class _Scheduler:
    """How one scheduler is spoken to. `index` and `array` are what its jobs find in their
    environment; the others are options, with `{}` for the value. `longest` is the length of an
    array that sites allow unless they say otherwise."""

    title: str
    index: str
    array: str
    longest: int
    time: str
    memory: str
    partition: str
    at_once: str


_SCHEDULERS: Final = {
    "slurm": _Scheduler(
        "Slurm", "$SLURM_ARRAY_TASK_ID", "${SLURM_ARRAY_JOB_ID}", 1000,
        "--time={}", "--mem={}M", "--partition={}", "%{}",
    ),
    "sge": _Scheduler(
        "Grid Engine", "$SGE_TASK_ID", "${JOB_ID}", 75000,
        "-l h_rt={}", "-l h_vmem={}M", "-q {}", "-tc {}",
    ),
    "lsf": _Scheduler(
        "LSF", "$LSB_JOBINDEX", "${LSB_JOBID}", 1000,
        "-W {}", "-M {}MB", "-q {}", "%{}",
    ),
    "pbs": _Scheduler(
        "PBS", "${PBS_ARRAY_INDEX:-1}", "${PBS_JOBID%%[![:digit:]]*}", 10000,
        "-l walltime={}", "-l mem={}mb", "-q {}", "%{}",
    ),
}  # fmt: skip


SUBMIT: Final = "submit.sh"
"""What a person runs of the files written."""


def write(plan: Plan, folder: Path, version: str | None) -> None:
    """Writes all the files that run a plan into a new or empty folder.

    `version` is CellProfiler's: before 4 it keeps measurements by itself where it is told to.

    Raises:
        UsageError: the folder holds something already, or a path cannot be written into a script.
        OSError: it cannot be written.
    """
    for path in (folder.absolute(), plan.outputs, plan.batch_file):
        _refuse_unwritable(path)
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} holds something already; name a new folder with --out")
    native = version is not None and version.split(".")[0] in ("2", "3")
    plan = replace(plan, origin=origin(plan, folder.absolute()))
    texts = _texts(plan, folder.absolute(), native)
    folder.mkdir(parents=True, exist_ok=True)
    plan.outputs.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")


def _refuse_unwritable(path: Path) -> None:
    """Refuses a path that would end a comment of a script, or that its encoding cannot hold."""
    if "\n" in str(path) or "\r" in str(path):
        what = "a line break"
    elif not _is_unicode(str(path)):
        what = "bytes that are not UTF-8"
    else:
        return
    raise UsageError(f"{str(path)!r} has {what} in its name, which scripts cannot hold; rename it")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def runner() -> str:
    """The script that keeps the measurements of CellProfiler 4 and 5."""
    return _text("run_batch.py")


def jobs_list(plan: Plan) -> str:
    """The lines of `jobs.tsv`: task, first, last, group, folder, image sets, minutes, MiB."""
    return "".join(
        "\t".join("" if word is None else str(word) for word in _line(task)) + "\n"
        for task in plan.tasks
    )


def _line(task: Task) -> list[object]:
    job = task.job
    where = [job.first, job.last, job.group_text]
    return [task.number, *where, task.folder.name, job.image_sets, task.time, task.memory]


def _texts(plan: Plan, folder: Path, native: bool) -> dict[str, str]:
    settings = plan.settings
    values = {
        "count": str(len(plan.tasks)),
        # Comments are not quoted, and must not end before their line does.
        "batch": _PLACE.sub("", repr(str(plan.batch_file))),
        "submit": shlex.quote(str(folder / SUBMIT)),
        "here": shlex.quote(str(folder)),
        "outputs": shlex.quote(str(plan.outputs)),
        "batch_file": shlex.quote(str(plan.batch_file)),
        "sha256": plan.sha256,
        "plan": plan.origin["id"],
        "to": shlex.quote(settings.to or file_url("sqlite", folder / "screen.sqlite")),
        "cpexport": shlex.join([sys.executable, "-m", "cpexport"]),
        "run": _run(settings, native),
        "measurements": ' "$part/measurements.h5"' if settings.keep_measurements else "",
        "modules": "",
    }
    if settings.modules:
        modules = {"modules": shlex.join(settings.modules)}
        values["modules"] = _filled("modules.sh", modules)
    files = {
        PLAN: json.dumps(plan.as_json(), indent=2, ensure_ascii=False) + "\n",
        "jobs.tsv": jobs_list(plan),
        "task.sh": _filled("task.sh", values),
        "merge.sh": _filled("merge.sh", values),
        **_submission(plan, folder, values),
    }
    if settings.keep_measurements and not native:
        files["run_batch.py"] = runner()
        files["keep.sh"] = _filled("keep.sh", values)
    return files


def _run(settings: Settings, native: bool) -> str:
    """The words that call CellProfiler, to be followed by its own."""
    keep = settings.keep_measurements and not native
    words = 'sh "$here/keep.sh"' if keep else "cellprofiler"
    if settings.container is None:
        return words
    binds = '--bind "$here" --bind "$outputs" --bind "$(dirname "$batch_file")"'
    enter = '"$(command -v apptainer || command -v singularity)"'
    return f"{enter} exec {binds} {shlex.quote(settings.container)} {words}"


def _submission(plan: Plan, folder: Path, values: Mapping[str, str]) -> dict[str, str]:
    """`submit.sh`, and what it submits."""
    settings = plan.settings
    if settings.scheduler == "shell":
        at_once = str(settings.at_once) if settings.at_once else '"$(nproc)"'
        return {SUBMIT: _filled("submit_shell.sh", {**values, "at_once": at_once})}
    scheduler = _SCHEDULERS[settings.scheduler]
    at_once = scheduler.at_once.format(settings.at_once) if settings.at_once else ""
    options = list(settings.options)
    if settings.partition:
        options = [*scheduler.partition.format(settings.partition).split(" ", 1), *options]
    values = {
        **values,
        "scheduler_name": scheduler.title,
        "scheduler_word": settings.scheduler,
        "index": scheduler.index,
        "array": scheduler.array,
        "at_once": at_once,
        "longest": str(scheduler.longest),
        # Slurm takes % in a file's name for something of its own.
        "logs": shlex.quote(str(folder / "logs").replace("%", "%%")),
        "options": shlex.join(options),
        "limits": _limits(scheduler, settings.time, settings.memory),
        "arrays": "\n".join(_arrays(scheduler, plan)),
    }
    values["scheduler"] = _filled(f"submit_{settings.scheduler}.sh", values).rstrip("\n")
    return {SUBMIT: _filled("submit.sh", values), "array.sh": _filled("array.sh", values)}


def _arrays(scheduler: _Scheduler, plan: Plan) -> list[str]:
    """A line for each run of jobs with the same limits."""
    lines = []
    for (time, memory), some in groupby(plan.tasks, key=lambda task: (task.time, task.memory)):
        tasks = list(some)
        limits = _limits(scheduler, time, memory)
        lines.append(f"array {tasks[0].number - 1} {len(tasks)} {limits}".rstrip())
    return lines


def _limits(scheduler: _Scheduler, time: int | None, memory: int | None) -> str:
    words = []
    if time is not None:
        # LSF counts hours and minutes, the others seconds too.
        words.append(scheduler.time.format(clock(time)[: -3 if scheduler.title == "LSF" else None]))
    if memory is not None:
        words.append(scheduler.memory.format(memory))
    return " ".join(words)


def _filled(name: str, values: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda place: values[place[1]], _text(name))


def _text(name: str) -> str:
    return (_TEXTS / name).read_text("utf-8")
