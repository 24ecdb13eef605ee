"""Checks that a destination has what is to be read."""

from cpexport.errors import SinkError, UsageError
from cpexport.sinks.base import Sink
from cpexport.spelling import closest, suggest


def check_has_image_sets(sink: Sink, prefix: str) -> None:
    """Checks that something was loaded into a destination under a prefix.

    Raises:
        SinkError: the destination does not exist, or has no tables of this prefix.
    """
    if not sink.exists:
        advice = "check --to, or load outputs into it first"
        raise SinkError(sink.name, "does not exist, or is empty", advice)
    if not sink.layout().columns:
        under = f" under the prefix {prefix}" if prefix else ""
        raise SinkError(
            sink.name,
            f"contains no image sets{under}",
            "check --to and --prefix, or load outputs into it with cpexport load",
        )


def check_has_run(sink: Sink, run: str) -> None:
    """Checks that a destination has a run.

    Raises:
        UsageError: it has not; the message lists those that it has.
    """
    runs = sink.ledger.runs()
    if run not in runs:
        message = f"no run {run}; existing runs: {', '.join(runs) or 'none with a name'}"
        raise UsageError(suggest(message, closest(run, runs)))
