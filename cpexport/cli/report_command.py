"""The command `report`: its options, one call of `cpexport.report`, and what it wrote."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cpexport.cli import exit_status, options, screens
from cpexport.cli.logs import LoggedCommand
from cpexport.cli.screens import Example, Number, option

if TYPE_CHECKING:
    from cpexport.api.report import ReportFile


@click.command(
    cls=LoggedCommand,
    section=screens.IN_DATABASE,
    examples=(
        Example("Which wells are missing, and why", "cpexport report outputs"),
        Example(
            "With counts and features from a database, too",
            "cpexport report outputs --to screen.sqlite",
        ),
        Example(
            "Choose features",
            "cpexport report --to screen.sqlite --features 'Count_*,Intensity_*'",
        ),
    ),
)
@click.argument("outputs", nargs=-1, type=click.Path(path_type=Path), metavar="[OUTPUTS...]")
@options.batch
@options.lists
@options.to("Show counts and features from this destination")
@options.prefix
@option(
    "--run",
    group=screens.DESTINATION,
    metavar="NAME",
    help="With --to: the run to show, if the destination holds several. Without it, all runs.",
)
@options.same_pictures
@options.key
@option(
    "--plate",
    group=screens.WELLS,
    metavar="FEATURE",
    show_default="Metadata_Plate, and others that labs use",
    help="Image feature that names the plate.",
)
@option(
    "--well",
    group=screens.WELLS,
    metavar="FEATURE",
    show_default="Metadata_Well, and others that labs use",
    help="Image feature that names the well.",
)
@option(
    "--plate-format",
    group=screens.WELLS,
    type=Number(int, 1),
    metavar="WELLS",
    show_default="the smallest that holds all wells",
    help="Wells of a plate: 6, 12, 24, 48, 96, 384 or 1536.",
)
@option(
    "--features",
    group=screens.WELLS,
    metavar="PATTERNS",
    show_default="counts, focus and saturation, then as many as fit",
    help="Image features, and columns of tables of wells, to show, for example "
    "'Count_*,ImageQuality_*'.",
)
@option(
    "--positive",
    group=screens.WELLS,
    metavar="WELLS",
    help="Positive controls, for Z': wells and rectangles (A01-P01,A24), metadata "
    "(Metadata_Compound=DMSO), or a column of cpexport annotate (Compound=DMSO).",
)
@option("--negative", group=screens.WELLS, metavar="WELLS", help="Negative controls, for Z'.")
@option(
    "--out",
    group=screens.RESULT,
    type=click.Path(path_type=Path),
    default="report.html",
    metavar="FILE",
    help="HTML file to write.",
)
@option(
    "--mqc",
    group=screens.RESULT,
    is_flag=True,
    help="Also write cpexport_mqc.html and cpexport_mqc.json next to it, for MultiQC.",
)
@options.missing_ok
@options.quiet
@options.steps
@options.log_file
def report(outputs: tuple[Path, ...], quiet: bool, **words: Any) -> int:
    """Write one HTML file with plate maps, quality and batches.

    OUTPUTS are folders that hold batches (one job's output each): they show which image sets are
    missing, and why. --to shows counts and features of each well. The file needs no network.
    """
    from cpexport.api.report import report
    from cpexport.cli.progress import progress_bar

    with progress_bar(quiet) as progress:
        written = report(outputs, **words, progress=progress)
    click.echo(written_text(written))
    if not quiet:
        exit_status.advise(written.notes)
    return written.exit_status


def written_text(written: "ReportFile") -> str:
    """A line about a report: its file, and what it shows."""
    from cpexport.errors import printable
    from cpexport.spelling import counted

    planned = "" if written.planned is None else f" of {written.planned:,}"
    # Without a plan, nothing else in the line tells that image sets are missing.
    missing = len(written.missing) if written.planned is None else 0
    parts = [
        counted(written.plates, "plate"),
        counted(written.wells, "well"),
        f"{written.complete:,}{planned} image sets complete",
        *([f"{missing:,} missing"] if missing else []),
    ]
    files = ", ".join(printable(str(file)) for file in written.files)
    return f"{files}: {', '.join(parts)}"
