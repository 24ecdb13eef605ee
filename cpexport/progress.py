"""Progress on the terminal: batches, image sets, values a second, and the time left."""

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

from cpexport.survey import Done


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
def shown(quiet: bool) -> Iterator[Callable[[Done], None]]:
    """A function to tell of progress, which raises KeyboardInterrupt when there was one.

    It draws on stderr if that is a terminal, and says nothing in pipes or when `quiet`.
    """
    stop = _stop_between_batches()
    if quiet or not sys.stderr.isatty():
        yield lambda done: stop()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("batches{task.fields[more]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def tell(done: Done) -> None:
            stop()
            if done.what not in tasks:
                tasks[done.what] = progress.add_task(done.what, total=done.total, more="")
            elapsed = progress.tasks[tasks[done.what]].elapsed or 0
            more = f", {done.image_sets} image sets" if done.image_sets else ""
            if done.values and elapsed:
                more += f", {done.values / elapsed / 1e6:.1f} M values/s"
            progress.update(tasks[done.what], completed=done.batches, total=done.total, more=more)

        yield tell
