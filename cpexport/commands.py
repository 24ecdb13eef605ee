"""More commands, each as those of `cli`."""

from pathlib import Path
from typing import Any

import click

from cpexport import options, outcome
from cpexport.errors import UsageError


@click.command()
@options.outputs
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="The folder for the files: a new one, or that of a script before.",
)
@options.batch
@options.prefix
@options.shape
@options.path_map
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
@options.quiet
def script(
    outputs: tuple[Path, ...],
    out: Path,
    batch_file: Path | None,
    prefix: str,
    path_map: tuple[str, ...],
    dialect: str | None,
    old_names: bool,
    analyst: bool,
    format: str,
    quiet: bool,
    **words: Any,
) -> int:
    """Write CSV files, and a script by which a plain database client imports them."""
    from cpexport.batchfile import read_path_map
    from cpexport.importer.contents import Form
    from cpexport.progress import shown
    from cpexport.report import script_text
    from cpexport.script import script
    from cpexport.shape import Shape

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
            progress=progress,
        )
    click.echo(script_text(done, format))
    if not quiet:
        outcome.advise(done.loaded.notes)
    return outcome.DONE if done.loaded.whole else outcome.NOT_WHOLE


@click.command()
def runner() -> int:
    """Print run_batch.py, which runs CellProfiler 4 and keeps its measurements as an .h5 file."""
    from cpexport.scripts import runner

    click.echo(runner(), nl=False)
    return outcome.DONE
