"""The command `check`: which image sets are complete or missing, and how to run them again."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cpexport.cli import exit_status, job_options, options, screens
from cpexport.cli.screens import Command, Example, option
from cpexport.errors import UsageError

if TYPE_CHECKING:
    from cpexport.commands.check import CheckReport
    from cpexport.commands.resubmit import Resubmission

_LISTS = ("list", "commands", "array")


@dataclass(frozen=True)
class _ResubmitOptions:
    """The values of `--resubmit` and its options."""

    folder: Path | None
    scheduler: str | None
    images_per_batch: int | None
    max_attempts: int
    time_factor: float
    mem_factor: float


@click.command(
    cls=Command,
    section=screens.IN_DATABASE,
    examples=(
        Example("What is complete, and what is missing", "cpexport check outputs"),
        Example(
            "Write files that run what is missing, which sh again/submit.sh submits",
            "cpexport check run --resubmit again",
        ),
        Example(
            "What a destination lacks",
            "cpexport check --to screen.sqlite --batch Batch_data.h5",
        ),
    ),
)
@click.argument("outputs", nargs=-1, type=click.Path(path_type=Path), metavar="[OUTPUTS...]")
@options.batch
@options.to("Check what this destination holds, instead of OUTPUTS")
@options.prefix
@option(
    "--run",
    group=screens.DESTINATION,
    metavar="NAME",
    help="With --to: the run to check, if the destination holds several.",
)
@options.report_format(
    *_LISTS,
    help="table (a report), list (a line per job to run again: task, first, last), commands (a "
    "command line per job to run again), array (missing image sets, such as 4,7,9-10) or json.",
)
@job_options.size("as planned, else one image set or one group")
@options.same_pictures
@job_options.again
@options.watch("Check again at this interval, and draw progress, until all image sets are there.")
@options.missing_ok
@options.quiet
@options.verbose
def check(
    outputs: tuple[Path, ...],
    to: str | None,
    format: str,
    seconds: float | None,
    missing_ok: bool,
    quiet: bool,
    verbose: bool,
    **words: Any,
) -> int:
    """Show which image sets are complete or missing, and why.

    OUTPUTS are folders that hold batches (one job's output each) in any layout, or single files.
    Without OUTPUTS, the folder of the batch file is checked.
    """
    values = {name: words.pop(name) for name in _ResubmitOptions.__dataclass_fields__}
    resubmit_options = _ResubmitOptions(**values)
    if words["run"] is not None and to is None:
        raise UsageError("--run goes with --to")
    if to is not None:
        found = _of_destination(to, outputs, resubmit_options.folder, seconds, words)
    else:
        found = _of_outputs(outputs, resubmit_options.folder, seconds, quiet, words)
    resubmission = None
    if resubmit_options.folder:
        resubmission = _resubmitted(
            found, outputs, resubmit_options, resubmit_options.folder, quiet
        )
        if resubmission is None:
            return exit_status.FAILED
    _print(found, outputs, format, resubmit_options, resubmission, verbose)
    if not quiet:
        exit_status.advise(list(_advice(found, format in _LISTS and not resubmission, verbose)))
    return exit_status.status(found.is_complete, missing_ok)


def _of_destination(
    to: str,
    outputs: tuple[Path, ...],
    folder: Path | None,
    seconds: float | None,
    words: dict[str, Any],
) -> "CheckReport":
    """Compares the batch file with what a destination holds."""
    from cpexport.commands.check_destination import check_destination

    if outputs or folder or seconds:
        what = "OUTPUTS" if outputs else "--resubmit" if folder else "--watch"
        raise UsageError(f"--to looks at a destination alone; leave {what} out")
    batch_file = words.pop("batch_file")
    if batch_file is None:
        raise UsageError("--to needs the batch file to compare with; name it with --batch")
    return check_destination(to, batch_file, **words)


def _of_outputs(
    outputs: tuple[Path, ...],
    folder: Path | None,
    seconds: float | None,
    quiet: bool,
    words: dict[str, Any],
) -> "CheckReport":
    """Checks OUTPUTS once, or every `seconds` seconds until all image sets are there."""
    from cpexport.cli.progress import live_display, progress_bar
    from cpexport.commands.check import check
    from cpexport.commands.watch import follow_check
    from cpexport.jobs.record_reader import Reader

    batch_file, same_pictures = words["batch_file"], words["same_pictures"]
    look = partial(check, outputs, batch_file, same_pictures=same_pictures, reader=Reader())
    if not seconds:
        with progress_bar(quiet) as progress:
            return look(progress=progress)
    if folder:
        raise UsageError("--watch and --resubmit do not go together")
    with live_display(quiet) as draw:
        return follow_check(look, seconds, draw)


def _resubmitted(
    found: "CheckReport",
    outputs: tuple[Path, ...],
    wanted: _ResubmitOptions,
    folder: Path,
    quiet: bool,
) -> "Resubmission | None":
    """Writes the files that run what is missing; returns None if the jobs would run in vain."""
    from cpexport.commands.resubmit import RetryPolicy, home_of, resubmit
    from cpexport.jobs.submit import prepare

    home = home_of(found, outputs, folder)
    limits = RetryPolicy(wanted.max_attempts, wanted.time_factor, wanted.mem_factor)
    size = wanted.images_per_batch
    resubmission = resubmit(found, home, limits, scheduler=wanted.scheduler, size=size)
    if resubmission.plan.tasks and exit_status.warn(
        prepare(resubmission.plan, found.batch_file, folder), quiet
    ):
        return None
    exit_status.warn(resubmission.problems, quiet)
    if (shared := home_of(found, outputs)) != home:
        exit_status.advise(
            [
                f"{shared}: you cannot write here, so the outputs and records of these jobs go "
                f"to {home}; tell the others, whose cpexport check does not see them there"
            ]
        )
    return resubmission


def _print(
    found: "CheckReport",
    outputs: tuple[Path, ...],
    format: str,
    wanted: _ResubmitOptions,
    resubmission: "Resubmission | None",
    verbose: bool,
) -> None:
    from cpexport.cli.report_jobs import check_text, plan_text, too_long
    from cpexport.cli.tables import terminal_width
    from cpexport.commands.resubmit import home_of, missing

    if format == "array":
        text = str(found.missing)
    elif format in _LISTS:
        size = wanted.images_per_batch
        plan = resubmission.plan if resubmission else missing(found, home_of(found, outputs), size)
        text = plan_text(plan, format)
    else:
        folder, width = wanted.folder, terminal_width()
        text = check_text(found, format, resubmission, folder, verbose=verbose, width=width)
    if text:
        click.echo(text)
    exit_status.advise(too_long(text, format))


def _advice(found: "CheckReport", listed: bool, verbose: bool) -> Iterator[str]:
    """Yields notes for stderr; `listed` is whether all missing image sets were printed, even those
    under way."""
    busy = found.history.busy & found.missing
    if busy and listed:
        yield f"{busy} wait or run, and are in what is printed"
    yield from found.notes
    for seen in found.batches:
        for note in (*seen.notes, *(seen.details if verbose else ())):
            yield f"{seen.path}: {note}"
