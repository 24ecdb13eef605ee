"""Ends commands: exit statuses, and messages on stderr."""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, Final

import click

from cpexport.cli.json_text import json_text
from cpexport.errors import CpexportError, PreflightError, failure, printable
from cpexport.outcome import DONE, FAILED, INTERRUPTED

_STOPPED: Final = "interrupted"
_GO_ON: Final = "run the same command again to continue"
_STARVED: Final = "the system gave this process no more memory, or no more threads"
_FEED: Final = (
    "allow it more (ulimit -a shows its limits), or use fewer --jobs, and run the same command "
    "again to continue"
)
# What Python says if the system refuses one.
# Python's words, and Arrow's.
_NO_THREAD: Final = ("can't start new thread", "Failed to launch worker thread")


def warn(problems: Iterable[object], quiet: bool) -> None:
    """Prints problems that do not stop the command on stderr, unless `quiet`."""
    for problem in () if quiet else problems:
        click.echo(f"warning: {printable(str(problem))}", err=True)


def advise(notes: list[str] | tuple[str, ...]) -> None:
    """Prints notes on stderr; notes that differ only in their path are printed as one."""
    kinds: dict[str, list[str]] = {}
    for note in notes:
        path, colon, what = printable(note).partition(": ")
        kinds.setdefault(what if colon else note, []).append(path if colon else "")
    for what, paths in kinds.items():
        if not any(paths):
            click.echo(f"note: {what}", err=True)
            continue
        others = f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
        click.echo(f"note: {paths[0]}{others}: {what}", err=True)


def interrupted() -> int:
    """Says that the command was interrupted; returns its exit status."""
    click.echo(f"cpexport: {_STOPPED}; {_GO_ON}", err=True)
    return INTERRUPTED


def run(command: Callable[[], Any], *, json: bool = False) -> int:
    """Runs a command and returns its exit status; prints an error as one line on stderr.

    If `json`, the error is also printed on stdout, as the one object of the report.
    """
    try:
        return command() or DONE
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        report = failure("UsageError", error.exit_code, error.format_message())
    except (click.Abort, KeyboardInterrupt):
        report = failure("Interrupted", interrupted(), _STOPPED, advice=_GO_ON)
    except PreflightError as error:
        for problem in error.problems:
            click.echo(f"problem: {problem}; nothing was planned", err=True)
        report = error.to_dict()
    except CpexportError as error:
        click.echo(f"cpexport: {error}", err=True)
        report = error.to_dict()
    except Exception as error:
        report = _refused_by_system(error)
    if json:
        _print_report(json_text(report))
    exit_status: int = report["exit_status"]
    return exit_status


def _print_report(text: str) -> None:
    """Prints on stdout; a program that reads no more of it, such as `head`, is no error."""
    try:
        click.echo(text)
    except BrokenPipeError:
        # Python flushes stdout as it ends, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refused_by_system(error: Exception) -> dict[str, Any]:
    """Says what the system refused; returns the report. Other errors are raised again."""
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"cpexport: {where}{error.strerror or error}", err=True)
        path = str(error.filename) if error.filename else None
        return failure("OSError", FAILED, error.strerror or str(error), path)
    if not (isinstance(error, MemoryError) or any(words in str(error) for words in _NO_THREAD)):
        raise error
    click.echo(f"cpexport: {_STARVED}; {_FEED}", err=True)
    return failure("MemoryError", FAILED, _STARVED, advice=_FEED)


def asks_for_json(arguments: Sequence[str]) -> bool:
    """Whether the words of a command line, which may be wrong, ask for a report as JSON.

    >>> asks_for_json(["load", "outputs", "--format", "json"]), asks_for_json(["check", "json"])
    (True, False)
    """
    return "--format=json" in arguments or ("--format", "json") in pairwise(arguments)
