"""The commands `properties`, `verify` and `script`, which show, check and export destinations."""

from pathlib import Path
from typing import Any

import click

from cpexport.cli import exit_status, options
from cpexport.cli.load_request import load_request
from cpexport.errors import UsageError


@click.command()
@options.to("The destination to show, as a URL.", required=True)
@options.prefix
@click.option(
    "--out",
    "file",
    type=click.Path(path_type=Path),
    help="The .properties file to write; default: print it, for the working folder.",
)
@click.option(
    "--object", "object_name", help="The objects to show; default: Nuclei, else Cells, else most."
)
@click.option("--plate", metavar="FEATURE", help="Of images; default: Metadata_Plate.")
@click.option("--well", metavar="FEATURE", help="Of images; default: Metadata_Well.")
@options.path_map
@click.option("--workspace", is_flag=True, help="Write a .workspace file with a plot beside it.")
def properties(
    to: str,
    prefix: str,
    file: Path | None,
    object_name: str | None,
    plate: str | None,
    well: str | None,
    path_map: tuple[str, ...],
    workspace: bool,
) -> int:
    """The .properties file by which CellProfiler Analyst opens a destination."""
    from cpexport.cli.report_loads import properties_text
    from cpexport.derived.cpa_properties import properties, write
    from cpexport.tables.path_map import PathMap

    if workspace and file is None:
        raise UsageError("--workspace goes with --out")
    found = properties(
        to,
        file.parent if file else Path(),
        prefix=prefix,
        object_name=object_name,
        plate=plate,
        well=well,
        paths=PathMap.parse(path_map),
    )
    if file is None:
        click.echo(found.text(), nl=False)
        return exit_status.DONE
    write(found, file, workspace=workspace)
    click.echo(properties_text(found, file))
    return exit_status.DONE


@click.command()
@options.outputs
@options.to("The destination to compare with OUTPUTS, as a URL.", required=True)
@options.batch
@options.prefix
@options.same_pictures
@click.option("--format", type=click.Choice(["table", "json"]), default="table")
@options.missing_ok
@options.quiet
def verify(to: str, format: str, missing_ok: bool, quiet: bool, **words: Any) -> int:
    """Whether a destination holds what OUTPUTS say, value by value; changes neither.

    Exit status: 0 all is the same; 1 something differs, which the report names; 3 what was compared
    is the same, but something was not, or is not loaded.
    """
    from cpexport.cli.progress import progress_bar
    from cpexport.cli.report_loads import verify_text
    from cpexport.commands.runs import verify_runs

    request = load_request(words, to)
    with progress_bar(quiet) as progress:
        found = verify_runs(request, progress)
    click.echo(verify_text(found, format))
    if found.differences:
        return exit_status.FAILED
    return exit_status.status(found.whole, missing_ok)


def _print_file(context: click.Context, _: click.Parameter, name: str | None) -> None:
    """Prints a file of `sql/` and ends the command."""
    from cpexport._sql_files import sql_file

    if name:
        click.echo(sql_file(name), nl=False)
        context.exit()


@click.command()
@options.outputs
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="The folder for the files: a new one, or that of a script before.",
)
@click.option(
    "--grants",
    flag_value="grants.sql",
    default=None,
    is_eager=True,
    expose_value=False,
    callback=_print_file,
    help="Print the statements that make users who may load, and who may read, and exit.",
)
@click.option(
    "--queries",
    type=click.Choice(["sqlite", "mysql"]),
    is_eager=True,
    expose_value=False,
    callback=lambda context, option, kind: _print_file(
        context, option, kind and f"queries.{kind}.sql"
    ),
    help="Print queries to start from, and exit.",
)
@options.batch
@options.prefix
@options.shape
@options.path_map
@options.same_pictures
@options.replace
@click.option(
    "--dialect",
    type=click.Choice(["mysql", "sqlite"]),
    help="Whose client runs it: of MySQL and MariaDB (default), or SQLite.",
)
@click.option(
    "--cellprofiler-names",
    "old_names",
    is_flag=True,
    help="SQL_SETUP.SQL, SQL_1_6_Image.CSV and so on, as CellProfiler up to 3.1.9 called them.",
)
@click.option(
    "--cpa",
    "analyst",
    is_flag=True,
    help="Files that CellProfiler Analyst opens by itself, and a .properties file.",
)
@click.option("--format", type=click.Choice(["table", "json"]), default="table")
@options.jobs
@options.missing_ok
@options.quiet
@options.verbose
def script(
    out: Path,
    dialect: str | None,
    old_names: bool,
    analyst: bool,
    format: str,
    jobs: int | None,
    missing_ok: bool,
    quiet: bool,
    verbose: bool,
    **words: Any,
) -> int:
    """Write CSV files, and a script by which a plain database client imports them."""
    from cpexport.cli.progress import progress_bar
    from cpexport.cli.report_loads import script_text
    from cpexport.commands.script import script
    from cpexport.loading.workers import processes
    from cpexport.sql_script.manifest import ScriptOptions

    form = ScriptOptions.parse(dialect, old_names=old_names, analyst=analyst)
    request = load_request(words, "")
    with progress_bar(quiet) as progress:
        done = script(request, out, form, processes(jobs), progress)
    loaded = done.loaded
    if loaded.loaded or done.written or format == "json" or not quiet:
        click.echo(script_text(done, format))
    if not quiet:
        exit_status.advise((*loaded.notes, *(loaded.details if verbose else ())))
    return exit_status.status(loaded.whole, missing_ok)
