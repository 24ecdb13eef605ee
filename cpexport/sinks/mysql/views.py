"""The views of a MySQL or MariaDB database, and the indexes that they need."""

from collections.abc import Mapping

from cpexport.cellprofiler.features import OBJECT, RELATIONSHIP
from cpexport.sinks.mysql.dialect import DIALECT
from cpexport.sinks.sql import schema
from cpexport.sinks.sql.database import Database, quoted
from cpexport.sinks.sql.indexes import TableIndex
from cpexport.sinks.sql.object_view import ObjectView, object_view
from cpexport.sinks.sql.statements import view_for
from cpexport.tables.layout import Layout, table_of
from cpexport.tables.options import VIEW, TableOptions

WIDTH = 4096
"""The most columns of a view (MySQL 8 and 9; MariaDB allows more)."""

WHOLE = "_all"
"""How the name of a view of all parts of a table ends."""


def statements(layout: Layout, prefix: str, shape: TableOptions) -> dict[str, str]:
    """The statements that make or replace all views under a prefix, by name of view."""
    relationships = f"{prefix}Per_{RELATIONSHIP}sView"
    views = {relationships: schema.relationship_view(prefix, shape.numbered, DIALECT)}
    views |= views_of_parts(layout)
    if view := _object_view(layout, prefix, shape):
        views[table_of(OBJECT, prefix)] = view.statement
    return {name: view_for(DIALECT, made) for name, made in views.items()}


def indexes(layout: Layout, prefix: str, shape: TableOptions) -> tuple[TableIndex, ...]:
    """The indexes that the views need."""
    view = _object_view(layout, prefix, shape)
    return view.indexes if view else ()


def _object_view(layout: Layout, prefix: str, shape: TableOptions) -> ObjectView | None:
    view = object_view(layout, prefix) if shape.layout == VIEW else None
    return view if view and view.width <= WIDTH else None


def views_of_parts(layout: Layout) -> Mapping[str, str]:
    """For each table in parts, the statement that makes a view of all its columns, by name of view.
    A table that is too wide for a view has none."""
    statements = {}
    for name in sorted(layout.objects):
        parts = layout.parts(name)
        columns = [*parts[0].key, *(column.name for part in parts for column in part.columns)]
        if len(parts) > 1 and len(columns) <= WIDTH:
            listed = ", ".join(quoted(column) for column in columns)
            first, *rest = (quoted(part.name) for part in parts)
            using = ", ".join(quoted(key) for key in parts[0].key)
            joins = "".join(f" JOIN {part} USING ({using})" for part in rest)
            view = parts[0].name + WHOLE
            statements[view] = f"CREATE VIEW {quoted(view)} AS SELECT {listed} FROM {first}{joins}"
    return statements


def with_rights_of_readers(db: Database) -> set[str]:
    """The names, in lower case, of the database's views that read with the rights of the reader."""
    rows = db.rows(
        "SELECT table_name FROM information_schema.views "
        "WHERE table_schema = DATABASE() AND security_type = 'INVOKER'"
    )
    return {name.lower() for (name,) in rows}
