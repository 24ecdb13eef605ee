"""How a destination is opened."""

from dataclasses import dataclass

from cpexport.tables.options import TableOptions
from cpexport.tables.path_map import PathMap


@dataclass(frozen=True)
class Opening:
    """What `registry.open_sink` was asked for; see there."""

    prefix: str
    shape: TableOptions | None
    run: str | None
    paths: PathMap | None
    writing: bool
