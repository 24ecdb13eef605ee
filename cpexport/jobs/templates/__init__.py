"""Writes the files that run a plan: a list of jobs, and scripts for one scheduler.

The templates are next to this file; `@name@` in them stands for a value, quoted for a shell.
"""

import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Final

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.destination_url import file_url
from cpexport.errors import UsageError
from cpexport.jobs.found_plans import origin
from cpexport.jobs.image_folders import folders_read
from cpexport.jobs.list_files import write_lists
from cpexport.jobs.plan import LISTS, PIPELINE, Plan, Task
from cpexport.jobs.scheduler_options import last_limits
from cpexport.jobs.schedulers import SCHEDULERS
from cpexport.jobs.schedulers.base import Scheduler
from cpexport.jobs.split import PLAN

_TEXTS = Path(__file__).parent
_PLACE = re.compile(r"@(\w+)@")

SUBMIT: Final = "submit.sh"
"""The script that the user runs to submit the jobs."""


def write(plan: Plan, folder: Path, batch_file: BatchFile) -> None:
    """Writes all files that run a plan into a new or empty folder.

    Raises:
        UsageError: the folder is not empty, or a path cannot be written into a script.
        OSError: the folder cannot be written.
    """
    for path in (folder.absolute(), plan.outputs, plan.batch_file):
        _check_writable(path)
    if scheduler := SCHEDULERS.get(plan.settings.scheduler):
        scheduler.check_folder(folder.absolute())
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty; name a new folder with --out")
    plan = replace(plan, origin=origin(plan, folder.absolute()))
    texts = _texts(plan, folder.absolute(), batch_file)
    folder.mkdir(parents=True, exist_ok=True)
    plan.outputs.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    if batch_file.is_list:
        write_lists(plan, batch_file)


def _check_writable(path: Path) -> None:
    """Refuses a path that would end a comment in a script, or that UTF-8 cannot encode."""
    if "\n" in str(path) or "\r" in str(path):
        what = "a line break"
    elif not _is_unicode(str(path)):
        what = "bytes that are not UTF-8"
    else:
        return
    raise UsageError(
        f"{str(path)!r} has {what} in its name, which scripts cannot contain; rename it"
    )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def runner() -> str:
    """Returns the script that keeps the measurements of CellProfiler 4 and 5."""
    return _text("run_batch.py")


def jobs_list(plan: Plan) -> str:
    """Returns the lines of `jobs.tsv`: task, first, last, group, folder, image sets, minutes,
    MiB."""
    return "".join(
        "\t".join("" if word is None else str(word) for word in _line(task)) + "\n"
        for task in plan.tasks
    )


def _line(task: Task) -> list[object]:
    job = task.job
    selection = [job.first, job.last, job.group_text]
    return [task.number, *selection, task.folder.name, job.image_sets, task.time, task.memory]


def _texts(plan: Plan, folder: Path, batch_file: BatchFile) -> dict[str, str]:
    settings = plan.settings
    # CellProfiler before version 4 can keep measurements without the runner.
    native = (batch_file.version or "").split(".")[0] in ("2", "3")
    keep = settings.keep_measurements and not native
    keeper = 'sh "$here/keep.sh"' if keep else "cellprofiler"
    values = {
        "count": str(len(plan.tasks)),
        # This goes into a comment, which is not quoted and must stay on one line.
        "batch": _PLACE.sub("", repr(str(plan.batch_file))),
        "submit": shlex.quote(str(folder / SUBMIT)),
        "here": shlex.quote(str(folder)),
        "outputs": shlex.quote(str(plan.outputs)),
        "batch_file": shlex.quote(str(plan.batch_file)),
        "sha256": plan.sha256,
        "size_and_time": shlex.quote(_size_and_time(batch_file)),
        "batch_option": "--plan" if batch_file.is_list else "--batch",
        **_selection(plan, batch_file),
        "plan": plan.origin["id"],
        "to": shlex.quote(settings.to or file_url("sqlite", folder / "screen.sqlite")),
        "cpexport": shlex.join([sys.executable, "-m", "cpexport"]),
        "run": _run(plan, folder, keeper, batch_file),
        "plugins": f" --plugins-directory {shlex.quote(settings.plugins)}"
        if settings.plugins
        else "",
        "measurements": ' "$part/measurements.h5"' if settings.keep_measurements else "",
        "modules": "",
        "scheduler_word": settings.scheduler,
        "known": shlex.quote(
            "".join(f"\n{name}\t{first_line}" for name, first_line in plan.known.items())[1:]
        ),
        "home": shlex.quote(str(plan.outputs.parent)),
        "beside": plan.origin["beside"],
    }
    values["moved"] = _filled("moved.sh", values).rstrip("\n")
    values["own"] = _filled("own.sh", values).rstrip("\n")
    values["claim"] = _filled("claim.sh", values).rstrip("\n")
    if settings.modules:
        modules = {"modules": shlex.join(settings.modules)}
        values["modules"] = _filled("modules.sh", modules)
    files = {
        PLAN: plan.as_text(),
        "jobs.tsv": jobs_list(plan),
        "task.sh": _filled("task.sh", values),
        "merge.sh": _filled("merge.sh", values),
        **_submission(plan, folder, values),
    }
    if keep:
        files["run_batch.py"] = runner()
        files["keep.sh"] = _filled("keep.sh", values)
    return files


def _size_and_time(batch_file: BatchFile) -> str:
    """What `stat` says of an unchanged batch file; empty for a list that is yet to be written."""
    if batch_file.text is not None:
        return ""
    stat = batch_file.path.stat()
    return f"{stat.st_size} {int(stat.st_mtime)}"


def _selection(plan: Plan, batch_file: BatchFile) -> dict[str, str]:
    """The lines of a job that select its image sets, and the name of its pipeline."""
    by_range, by_group = 'set -- -f "$first" -l "$last"', 'set -- -g "$group"'
    by_number = f'if [ -n "$first" ]; then {by_range}; else {by_group}; fi'
    if not batch_file.is_list:
        return {"select": by_number, "pipeline": '"$batch_file"'}
    if plan.lists is None:
        select = f'{by_number}\n    set -- --data-file "$batch_file" "$@"'
    else:
        select = f'set -- --data-file "$here/{LISTS}/$name.csv"'
    return {"select": select, "pipeline": f'"$here/{PIPELINE}"'}


def _run(plan: Plan, folder: Path, words: str, batch_file: BatchFile) -> str:
    """Returns the command that becomes CellProfiler, inside a container if the plan has one."""
    image = plan.settings.container
    if image is None:
        return f'    exec {words} "$@"'
    plugins = plan.settings.plugins
    folders = [*folders_read(batch_file), *([plugins] if plugins else [])]
    for folder_to_bind in (folder, plan.outputs, plan.batch_file.parent, *folders):
        if {":", ","} & set(str(folder_to_bind)):
            raise UsageError(
                f"{folder_to_bind}: a container cannot mount a folder with : or , in its "
                "name; rename it"
            )
    values = {"container": shlex.quote(image), "words": words, "folders": shlex.join(folders)}
    return _filled("container.sh", values).rstrip("\n")


def _submission(plan: Plan, folder: Path, values: Mapping[str, str]) -> dict[str, str]:
    """Returns `submit.sh` and the script that it submits."""
    settings = plan.settings
    if settings.scheduler == "shell":
        at_once = str(settings.at_once) if settings.at_once else '"$(nproc)"'
        return {SUBMIT: _filled("submit_shell.sh", {**values, "at_once": at_once})}
    scheduler = SCHEDULERS[settings.scheduler]
    last = last_limits(settings, len(plan.image_sets))
    array = shlex.quote(str(folder / "array.sh"))
    values = {
        **values,
        "scheduler_name": scheduler.title,
        "index": scheduler.index,
        "array": scheduler.array,
        **scheduler.logs(folder / "logs"),
        "list": scheduler.queue,
        "at_once": scheduler.at_once.format(settings.at_once) if settings.at_once else "",
        # The limit of an array counts only its own tasks, so arrays run one after the other.
        "chain": scheduler.chain if settings.at_once else "",
        "longest": str(scheduler.longest),
        "array_twice_quoted": shlex.quote(array),
        "options": shlex.join(scheduler.array_words(settings)),
        "last_options": shlex.join(scheduler.last_words(settings)),
        "limits": shlex.join(scheduler.limits(settings, *last)),
        "arrays": "\n".join(_arrays(scheduler, plan)),
    }
    values["scheduler"] = _filled(f"submit_{settings.scheduler}.sh", values).rstrip("\n")
    return {SUBMIT: _filled("submit.sh", values), "array.sh": _filled("array.sh", values)}


def _arrays(scheduler: Scheduler, plan: Plan) -> list[str]:
    """Returns a line for each series of jobs with the same limits."""
    lines = []
    for limits, group in groupby(plan.tasks, key=lambda task: (task.time, task.memory)):
        tasks = list(group)
        words = shlex.join(scheduler.limits(plan.settings, *limits))
        lines.append(f"array {tasks[0].number - 1} {len(tasks)} {words}".rstrip())
    return lines


def _filled(name: str, values: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda place: values[place[1]], _text(name))


def _text(name: str) -> str:
    return (_TEXTS / name).read_text("utf-8")
