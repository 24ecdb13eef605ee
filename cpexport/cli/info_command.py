"""The command `info`: what a destination or a file holds, and where the column of a feature is."""

from pathlib import Path

import click

from cpexport.cli import exit_status, options, screens
from cpexport.cli.screens import Command, Example, option
from cpexport.outcome import DONE


@click.command(
    cls=Command,
    section=screens.IN_DATABASE,
    examples=(
        Example("What is in a database", "cpexport info --to screen.sqlite"),
        Example("What is in a job's output", "cpexport info outputs/P1-A01-1"),
        Example(
            "Where a feature is, and the query that reads it",
            "cpexport info --to screen.sqlite --column Nuclei_AreaShape_Area",
        ),
    ),
)
@click.argument("outputs", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE...]")
@options.to("Destination URL, in place of FILE")
@options.prefix
@option(
    "--column",
    group=screens.RESULT,
    multiple=True,
    metavar="NAME",
    help="Column or feature to look for, for example Nuclei_AreaShape_Area.",
)
@options.report_format()
def info(
    outputs: tuple[Path, ...],
    to: str | None,
    defaults_file: Path | None,
    prefix: str,
    column: tuple[str, ...],
    format: str,
) -> int:
    """Say what a destination or a file holds.

    FILE is a database or a folder that cpexport loaded, a job's output, a folder of
    outputs, or a batch file. This changes nothing. It needs no write access.
    """
    from cpexport.api.info import info, one_by_one
    from cpexport.cli.report_info import info_text
    from cpexport.cli.tables import terminal_width
    from cpexport.commands.info_files import FilesInfo

    named = list(one_by_one(outputs)) if to is None and outputs else [outputs]
    reports = [
        info(some, to=to, column=column, prefix=prefix, defaults_file=defaults_file)
        for some in named
    ]
    click.echo(info_text(reports, format, terminal_width()))
    files = [found for found in reports if isinstance(found, FilesInfo)]
    for found in files:
        exit_status.advise(found.notes)
    return max((found.exit_status for found in files), default=DONE)
