"""The command `annotate`: its options, one call of `cpexport.annotate`, and its report."""

from pathlib import Path
from typing import Any

import click

from cpexport.cli import options, screens
from cpexport.cli.screens import Command, Example, option


@click.command(
    cls=Command,
    section=screens.IN_DATABASE,
    examples=(
        Example("Add what is in the wells", "cpexport annotate layout.csv --to screen.sqlite"),
        Example(
            "Add the platemaps of the Cell Painting Gallery",
            "cpexport annotate platemaps/barcode_platemap.csv --to screen.sqlite",
        ),
    ),
)
@click.argument("layouts", nargs=-1, type=click.Path(path_type=Path), metavar="LAYOUT...")
@options.to("Destination URL", required=True)
@options.prefix
@option(
    "--forget",
    group=screens.SOURCE,
    is_flag=True,
    help="Forget what was added before. Without it, only wells and columns of LAYOUT change.",
)
@options.report_format()
@option(
    "--missing-ok",
    group=screens.PROCESS,
    is_flag=True,
    help="Exit with status 0 even if wells do not match. The report still names them.",
)
def annotate(layouts: tuple[Path, ...], format: str, **words: Any) -> int:
    """Add what is in the wells, such as compounds.

    LAYOUT is a CSV file with a row for each well (Plate, Well, and anything else), or a
    barcode_platemap.csv next to a folder platemap. Wells are called A1, A01 or a01. Without plates,
    a layout is that of every plate. Later loads keep it.
    """
    from cpexport.api.annotate import annotate
    from cpexport.cli.report_wells import annotate_text
    from cpexport.cli.tables import terminal_width

    report = annotate(layouts, **words)
    click.echo(annotate_text(report, format, terminal_width()))
    return report.exit_status
