"""Checks what CellProfiler's batch jobs left, and loads it into one database.

`load`, `check`, `verify`, `report`, `info`, `remove`, `annotate`, `export`, `plan` and `dry_run`
are the commands as functions; `read` and `read_batches` give the tables. Each imports what it needs
when it is first used, so importing the package takes no time.
"""

import importlib as _importlib
import logging as _logging
import typing as _typing

if _typing.TYPE_CHECKING:
    from cpexport.api.annotate import annotate as annotate
    from cpexport.api.check import check as check
    from cpexport.api.export import ExportedFile as ExportedFile
    from cpexport.api.export import export as export
    from cpexport.api.info import info as info
    from cpexport.api.load import dry_run as dry_run
    from cpexport.api.load import load as load
    from cpexport.api.plan import plan as plan
    from cpexport.api.read import read as read
    from cpexport.api.remove import remove as remove
    from cpexport.api.report import ReportFile as ReportFile
    from cpexport.api.report import report as report
    from cpexport.api.rows import read_batches as read_batches
    from cpexport.api.verify import verify as verify
    from cpexport.commands.annotate import AnnotateReport as AnnotateReport
    from cpexport.commands.check_report import CheckReport as CheckReport
    from cpexport.commands.dry_run import DryRun as DryRun
    from cpexport.commands.info import InfoReport as InfoReport
    from cpexport.commands.info_files import FilesInfo as FilesInfo
    from cpexport.commands.load_report import LoadReport as LoadReport
    from cpexport.commands.remove import RemoveReport as RemoveReport
    from cpexport.commands.verify_report import VerifyReport as VerifyReport
    from cpexport.commands.watch import RunProgress as RunProgress
    from cpexport.errors import ChangedError as ChangedError
    from cpexport.errors import CollisionError as CollisionError
    from cpexport.errors import CpexportError as CpexportError
    from cpexport.errors import LeftOut as LeftOut
    from cpexport.errors import LossError as LossError
    from cpexport.errors import OutcomeUnknownError as OutcomeUnknownError
    from cpexport.errors import PreflightError as PreflightError
    from cpexport.errors import RetryError as RetryError
    from cpexport.errors import SinkError as SinkError
    from cpexport.errors import SourceError as SourceError
    from cpexport.errors import UsageError as UsageError
    from cpexport.imagesets import ImageSets as ImageSets
    from cpexport.jobs.plan import Plan as Plan
    from cpexport.loading.progress import ProgressEvent as ProgressEvent

__version__ = "0.2.0"

__all__ = [
    "AnnotateReport",
    "ChangedError",
    "CheckReport",
    "CollisionError",
    "CpexportError",
    "DryRun",
    "ExportedFile",
    "FilesInfo",
    "ImageSets",
    "InfoReport",
    "LeftOut",
    "LoadReport",
    "LossError",
    "OutcomeUnknownError",
    "Plan",
    "PreflightError",
    "ProgressEvent",
    "RemoveReport",
    "ReportFile",
    "RetryError",
    "RunProgress",
    "SinkError",
    "SourceError",
    "UsageError",
    "VerifyReport",
    "__version__",
    "annotate",
    "check",
    "dry_run",
    "export",
    "info",
    "load",
    "plan",
    "read",
    "read_batches",
    "remove",
    "report",
    "verify",
]

_MODULES: _typing.Final = {
    name: module
    for module, names in {
        "api.annotate": ["annotate"],
        "api.check": ["check"],
        "api.export": ["ExportedFile", "export"],
        "api.info": ["info"],
        "api.load": ["dry_run", "load"],
        "api.plan": ["plan"],
        "api.read": ["read"],
        "api.remove": ["remove"],
        "api.report": ["ReportFile", "report"],
        "api.rows": ["read_batches"],
        "api.verify": ["verify"],
        "commands.annotate": ["AnnotateReport"],
        "commands.check": ["CheckReport"],
        "commands.dry_run": ["DryRun"],
        "commands.info": ["InfoReport"],
        "commands.info_files": ["FilesInfo"],
        "commands.load_report": ["LoadReport"],
        "commands.remove": ["RemoveReport"],
        "commands.verify_report": ["VerifyReport"],
        "commands.watch": ["RunProgress"],
        "errors": [name for name in __all__ if name.endswith("Error")] + ["LeftOut"],
        "imagesets": ["ImageSets"],
        "jobs.plan": ["Plan"],
        "loading.progress": ["ProgressEvent"],
    }.items()
    for name in names
}
"""The module of each public name."""

# The package only logs; the program that uses it decides what to show, as the command line does.
_logging.getLogger(__name__).addHandler(_logging.NullHandler())


def __getattr__(name: str) -> object:
    # Importing what the functions need takes longer than most commands take to run.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
