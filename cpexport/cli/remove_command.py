"""The command `remove`: its options, a question on a terminal, and its report."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cpexport.cli import exit_status, options, screens
from cpexport.cli.logs import LoggedCommand
from cpexport.cli.screens import Example, option
from cpexport.errors import UsageError
from cpexport.outcome import FAILED

if TYPE_CHECKING:
    from cpexport.commands.remove import RemoveReport


@click.command(
    cls=LoggedCommand,
    section=screens.IN_DATABASE,
    examples=(
        Example(
            "What would be removed of a plate",
            "cpexport remove --to screen.sqlite --plate P2 --dry-run",
        ),
        Example(
            "Remove what was loaded from a folder",
            "cpexport remove --to screen.sqlite --batches outputs/P1-A01-1 --yes",
        ),
        Example("Load it again", "cpexport load outputs --to screen.sqlite --again"),
    ),
)
@options.to("Destination URL", required=True)
@options.prefix
@option(
    "--batches",
    group=screens.SOURCE,
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Remove what was loaded from this output, or from outputs below this folder.",
)
@option(
    "--image-sets",
    group=screens.SOURCE,
    metavar="NUMBERS",
    help="Remove these image sets, for example 1-10,12.",
)
@option(
    "--run",
    group=screens.SOURCE,
    metavar="NAME",
    help="Remove this run, or only from it, if the destination holds several.",
)
@option("--plate", group=screens.SOURCE, metavar="NAME", help="Remove this plate.")
@option(
    "--dry-run",
    group=screens.PROCESS,
    is_flag=True,
    help="Only report what would be removed.",
)
@option("--yes", group=screens.PROCESS, is_flag=True, help="Remove without a question.")
@options.report_format()
@options.quiet
@options.steps
@options.log_file
def remove(dry_run: bool, yes: bool, format: str, quiet: bool, **words: Any) -> int:
    """Take image sets out of a destination.

    All rows of the image sets that meet all conditions are removed. A batch is one job's output:
    loads do not bring image sets back from the same outputs, except with load --again. No output
    is touched.
    """
    from cpexport.api.remove import remove

    if not (dry_run or yes or _confirmed(remove(**words, dry_run=True), quiet)):
        click.echo("nothing was removed", err=True)
        return FAILED
    report = remove(**words, dry_run=dry_run)
    click.echo(_text(report, format))
    if not quiet:
        exit_status.advise(report.notes)
    return report.exit_status


def _confirmed(report: "RemoveReport", quiet: bool) -> bool:
    """Asks whether to remove what a dry run found.

    Raises:
        UsageError: there is no terminal.
    """
    if not sys.stdin.isatty():
        raise UsageError(
            f"this would remove {report.words} from {report.destination}; add --yes, "
            "or look first with --dry-run"
        )
    if not quiet:
        click.echo(_text(report, "table"), err=True)
    try:
        return click.confirm(f"Remove {report.words}?", err=True)
    except click.Abort:
        # Ctrl-C, or the end of the input.
        click.echo(err=True)
        return False


def _text(report: "RemoveReport", format: str) -> str:
    from cpexport.cli.report_loads import remove_text
    from cpexport.cli.tables import terminal_width

    return remove_text(report, format, terminal_width())
