"""What each kind of destination can do: commands ask here, and never look at a URL."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Capabilities:
    """What a kind of destination can do. Each package of `sinks` has one, as `CAPABILITIES`.

    max_columns: the most columns that one table of numbers can have.
    infinities: whether infinite values are stored; otherwise they become NULL, as NaN always does.
    views: whether the destination can have views.
    read_by_analyst: whether CellProfiler Analyst 3 opens this kind.
    indexes: whether the destination has indexes, without which the usual queries are slow.
    server: whether it is a server, which needs a user and can read an option file.
    concurrent: whether worker processes can write its files, so that a batch's transaction only has
        to adopt them; see `sinks.sql.stager`.
    """

    max_columns: int
    infinities: bool = False
    views: bool = True
    read_by_analyst: bool = False
    indexes: bool = False
    server: bool = False
    concurrent: bool = False
