"""The commands: each parses its words, calls one function, and prints what comes back."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from cpexport import __version__, clidestination, cliload, options, outcome
from cpexport.errors import UsageError
from cpexport.settings import SCHEDULERS, Settings
from cpexport.start import begin


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
    type=click.Choice(["commands", "list", "array", "json", *SCHEDULERS]),
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
    from cpexport.batchfile import read_batch_file
    from cpexport.plan import plan
    from cpexport.preflight import problems
    from cpexport.report import plan_text, submit_text, too_long
    from cpexport.sinks import absolute
    from cpexport.sinks.urls import file_url
    from cpexport.submit import prepare

    if (named is None) == (batch_file is None):
        raise UsageError("name one batch file: cpexport plan Batch_data.h5")
    batch_file = batch_file or named
    assert batch_file is not None
    format = format or ("slurm" if out else "commands")
    scheduler = format if format in SCHEDULERS else None
    if scheduler and out is None:
        raise UsageError(f"name a folder for the files of --format {format} with --out")
    if out and not scheduler:
        raise UsageError(
            f"--format {format} is printed, and takes no --out: leave --out away, or name a "
            f"scheduler whose files go there (--format {', '.join(SCHEDULERS)})"
        )
    if settings["keep_measurements"] and not scheduler:
        raise UsageError("--keep-measurements goes with a scheduler's --format, and --out")
    batch = read_batch_file(batch_file.absolute() if scheduler else batch_file)
    home = out.absolute() if out else batch_file.parent
    how = Settings(
        **settings,
        scheduler=scheduler or "shell",
        size=images_per_batch,
        by_group=by_group,
        to=absolute(to or file_url("sqlite", home / "screen.sqlite")) if scheduler else None,
    )
    planned = plan(batch, home / "outputs", how)
    if scheduler and out:
        if outcome.warn(prepare(planned, batch, out, check_images=check_images), quiet):
            return outcome.FAILED
        click.echo(submit_text(planned, out))
        return outcome.DONE
    found = problems(planned, batch, check_images=check_images, printed=True)
    if outcome.warn(found, quiet):
        return outcome.FAILED
    text = plan_text(planned, format)
    click.echo(text)
    outcome.advise(too_long(text, format))
    return outcome.DONE


@commands.command()
@options.outputs
@options.batch
@options.to("Compare with what this destination holds, not with outputs.")
@options.prefix
@click.option("--run", metavar="NAME", help="With --to: the run that was planned, of several.")
@click.option(
    "--format",
    type=click.Choice(["table", "list", "array", "commands", "json"]),
    default="table",
    help="list: lines of task, first, last. array: 4,7,9-10. commands: one a line.",
)
@options.size
@options.same_pictures
@options.again
@options.watch("Look again every so often, and draw how far jobs are, until all is there.")
@options.missing_ok
@options.quiet
@options.verbose
def check(
    outputs: tuple[Path, ...],
    batch_file: Path | None,
    to: str | None,
    prefix: str,
    run: str | None,
    format: str,
    images_per_batch: int | None,
    same_pictures: bool,
    folder: Path | None,
    scheduler: str | None,
    max_attempts: int,
    time_factor: float,
    mem_factor: float,
    seconds: float | None,
    missing_ok: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Which planned image sets are complete below OUTPUTS, and which are missing, and why.

    Without OUTPUTS, the batch file's own folder is looked at.
    """
    from cpexport.check import check, check_destination
    from cpexport.progress import drawn, shown
    from cpexport.records import Reader
    from cpexport.report import check_text, plan_text, too_long
    from cpexport.resubmit import Limits, home_of, missing, resubmit
    from cpexport.submit import prepare
    from cpexport.watch import follow_check

    look = partial(check, outputs, batch_file, same_pictures=same_pictures, reader=Reader())
    if run is not None and to is None:
        raise UsageError("--run goes with --to")
    if to is not None:
        if outputs or folder or seconds:
            what = "OUTPUTS" if outputs else "--resubmit" if folder else "--watch"
            raise UsageError(f"--to looks at a destination alone; leave {what} out")
        if batch_file is None:
            raise UsageError("--to needs the batch file to compare with; name it with --batch")
        found = check_destination(
            to, batch_file, prefix=prefix, run=run, same_pictures=same_pictures
        )
    elif seconds:
        if folder:
            raise UsageError("--watch and --resubmit do not go together")
        with drawn(quiet) as draw:
            found = follow_check(look, seconds, draw)
    else:
        with shown(quiet) as progress:
            found = look(progress=progress)
    again = None
    if folder:
        home = home_of(found, outputs, folder)
        limits = Limits(max_attempts, time_factor, mem_factor)
        again = resubmit(found, home, limits, scheduler=scheduler, size=images_per_batch)
        if again.plan.tasks and outcome.warn(prepare(again.plan, found.batch_file, folder), quiet):
            return outcome.FAILED
        outcome.warn(again.problems, quiet)
        if (shared := home_of(found, outputs)) != home:
            outcome.advise(
                [
                    f"{shared}: you cannot write here, so the outputs and records of these jobs go "
                    f"to {home}; tell the others, whose cpexport check does not see them there"
                ]
            )
    if format == "array":
        text = str(found.missing)
    elif format in ("list", "commands"):
        home = home_of(found, outputs)
        text = plan_text(again.plan if again else missing(found, home, images_per_batch), format)
    else:
        text = check_text(found, format, again, folder, verbose=verbose)
    if text:
        click.echo(text)
    outcome.advise(too_long(text, format))
    if not quiet:
        busy = found.history.busy & found.missing
        listed = format in ("list", "commands", "array") and not again
        outcome.advise(
            [
                *([f"{busy} wait or run, and are in what is printed"] if busy and listed else []),
                *found.notes,
                *(
                    f"{seen.path}: {note}"
                    for seen in found.batches
                    for note in (*seen.notes, *(seen.details if verbose else ()))
                ),
            ]
        )
    return outcome.status(found.whole, missing_ok)


@commands.command()
def runner() -> int:
    """Print run_batch.py, which runs CellProfiler 4 or 5 and keeps its measurements as .h5."""
    from cpexport.scripts import runner

    click.echo(runner(), nl=False)
    return outcome.DONE


commands.add_command(cliload.load)
commands.add_command(clidestination.properties)
commands.add_command(clidestination.verify)
commands.add_command(clidestination.script)


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line, and ends the process with its exit status."""
    begin()
    sys.exit(outcome.run(lambda: commands.main(arguments, standalone_mode=False)))
