"""Shows progress on the terminal: batches, image sets, values per second, and the time left."""

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
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cpexport.commands.watch import RunProgress
from cpexport.imagesets import ImageSets
from cpexport.loading.progress import ProgressEvent
from cpexport.spelling import counted

if TYPE_CHECKING:
    # A check does not need what this import loads.
    from cpexport.commands.load_report import LoadReport


def _stop_between_batches() -> Callable[[], None]:
    """Delays an interrupt until the returned function is called, which raises KeyboardInterrupt.

    Within a batch, a library could turn the interrupt into its own error. A second interrupt takes
    effect at once.
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


@contextmanager
def progress_bar(quiet: bool) -> Iterator[Callable[[ProgressEvent], None]]:
    """A function that shows progress, and raises KeyboardInterrupt after an interrupt.

    It draws on stderr if that is a terminal, and is silent in pipes or when `quiet`.
    """
    stop = _stop_between_batches()
    if quiet or not sys.stderr.isatty():
        yield lambda done: stop()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}{task.fields[more]}"),
        TimeRemainingColumn(),
    )
    drawing = Progress(*columns, console=Console(stderr=True), transient=True)
    with drawing as progress:
        bars: dict[tuple[str, str], Task] = {}

        def show(done: ProgressEvent) -> None:
            stop()
            key = done.run, done.what
            if key not in bars:
                progress.refresh()
                for run, what in [*bars]:
                    if run != done.run:
                        progress.remove_task(bars.pop((run, what)).id)
                name = f"{done.run}: {done.what}" if done.run else done.what
                progress.add_task(name, total=done.total, more="", unit=done.unit)
                bars[key] = progress.tasks[-1]
            for each, bar in bars.items():
                # A bar without a total is finished when another one moves.
                bar.visible = each == key or bar.total is not None
            elapsed = bars[key].elapsed or 0
            more = f", {counted(done.image_sets, 'image set')}" if done.image_sets else ""
            if done.values and elapsed:
                more += f", {done.values / elapsed / 1e6:.1f} M values/s"
            progress.update(bars[key].id, completed=done.batches, total=done.total, more=more)

        yield show


def passed_text(report: "LoadReport") -> str:
    """A line on how far `load --watch` is after a pass; it begins with the local time.

    The report counts the image sets of all passes so far.
    """
    planned = report.planned or 0
    loaded = planned - len(report.missing)
    return (
        f"{datetime.now():%Y-%m-%d %H:%M:%S}  {loaded} of {planned} planned image sets are in "
        f"the destination, {report.image_sets} loaded since this command started"
    )


@contextmanager
def live_display(quiet: bool) -> Iterator[Callable[[RunProgress], None]]:
    """A function that shows how far a run is, on stderr.

    On a terminal it redraws a table; otherwise it prints a line when something has changed. It is
    silent when `quiet`.
    """
    if quiet:
        yield lambda standing: None
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        printed: list[str] = []

        def print_changes(now: RunProgress) -> None:
            line = ", ".join(f"{len(sets)} {name}" for name, sets in _standings(now))
            for text in (line, now.idle):
                if text and text not in printed[-2:]:
                    printed.append(text)
                    click.echo(text, err=True)

        yield print_changes
        return
    with Live(console=console) as live:
        yield lambda now: live.update(_drawing(now), refresh=True)


def _standings(now: RunProgress) -> list[tuple[str, ImageSets]]:
    return [
        ("complete", now.complete),
        ("running", now.running),
        *([("waiting", now.waiting)] if now.waiting else []),
        ("failed", now.failed),
        ("missing", now.missing),
    ]


def _drawing(now: RunProgress) -> Group:
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
