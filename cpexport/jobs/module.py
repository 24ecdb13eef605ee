"""Installs the CellProfiler module ExportToCpexport, and asks CellProfiler whether it finds it.

The module is `exporttocpexport.py` next to this file: a plugin for CellProfiler 4 and 5, which runs
in CellProfiler's own Python.
"""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from cpexport.errors import UsageError

NAME: Final = "ExportToCpexport"
"""The module's name in a pipeline."""

FILE: Final = "exporttocpexport.py"
"""The module's file: CellProfiler finds a class by the name of its file, in any case."""

_SECONDS = 120
_OURS = f"class {NAME}(Module):"
# Where the windows of CellProfiler 4 and 5 keep their preferences: on Linux, on Linux with an older
# wxPython, and on macOS (cellprofiler_core 4.2.8, preferences/__init__.py, get_config).
_PREFERENCES = (
    "~/.config/CellProfilerLocal.cfg",
    "~/.CellProfilerLocal.cfg",
    "~/Library/Preferences/CellProfilerLocal.cfg",
)
_PLUGINS = re.compile(r"^PluginDirectoryCP4=(.+)$", re.MULTILINE)
# How the first or second line of a command that pip installed names its Python.
_BY_ENV = re.compile(r"#!\s*\S*/env\s+\S*python")
_PYTHON = re.compile(r"#!\s*(\S*python\S*)")
_BY_SHELL = re.compile(r"'''exec' \"?([^\"]*python[^\" ]*)")
# For CellProfiler's own Python. Its last line is the answer: loading modules prints warnings.
_ASK = f"""
import json, sys
from cellprofiler_core.preferences import set_headless, set_plugin_directory
set_headless()
if sys.argv[1]:
    set_plugin_directory(sys.argv[1], globally=False)
import cellprofiler_core
from cellprofiler_core.constants.modules import all_modules, badmodules
from cellprofiler_core.utilities.core.modules import fill_modules
fill_modules()
found = all_modules.get("{NAME}")
errors = [repr(error) for name, error in badmodules if name == "{FILE.removesuffix(".py")}"]
print(json.dumps({{
    "version": cellprofiler_core.__version__,
    "file": sys.modules[found.__module__].__file__ if found else None,
    "error": errors[0] if errors else None,
}}))
"""


@dataclass(frozen=True)
class CellProfiler:
    """What the CellProfiler on the PATH says about the module.

    command: the path of `cellprofiler`; None if it is not on the PATH.
    version: its version; None if it cannot be asked, and then `error` says why.
    file: the file of the module that it loaded; None if it found none.
    error: why it could not load the module, or could not be asked.
    """

    command: Path | None
    version: str | None = None
    file: Path | None = None
    error: str | None = None


def text() -> str:
    """The source of the module."""
    return resources.files("cpexport.jobs").joinpath(FILE).read_text("utf-8")


def install(folder: Path) -> Path:
    """Writes the module into a plugins folder, in place of an older one; returns its file.

    The folder is created if it does not exist.

    Raises:
        UsageError: the folder has another file of that name.
        OSError: the folder cannot be written.
    """
    file = folder / FILE
    if file.exists() and not is_module(file):
        raise UsageError(f"{file} is another module; rename it, or choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"_{FILE}.{os.getpid()}"
    try:
        part.write_text(text(), "utf-8")
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return file


def is_module(file: Path) -> bool:
    """Whether a file is this module, of this or another version."""
    return _OURS in file.read_text("utf-8", "replace")


def is_current(file: Path) -> bool:
    """Whether a file is the module of this version of cpexport."""
    return file.read_text("utf-8", "replace") == text()


def plugins_of_windows() -> Path | None:
    """The plugins folder in the preferences of CellProfiler's windows, if the user has set one.

    Jobs without windows do not read these preferences.
    """
    for name in _PREFERENCES:
        path = Path(name).expanduser()
        if path.is_file() and (match := _PLUGINS.search(path.read_text("utf-8", "replace"))):
            return Path(match[1].strip())
    return None


def ask(plugins: Path | None) -> CellProfiler:
    """Has the CellProfiler on the PATH load its modules, and those in the folder `plugins`.

    It takes some seconds, and runs in CellProfiler's own Python, which the first line of its
    command names; the environment variable CPEXPORT_PYTHON names another.
    """
    command = shutil.which("cellprofiler")
    if command is None:
        return CellProfiler(None)
    python = _python(Path(command))
    if python is None:
        advice = "set CPEXPORT_PYTHON to the Python of CellProfiler"
        return CellProfiler(Path(command), error=f"its Python is not known; {advice}")
    try:
        done = subprocess.run(
            [*python, "-c", _ASK, str(plugins or "")],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "MPLBACKEND": "Agg"},
        )
        answer = json.loads((done.stdout.strip().splitlines() or [""])[-1])
    except (OSError, subprocess.TimeoutExpired) as error:
        return CellProfiler(Path(command), error=str(error))
    except ValueError:
        lines = done.stderr.strip().splitlines()
        return CellProfiler(Path(command), error=lines[-1] if lines else "it gave no answer")
    file = answer["file"] and Path(answer["file"])
    return CellProfiler(Path(command), answer["version"], file, answer["error"])


def _python(command: Path) -> list[str] | None:
    """The words that call the Python of a command that pip installed; None if it is no script."""
    if named := os.environ.get("CPEXPORT_PYTHON"):
        return [named]
    try:
        with command.open("rb") as stream:
            lines = [stream.readline(4096).decode("utf-8", "replace") for _ in range(2)]
    except OSError:
        return None
    if _BY_ENV.match(lines[0]):
        return lines[0].removeprefix("#!").split()
    # A long path does not fit a #! line: then a shell runs the second one.
    match = _PYTHON.match(lines[0]) or _BY_SHELL.match(lines[1])
    return [match[1]] if match else None
