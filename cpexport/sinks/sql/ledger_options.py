"""Stores in the ledger how a destination's tables look, and checks what a load asks for."""

from cpexport.errors import SinkError
from cpexport.sinks.sql.database import Database
from cpexport.sinks.sql.ledger_settings import checked, note, setting
from cpexport.sinks.sql.ledger_tables import forget_content, layout
from cpexport.sinks.sql.scope import Scope
from cpexport.tables.options import TableOptions
from cpexport.tables.path_map import PathMap


@checked
def shape_of(db: Database, prefix: str) -> TableOptions | None:
    """The options that the tables under a prefix have; None before they are made."""
    stored = setting(db, Scope(prefix), "shape")
    return None if stored is None else TableOptions.from_json(stored)


def agreed(
    db: Database, prefix: str, shape: TableOptions | None, paths: PathMap | None
) -> TableOptions:
    """The options that the tables have, or will have if there are no tables yet. If the stored
    options name object types that do not exist, the corrected options, which `reshape` then stores.

    Raises:
        SinkError: other options are asked for; existing tables are not rebuilt.
    """
    stored = shape_of(db, prefix)
    wanted = (stored or TableOptions()).requested(shape, paths)
    if stored is None or stored == wanted:
        return wanted
    if wanted.corrects(stored, layout(db, prefix, False).types):
        return wanted
    made, requested = stored.differences(wanted)
    raise SinkError(
        db.name,
        f"was created with {made}, but {requested} was requested",
        "remove the options that differ, load into another destination, or add another --prefix",
    )


def differs(db: Database, prefix: str, shape: TableOptions) -> bool:
    """Whether the tables have other options than these, which `agreed` returned."""
    return shape_of(db, prefix) not in (None, shape)


def reshape(db: Database, prefix: str, shape: TableOptions) -> None:
    """Stores these options for the tables. The loaded batches stay, but lose their fingerprint and
    signature: they are loaded again, with the object types that they lack."""
    note(db, Scope(prefix), {"shape": shape.as_json()})
    forget_content(db, prefix)
