"""The command `check`: which image sets are complete or missing, and how to run them again."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cpexport.cli import exit_status, job_options, options, screens
from cpexport.cli.logs import LoggedCommand
from cpexport.cli.screens import Example, option

if TYPE_CHECKING:
    from cpexport.commands.check_report import CheckReport

_LISTS = ("list", "commands", "array")


@click.command(
    cls=LoggedCommand,
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
@options.lists
@options.pipeline("With --resubmit: the pipeline (.cppipe) that runs the list of --plan.")
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
@options.key
@job_options.again
@option(
    "--columns",
    group=screens.RESULT,
    is_flag=True,
    help="Also list the features and tables that some batches lack, by pipeline.",
)
@options.report_file("with --watch, each time")
@options.watch(
    "Check again at this interval, and draw progress, until all image sets are complete."
)
@options.missing_ok
@options.quiet
@options.verbose
@options.log_file
def check(
    outputs: tuple[Path, ...],
    format: str,
    images_per_batch: int | None,
    watch: float | None,
    quiet: bool,
    verbose: bool,
    **words: Any,
) -> int:
    """Show which image sets are complete or missing, and why.

    OUTPUTS are folders that hold batches (one job's output each) in any layout, or single files.
    Without OUTPUTS, give --batch: the folder of that file is checked.
    """
    from cpexport.api.check import check
    from cpexport.cli.progress import live_display, progress_bar

    words |= {"images_per_batch": images_per_batch, "watch": watch}
    if watch:
        with live_display(quiet) as looked:
            found = check(outputs, **words, looked=looked)
    else:
        with progress_bar(quiet) as progress:
            found = check(outputs, **words, progress=progress)
    if again := found.resubmission:
        exit_status.warn(again.plan.warnings, quiet)
        exit_status.advise(again.notes)
    _print(found, outputs, format, images_per_batch, verbose)
    if not quiet:
        exit_status.advise(list(_advice(found, format in _LISTS and not again, verbose)))
    return found.exit_status


def _print(
    found: "CheckReport",
    outputs: tuple[Path, ...],
    format: str,
    images_per_batch: int | None,
    verbose: bool,
) -> None:
    from cpexport.cli.report_jobs import check_text, plan_text, too_long
    from cpexport.cli.tables import terminal_width
    from cpexport.commands.resubmit import home_of, missing

    if format == "array":
        text = str(found.missing)
    elif format in _LISTS:
        if again := found.resubmission:
            plan = again.plan
        else:
            plan = missing(found, home_of(found, outputs), images_per_batch)
        text = plan_text(plan, format)
    else:
        text = check_text(found, format, verbose=verbose, width=terminal_width())
    if text:
        click.echo(text)
    exit_status.advise(too_long(text, format))


def _advice(found: "CheckReport", listed: bool, verbose: bool) -> Iterator[str]:
    """Yields notes for stderr; `listed` is whether all missing image sets were printed, even those
    under way."""
    busy = found.history.busy & found.missing
    if busy and listed:
        yield f"{busy} wait or run, but are included in the printed list"
    yield from found.notes
    for seen in found.batches:
        for note in (*seen.notes, *(seen.details if verbose else ())):
            yield f"{seen.path}: {note}"
