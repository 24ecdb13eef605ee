"""The command `load`: its options, one call of `load_runs` or `follow_load`, and its report."""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cpexport.cli import exit_status, options, screens
from cpexport.cli.load_request import load_request
from cpexport.cli.screens import Command, Example, option
from cpexport.errors import UsageError

if TYPE_CHECKING:
    from cpexport.commands.load_report import LoadReport
    from cpexport.loading.request import LoadRequest


@click.command(
    cls=Command,
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
@options.prefix
@options.shape
@options.path_map
@options.same_pictures
@options.replace
@options.wells
@options.plate_and_well
@options.report_format()
@option(
    "--properties",
    "file",
    group=screens.RESULT,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write this .properties file, with which CellProfiler Analyst opens the destination.",
)
@option(
    "--dry-run",
    "dry",
    group=screens.PROCESS,
    is_flag=True,
    help="Only report what would be loaded, and into which tables.",
)
@options.jobs
@options.watch("Load again at this interval, until all planned image sets are there.")
@options.missing_ok
@options.quiet_if_nothing_new
@options.verbose
def load(
    to: str | None,
    format: str,
    file: Path | None,
    dry: bool,
    jobs: int | None,
    seconds: float | None,
    missing_ok: bool,
    quiet: bool,
    verbose: bool,
    **words: Any,
) -> int:
    """Load complete image sets into one database, each once.

    OUTPUTS are folders that hold batches (one job's output each) in any layout, or single files.
    Run the same command again to load only what is new.
    """
    from cpexport.cli.report_loads import load_text
    from cpexport.cli.tables import terminal_width
    from cpexport.commands.runs import destination

    url = destination(words["outputs"], to)
    if (words["plate"] or words["well"]) and not (words["kinds"] or file):
        raise UsageError("--plate and --well go with --wells or --properties")
    request = load_request(words, url, allow_empty=seconds is not None)
    if file:
        _check_properties(file, url)
    if dry:
        return _dry_run(request, format, missing_ok, quiet, verbose)
    report = _load(request, seconds, jobs, format, quiet)
    if report.loaded or format == "json" or not quiet:
        click.echo(load_text(report, format, terminal_width()))
    if not quiet:
        exit_status.advise((*report.notes, *(report.details if verbose else ())))
    if file:
        _write_properties(request, file, words["plate"], words["well"])
    return exit_status.status(report.is_complete, missing_ok)


def _check_properties(file: Path, url: str) -> None:
    """Refuses a properties file that could not be written after the load."""
    from cpexport.derived.cpa_properties import check_replaceable
    from cpexport.sinks.registry import capabilities

    check_replaceable(file)
    if not capabilities(url).read_by_analyst:
        raise UsageError("--properties needs a SQLite or MySQL destination")


def _write_properties(
    request: "LoadRequest", file: Path, plate: str | None, well: str | None
) -> None:
    from cpexport.derived.cpa_properties import properties, write

    found = properties(request.to, file.parent, prefix=request.prefix, plate=plate, well=well)
    write(found, file)


def _dry_run(
    request: "LoadRequest", format: str, missing_ok: bool, quiet: bool, verbose: bool
) -> int:
    from cpexport.cli.progress import progress_bar
    from cpexport.cli.report_loads import dry_run_text
    from cpexport.cli.tables import terminal_width
    from cpexport.commands.dry_run import dry_run

    with progress_bar(quiet) as progress:
        runs = dry_run(replace(request, allow_empty=False), progress)
    click.echo(dry_run_text(runs, format, terminal_width()))
    if not quiet:
        notes = [n for run in runs for n in (*run.notes, *(run.details if verbose else ()))]
        exit_status.advise(tuple(dict.fromkeys(notes)))
    return exit_status.status(all(run.is_complete for run in runs), missing_ok)


def _load(
    request: "LoadRequest", seconds: float | None, jobs: int | None, format: str, quiet: bool
) -> "LoadReport":
    """Loads once, or every `seconds` seconds; if it is interrupted, it prints what was loaded."""
    from cpexport.cli.progress import passed_text, progress_bar
    from cpexport.cli.report_loads import load_text
    from cpexport.cli.tables import terminal_width
    from cpexport.commands.runs import load_runs
    from cpexport.commands.watch import follow_load
    from cpexport.loading.workers import processes

    passes: list[LoadReport] = []

    def passed(so_far: "LoadReport") -> None:
        passes.append(so_far)
        if not quiet and not sys.stderr.isatty():
            click.echo(passed_text(so_far), err=True)

    with progress_bar(quiet) as progress:
        once = partial(load_runs, request, processes(jobs), progress)
        try:
            return follow_load(once, seconds, progress, passed) if seconds else once()
        except KeyboardInterrupt:
            if passes:
                click.echo(load_text(passes[-1], format, terminal_width()))
            raise
