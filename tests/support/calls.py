"""The commands as functions that take the fields of a `LoadRequest` as keywords."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cpexport.commands import dry_run as dry_runs
from cpexport.commands import load as loads
from cpexport.commands import runs
from cpexport.commands import script as scripts
from cpexport.commands import verify as verifications
from cpexport.commands.load_report import LoadReport
from cpexport.commands.verify_report import VerifyReport
from cpexport.loading.progress import Progress
from cpexport.loading.request import LoadRequest
from cpexport.loading.workers import THREAD, ExecutorSpec
from cpexport.sql_script.manifest import ScriptOptions


def _quiet(_: object) -> None:
    """Shows no progress."""


def load(
    outputs: Sequence[Path],
    to: str,
    *,
    workers: ExecutorSpec = THREAD,
    progress: Progress = _quiet,
    **fields: Any,
) -> LoadReport:
    return loads.load(LoadRequest(tuple(outputs), to, **fields), workers, progress)


def load_runs(
    outputs: Sequence[Path],
    to: str,
    *,
    workers: ExecutorSpec = THREAD,
    progress: Progress = _quiet,
    **fields: Any,
) -> LoadReport:
    return runs.load_runs(LoadRequest(tuple(outputs), to, **fields), workers, progress)


def dry_run(
    outputs: Sequence[Path], to: str, *, progress: Progress = _quiet, **fields: Any
) -> tuple[dry_runs.DryRun, ...]:
    return dry_runs.dry_run(LoadRequest(tuple(outputs), to, **fields), progress)


def verify(
    outputs: Sequence[Path],
    to: str,
    *,
    workers: ExecutorSpec = THREAD,
    progress: Progress = _quiet,
    **fields: Any,
) -> VerifyReport:
    return verifications.verify(LoadRequest(tuple(outputs), to, **fields), workers, progress)


def verify_runs(
    outputs: Sequence[Path], to: str, *, progress: Progress = _quiet, **fields: Any
) -> VerifyReport:
    return runs.verify_runs(LoadRequest(tuple(outputs), to, **fields), progress=progress)


def script(
    outputs: Sequence[Path],
    out: Path,
    form: ScriptOptions,
    *,
    workers: ExecutorSpec = THREAD,
    progress: Progress = _quiet,
    **fields: Any,
) -> scripts.Script:
    return scripts.script(LoadRequest(tuple(outputs), "", **fields), out, form, workers, progress)
