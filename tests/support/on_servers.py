"""Compares a server's database, read with plain PyMySQL, with a SQLite file of the same loads."""

import re
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from cpexport.cli import exit_status
from cpexport.cli.main import commands
from support.servers import Database

# The part of the ledger that depends neither on the time of a load nor on the order of batches.
_LEDGER = {
    "batches": "SELECT prefix, table_number, path, format, signature, fingerprint, image_sets, "
    "complete, refused, group_tags, state, reason, finished, modified_ns, cellprofiler, "
    "pipeline_sha256, cpexport FROM _cpexport_batches",
    "rows": "SELECT b.table_number, b.signature, t.table_name, row_count, missing_count, "
    "infinite_count, infinite_columns FROM _cpexport_tables t JOIN _cpexport_batches b "
    "ON b.batch_id = t.batch_id",
    "sets": "SELECT s.prefix, s.table_number, s.number, s.identity, b.path "
    "FROM _cpexport_sets s JOIN _cpexport_batches b ON b.batch_id = s.batch_id",
    "runs": "SELECT * FROM _cpexport_runs",
    "features": "SELECT prefix, position, object_name, feature, column_name, type "
    "FROM _cpexport_columns",
    "settings": "SELECT * FROM _cpexport_settings WHERE name <> 'layout'",
}

Content = dict[str, list[tuple[object, ...]]]
Tables = dict[str, list[str]]
Rows = Callable[[str], list[tuple[object, ...]]]


def load(*words: object) -> int:
    """Runs `cpexport load` in this process; returns its exit status."""
    command = ["load", *map(str, words), "--quiet"]
    return exit_status.run(lambda: commands.main(command, standalone_mode=False))


def of_server(database: Database) -> tuple[Tables, Content]:
    """The tables with their columns, and all rows; parts of a table are joined."""
    columns_by_table: Tables = {}
    for table, column in database.rows(
        "SELECT c.table_name, column_name FROM information_schema.columns c "
        "JOIN information_schema.tables t USING (table_schema, table_name) "
        "WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' "
        "AND extra NOT LIKE '%INVISIBLE%' "
        "ORDER BY table_name, ordinal_position"
    ):
        columns_by_table.setdefault(table, []).append(column)
    with database.connect() as connection, connection.cursor() as cursor:

        def rows(sql: str) -> list[tuple[object, ...]]:
            cursor.execute(sql)
            return list(cursor.fetchall())

        return _content(columns_by_table, rows, "`")


def of_file(path: Path) -> tuple[Tables, Content]:
    """The same for a SQLite file."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        names = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        columns_by_table = {
            name: [row[1] for row in db.execute(f'PRAGMA table_info("{name}")')]
            for (name,) in names
            if not name.startswith("sqlite_")
        }
        return _content(columns_by_table, lambda sql: db.execute(sql).fetchall(), '"')
    finally:
        db.close()


def rest(database: Database) -> list[str]:
    """Leftovers of an interrupted change of tables; there should be none."""
    left = "SHOW TABLES WHERE `Tables_in_{0}` REGEXP '^_cpexport_(new|old|texts)'"
    noted = "SELECT value FROM _cpexport_settings WHERE name = 'changing'"
    return [
        str(name) for (name,) in (*database.rows(left.format(database.name)), *database.rows(noted))
    ]


def differences(database: Database, path: Path) -> list[str]:
    """The first differences between the two: tables, columns and their order, values bit by bit."""
    (tables, ours), (theirs_tables, theirs) = of_server(database), of_file(path)
    found = [f"table {name}" for name in tables.keys() ^ theirs_tables.keys()]
    for name in tables.keys() & theirs_tables.keys():
        if tables[name] != theirs_tables[name]:
            found.append(f"columns of {name}")
    for name in ours.keys() & theirs.keys():
        if len(ours[name]) != len(theirs[name]):
            found.append(f"{name}: {len(ours[name])} rows, not {len(theirs[name])}")
            continue
        for one, other in zip(ours[name], theirs[name], strict=True):
            if one != other or [*map(_is_double, one)] != [*map(_is_double, other)]:
                pairs = zip(tables.get(name, one), one, other, strict=True)
                found += [
                    f"{name}.{column}: {a!r} not {b!r}"
                    for column, a, b in pairs
                    if a != b or _is_double(a) != _is_double(b)
                ]
    return found[:20]


def _is_double(value: object) -> bool:
    """An integer that equals a double is another value."""
    return type(value) is float


def _content(tables: Tables, rows: Rows, quote: str) -> tuple[Tables, Content]:
    data = {name: of for name, of in tables.items() if not name.startswith("_")}
    if "Experiment" in data:
        # The column `name` has the name of the database.
        data["Experiment"] = [column for column in data["Experiment"] if column != "name"]
    merged: Tables = {}
    content: Content = {}
    for name in sorted(data):
        key = _key(data[name])
        listed = ", ".join(f"{quote}{column}{quote}" for column in data[name])
        order = ", ".join(map(str, range(1, min(len(data[name]), max(key, 5)) + 1)))
        if key:
            order = ", ".join(map(str, range(1, key + 1)))
        # Some fields of Experiment_Properties say where the database is.
        where = "WHERE field NOT LIKE 'db%'" if "field" in data[name] else ""
        found = rows(f"SELECT {listed} FROM {quote}{name}{quote} {where} ORDER BY {order}")
        table = name.partition("_part")[0]
        if table in merged:
            content[table] = [
                (*row, *part[key:]) if row[:key] == part[:key] else ("other keys",)
                for row, part in zip(content[table], found, strict=True)
            ]
            merged[table] += data[name][key:]
        else:
            merged[table], content[table] = list(data[name]), found
    for name, query in _LEDGER.items():
        values = [tuple(map(_in_any_order, row)) for row in rows(query)]
        content[f"ledger: {name}"] = sorted(values, key=repr)
    return merged, content


def _in_any_order(value: object) -> object:
    """A value without what depends on the order of batches in the ledger's summary: the number of
    the last batch, and the jobs that stand for all."""
    return re.sub(r'"last":\d+|"ran":\[[^]]*\]', "", value) if isinstance(value, str) else value


def _key(columns: Sequence[str]) -> int:
    """The number of key columns in a table of measurements; 0 for other tables."""
    names = ("TableNumber", "ImageNumber")
    first = [place for place, column in enumerate(columns[:3]) if column in names]
    if not first or columns[len(first) - 1] != "ImageNumber":
        return 0
    after = columns[len(first)] if len(columns) > len(first) else ""
    return len(first) + (after.endswith(("_Number_Object_Number", "ObjectNumber")))
