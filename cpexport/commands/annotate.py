"""Adds what is in the wells to a destination, and names the wells that do not match."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cpexport.derived import treatments
from cpexport.derived.plate_layouts import read_layouts
from cpexport.derived.treatment_table import table_name
from cpexport.loading.retry import Retry
from cpexport.outcome import stamped, status
from cpexport.sinks.contents import check_has_image_sets
from cpexport.sinks.registry import open_sink

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AnnotateReport:
    """What became of a layout.

    destination: its URL, without a password.
    table, view: the names of the table of wells, and of the view of image sets; the view is empty
        if there is none.
    columns: the columns with what is in the wells.
    wells: how many wells of the destination have a row.
    not_there: the wells of the layout that no image set is in, by plate; an empty plate stands for
        a layout of every plate.
    without: the wells of the destination that the layout does not have, by plate.
    missing_ok: whether the exit status is 0 even if wells do not match.
    """

    destination: str
    table: str
    view: str
    columns: tuple[str, ...]
    wells: int
    not_there: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    without: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    missing_ok: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether all wells match."""
        return not (self.not_there or self.without)

    @property
    def exit_status(self) -> int:
        """0: all wells match. 3: some do not."""
        return status(self.is_complete, self.missing_ok)

    def to_dict(self) -> dict[str, Any]:
        """The report as `cpexport annotate --format json` prints it: lists, texts and numbers."""
        fields = {
            "destination": self.destination,
            "table": self.table,
            "view": self.view,
            "columns": list(self.columns),
            "wells": self.wells,
            "not_there": {plate: list(wells) for plate, wells in self.not_there.items()},
            "without": {plate: list(wells) for plate, wells in self.without.items()},
        }
        return stamped(self.exit_status, fields)


def annotate(
    to: str, prefix: str, layouts: Sequence[Path], *, forget: bool = False
) -> AnnotateReport:
    """Adds what layouts say about wells to a destination; see `derived.treatments`.

    Raises:
        SourceError: a layout cannot be read.
        UsageError: columns of the layouts cannot have their names.
        SinkError: the destination is empty, names no wells, or refuses.
    """
    layout = read_layouts(layouts)
    with open_sink(to, prefix, writing=False) as sink:
        check_has_image_sets(sink, prefix)
        destination = sink.name
    found = Retry()(lambda _: treatments.annotate(to, prefix, layout, forget=forget))
    _log.info("%d wells of %s have a row", found.wells, destination)
    return AnnotateReport(
        destination,
        table_name(prefix),
        treatments.view_name(prefix) if found.view else "",
        found.names,
        found.wells,
        found.not_there,
        found.without,
    )
