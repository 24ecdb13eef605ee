"""Progress on the terminal: batches, image sets, values a second, and the time left."""

import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import FrameType
from typing import TYPE_CHECKING

import click
from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cpexport.imagesets import ImageSets
from cpexport.survey import Done
from cpexport.watch import Standing

if TYPE_CHECKING:
    # A check needs nothing of what it brings along.
    from cpexport.load import Report


def _stop_between_batches() -> Callable[[], None]:
    """Makes an interrupt wait for the function returned, which then raises KeyboardInterrupt.

    Within a batch it could come out as a library's error of its own. A second one comes at once.
    """
    stopped = threading.Event()

    def note(number: int, frame: FrameType | None) -> None:
        stopped.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def stop() -> None:
        if stopped.is_set():
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, note)
    return stop


class _Said(logging.Handler):
    """Writes what the package logs to stderr, above whatever is drawn there."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(f"cpexport: {record.getMessage()}", err=True)


@contextmanager
def _said(quiet: bool) -> Iterator[None]:
    log, handler = logging.getLogger("cpexport"), _Said()
    if quiet:
        yield
        return
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


@contextmanager
def shown(quiet: bool) -> Iterator[Callable[[Done], None]]:
    """A function to tell of progress, which raises KeyboardInterrupt when there was one.

    It draws on stderr if that is a terminal, and says nothing in pipes or when `quiet`.
    """
    stop = _stop_between_batches()
    if quiet or not sys.stderr.isatty():
        with _said(quiet):
            yield lambda done: stop()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}{task.fields[more]}"),
        TimeRemainingColumn(),
    )
    bars = Progress(*columns, console=Console(stderr=True), transient=True)
    with _said(quiet), bars as progress:
        tasks: dict[str, TaskID] = {}

        def tell(done: Done) -> None:
            stop()
            if done.what not in tasks:
                # Something without an end in sight is through when the next begins.
                progress.refresh()
                for task in progress.tasks:
                    task.visible = task.total is not None
                tasks[done.what] = progress.add_task(
                    done.what, total=done.total, more="", unit=done.unit
                )
            elapsed = progress.tasks[tasks[done.what]].elapsed or 0
            more = f", {done.image_sets} image sets" if done.image_sets else ""
            if done.values and elapsed:
                more += f", {done.values / elapsed / 1e6:.1f} M values/s"
            progress.update(tasks[done.what], completed=done.batches, total=done.total, more=more)

        yield tell


def passed_text(report: "Report") -> str:
    """How far `load --watch` is after a pass, as a line that begins with the local time.

    A report counts the image sets of all passes so far.
    """
    planned = report.planned or 0
    there = planned - len(report.missing)
    return (
        f"{datetime.now():%Y-%m-%d %H:%M:%S}  {there} of {planned} planned image sets are in the "
        f"destination, {report.image_sets} since this command began"
    )


@contextmanager
def drawn(quiet: bool) -> Iterator[Callable[[Standing], None]]:
    """A function that shows how far a run is: on a terminal a table that is drawn over, else a
    line whenever it has changed. It is on stderr, and nothing when `quiet`."""
    if quiet:
        yield lambda standing: None
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        said: list[str] = []

        def say(now: Standing) -> None:
            line = ", ".join(f"{len(sets)} {name}" for name, sets in _standings(now))
            for text in (line, now.idle):
                if text and text not in said[-2:]:
                    said.append(text)
                    click.echo(text, err=True)

        with _said(quiet):
            yield say
        return
    with _said(quiet), Live(console=console) as live:
        yield lambda now: live.update(_picture(now), refresh=True)


def _standings(now: Standing) -> list[tuple[str, ImageSets]]:
    return [
        ("complete", now.complete),
        ("running", now.running),
        *([("waiting", now.waiting)] if now.waiting else []),
        ("failed", now.failed),
        ("missing", now.missing),
    ]


def _picture(now: Standing) -> Group:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("IMAGE SETS")
    table.add_column("", justify="right")
    table.add_column("")
    for name, sets in _standings(now):
        table.add_row(name, str(len(sets)), Text(str(sets), overflow="ellipsis", no_wrap=True))
    to_go = "" if now.eta is None else f"  {timedelta(seconds=round(now.eta))} to go"
    bar = ProgressBar(total=len(now.planned), completed=len(now.complete), width=40)
    percent = 100 * len(now.complete) // max(len(now.planned), 1)
    return Group(table, bar, Text(f"{percent} %{to_go}"), *([Text(now.idle)] if now.idle else []))
