"""The command `export`: its options, and one call of `cpexport.export`."""

from pathlib import Path
from typing import Any

import click

from cpexport.cli import options, screens
from cpexport.cli.screens import Command, Example, option
from cpexport.outcome import DONE


@click.command(
    cls=Command,
    section=screens.IN_DATABASE,
    examples=(
        Example(
            "Counts of a plate for Excel",
            "cpexport export Per_Image --to screen.sqlite --out p1.xlsx \\\n"
            "  --columns 'Metadata_*,Count_*' --where plate=P1",
        ),
        Example(
            "Shapes of nuclei in some wells",
            "cpexport export Per_Nuclei --to screen.sqlite --out nuclei.csv \\\n"
            "  --columns 'AreaShape_*' --where well=A01-A03",
        ),
    ),
)
@click.argument("table", metavar="TABLE")
@options.to("Destination URL", required=True)
@options.prefix
@option(
    "--run",
    group=screens.DESTINATION,
    metavar="NAME",
    help="The run to write, if the destination holds several. Without it, all runs.",
)
@option(
    "--columns",
    group=screens.RESULT,
    default="",
    metavar="PATTERNS",
    show_default="all",
    help="Columns to write, for example 'Metadata_*,Count_*'.",
)
@option(
    "--where",
    group=screens.RESULT,
    multiple=True,
    metavar="NAME=VALUE",
    help="Write rows of these image sets: plate=P1, well=A01-B03, or a column of Per_Image.",
)
@option(
    "--out",
    group=screens.RESULT,
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="File to write; it ends in .csv, .xlsx or .parquet.",
)
@option("--overwrite", group=screens.RESULT, is_flag=True, help="Replace the file if it exists.")
@options.report_format()
def export(table: str, format: str, **words: Any) -> int:
    """Write a table as CSV, Excel or Parquet.

    TABLE is Per_Image, Per_Nuclei, Per_Well, or another one that cpexport info lists. A sheet of
    Excel has at most 1,048,576 rows and 16,384 columns.
    """
    from cpexport.api.export import export
    from cpexport.cli.json_text import json_text
    from cpexport.errors import printable
    from cpexport.spelling import counted

    done = export(table, **words)
    if format == "json":
        click.echo(json_text(done.to_dict()))
    else:
        size = f"{counted(done.rows, 'row')}, {counted(done.columns, 'column')}"
        click.echo(printable(f"{done.path}: {done.table}, {size}"))
    return DONE
