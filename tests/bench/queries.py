"""The six usual queries on every kind of destination, with 80 batches: seconds, and bars.

`python -m bench.queries` loads the inputs of `bench` into SQLite, DuckDB, Parquet, MariaDB, MySQL
and times the queries by the usual drivers. With URLs of destinations that have the same inputs,
it only times them.
"""

import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb
import pymysql
from sqlalchemy.engine import make_url
from support.fixtures import unpacked
from support.servers import KINDS, USER, Database, Server, ServerError

import cpexport
from bench.inputs import build

BATCHES: Final = 80
_ROUNDS: Final = 3
_BOUND: Final = 1.0
# The tables must fit, as on any server that is set up for them: they take 2 GB. With the servers'
# default of 128 MB, MySQL reads each query's table from the disk, at 600 MB for any feature.
_POOL: Final = "3G"
_FEATURE: Final = "Cells_AreaShape_Area"

QUERIES: Final = {
    "wells, with image sets": (
        "SELECT Image_Metadata_Plate, Image_Metadata_Well, count(*) FROM {Per_Image} "
        "GROUP BY Image_Metadata_Plate, Image_Metadata_Well"
    ),
    "image sets of a well": (
        "SELECT ImageNumber, Image_Count_Cells FROM {Per_Image} "
        "WHERE Image_Metadata_Plate = 'Q1' AND Image_Metadata_Well = 'A03'"
    ),
    "mean of a feature by well": (
        "SELECT i.Image_Metadata_Plate, i.Image_Metadata_Well, count(c.ImageNumber), "
        f"avg(c.{_FEATURE}) FROM {{Per_Image}} i "
        "LEFT JOIN {Per_Cells} c ON c.ImageNumber = i.ImageNumber "
        "GROUP BY i.Image_Metadata_Plate, i.Image_Metadata_Well"
    ),
    "nuclei with their cells": (
        "SELECT n.ImageNumber, n.Nuclei_Number_Object_Number, c.Cells_Number_Object_Number "
        "FROM {Per_Nuclei} n LEFT JOIN {Per_Cells} c ON c.ImageNumber = n.ImageNumber "
        "AND c.Cells_Parent_Nuclei = n.Nuclei_Number_Object_Number"
    ),
    "a feature of all cells": f"SELECT ImageNumber, {_FEATURE} FROM {{Per_Cells}}",
    "all columns of 100 image sets": "SELECT * FROM {Per_Cells} WHERE ImageNumber <= 100",
}
"""What people ask, by its name. Only the last one returns all columns of a table."""
WHOLE: Final = "all columns of 100 image sets"

Ask = Callable[[str], Sequence[Any]]


@contextmanager
def _client(url: str) -> Iterator[Ask]:
    """A function that returns the rows of a query, by the driver that people use for this kind."""
    if url.startswith("parquet:"):
        folder = url.removeprefix("parquet:")
        with closing(duckdb.connect()) as files:
            for table in ("Per_Image", "Per_Cells", "Per_Nuclei"):
                files.execute(f"CREATE VIEW {table} AS FROM '{folder}/{table}/*.parquet'")
            yield lambda sql: files.execute(sql).fetchall()
        return
    parsed = make_url(url)
    if parsed.drivername == "duckdb":
        with closing(duckdb.connect(str(parsed.database), read_only=True)) as file:
            yield lambda sql: file.execute(sql).fetchall()
    elif parsed.drivername == "sqlite":
        with closing(sqlite3.connect(str(parsed.database))) as sqlite:
            yield lambda sql: sqlite.execute(sql).fetchall()
    else:
        options = parsed.translate_connect_args(username="user") | dict(parsed.query)
        server: pymysql.Connection[Any] = pymysql.connect(**options)
        with closing(server), server.cursor() as cursor:

            def ask(sql: str) -> Sequence[Any]:
                cursor.execute(sql)
                return list(cursor.fetchall())

            yield ask


def measured(url: str) -> dict[str, float]:
    """The median seconds of each query, and all rows must be there."""
    found = {}
    with _client(url) as ask:
        for name, sql in QUERIES.items():
            statement, seconds = sql.replace("{", "").replace("}", ""), []
            for _ in range(_ROUNDS):
                began = time.perf_counter()
                rows = ask(statement)
                seconds.append(time.perf_counter() - began)
            if not rows:
                raise AssertionError(f"{url}: {name}: no rows")
            found[name] = statistics.median(seconds)
    return found


def _destinations(home: Path, stack: ExitStack) -> Iterator[tuple[str, str]]:
    """The name and the URL of a destination of each kind."""
    yield "sqlite", f"sqlite:///{home}/queries.sqlite"
    yield "duckdb", f"duckdb:///{home}/queries.duckdb"
    yield "parquet", f"parquet:{home}/queries"
    for kind in KINDS:
        # Paths of sockets must be short.
        short = stack.enter_context(tempfile.TemporaryDirectory(prefix="queries-"))
        try:
            server = Server(kind, Path(short), f"--innodb-buffer-pool-size={_POOL}")
        except (ServerError, OSError) as error:
            print(f"{kind} is not measured: {error}", file=sys.stderr)
            continue
        stack.callback(server.kill)
        server.rows("CREATE DATABASE bench CHARACTER SET utf8mb4")
        server.rows(f"GRANT ALL ON bench.* TO {USER}@'%'")
        yield kind, Database(server, "bench").url()


def main(urls: Sequence[str]) -> None:
    """Prints the seconds of each query on each destination, and whether the bars are met."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="queries-")))
        named = [(url.partition(":")[0], url) for url in urls]
        if not urls:
            sizes = (1,)
            outputs = build(home, unpacked("60_perf"), BATCHES, sizes, planned=0).h5(1)
            named = list(_destinations(home, stack))
            for _, url in named:
                cpexport.load(outputs, url, jobs=None)
        names = [name for name, _ in named]
        table = [measured(url) for _, url in named]
    print(f"| query, of {BATCHES} batches | {' | '.join(names)} |")
    print(f"| --- | {' | '.join('---:' for _ in names)} |")
    for query in QUERIES:
        print(f"| {query} | {' | '.join(f'{found[query]:.3f}' for found in table)} |")
    for name, found in zip(names, table, strict=True):
        slowest = max((seconds, query) for query, seconds in found.items() if query != WHOLE)
        met = "met" if slowest[0] <= _BOUND else "not met"
        print(f"bar 7: {name}, {slowest[1]}, s: measured {slowest[0]:.3g}, bound at most 1: {met}")


if __name__ == "__main__":
    main(sys.argv[1:])
