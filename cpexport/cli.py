"""The commands: each parses its words, calls one function, and prints what comes back."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from cpexport import __version__
from cpexport.errors import CpexportError, UsageError

_DONE, _FAILED, _WRONG, _NOT_WHOLE = 0, 1, 2, 3

_outputs = click.argument("outputs", nargs=-1, type=click.Path(path_type=Path))
_batch = click.option(
    "--batch",
    "batch_file",
    type=click.Path(path_type=Path),
    help="The batch file, Batch_data.h5. Found by itself beside or below OUTPUTS.",
)
_prefix = click.option("--prefix", default="", help="Begins the names of the tables: MyExpt_.")
_quiet = click.option("--quiet", is_flag=True, help="No progress, no advice on stderr.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def commands() -> None:
    """Check, and load into one database, what CellProfiler's batch jobs left.

    Exit status: 0 done and whole; 1 failed; 2 wrong usage; 3 done, but something is missing or was
    left out, which the report names.
    """


@commands.command()
@_outputs
@click.option("--to", help="Where to, as a URL; default: sqlite:///NAME OF OUTPUTS.sqlite.")
@_batch
@_prefix
@click.option("--format", type=click.Choice(["table", "json"]), default="table")
@_quiet
def load(
    outputs: tuple[Path, ...],
    to: str | None,
    batch_file: Path | None,
    prefix: str,
    format: str,
    quiet: bool,
) -> int:
    """Load every complete image set of every batch below OUTPUTS; run again, only what is new."""
    from cpexport.load import load
    from cpexport.progress import shown
    from cpexport.report import load_text

    if not outputs:
        raise UsageError("name the folder that holds the jobs' outputs")
    first = outputs[0].resolve()
    name = first.stem if first.is_file() else first.name
    url = f"sqlite:///{name}.sqlite" if to is None else to
    with shown(quiet) as progress:
        report = load(outputs, url, batch_file=batch_file, prefix=prefix, progress=progress)
    click.echo(load_text(report, format))
    if not quiet:
        _advise(report.notes)
    return _DONE if report.whole else _NOT_WHOLE


@commands.command()
@_outputs
@_batch
@click.option("--to", help="Compare with what this destination holds, not with outputs.")
@_prefix
@click.option(
    "--format",
    type=click.Choice(["table", "list", "array", "commands", "json"]),
    default="table",
    help="list: lines of task, first, last. array: 4,7,9-10. commands: one a line.",
)
@_quiet
def check(
    outputs: tuple[Path, ...],
    batch_file: Path | None,
    to: str | None,
    prefix: str,
    format: str,
    quiet: bool,
) -> int:
    """Which planned image sets are complete below OUTPUTS, and which are missing, and why.

    Without OUTPUTS, the batch file's own folder is looked at.
    """
    from cpexport.check import check, check_destination
    from cpexport.progress import shown
    from cpexport.report import check_text

    if to is not None:
        if batch_file is None or outputs:
            raise UsageError("--to goes with --batch, and without OUTPUTS")
        found = check_destination(to, batch_file, prefix=prefix)
    else:
        with shown(quiet) as progress:
            found = check(outputs, batch_file, progress=progress)
    text = check_text(found, format, outputs[0] if outputs else found.plan.path.parent)
    if text:
        click.echo(text)
    if not quiet:
        _advise([f"{seen.path}: {note}" for seen in found.batches for note in seen.notes])
    return _DONE if found.whole else _NOT_WHOLE


def _advise(notes: list[str] | tuple[str, ...]) -> None:
    """Notes on stderr; many of one kind as one."""
    kinds: dict[str, list[str]] = {}
    for note in notes:
        path, _, what = note.partition(": ")
        kinds.setdefault(what, []).append(path)
    for what, paths in kinds.items():
        others = f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
        click.echo(f"note: {paths[0]}{others}: {what}", err=True)


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line, and ends the process with its exit status."""
    sys.exit(_run(lambda: commands.main(arguments, standalone_mode=False)))


def _run(command: Callable[[], Any]) -> int:
    try:
        return command() or _DONE
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("cpexport: interrupted; run it again to go on", err=True)
        return 130
    except UsageError as error:
        click.echo(f"cpexport: {error}", err=True)
        return _WRONG
    except CpexportError as error:
        click.echo(f"cpexport: {error}", err=True)
        return _FAILED
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"cpexport: {where}{error.strerror or error}", err=True)
        return _FAILED
