"""The names that MySQL and MariaDB take for tables, columns, indexes and views."""

import re

from cpexport.errors import SinkError
from cpexport.sinks.mysql import views
from cpexport.sinks.sql import schema
from cpexport.tables.layout import Layout
from cpexport.tables.options import TableOptions

_LONGEST = 64
# In a name, servers replace a character of more than two bytes in UTF-16 by a question mark, and
# drop a space at the end.
_STRANGE = re.compile(r"[^\x01-\ud7ff\ue000-\uffff]| $")


def check_names(layout: Layout, prefix: str, shape: TableOptions) -> None:
    """Checks that the server takes all names, before anything is made.

    Raises:
        SinkError: one is too long, or has a character beyond the basic plane of Unicode.
    """
    names = set(views.statements(layout, prefix, shape))
    for table in (
        *map(schema.data_table, layout.tables.values()),
        *schema.relationship_tables(prefix, shape.numbered),
        schema.experiment_table(prefix, shape.numbered),
    ):
        names |= {table.name, *table.columns.keys()}
        names |= {str(index.name) for index in table.indexes}
        names |= {str(constraint.name) for constraint in table.constraints if constraint.name}
    for name in sorted(names):
        if len(name) > _LONGEST:
            problem = f"is too long for a name on MySQL, which allows {_LONGEST} characters"
            raise SinkError(name, problem, "shorten --prefix")
        if strange := _STRANGE.search(name):
            problem = f"is not a name on MySQL, because it contains {strange[0]!r}"
            raise SinkError(
                name, problem, "leave out these objects: name the others with --objects"
            )
