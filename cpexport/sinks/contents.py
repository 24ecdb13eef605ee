"""Checks that there is something to read in a destination."""

from cpexport.errors import SinkError
from cpexport.sinks.base import Sink


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
