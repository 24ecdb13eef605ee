"""What makes queries fast on MySQL and MariaDB: indexes, and statistics of their values."""

import logging
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import Final

from cpexport._stopwatch import Stopwatch
from cpexport.errors import SinkError
from cpexport.sinks.mysql import column_types
from cpexport.sinks.mysql.database import MysqlDatabase
from cpexport.sinks.sql.database import quoted
from cpexport.sinks.sql.indexes import NAME_TAKEN, TableIndex
from cpexport.sinks.sql.schema import PLACE_LENGTH, SAMPLED_PAGES
from cpexport.tables.layout import Layout

_log = logging.getLogger(__name__)

# A key has at most 3,072 bytes, less with smaller pages (MySQL 9, InnoDB Limits); two texts of four
# bytes a character must fit.
_KEY_LENGTHS: Final = {4096: 90, 8192: 185}

_COLUMNS: Final = (
    "SELECT table_name, index_name, column_name FROM information_schema.statistics "
    "WHERE table_schema = DATABASE() ORDER BY table_name, index_name, seq_in_index"
)


def indexes(db: MysqlDatabase, layout: Layout) -> dict[str, list[tuple[str, ...]]]:
    """The columns of all indexes of the layout's tables, by table."""
    names = {db.spelled(table): table for table in layout.tables}
    found: dict[tuple[str, str], list[str]] = {}
    for table, index, column in db.rows(_COLUMNS):
        if table in names:
            found.setdefault((names[table], index), []).append(column)
    columns: dict[str, list[tuple[str, ...]]] = {}
    for (table, _), of_index in found.items():
        columns.setdefault(table, []).append(tuple(of_index))
    return columns


def indexes_of(db: MysqlDatabase, table: str) -> dict[str, list[str]]:
    """The columns of a table's indexes but the primary key, by name of index."""
    found: dict[str, list[str]] = {}
    for name, index, column in db.rows(_COLUMNS):
        if name == db.spelled(table) and index != "PRIMARY":
            found.setdefault(index, []).append(column)
    return found


def make_indexes(
    db: MysqlDatabase, layout: Layout, wanted: Iterable[TableIndex], page_size: int
) -> None:
    """Makes indexes, of a table in one statement. Of a TEXT, as older versions of cpexport made
    plates and wells, servers index only the first characters."""
    by_table: dict[str, list[TableIndex]] = {}
    for index in wanted:
        by_table.setdefault(index.table, []).append(index)
    for table, some in by_table.items():
        clock, types = Stopwatch(), column_types.of_table(db, table)
        length = _KEY_LENGTHS.get(page_size, PLACE_LENGTH)
        lengths = {name: length for name, type in types.items() if type in column_types.TEXTS}
        if length < PLACE_LENGTH:
            lengths |= {name: length for name, type in types.items() if type == "varchar"}
        taken = {name.lower() for name in indexes_of(db, table)}
        for index in some:
            if index.name.lower() in taken:
                _log.warning(NAME_TAKEN, table, ", ".join(index.columns), index.name)
                continue
            db.run(index.statement(lengths))
        _log.info("%s: %d indexes made in %s", table, len(some), clock)


def unsampled(db: MysqlDatabase, layout: Layout) -> tuple[str, ...]:
    """The tables of which the server samples too few pages, because an older version of cpexport
    made them."""
    names = {db.spelled(table): table for table in layout.tables}
    found = db.rows(
        "SELECT table_name, create_options FROM information_schema.tables "
        "WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'"
    )
    return tuple(
        names[name]
        for name, options in found
        if name in names and "stats_sample_pages" not in str(options).lower()
    )


def sample_more(db: MysqlDatabase, layout: Layout) -> None:
    """Makes the server sample enough pages of all tables."""
    for table in unsampled(db, layout):
        db.run(f"ALTER TABLE {quoted(table)} STATS_SAMPLE_PAGES = {SAMPLED_PAGES}")


def count_values(db: MysqlDatabase, layout: Layout, grown: Collection[str]) -> None:
    """Makes the server count the values of tables that have grown. It would do so unasked, but
    at some time after the first queries. Tables that others hold are left to the server."""
    for name in sorted(layout.objects):
        parts = layout.parts(name)
        for table in parts if parts[0].name in grown else ():
            with suppress(SinkError):
                clock = Stopwatch()
                db.rows(f"ANALYZE TABLE {quoted(table.name)}")
                _log.info("%s: values counted in %s", table.name, clock)
