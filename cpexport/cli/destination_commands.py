"""The commands `properties`, `verify` and `script`, which show, check and export destinations."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from cpexport.cli import exit_status, options, screens, table_options
from cpexport.cli.logs import LoggedCommand
from cpexport.cli.screens import Choice, Command, Example, option
from cpexport.errors import UsageError
from cpexport.outcome import DONE


@click.command(
    cls=Command,
    section=screens.IN_DATABASE,
    examples=(
        Example("Print it", "cpexport properties --to screen.sqlite"),
        Example(
            "Write it for cells",
            "cpexport properties --to screen.sqlite --object Cells --out cells.properties",
        ),
    ),
)
@options.to("Destination URL", "sqlite:///FILE or mysql+pymysql://USER@HOST/DB", required=True)
@options.prefix
@option(
    "--out",
    "file",
    group=screens.RESULT,
    type=click.Path(path_type=Path),
    metavar="FILE",
    show_default="print it, with paths from this folder",
    help="The .properties file to write.",
)
@option(
    "--object",
    "object_name",
    group=screens.ANALYST,
    metavar="TYPE",
    show_default="Nuclei, else Cells, else the type with the most objects",
    help="Object type to show.",
)
@table_options.plate_and_well
@table_options.path_map_of_properties
@option(
    "--workspace",
    group=screens.RESULT,
    is_flag=True,
    help="Also write a .workspace file with a scatter plot next to it.",
)
def properties(
    to: str,
    defaults_file: Path | None,
    prefix: str,
    file: Path | None,
    object_name: str | None,
    plate: str | None,
    well: str | None,
    path_map: tuple[str, ...],
    workspace: bool,
) -> int:
    """Write the .properties file for CellProfiler Analyst."""
    from cpexport.api.arguments import url
    from cpexport.cli.report_loads import properties_text
    from cpexport.derived.cpa_properties import properties, write
    from cpexport.tables.path_map import PathMap

    if workspace and file is None:
        raise UsageError("--workspace needs --out")
    where = url(to, defaults_file)
    assert where is not None
    found = properties(
        where,
        file.parent if file else Path(),
        prefix=prefix,
        object_name=object_name,
        plate=plate,
        well=well,
        paths=PathMap.parse(path_map),
    )
    if file is None:
        click.echo(found.text(), nl=False)
        return DONE
    write(found, file, workspace=workspace)
    click.echo(properties_text(found, file))
    return DONE


@click.command(
    cls=LoggedCommand,
    section=screens.IN_DATABASE,
    examples=(
        Example("Compare every value", "cpexport verify outputs --to screen.sqlite"),
        Example(
            "As JSON, for a program", "cpexport verify outputs --to screen.sqlite --format json"
        ),
    ),
)
@options.outputs
@options.to("Destination URL to compare with OUTPUTS", required=True)
@options.batch
@options.lists
@options.prefix
@options.same_pictures
@options.key
@options.run_from
@options.workers
@options.report_format()
@options.missing_ok
@options.quiet
@options.steps
@options.log_file
def verify(format: str, quiet: bool, **words: Any) -> int:
    """Compare a destination with its outputs, value by value.

    OUTPUTS are folders that hold batches (one job's output each) in any layout, or single files.
    This changes nothing.

    \b
    Exit status:
      0  everything is equal
      1  something differs; the report names it
      2  wrong usage
      3  what was compared is equal, but something is missing or was not compared
    """
    from cpexport.api.verify import verify
    from cpexport.cli.progress import progress_bar
    from cpexport.cli.report_loads import verify_text
    from cpexport.cli.tables import terminal_width

    with progress_bar(quiet) as progress:
        found = verify(**words, progress=progress)
    click.echo(verify_text(found, format, terminal_width()))
    if not quiet:
        exit_status.advise(found.notes)
    return found.exit_status


def _print_file(context: click.Context, _: click.Parameter, name: str | None) -> None:
    """Prints a file of `sql/` and ends the command."""
    from cpexport._sql_files import sql_file

    if name:
        click.echo(sql_file(name), nl=False)
        context.exit()


@click.command(
    cls=LoggedCommand,
    section=screens.IN_DATABASE,
    examples=(
        Example("For MySQL or MariaDB", "cpexport script outputs --out import"),
        Example(
            "For sqlite3, with images only",
            "cpexport script outputs --out import --dialect sqlite --objects none",
        ),
        Example("Print the rights that users of the database need", "cpexport script --grants"),
    ),
)
@options.outputs
@option(
    "--out",
    group=screens.RESULT,
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    required=True,
    help="Folder for the files: a new one, or that of an earlier script, which is brought up to "
    "date.",
)
@option(
    "--grants",
    group=screens.OTHER,
    flag_value="grants.sql",
    default=None,
    is_eager=True,
    expose_value=False,
    callback=_print_file,
    help="Print the SQL statements that create users who may load and who may read, and exit.",
)
@option(
    "--queries",
    group=screens.OTHER,
    type=Choice(["sqlite", "mysql"]),
    is_eager=True,
    expose_value=False,
    callback=lambda context, option, kind: _print_file(
        context, option, kind and f"queries.{kind}.sql"
    ),
    help="Print SQL queries to start from, and exit.",
)
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
    "--dialect",
    group=screens.RESULT,
    type=Choice(["mysql", "sqlite"]),
    show_default="mysql, also for MariaDB",
    help="Client that will run the script.",
)
@option(
    "--cellprofiler-names",
    "old_names",
    group=screens.RESULT,
    is_flag=True,
    help="Name the files as CellProfiler up to 3.1.9 did: SQL_SETUP.SQL, SQL_1_6_Image.CSV, ...",
)
@option(
    "--cpa",
    "analyst",
    group=screens.RESULT,
    is_flag=True,
    help="Write files that CellProfiler Analyst imports without a client, and a .properties file.",
)
@options.report_format()
@options.workers
@options.missing_ok
@options.quiet_if_nothing_new
@options.verbose
@options.log_file
def script(
    out: Path,
    dialect: str | None,
    old_names: bool,
    analyst: bool,
    format: str,
    jobs: int | None,
    dask: str | None,
    dask_option: tuple[str, ...],
    missing_ok: bool,
    quiet: bool,
    verbose: bool,
    **words: Any,
) -> int:
    """Write CSV files, and a script that imports them into a database.

    OUTPUTS are folders that hold batches (one job's output each) in any layout, or single files.
    Use this for a server that you cannot reach: give the folder to its administrator.
    """
    from cpexport.api.arguments import new_path
    from cpexport.api.executors import executors
    from cpexport.api.request import load_request
    from cpexport.cli.progress import progress_bar
    from cpexport.cli.report_loads import script_text
    from cpexport.cli.tables import terminal_width
    from cpexport.commands.script import script
    from cpexport.sql_script.manifest import ScriptOptions

    form = ScriptOptions.parse(dialect, old_names=old_names, analyst=analyst)
    new_path(out)
    request = load_request(**words, to="")
    with progress_bar(quiet) as progress, executors(jobs, dask, dask_option) as workers:
        done = script(request, out, form, workers, progress)
    loaded = replace(done.loaded, missing_ok=missing_ok)
    done = replace(done, loaded=loaded)
    if loaded.loaded or done.written or format == "json" or not quiet:
        click.echo(script_text(done, format, terminal_width()))
    if not quiet:
        exit_status.advise((*loaded.notes, *(loaded.details if verbose else ())))
    return loaded.exit_status
