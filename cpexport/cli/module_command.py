"""The command `module`: installs and checks the CellProfiler module."""

from dataclasses import replace
from pathlib import Path

import click

from cpexport.cli import options, screens
from cpexport.cli.screens import Example, option
from cpexport.errors import UsageError
from cpexport.outcome import DONE

_folder = click.Path(path_type=Path)
_USE = (
    "for jobs: cellprofiler ... --plugins-directory {}, or cpexport plan --plugins-directory; "
    "for the windows: File > Preferences > CellProfiler plugins directory"
)


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
@options.report_format()
def module(
    install: Path | None,
    check: bool,
    plugins: Path | None,
    to: str | None,
    defaults_file: Path | None,
    prefix: str,
    format: str,
) -> int:
    """Install, check or print the CellProfiler module.

    A pipeline with the module, ExportToCpexport, keeps each job's measurement file, and adds it to
    a database as the job ends. Without an option, the module is printed.
    """
    from cpexport.api.arguments import url
    from cpexport.cli.json_text import json_text
    from cpexport.commands.module import ModuleReport, check_destination, check_module
    from cpexport.jobs import module as modules

    if plugins is not None and not check:
        raise UsageError("--plugins-directory needs --check")
    if install is None and to is None and not check:
        if format == "json":
            raise UsageError("--format json needs --install, --to or --check")
        click.echo(modules.text(), nl=False)
        return DONE
    report = ModuleReport()
    say = click.echo if format == "table" else lambda line: None
    if install is not None:
        report = replace(report, installed=modules.install(install))
        say(f"installed: {report.installed}")
        click.echo(_USE.format(install), err=True)
    if to is not None and (where := url(to, defaults_file)) is not None:
        report = replace(report, destination=check_destination(where, prefix))
        say(f"ready: {report.destination}")
    if check:
        found = check_module(plugins or install)
        report = replace(report, check=found)
        for name, value in found.lines:
            say(f"{name:14}  {value}")
        if found.problem:
            click.echo(f"problem: {found.problem}", err=True)
    if format == "json":
        click.echo(json_text(report.to_dict()))
    return report.exit_status
