"""Progress on the terminal: what is done of what, values a second, and the time left."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)


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


@contextmanager
def shown(quiet: bool) -> Iterator[Callable[[str, int, int, int], None]]:
    """A function to tell of progress: what, how much is done, of how much, how many values.

    It draws on stderr if that is a terminal, and says nothing in pipes or when `quiet`.
    """
    stop = _stop_between_batches()
    if quiet or not sys.stderr.isatty():
        yield lambda what, done, total, values: stop()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("batches {task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int, values: int) -> None:
            stop()
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total, speed="")
            elapsed = progress.tasks[tasks[what]].elapsed or 0
            speed = f"{values / elapsed / 1e6:.1f} M values/s" if values and elapsed else ""
            progress.update(tasks[what], completed=done, total=total, speed=speed)

        yield tell
