"""The commands about destinations: ways to one, whether it is whole, one by script."""

from pathlib import Path
from typing import Any

import click

from cpexport import options, outcome
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
    from cpexport.paths import PathMap
    from cpexport.properties import properties, write
    from cpexport.reportdestination import properties_text

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
        return outcome.DONE
    write(found, file, workspace=workspace)
    click.echo(properties_text(found, file))
    return outcome.DONE


@click.command()
@options.outputs
@options.to("The destination to compare with OUTPUTS, as a URL.", required=True)
@options.batch
@options.prefix
@options.same_pictures
@click.option("--format", type=click.Choice(["table", "json"]), default="table")
@options.missing_ok
@options.quiet
def verify(
    outputs: tuple[Path, ...],
    to: str,
    batch_file: Path | None,
    prefix: str,
    same_pictures: bool,
    format: str,
    missing_ok: bool,
    quiet: bool,
) -> int:
    """Whether a destination holds what OUTPUTS say, value by value; changes neither.

    Exit status: 0 all is the same; 1 something differs, which the report names; 3 what was compared
    is the same, but something was not, or is not loaded.
    """
    from cpexport.progress import shown
    from cpexport.reportdestination import verify_text
    from cpexport.runs import verify_runs

    if not outputs:
        raise UsageError("name the folder that holds the jobs' outputs")
    with shown(quiet) as progress:
        found = verify_runs(
            outputs,
            to,
            batch_file=batch_file,
            prefix=prefix,
            same_pictures=same_pictures,
            progress=progress,
        )
    click.echo(verify_text(found, format))
    if found.differences:
        return outcome.FAILED
    return outcome.status(found.whole, missing_ok)


def _print_file(context: click.Context, _: click.Parameter, name: str | None) -> None:
    """Prints a file of `sql/`, and that is all that the command does."""
    from cpexport.sqlfiles import sql_file

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
    outputs: tuple[Path, ...],
    out: Path,
    batch_file: Path | None,
    prefix: str,
    path_map: tuple[str, ...],
    same_pictures: bool,
    replace: bool,
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
    from cpexport.batchfile import read_path_map
    from cpexport.importer.contents import Form
    from cpexport.progress import shown
    from cpexport.reportdestination import script_text
    from cpexport.script import script
    from cpexport.shape import Shape
    from cpexport.succession import Consent
    from cpexport.workers import processes

    if not outputs:
        raise UsageError("name the folder that holds the jobs' outputs")
    form = Form.parse(dialect, old_names=old_names, analyst=analyst)
    asked = any(word not in (None, False) for word in words.values())
    with shown(quiet) as progress:
        done = script(
            outputs,
            out,
            form,
            batch_file=batch_file,
            prefix=prefix,
            shape=Shape.parse(**words) if asked else None,
            paths=read_path_map(path_map, batch_file) if path_map else None,
            consent=Consent(same_pictures, replace),
            workers=processes(jobs),
            progress=progress,
        )
    loaded = done.loaded
    if loaded.loaded or done.written or format == "json" or not quiet:
        click.echo(script_text(done, format))
    if not quiet:
        outcome.advise((*loaded.notes, *(loaded.details if verbose else ())))
    return outcome.status(loaded.whole, missing_ok)
