"""System calls that fail, are cut short, or are the last of their process."""

import errno
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from faults.preload import Call, Effect, Fault, Preloaded
from faults.trials import Attempt, Trials


@dataclass(frozen=True)
class Kind:
    """A row of the matrix: the fault that each of some calls in turn has."""

    name: str
    fault: Fault


def _errors(name: str, number: int, calls: Call, *, lasting: bool = False) -> Kind:
    return Kind(name, Fault(calls, Effect.FAIL, number, lasting=lasting))


KINDS = (
    _errors("enospc", errno.ENOSPC, Call.SPACE),
    _errors("enospc-for-good", errno.ENOSPC, Call.SPACE, lasting=True),
    _errors("edquot", errno.EDQUOT, Call.SPACE),
    _errors("eio", errno.EIO, Call.CHANGES),
    _errors("eio-for-good", errno.EIO, Call.CHANGES, lasting=True),
    _errors("eintr", errno.EINTR, Call.OPEN | Call.WRITE | Call.SYNC),
    _errors("emfile", errno.EMFILE, Call.OPEN),
    Kind("short-write", Fault(Call.WRITE, Effect.SHORTEN)),
    Kind("kill", Fault(Call.CHANGES | Call.OPEN, Effect.SIGNAL_BEFORE, signal.SIGKILL)),
    Kind("kill-after", Fault(Call.CHANGES | Call.OPEN, Effect.SIGNAL_AFTER, signal.SIGKILL)),
    Kind("term", Fault(Call.CHANGES | Call.OPEN, Effect.SIGNAL_BEFORE, signal.SIGTERM)),
    Kind("int", Fault(Call.CHANGES | Call.OPEN, Effect.SIGNAL_BEFORE, signal.SIGINT)),
)


def calls(trials: Trials, preloaded: Preloaded, kind: Kind) -> int:
    """How many calls a quiet command makes of those that the kind changes."""
    counting = replace(kind.fault, effect=Effect.NOTHING)
    quiet = trials.attempt("none", preloaded.armed(counting, *_watched(trials)))
    assert not quiet.violations, quiet
    return preloaded.seen


def sweep(
    trials: Trials, preloaded: Preloaded, kind: Kind, numbers: Iterator[int]
) -> Iterator[Attempt]:
    """Tries the fault at the n-th call, for the numbers n given, until it no longer hits."""
    for nth in numbers:
        fault = replace(kind.fault, nth=nth)
        attempt = trials.attempt(
            f"{kind.name} at call {nth}", preloaded.armed(fault, *_watched(trials))
        )
        if not preloaded.struck:
            return
        yield attempt


def _watched(trials: Trials) -> tuple[Path, Path]:
    return (trials.place.folder, trials.scratch)
