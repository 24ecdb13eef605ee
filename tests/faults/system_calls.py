"""System calls that fail, are cut short, or are the last of their process."""

import errno
import signal
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from faults.places import NAMES
from faults.preload import Call, Effect, Fault, Preloaded
from faults.setup import Row, Setup, Tried, spread
from faults.trials import Attempt, Trials


@dataclass(frozen=True)
class Kind:
    """A row of the matrix: the fault that each of some calls in turn meets.

    Calls below the destination and the folder for scratch files count, or `of_input` those below
    the outputs. `jobs` is the number of processes that read them.
    """

    name: str
    fault: Fault
    of_input: bool = False
    jobs: int = 1


def _errors(name: str, number: int, calls: Call, *, lasting: bool = False) -> Kind:
    return Kind(name, Fault(calls, Effect.FAIL, number, lasting=lasting))


_READS = Call.READ | Call.OPEN

KINDS = (
    _errors("enospc", errno.ENOSPC, Call.SPACE),
    _errors("enospc-for-good", errno.ENOSPC, Call.SPACE, lasting=True),
    _errors("edquot", errno.EDQUOT, Call.SPACE),
    _errors("eio", errno.EIO, Call.CHANGES),
    # Not of deletions: a file that cannot be deleted stays.
    _errors("eio-for-good", errno.EIO, Call.CHANGES & ~Call.UNLINK, lasting=True),
    _errors("eintr", errno.EINTR, Call.OPEN | Call.WRITE | Call.SYNC),
    _errors("emfile", errno.EMFILE, Call.OPEN),
    Kind("short-write", Fault(Call.WRITE, Effect.SHORTEN)),
    Kind("kill", Fault(Call.CHANGES | Call.OPEN, Effect.SIGNAL_BEFORE, signal.SIGKILL)),
    Kind("kill-after", Fault(Call.CHANGES | Call.OPEN, Effect.SIGNAL_AFTER, signal.SIGKILL)),
    Kind("term", Fault(Call.CHANGES | Call.OPEN, Effect.SIGNAL_BEFORE, signal.SIGTERM)),
    Kind("int", Fault(Call.CHANGES | Call.OPEN, Effect.SIGNAL_BEFORE, signal.SIGINT)),
    Kind("read-eio", Fault(_READS, Effect.FAIL, errno.EIO), of_input=True),
    Kind("short-read", Fault(Call.READ, Effect.SHORTEN), of_input=True),
    Kind("worker-kill", Fault(_READS, Effect.SIGNAL_BEFORE, signal.SIGKILL), True, jobs=2),
)


def calls(setup: Setup, trials: Trials, kind: Kind) -> int:
    """How many calls a quiet command makes of those that the kind changes."""
    counted = setup.calls(trials, kind.fault.calls, *_watched(trials, kind))
    trials.jobs = 1
    return counted


def struck(trials: Trials, preloaded: Preloaded, kind: Kind, nth: int) -> Attempt | None:
    """Tries the fault at the n-th call; None if there are fewer."""
    armed = preloaded.armed(replace(kind.fault, nth=nth), *_watched(trials, kind))
    attempt = trials.attempt(f"{kind.name} at call {nth}", armed)
    trials.jobs = 1
    return attempt if preloaded.struck else None


def _sweep(kind: Kind, setup: Setup, place: str) -> Tried:
    """Tries the fault at every call, in a load that changes a destination, then in a first load."""
    both = [setup.trials(place), setup.trials(place, fresh=True)]
    counts = [calls(setup, trials, kind) for trials in both]
    for nth in spread(max(counts)):
        for trials, count in zip(both, counts, strict=True):
            if nth <= count:
                attempt = struck(trials, setup.preloaded, kind, nth)
                if attempt is not None:
                    yield attempt


def _watched(trials: Trials, kind: Kind) -> tuple[Path, ...]:
    trials.jobs = kind.jobs
    return trials.lasting if kind.of_input else (trials.place.folder, trials.scratch)


ROWS = tuple(Row(kind.name, NAMES, partial(_sweep, kind)) for kind in KINDS)
