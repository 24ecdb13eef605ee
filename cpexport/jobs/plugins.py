"""Finds modules of a pipeline that CellProfiler does not include, and that jobs may not find.

A job that does not find a module runs the pipeline up to that module, and can still report Complete
(CellProfiler 4.2.8, pipeline/_pipeline.py, setup_modules). Jobs read no preferences: without the
option --plugins-directory, they have no plugins (preferences/__init__.py, get_plugin_directory).
"""

import re
import shutil
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.pipeline import Pipeline
from cpexport.files.opening import open_regular
from cpexport.jobs import module
from cpexport.jobs.problem import Problem
from cpexport.jobs.settings import Settings

# CellProfiler loads the pipeline first, so this is near the start of a log.
_BEGINNING: Final = 1 << 16
_NOT_FOUND: Final = re.compile(rb"^ValueError: Could not find the (\w+) module", re.MULTILINE)


@cache
def shipped() -> frozenset[str]:
    """The names of the modules that CellProfiler 2.1 to 5 ships."""
    text = resources.files("cpexport").joinpath("cellprofiler_modules.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def uses_module(pipeline: Pipeline) -> bool:
    """Whether ExportToCpexport runs in a pipeline, and so keeps each job's measurements."""
    return any(m.enabled and m.name == module.NAME for m in pipeline.modules)


def not_found_by_job(log: Path) -> str | None:
    """The module that CellProfiler did not find, according to a job's log; None if it found all."""
    try:
        with open_regular(log) as stream:
            match = _NOT_FOUND.search(stream.read(_BEGINNING))
    except OSError:
        return None
    return match[1].decode() if match else None


def without_plugin(name: str) -> str:
    """The reason of a batch whose job did not find a module."""
    return (
        f"CellProfiler did not find the module {name}, so it skipped it and all later ones; run "
        "the job again with --plugins-directory"
    )


def plugin_problems(
    batch_file: BatchFile, settings: Settings, *, printed: bool = False
) -> Iterator[Problem]:
    """Finds plugins that jobs of this batch file would not find, or could not use.

    `printed` is whether the plan's commands are only shown, so that they may run anywhere.
    """
    used = dict.fromkeys(m.name for m in batch_file.pipeline.modules if m.enabled)
    names = [name for name in used if name not in shipped()]
    if names and settings.plugins is None:
        yield Problem(
            f"{batch_file.path}: CellProfiler does not include {', '.join(names)}: jobs without "
            f"--plugins-directory skip {'it' if len(names) == 1 else 'them'} and all later "
            f"modules, and can still report Complete; {_advice(names)}"
        )
    elif names and settings.plugins is not None:
        folder = Path(settings.plugins)
        # A folder in a container's image, or on another machine, is not visible here.
        elsewhere = printed or settings.container is not None
        files = {p.name.lower() for p in folder.iterdir()} if folder.is_dir() else set()
        missing = [name for name in names if f"{name.lower()}.py" not in files]
        if missing:
            yield Problem(
                f"{folder}: has no {', '.join(f'{name.lower()}.py' for name in missing)}, which "
                f"the pipeline of {batch_file.path.name} needs; {_advice(missing, folder)}",
                not elsewhere,
            )
        elif module.NAME in names:
            yield from _module_problems(folder, settings)
    if module.NAME in names and settings.keep_measurements:
        yield Problem(
            f"{batch_file.path}: ExportToCpexport keeps the measurements, so leave out "
            "--keep-measurements"
        )


def _advice(missing: list[str], folder: Path | None = None) -> str:
    if module.NAME in missing:
        where = folder or "FOLDER"
        named = "" if folder else ", and plan with --plugins-directory FOLDER"
        return f"run: cpexport module --install {where}{named}"
    if folder:
        return "copy it there, or name another folder with --plugins-directory"
    return "name the folder of the plugins with --plugins-directory"


def _module_problems(folder: Path, settings: Settings) -> Iterator[Problem]:
    """Checks the file of ExportToCpexport, and has CellProfiler load it where it is on the PATH."""
    file = folder / module.FILE
    if file.is_file() and not module.is_current(file):
        yield Problem(
            f"{file}: of another version of cpexport; run: cpexport module --install {folder}"
        )
    if settings.container is None and not settings.modules and shutil.which("cellprofiler"):
        answer = module.ask(folder)
        if answer.version and (answer.error or answer.file is None):
            yield Problem(
                f"{file}: CellProfiler {answer.version} could not load it: "
                f"{answer.error or 'no such module'}; run: cpexport module --install {folder}",
                True,
            )
