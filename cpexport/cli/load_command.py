"""The command `load`: its options, one call of `cpexport.load`, and its report."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cpexport.cli import exit_status, options, screens, table_options
from cpexport.cli.logs import LoggedCommand
from cpexport.cli.screens import Example, option
from cpexport.errors import CpexportError

if TYPE_CHECKING:
    from cpexport.commands.load_report import LoadReport


@click.command(
    cls=LoggedCommand,
    section=screens.IN_DATABASE,
    examples=(
        Example(
            "Load into SQLite; the same command again adds what is new",
            "cpexport load outputs --to screen.sqlite",
        ),
        Example(
            "Load two types of objects into DuckDB, and means per well",
            "cpexport load outputs --to screen.duckdb --objects Nuclei,Cells --wells mean",
        ),
        Example(
            "Load two plates as runs of one folder of Parquet files",
            "cpexport load plate1 plate2 --table-number --to parquet:plates",
        ),
    ),
)
@options.outputs
@options.to("Destination URL", default="sqlite:///NAME.sqlite, with the name of OUTPUTS")
@options.batch
@options.lists
@options.prefix
@table_options.shape
@table_options.path_map
@table_options.indexes
@options.same_pictures
@options.key
@options.run_from
@options.replace
@option(
    "--again",
    group=screens.SAME_NUMBER,
    is_flag=True,
    help="Load again what cpexport remove took out. Without it, these outputs stay out.",
)
@table_options.wells
@table_options.plate_and_well
@options.report_format()
@option(
    "--properties",
    group=screens.RESULT,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write this .properties file, with which CellProfiler Analyst opens the destination.",
)
@options.report_file("with --watch, after each pass")
@option(
    "--dry-run",
    group=screens.PROCESS,
    is_flag=True,
    help="Only report what would be loaded, and into which tables.",
)
@options.workers
@options.watch("Load again at this interval, until all planned image sets are loaded.")
@options.missing_ok
@options.quiet_if_nothing_new
@options.verbose
@options.log_file
def load(
    format: str,
    dry_run: bool,
    jobs: int | None,
    dask: str | None,
    dask_option: tuple[str, ...],
    watch: float | None,
    quiet: bool,
    verbose: bool,
    **words: Any,
) -> int:
    """Load complete image sets into one database, each once.

    OUTPUTS are folders that hold batches (one job's output each) in any layout, or single files.
    Run the same command again to load only what is new.
    """
    from cpexport.api.load import load
    from cpexport.cli.progress import passed_text, progress_bar
    from cpexport.cli.report_loads import load_text
    from cpexport.cli.tables import terminal_width

    if dry_run:
        return _dry_run(words, format, quiet, verbose)
    how: dict[str, Any] = {"jobs": jobs, "dask": dask, "dask_option": dask_option, "watch": watch}
    passes: list[LoadReport] = []

    def passed(so_far: "LoadReport") -> None:
        passes.append(so_far)
        if watch and not quiet and not sys.stderr.isatty():
            click.echo(passed_text(so_far), err=True)

    try:
        with progress_bar(quiet) as progress:
            report = load(**words, **how, progress=progress, passed=passed)
    except KeyboardInterrupt:
        if not passes:
            raise
        report = replace(passes[-1], interrupted=True)
        click.echo(load_text(report, format, terminal_width()))
        return exit_status.interrupted()
    except (CpexportError, OSError):
        # What was loaded stays. JSON has one object, and that is the error.
        if passes and format == "table":
            click.echo(load_text(passes[-1], format, terminal_width()))
        raise
    if report.loaded or format == "json" or not quiet:
        click.echo(load_text(report, format, terminal_width()))
    if not quiet:
        exit_status.advise((*report.notes, *(report.details if verbose else ())))
    return report.exit_status


def _dry_run(words: dict[str, Any], format: str, quiet: bool, verbose: bool) -> int:
    from cpexport.api.load import dry_run
    from cpexport.cli.progress import progress_bar
    from cpexport.cli.report_loads import dry_run_text
    from cpexport.cli.tables import terminal_width

    with progress_bar(quiet) as progress:
        runs = dry_run(**words, progress=progress)
    click.echo(dry_run_text(runs, format, terminal_width()))
    if not quiet:
        notes = [n for run in runs for n in (*run.notes, *(run.details if verbose else ()))]
        exit_status.advise(tuple(dict.fromkeys(notes)))
    return max(run.exit_status for run in runs)
