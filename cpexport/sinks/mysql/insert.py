"""Appends rows to a table of a MySQL or MariaDB server by the fastest way that it allows.

MariaDB takes rows by its bulk protocol, MySQL by LOAD DATA LOCAL or, if that is off, by INSERT.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from pymysql import err

from cpexport.errors import SinkError
from cpexport.sinks.mysql import bulk_protocol, load_data
from cpexport.sinks.mysql.changed_columns import refused_value
from cpexport.sinks.mysql.driver import ROWS, Driver, Taken
from cpexport.sinks.sql.database import quoted

# The most values and bytes of rows that become text at once; the text is a few times as large.
_VALUES = 1_000_000
_BYTES = 8_000_000
_STATEMENT = 4_000_000
_loads = itertools.count(1)


def send(driver: Driver, name: str, table: str, rows: pa.RecordBatch) -> None:
    """Appends rows to a table of the database `name`, columns by name; NaN becomes NULL.

    Raises:
        SinkError: the server warned about a value, or took another number of rows.
    """
    try:
        if driver.takes_bulk:
            taken = _in_bulk(driver, table, rows)
        elif driver.value("@@local_infile"):
            taken = _loaded(driver, name, table, rows)
        else:
            taken = _inserted(driver, table, rows)
    except err.Error as error:
        raise refused_value(name, table, rows, error) or error from error
    if taken.warnings:
        code, text = driver.warning()
        warned = refused_value(name, table, rows, err.DataError(code, text))
        problem = f"{table} did not store the rows as they were sent: {text} ({code})"
        raise warned or SinkError(name, problem, "report this as a bug")
    if taken.rows != rows.num_rows:
        raise SinkError(
            name,
            f"{taken.rows} of {rows.num_rows} rows were inserted into {table}",
            "report this as a bug",
        )


def _in_bulk(driver: Driver, table: str, rows: pa.RecordBatch) -> Taken:
    rows = bulk_protocol.ordered(rows)
    places = ", ".join("?" * rows.num_columns)
    statement = f"INSERT INTO {quoted(table)} ({_columns(rows)}) VALUES ({places})"
    packets = bulk_protocol.packets(rows, driver.packet_room)
    return driver.execute_bulk(table, statement, packets)


def _loaded(driver: Driver, name: str, table: str, rows: pa.RecordBatch) -> Taken:
    # The mark at the end of every row is unique to this load. The last row's must arrive.
    end = f"E{next(_loads)}"
    rows = load_data.ordered(rows)
    taken = driver.load(
        f"LOAD DATA LOCAL INFILE '{ROWS}' INTO TABLE {quoted(table)} {load_data.FORMAT} "
        f"({_columns(rows)}, @cpexport_end)",
        load_data.made_ahead(text for some in _slices(rows) for text in load_data.lines(some, end)),
    )
    if not taken.warnings and driver.value("@cpexport_end") != end:
        raise SinkError(name, f"a row of {table} arrived incomplete", "report this as a bug")
    return taken


def _inserted(driver: Driver, table: str, rows: pa.RecordBatch) -> Taken:
    packet = min(driver.packet_limit, _STATEMENT)
    start = f"INSERT INTO {quoted(table)} ({_columns(rows)}) VALUES ".encode()
    taken = 0
    with driver.cursor() as cursor:
        for text, ends in map(load_data.tuples, _slices(rows)):
            begin = 0
            while begin < len(text):
                # As many rows as fit; at least one, which the server refuses if it is too large.
                fit = np.searchsorted(ends, begin + packet - len(start) - 16, side="right")
                stop = int(ends[max(fit - 1, np.searchsorted(ends, begin, side="right"))])
                # The cursor's stubs declare only text.
                statement: Any = start + text[begin + 1 : stop]
                taken += cursor.execute(statement)
                if cursor.warning_count:
                    return Taken(taken, cursor.warning_count)
                begin = stop
    return Taken(taken, 0)


def _columns(rows: pa.RecordBatch) -> str:
    return ", ".join(map(quoted, rows.schema.names))


def _slices(rows: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The rows in slices of bounded size, and of at least one row."""
    step = min(_VALUES // rows.num_columns, _BYTES * rows.num_rows // max(rows.nbytes, 1))
    for start in range(0, rows.num_rows, max(step, 1)):
        yield rows.slice(start, max(step, 1))
