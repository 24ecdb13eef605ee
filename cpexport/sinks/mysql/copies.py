"""Refuses to replace a table by a copy that would lack something.

`CREATE TABLE LIKE` copies columns, indexes and partitions, but none of these (MySQL 9 and MariaDB
11, CREATE TABLE ... LIKE); and foreign keys of other tables would go to the old table.
"""

from typing import Final

from cpexport.errors import ChangedError
from cpexport.sinks.mysql.database import MysqlDatabase

_LOST: Final = {
    "trigger": (
        "SELECT trigger_name FROM information_schema.triggers "
        "WHERE event_object_schema = DATABASE() AND event_object_table = ?"
    ),
    "foreign key": (
        "SELECT constraint_name FROM information_schema.referential_constraints "
        "WHERE constraint_schema = DATABASE() AND table_name = ?"
    ),
    "foreign key of another table": (
        "SELECT concat(table_name, '.', constraint_name) "
        "FROM information_schema.referential_constraints "
        "WHERE unique_constraint_schema = DATABASE() AND referenced_table_name = ?"
    ),
    # Of MariaDB alone.
    "history": (
        "SELECT 'SYSTEM VERSIONING' FROM information_schema.tables WHERE table_schema = DATABASE() "
        "AND table_type = 'SYSTEM VERSIONED' AND table_name = ?"
    ),
}
"""How to find what `CREATE TABLE LIKE` leaves out, by what it is."""


def check_copied(db: MysqlDatabase, table: str) -> None:
    """Checks that a copy of a table would have all that administrators added to it.

    Raises:
        ChangedError: it would lack something; the error names it.
    """
    for kind, sql in _LOST.items():
        for (name,) in db.rows(sql, table):
            raise ChangedError(
                db.name,
                f"a new table {table} must replace the old one, which has a {kind}: {name}",
                "drop it, run the command again, and create it again",
            )
