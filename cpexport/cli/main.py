"""The command line: each command parses its arguments, calls a function, and prints the result."""

import sys
from pathlib import Path
from typing import Any

import click

from cpexport import __version__
from cpexport._startup import begin
from cpexport.cli import check_command, destination_commands, exit_status, load_command, options
from cpexport.errors import UsageError
from cpexport.jobs.settings import SCHEDULER_NAMES, Settings


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def commands() -> None:
    """Plan CellProfiler's batch jobs, check what they left, and load it into one database.

    Exit status: 0 done and whole; 1 failed; 2 wrong usage; 3 done, but something is missing or was
    left out, which the report names.
    """


@commands.command()
@click.argument("named", metavar="BATCH_DATA.H5", type=click.Path(path_type=Path), required=False)
@options.batch
@options.size
@click.option("--by-group", is_flag=True, help="One group a job, whatever their size.")
@click.option(
    "--format",
    type=click.Choice(["commands", "list", "array", "json", *SCHEDULER_NAMES]),
    help="What to print, or the scheduler to write files for; default: commands, with --out slurm.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="A new folder for the files that run the jobs, and below it for their outputs.",
)
@click.option("--check-images", is_flag=True, help="Look whether every image is there.")
@options.how_jobs_run
@options.to("Where the last job loads to; default: screen.sqlite in --out.")
@options.quiet
def plan(
    named: Path | None,
    batch_file: Path | None,
    images_per_batch: int | None,
    by_group: bool,
    format: str | None,
    out: Path | None,
    check_images: bool,
    to: str | None,
    quiet: bool,
    **settings: Any,
) -> int:
    """The jobs that run all of a batch file: to print, or as files to submit.

    One image set a job, or one group, unless --images-per-batch says more.
    """
    from cpexport.cellprofiler.batch_file import read_batch_file
    from cpexport.cli.report_jobs import plan_text, submit_text, too_long
    from cpexport.destination_url import file_url
    from cpexport.jobs.plan import plan
    from cpexport.jobs.preflight import problems
    from cpexport.jobs.submit import prepare
    from cpexport.sinks.registry import absolute

    if (named is None) == (batch_file is None):
        raise UsageError("name one batch file: cpexport plan Batch_data.h5")
    batch_file = batch_file or named
    assert batch_file is not None
    format = format or ("slurm" if out else "commands")
    scheduler = format if format in SCHEDULER_NAMES else None
    if scheduler and out is None:
        raise UsageError(f"name a folder for the files of --format {format} with --out")
    if out and not scheduler:
        raise UsageError(
            f"--format {format} is printed, and takes no --out: leave --out away, or name a "
            f"scheduler whose files go there (--format {', '.join(SCHEDULER_NAMES)})"
        )
    if settings["keep_measurements"] and not scheduler:
        raise UsageError("--keep-measurements goes with a scheduler's --format, and --out")
    batch = read_batch_file(batch_file.absolute() if scheduler else batch_file)
    home = out.absolute() if out else batch_file.parent
    settings_of_jobs = Settings(
        **settings,
        scheduler=scheduler or "shell",
        size=images_per_batch,
        by_group=by_group,
        to=absolute(to or file_url("sqlite", home / "screen.sqlite")) if scheduler else None,
    )
    planned = plan(batch, home / "outputs", settings_of_jobs)
    if scheduler and out:
        if exit_status.warn(prepare(planned, batch, out, check_images=check_images), quiet):
            return exit_status.FAILED
        click.echo(submit_text(planned, out))
        return exit_status.DONE
    all_problems = problems(planned, batch, check_images=check_images, printed=True)
    if exit_status.warn(all_problems, quiet):
        return exit_status.FAILED
    text = plan_text(planned, format)
    click.echo(text)
    exit_status.advise(too_long(text, format))
    return exit_status.DONE


@commands.command()
def runner() -> int:
    """Print run_batch.py, which runs CellProfiler 4 or 5 and keeps its measurements as .h5."""
    from cpexport.jobs.templates import runner

    click.echo(runner(), nl=False)
    return exit_status.DONE


commands.add_command(check_command.check)
commands.add_command(load_command.load)
commands.add_command(destination_commands.properties)
commands.add_command(destination_commands.verify)
commands.add_command(destination_commands.script)


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line and ends the process with its exit status."""
    begin()
    sys.exit(exit_status.run(lambda: commands.main(arguments, standalone_mode=False)))
