"""The command line options that commands share, or that form groups."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from cpexport.cli import completers, screens
from cpexport.cli.logs import LOG_FILE, VERBOSE
from cpexport.cli.screens import Choice, Number, OptionDecorator, all_of, option
from cpexport.destination_url import FORMS

_ANY = f"{FORMS}; or a file name that ends in .sqlite, .duckdb, .parquet or .delta"
_path = click.Path(path_type=Path)
_count = Number(int, 1)


def watch(what: str) -> OptionDecorator:
    """`--watch SECONDS`, with the help text `what`."""
    seconds = Number(float, 0, above=True)
    return option("--watch", group=screens.PROCESS, type=seconds, metavar="SECONDS", help=what)


def report_format(*others: str, help: str = "Format of the report.") -> OptionDecorator:
    """`--format`: `table`, the default, `json`, or one of the others."""
    words = ["table", *others, "json"]
    return option(
        "--format",
        group=screens.RESULT,
        type=Choice(words),
        default="table",
        help=help,
    )


def report_file(when: str) -> OptionDecorator:
    """`--report FILE`, which is written at the end or, as `when` says, more often."""
    return option(
        "--report",
        group=screens.RESULT,
        type=_path,
        metavar="FILE",
        help=f"Also write an HTML file with plate maps, as cpexport report does; {when}.",
    )


jobs = option(
    "--jobs",
    group=screens.PROCESS,
    type=_count,
    metavar="N",
    show_default="one per core",
    help="Worker processes.",
)
_dask = option(
    "--dask",
    group=screens.PROCESS,
    metavar="CLUSTER",
    help=(
        "Decode batches on a Dask cluster: its scheduler's address (tcp://HOST:8786) or file "
        "(dask.json); or slurm, sge, pbs or lsf, to submit --jobs N jobs as workers."
    ),
)
_dask_option = option(
    "--dask-option",
    group=screens.PROCESS,
    multiple=True,
    metavar="NAME=VALUE",
    help="With --dask slurm, sge, pbs or lsf: what each job needs, for example cores=8, "
    "memory=16GB or queue=long.",
)


def workers(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say who decodes batches."""
    for add in (_dask_option, _dask, jobs):
        command = add(command)
    return command


outputs = click.argument("outputs", nargs=-1, type=_path, metavar="OUTPUTS...")
batch = option(
    "--batch",
    group=screens.SOURCE,
    type=_path,
    metavar="FILE",
    show_default="found next to or below OUTPUTS, or in their plan",
    help="Batch file, Batch_data.h5.",
)
lists = option(
    "--plan",
    group=screens.SOURCE,
    type=_path,
    multiple=True,
    metavar="FILE",
    help="List of image sets that LoadData reads, load_data.csv, if there is no batch file.",
)


def pipeline(text: str) -> OptionDecorator:
    """`--pipeline FILE`."""
    return option("--pipeline", group=screens.SOURCE, type=_path, metavar="FILE", help=text)


def to(
    text: str, forms: str = _ANY, *, required: bool = False, default: str | None = None
) -> OptionDecorator:
    """`--to URL`, and `--defaults-file`, the option file for a server.

    text: what the destination is for.
    forms: what can be written.
    default: a description of the destination that a command takes without the option.
    """
    return all_of(
        option(
            "--to",
            group=screens.DESTINATION,
            metavar="URL",
            required=required,
            show_default=default or False,
            shell_complete=completers.destinations,
            help=f"{text}: {forms}.",
        ),
        option(
            "--defaults-file",
            group=screens.DESTINATION,
            type=_path,
            metavar="FILE",
            show_default="~/.my.cnf",
            help="MySQL option file with the user and password for the server in --to.",
        ),
    )


prefix = option(
    "--prefix",
    group=screens.DESTINATION,
    default="",
    show_default="none",
    help="Table name prefix, for example MyExpt_.",
)


def _quiet(what: str) -> OptionDecorator:
    return option("--quiet", group=screens.PROCESS, is_flag=True, help=what)


quiet = _quiet("Print no progress and no notes.")
quiet_if_nothing_new = _quiet("Print no progress and no notes, and no report if nothing is new.")


def _store(key: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Returns a click callback that puts a value where `LoggedCommand` finds it."""

    def store(context: click.Context, _: click.Parameter, value: Any) -> Any:
        context.meta[key] = value
        return value

    return store


def _verbose(what: str, *, expose_value: bool = True) -> OptionDecorator:
    return option(
        "-v",
        "--verbose",
        group=screens.PROCESS,
        is_flag=True,
        expose_value=expose_value,
        callback=_store(VERBOSE),
        help=what,
    )


verbose = _verbose("Also print each step, and notes that need no action.")
steps = _verbose("Also print each step.", expose_value=False)
"""`-v` of commands that have no notes that need no action."""
log_file = option(
    "--log-file",
    group=screens.PROCESS,
    type=_path,
    metavar="FILE",
    expose_value=False,
    callback=_store(LOG_FILE),
    help="Append a log to this file: times, versions, each batch, and how long each step took.",
)
missing_ok = option(
    "--missing-ok",
    group=screens.PROCESS,
    is_flag=True,
    help="Exit with status 0 even if image sets are missing or left out. The report still names "
    "them.",
)

same_pictures = option(
    "--same-pictures",
    group=screens.SAME_NUMBER,
    is_flag=True,
    help="Treat image sets with the same number as the same images, even if the files were moved "
    "or renamed.",
)
key = option(
    "--key",
    group=screens.SAME_NUMBER,
    metavar="METADATA,...",
    show_default="found where jobs count their image sets from 1",
    help="Metadata that identifies an image set, such as Plate,Well,Site, where each job counts "
    "its own from 1.",
)
run_from = option(
    "--run-from",
    group=screens.SAME_NUMBER,
    metavar="PATTERN",
    help="Treat folders below OUTPUTS as runs with a TableNumber. Words in braces name the run, "
    "for example '*/{plate}/analysis'.",
)
replace = option(
    "--replace",
    group=screens.SAME_NUMBER,
    is_flag=True,
    help="Let newer outputs replace older ones even if they lack object types or features.",
)
