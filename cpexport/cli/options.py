"""The command line options that commands share, or that form groups."""

from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from cpexport.errors import UsageError
from cpexport.jobs.scheduler_options import option_words
from cpexport.jobs.settings import SCHEDULER_NAMES, mebibytes, minutes

_Option = Callable[[Any], Any]
_path = click.Path(path_type=Path)
_factor = click.FloatRange(min=1)
_count = click.IntRange(min=1)


def _all(*options: _Option) -> _Option:
    """Combines several options into one, in the order in which --help lists them."""
    return lambda command: reduce(lambda done, option: option(done), reversed(options), command)


def _read(read: Callable[[str], int]) -> Callable[[Any, Any, str | None], int | None]:
    """Returns a click callback that parses a value with `read`."""

    def convert(context: Any, parameter: Any, value: str | None) -> int | None:
        try:
            return None if value is None else read(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return convert


def _option_words(context: Any, parameter: Any, texts: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(word for text in texts for word in option_words(text))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def watch(what: str) -> _Option:
    """`--watch SECONDS`, with the help text `what`."""
    seconds = click.FloatRange(min=0, min_open=True)
    return click.option("--watch", "seconds", type=seconds, metavar="SECONDS", help=what)


jobs = click.option(
    "--jobs",
    type=_count,
    metavar="N",
    help="Decode so many batches at once, each in a process; by itself one for each core.",
)
outputs = click.argument("outputs", nargs=-1, type=_path)
batch = click.option(
    "--batch",
    "batch_file",
    type=_path,
    help="The batch file, Batch_data.h5. By itself beside or below OUTPUTS, or in their plan.",
)


def _with_file(context: click.Context, parameter: Any, file: Path | None) -> None:
    """Adds the option file to the URL of `--to`, so that it goes wherever the URL goes."""
    to = context.params.get("to")
    if file is None:
        return
    from cpexport.sinks.registry import capabilities

    if to is None or not capabilities(to).server:
        raise UsageError("--defaults-file goes with --to mysql+pymysql://...")
    sign = "&" if "?" in to else "?"
    context.params["to"] = f"{to}{sign}read_default_file={quote(str(file.absolute()), safe='/')}"


def _as_url(context: click.Context, parameter: Any, text: str | None) -> str | None:
    from cpexport.destination_url import destination_url

    return None if text is None else destination_url(text)


def to(text: str, *, required: bool = False) -> _Option:
    """`--to URL`, and `--defaults-file`, the option file for a server."""
    return _all(
        # Eager, because the callback of --defaults-file adds the file to it.
        click.option("--to", help=text, required=required, is_eager=True, callback=_as_url),
        click.option(
            "--defaults-file",
            type=_path,
            expose_value=False,
            callback=_with_file,
            help="For a server in --to: the option file to read; default: ~/.my.cnf.",
        ),
    )


prefix = click.option("--prefix", default="", help="Begins the names of the tables: MyExpt_.")
quiet = click.option(
    "--quiet", is_flag=True, help="No progress, no advice, and no report when nothing is new."
)
verbose = click.option("-v", "--verbose", is_flag=True, help="Also print notes on what is normal.")
missing_ok = click.option(
    "--missing-ok",
    is_flag=True,
    help="Exit with status 0 also when image sets are missing or left out; they are still named.",
)
size = click.option(
    "--images-per-batch",
    type=_count,
    help="The most image sets a job. A group is never cut, however large.",
)

shape = _all(
    click.option(
        "--objects",
        metavar="LAYOUT",
        help="separate (default): a table for each type of objects. combined: one, side by side by "
        "number. view: separate, and a view of all. none. And the types wanted: Nuclei,Cells.",
    ),
    click.option(
        "--aggregate",
        metavar="KINDS",
        help="Of objects in each image set, as columns of Per_Image: mean,median,std.",
    ),
    click.option(
        "--max-column-length",
        type=click.IntRange(10, 64),
        help="The most characters in a column's name; default: 64.",
    ),
    click.option(
        "--table-number",
        "numbered",
        is_flag=True,
        help="Each of OUTPUTS is a run, or NAME=OUTPUTS; TableNumber begins all keys.",
    ),
)
"""How the tables look: the fields of `TableOptions`."""

wells = click.option(
    "--wells",
    "kinds",
    metavar="KINDS",
    help="Of each plate and well, as tables Per_Well_avg and so on: mean,median,std.",
)
plate_and_well = _all(
    click.option("--plate", metavar="FEATURE", help="Of images; default: Metadata_Plate."),
    click.option("--well", metavar="FEATURE", help="Of images; default: Metadata_Well."),
)
"""Which features name the plate and the well of an image set."""

same_pictures = click.option(
    "--same-pictures",
    is_flag=True,
    help="Image sets of one number are the same pictures, moved or renamed.",
)
replace = click.option(
    "--replace", is_flag=True, help="Newer outputs replace older ones that have more."
)

path_map = click.option(
    "--path-map",
    multiple=True,
    metavar="CLUSTER=LOCAL",
    help="What people call a folder that jobs called CLUSTER: a path, of Windows too, or a URL.",
)

how_jobs_run = _all(
    click.option("--keep-measurements", is_flag=True, help="Keep an .h5 file of each job."),
    click.option(
        "--time",
        metavar="TIME",
        callback=_read(minutes),
        help="Of a job: minutes, H:MM:SS, D-H:MM:SS.",
    ),
    click.option(
        "--memory", metavar="SIZE", callback=_read(mebibytes), help="Of a job: 4000M, 4G."
    ),
    click.option("--partition", help="The partition or queue of the jobs."),
    click.option("--at-once", type=_count, help="The most jobs that run at a time."),
    click.option(
        "--merge-time",
        metavar="TIME",
        callback=_read(minutes),
        help="Of the last job, which loads; by itself by the number of image sets, with --time.",
    ),
    click.option(
        "--merge-memory",
        metavar="SIZE",
        callback=_read(mebibytes),
        help="Of the last job; by itself by the number of image sets, with --memory.",
    ),
    click.option("--module", "modules", multiple=True, help="To load before CellProfiler runs."),
    click.option("--container", help="An image in which Apptainer calls CellProfiler."),
    click.option(
        "--option",
        "options",
        multiple=True,
        callback=_option_words,
        help="For the scheduler, split as a shell would: '-pe smp 4'.",
    ),
)
"""How jobs run: the fields of `Settings`."""

again = _all(
    click.option(
        "--resubmit",
        "folder",
        type=_path,
        help="A new folder for the files that run what is missing once more.",
    ),
    click.option(
        "--scheduler",
        type=click.Choice(SCHEDULER_NAMES),
        help="Whom --resubmit writes files for; default: as planned, else slurm.",
    ),
    click.option(
        "--max-attempts",
        type=_count,
        default=3,
        show_default=True,
        help="After so many a range is cut into single image sets.",
    ),
    click.option(
        "--time-factor",
        type=_factor,
        default=2,
        show_default=True,
        help="More time for jobs that ran out of it.",
    ),
    click.option(
        "--mem-factor",
        type=_factor,
        default=2,
        show_default=True,
        help="More memory for jobs that ran out of it.",
    ),
)
"""What to run again, and with which limits."""
