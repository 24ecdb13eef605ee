"""The command `module`: installs and checks the CellProfiler module."""

from pathlib import Path

import click

from cpexport.cli import options, screens
from cpexport.cli.screens import Example, option
from cpexport.errors import UsageError
from cpexport.outcome import DONE

_folder = click.Path(path_type=Path)


@click.command(
    cls=screens.Command,
    section=screens.ON_CLUSTER,
    examples=(
        Example("Install it", "cpexport module --install plugins"),
        Example("Check that jobs can load into a file", "cpexport module --to screen.sqlite"),
        Example("Print it", "cpexport module > exporttocpexport.py"),
    ),
)
@option(
    "--install",
    group=screens.RESULT,
    type=_folder,
    metavar="FOLDER",
    help="Write exporttocpexport.py into this folder, in place of an older version.",
)
@option(
    "--check",
    group=screens.PROCESS,
    is_flag=True,
    help="Ask the CellProfiler on the PATH whether it loads the module.",
)
@option(
    "--plugins-directory",
    "plugins",
    group=screens.PROCESS,
    type=_folder,
    metavar="FOLDER",
    show_default="as set in CellProfiler's preferences",
    help="With --check: the folder that CellProfiler is to search.",
)
@options.to("Check that jobs can load into this URL, as the module does before a run")
@options.prefix
def module(
    install: Path | None,
    check: bool,
    plugins: Path | None,
    to: str | None,
    defaults_file: Path | None,
    prefix: str,
) -> int:
    """Install, check or print the CellProfiler module.

    A pipeline with the module, ExportToCpexport, keeps each job's measurement file, and adds it to
    a database as the job ends. Without an option, the module is printed.
    """
    from cpexport.api.arguments import url
    from cpexport.commands.module import check_destination, check_module
    from cpexport.jobs import module as modules

    if plugins is not None and not check:
        raise UsageError("--plugins-directory needs --check")
    status = DONE
    if install is not None:
        click.echo(f"installed: {modules.install(install)}")
        click.echo(
            f"for jobs: cellprofiler ... --plugins-directory {install}, or cpexport "
            "plan --plugins-directory; for the windows: File > Preferences > CellProfiler "
            "plugins directory",
            err=True,
        )
    if to is not None and (where := url(to, defaults_file)) is not None:
        click.echo(f"ready: {check_destination(where, prefix)}")
    if check:
        report = check_module(plugins or install)
        for name, value in report.lines:
            click.echo(f"{name:14}  {value}")
        if report.problem:
            click.echo(f"problem: {report.problem}", err=True)
        status = report.exit_status
    if install is None and to is None and not check:
        click.echo(modules.text(), nl=False)
    return status
