"""When an output was made, as far as its job or its files tell.

Jobs write their own time. Where one did not, the times of its files count, which a node or a file
server with a wrong clock sets. A file from the future is no evidence that an output is the newer.
"""

import time
from datetime import datetime
from typing import Final

# Clocks of file servers differ by minutes. In nanoseconds, as all times of files here.
_SKEW: Final = 3_600_000_000_000
# Sorts times that cannot be right before all that can, in their own order. Half of what an integer
# of the ledger holds.
_BEFORE_ALL: Final = 1 << 62


def age(finished: str, newest: int) -> tuple[str, int]:
    """A key that sorts outputs from oldest to newest.

    finished: the job's own time, in CellProfiler's form; empty if it is unknown.
    newest: the time of the newest file in nanoseconds, which counts where jobs have no own time, or
        the same. In local time, as CellProfiler's.

    >>> age("", time.time_ns() + 9 * _SKEW) < age("", 0) < age("2026-11-22T12:29:20", 0)
    True
    """
    if _is_future(newest):
        return finished, min(newest, _BEFORE_ALL) - _BEFORE_ALL
    newest = max(newest, -_BEFORE_ALL)
    return finished or _local(newest).isoformat(), newest


def notes(finished: str, newest: int) -> list[str]:
    """What users should know about the times of an output: those in the future."""
    found = []
    # Nodes in another time zone can be a day ahead.
    tomorrow = datetime.fromtimestamp(time.time() + 86_400).isoformat()
    if finished[:1].isdecimal() and finished > tomorrow:
        found.append(
            f"its job says that it ran on {finished[:10]}, which is in the future; where outputs "
            "have the same image sets, it counts as the newest: check the clocks"
        )
    if _is_future(newest):
        found.append(
            f"its files are of {_local(newest).date()}, which is in the future; their time does "
            "not count where outputs have the same image sets"
        )
    return found


def _local(newest: int) -> datetime:
    """The local time, within what a date can be: file systems can hold more."""
    return datetime.fromtimestamp(min(max(newest / 1e9, -62e9), 253e9))


def _is_future(newest: int) -> bool:
    return newest > time.time_ns() + _SKEW
