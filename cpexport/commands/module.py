"""Checks whether CellProfiler finds the module ExportToCpexport, and can use it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cpexport import __version__
from cpexport.jobs import module
from cpexport.jobs.module import CellProfiler
from cpexport.outcome import DONE, FAILED, stamped
from cpexport.sinks.registry import open_sink


@dataclass(frozen=True)
class ModuleCheck:
    """Whether CellProfiler finds the module.

    asked: the plugins folder that was searched; None if none is known.
    cellprofiler: what CellProfiler says.
    problem: what is wrong, and what to do; None if CellProfiler loads the module of this version.
    """

    asked: Path | None
    cellprofiler: CellProfiler
    problem: str | None

    @property
    def lines(self) -> tuple[tuple[str, str], ...]:
        """The report: names and values."""
        found = self.cellprofiler
        return (
            ("cpexport", __version__),
            ("CellProfiler", f"{found.version or 'unknown'} ({found.command or 'not found'})"),
            ("plugins folder", str(self.asked or "none")),
            ("module", str(found.file or "not found")),
        )

    def to_dict(self) -> dict[str, Any]:
        """The check as it is in JSON."""
        found = self.cellprofiler
        return {
            "cellprofiler": found.version,
            "command": _text(found.command),
            "plugins_directory": _text(self.asked),
            "file": _text(found.file),
            "problem": self.problem,
        }


@dataclass(frozen=True)
class ModuleReport:
    """What the command `module` did, and what it found.

    installed: the file that it wrote; None if it was not asked to.
    destination: the destination that loads can write; None if none was named.
    check: what CellProfiler says; None if it was not asked.
    """

    installed: Path | None = None
    destination: str | None = None
    check: ModuleCheck | None = None

    @property
    def exit_status(self) -> int:
        """1: CellProfiler was asked, and does not load the module of this version. 0 otherwise."""
        return FAILED if self.check and self.check.problem else DONE

    def to_dict(self) -> dict[str, Any]:
        """The report as `cpexport module --format json` prints it."""
        fields = {
            "installed": _text(self.installed),
            "destination": self.destination,
            "check": self.check.to_dict() if self.check else None,
        }
        return stamped(self.exit_status, fields)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def check_module(plugins: Path | None) -> ModuleCheck:
    """Asks the CellProfiler on the PATH for the module in a plugins folder.

    `plugins` is by default the folder in the preferences of CellProfiler's windows.
    """
    asked = plugins or module.plugins_of_windows()
    found = module.ask(asked)
    return ModuleCheck(asked, found, _problem(asked, found))


def _problem(asked: Path | None, found: CellProfiler) -> str | None:
    install = f"run: cpexport module --install {asked or 'FOLDER'}"
    if found.command is None:
        return "cellprofiler is not on the PATH; activate its environment"
    if found.version is None:
        # Its Python 2 and 3 word this differently, with and without quotes.
        older = re.search(r"No module named '?cellprofiler_core", found.error or "")
        needs = "; the module needs CellProfiler 4.2 or 5" if older else ""
        return f"{found.command}: cannot be asked: {found.error}{needs}"
    if found.error:
        return f"CellProfiler could not load the module: {found.error}; {install}"
    if found.file is None:
        named = "" if asked else "name its folder with --plugins-directory, or "
        return f"CellProfiler finds no module ExportToCpexport; {named}{install}"
    if not module.is_current(found.file):
        return f"{found.file} is of another version of cpexport; {install}"
    return None


def check_destination(to: str, prefix: str) -> str:
    """Opens a destination as a load does, without writing; returns its name.

    Raises:
        UsageError: not a URL, or an unsupported kind, or one whose package is not installed.
        SinkError: it cannot be reached or written.
    """
    with open_sink(to, prefix) as sink:
        return sink.name
