"""Ends commands: exit statuses, and messages on stderr."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import click

from cpexport.errors import CpexportError, UsageError

DONE: Final = 0
"""Done and whole."""
FAILED: Final = 1
WRONG: Final = 2
"""The arguments are invalid."""
INCOMPLETE: Final = 3
"""Done, but something is missing or was left out, which the report names."""
_INTERRUPTED: Final = 130


def warn(problems: Iterable[Any], quiet: bool) -> bool:
    """Prints problems on stderr: only the fatal ones if there are any, else all unless `quiet`.

    Returns whether there are fatal ones; then no plan is made.
    """
    all_problems = list(problems)
    fatal = [problem for problem in all_problems if problem.fatal]
    for problem in fatal:
        click.echo(f"problem: {problem}; no jobs were planned, because all would fail", err=True)
    for problem in () if fatal or quiet else all_problems:
        click.echo(f"warning: {problem}", err=True)
    return bool(fatal)


def status(whole: bool, missing_ok: bool) -> int:
    """The exit status of a command that has finished.

    `missing_ok` is for workflow managers: they discard the files of a command whose status is not
    0.
    """
    return DONE if whole or missing_ok else INCOMPLETE


def advise(notes: list[str] | tuple[str, ...]) -> None:
    """Prints notes on stderr; notes that differ only in their path are printed as one."""
    kinds: dict[str, list[str]] = {}
    for note in notes:
        path, colon, what = note.partition(": ")
        kinds.setdefault(what if colon else note, []).append(path if colon else "")
    for what, paths in kinds.items():
        if not any(paths):
            click.echo(f"note: {what}", err=True)
            continue
        others = f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
        click.echo(f"note: {paths[0]}{others}: {what}", err=True)


def run(command: Callable[[], Any]) -> int:
    """Runs a command and returns its exit status; prints an error as one line."""
    try:
        return command() or DONE
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("cpexport: interrupted; run the same command again to continue", err=True)
        return _INTERRUPTED
    except UsageError as error:
        click.echo(f"cpexport: {error}", err=True)
        return WRONG
    except CpexportError as error:
        click.echo(f"cpexport: {error}", err=True)
        return FAILED
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"cpexport: {where}{error.strerror or error}", err=True)
        return FAILED
