"""The command line: each command parses its arguments, calls a function, and prints the result."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from cpexport import __version__
from cpexport._startup import begin, use_utf8
from cpexport.cli import (
    annotate_command,
    check_command,
    completion_command,
    destination_commands,
    exit_status,
    export_command,
    help_command,
    info_command,
    job_options,
    load_command,
    module_command,
    options,
    remove_command,
    report_command,
    screens,
)
from cpexport.cli.logs import LoggedCommand
from cpexport.cli.screens import PROGRAM, Choice, Commands, Example, option
from cpexport.errors import UsageError
from cpexport.jobs.settings import SCHEDULER_NAMES
from cpexport.outcome import DONE


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
    examples=(
        Example("What is complete, and what is missing", "cpexport check outputs"),
        Example("Load what is complete", "cpexport load outputs --to screen.sqlite"),
        Example("Show the help of a command", "cpexport help load"),
    ),
)
@click.version_option(__version__, help="Show the version and exit.")
def commands() -> None:
    """Plan and check CellProfiler's cluster jobs, and load their outputs into one database.

    Here, a batch is one job's output. Reports go to stdout, progress and notes to stderr.

    \b
    Exit status:
      0  done, and complete
      1  failed
      2  wrong usage
      3  done, but image sets are missing or left out; the report names them
    """


@commands.command(
    cls=LoggedCommand,
    section=screens.ON_CLUSTER,
    examples=(
        Example("Print a command line per job", "cpexport plan Batch_data.h5"),
        Example(
            "Write files for Slurm, which sh run/submit.sh submits",
            "cpexport plan Batch_data.h5 --images-per-batch 4 --time 1:00:00 --out run",
        ),
        Example(
            "Run two jobs at a time on this machine",
            "cpexport plan Batch_data.h5 --format shell --at-once 2 --out run",
        ),
    ),
)
@click.argument("named", metavar="BATCH_DATA.H5", type=click.Path(path_type=Path), required=False)
@option(
    "--batch",
    group=screens.SOURCE,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The batch file, if BATCH_DATA.H5 is not given.",
)
@options.lists
@options.pipeline("Pipeline (.cppipe) that runs the list of --plan.")
@job_options.size("one image set, or one group")
@option(
    "--by-group",
    group=screens.SPLIT,
    is_flag=True,
    help="Make each group one job, whatever its size.",
)
@option(
    "--format",
    group=screens.RESULT,
    type=Choice(["commands", "list", "array", "json", *SCHEDULER_NAMES]),
    show_default="commands, or slurm with --out",
    help="What to print: commands (a command line per job), list (a line per job: task, first, "
    "last), array (image sets, such as 1-24) or json. Or the scheduler to write files for, with "
    "--out.",
)
@option(
    "--out",
    group=screens.RESULT,
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="New folder for the files that run the jobs. The jobs write their outputs below it.",
)
@option(
    "--check-images",
    group=screens.PROCESS,
    is_flag=True,
    help="Also check that every image file exists.",
)
@job_options.how_jobs_run
@options.to("URL that the last job loads into", default="screen.sqlite in --out")
@options.quiet
@options.steps
@options.log_file
def plan(
    named: Path | None,
    batch: Path | None,
    format: str | None,
    out: Path | None,
    quiet: bool,
    **words: Any,
) -> int:
    """Plan jobs for a batch file, to print or to submit.

    BATCH_DATA.H5 is the file that CellProfiler's module CreateBatchFiles wrote. Without one, give
    the list that LoadData reads (--plan), and the pipeline.
    """
    from cpexport.api.plan import plan
    from cpexport.cli.report_jobs import plan_text, submit_text, too_long

    if (named and batch) or not (named or batch or words["plan"]):
        raise UsageError("name one batch file: cpexport plan Batch_data.h5")
    format = format or ("slurm" if out else "commands")
    scheduler = format if format in SCHEDULER_NAMES else None
    if out and not scheduler:
        raise UsageError(
            f"--format {format} prints the jobs, so it takes no --out; leave out --out, or "
            f"name a scheduler to write files for (--format {', '.join(SCHEDULER_NAMES)})"
        )
    planned = plan(batch or named, out=out, scheduler=scheduler, **words)
    exit_status.warn(planned.warnings, quiet)
    text = submit_text(planned, out) if out else plan_text(planned, format)
    click.echo(text)
    exit_status.advise(too_long(text, format))
    return planned.exit_status


@commands.command(
    section=screens.ON_CLUSTER,
    examples=(
        Example(
            "Save it; run it with CellProfiler's own Python",
            "cpexport runner > run_batch.py",
        ),
        Example(
            "Plan jobs that use it",
            "cpexport plan Batch_data.h5 --keep-measurements --out run",
        ),
    ),
)
def runner() -> int:
    """Print the script that keeps CellProfiler's measurements.

    CellProfiler 4 deletes the measurement file (.h5) of a job. The script, run_batch.py, takes the
    arguments of the command cellprofiler and keeps the file. It runs CellProfiler 4 and 5.
    """
    from cpexport.jobs.templates import runner

    click.echo(runner(), nl=False)
    return DONE


commands.add_command(module_command.module)
commands.add_command(check_command.check)
commands.add_command(load_command.load)
commands.add_command(info_command.info)
commands.add_command(destination_commands.verify)
commands.add_command(report_command.report)
commands.add_command(export_command.export)
commands.add_command(annotate_command.annotate)
commands.add_command(remove_command.remove)
commands.add_command(destination_commands.script)
commands.add_command(destination_commands.properties)
commands.add_command(help_command.help)
commands.add_command(completion_command.completion)


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line and ends the process with its exit status."""
    if arguments is None:
        use_utf8()
    begin()
    words = sys.argv[1:] if arguments is None else arguments
    json = exit_status.asks_for_json(words)
    command = partial(commands.main, words, PROGRAM, standalone_mode=False, obj=words)
    sys.exit(exit_status.run(command, json=json))
