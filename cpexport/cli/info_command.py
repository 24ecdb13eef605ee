"""The command `info`: what a destination holds, and where the column of a feature is."""

from pathlib import Path

import click

from cpexport.cli import options, screens
from cpexport.cli.screens import Command, Example, option
from cpexport.outcome import DONE


@click.command(
    cls=Command,
    section=screens.IN_DATABASE,
    examples=(
        Example("List tables and their rows", "cpexport info --to screen.sqlite"),
        Example(
            "Where a feature is, and the query that reads it",
            "cpexport info --to screen.sqlite --column Nuclei_AreaShape_Area",
        ),
    ),
)
@options.to("Destination URL", required=True)
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
    to: str, defaults_file: Path | None, prefix: str, column: tuple[str, ...], format: str
) -> int:
    """Say what a destination holds, and where a column is.

    This changes nothing. It needs no write access.
    """
    from cpexport.api.info import info
    from cpexport.cli.report_info import info_text
    from cpexport.cli.tables import terminal_width

    found = info(to, column=column, prefix=prefix, defaults_file=defaults_file)
    click.echo(info_text(found, format, terminal_width()))
    return DONE
