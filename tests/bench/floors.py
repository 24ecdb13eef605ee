"""The least that reading and writing cost: programs that do one of them, and nothing else.

`python -m bench.floors NAME WORDS...` runs one. What they write are the rows of one batch again and
again, ready as Arrow tables, with other image numbers.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from support.renumbered import IMAGE_SETS

_KEYS = ("ImageNumber", "ObjectNumber")


def read_h5(folder: str) -> None:
    """All measurements of objects, by the low-level calls of h5py."""
    import numpy as np
    from h5py import h5d, h5f, h5g, h5p, h5s, h5t

    access = h5p.create(h5p.DATASET_ACCESS)
    access.set_chunk_cache(0, 0, 0.0)
    for path in sorted(Path(folder).glob("*/*.h5")):
        file = h5f.open(str(path).encode(), h5f.ACC_RDONLY)
        runs = h5g.open(file, b"Measurements")
        run = h5g.open(runs, sorted(runs)[-1])
        for name in set(run) - {b"Image", b"Experiment", b"Relationship"}:
            group = h5g.open(run, name)
            for feature in set(group) - {key.encode() for key in _KEYS}:
                for part, dtype, kind in (
                    (b"/data", np.float64, h5t.NATIVE_DOUBLE),
                    (b"/index", np.int64, h5t.NATIVE_INT64),
                ):
                    data = h5d.open(group, feature + part, access)
                    values = np.empty(data.shape, dtype)
                    data.read(h5s.ALL, h5s.ALL, values, kind)


def write_sqlite(ready: str, batches: str, target: str) -> None:
    """Rows into tables with keys, one transaction a batch, by ADBC, durably."""
    from adbc_driver_sqlite import dbapi

    tables = _ready(ready)
    with dbapi.connect(target, autocommit=True) as connection:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA page_size = 16384")
            cursor.execute("PRAGMA synchronous = FULL")
            for name, table in tables.items():
                cursor.execute(declared(name, table.schema, "REAL", "TEXT"))
        for number in range(int(batches)):
            with connection.cursor() as cursor:
                cursor.execute("BEGIN IMMEDIATE")
                for name, table in tables.items():
                    cursor.adbc_ingest(name, _copied(table, number), mode="append")
                cursor.execute("COMMIT")


def read_csv(folder: str) -> None:
    """All CSV files of objects and images as polars frames, numbers converted."""
    import polars as pl

    for path in sorted(Path(folder).glob("*/*.csv")):
        pl.read_csv(path, schema_overrides=_types(path))


def convert_csv(folder: str, target: str) -> None:
    """All CSV files of a kind into one Parquet file, by polars."""
    import polars as pl

    Path(target).mkdir()
    for name in ("Image", "Cells", "Cytoplasm", "Nuclei"):
        paths = sorted(Path(folder).glob(f"*/{name}.csv"))
        frame = pl.scan_csv(paths, schema_overrides=_types(paths[0]))
        frame.sink_parquet(Path(target) / f"{name}.parquet", compression="zstd")


def write_parquet(ready: str, batches: str, target: str) -> None:
    """Rows as one Parquet file for each table, in row groups of several batches, by pyarrow."""
    import pyarrow.parquet as pq

    Path(target).mkdir()
    several = 5
    for name, table in _ready(ready).items():
        numbers = [f.name for f in table.schema if pa.types.is_floating(f.type)]
        options = {"compression": "zstd", "compression_level": 1, "use_dictionary": False}
        path = Path(target) / f"{name}.parquet"
        with pq.ParquetWriter(
            path, table.schema, use_byte_stream_split=numbers, **options
        ) as writer:
            for first in range(0, int(batches), several):
                copies = range(first, min(first + several, int(batches)))
                writer.write_table(pa.concat_tables(_copied(table, n) for n in copies))


def write_duckdb(ready: str, batches: str, target: str) -> None:
    """Rows into tables of DuckDB, one transaction a batch."""
    import duckdb

    tables = _ready(ready)
    with duckdb.connect(target) as connection:
        for name, table in tables.items():
            connection.execute(declared(name, table.schema, "DOUBLE", "VARCHAR"))
        for number in range(int(batches)):
            connection.begin()
            for name, table in tables.items():
                connection.register("rows", _copied(table, number))
                connection.execute(f'INSERT INTO "{name}" SELECT * FROM rows')
                connection.unregister("rows")
            connection.commit()


def write_csv(ready: str, batches: str, target: str) -> None:
    """Rows as CSV files, one for each table and batch, by polars."""
    for name, number, table in copies(ready, int(batches)):
        write_text(table, Path(target) / f"{name}_{number}.csv")


def copies(ready: str, batches: int) -> Iterator[tuple[str, int, pa.Table]]:
    """The rows of each table of each batch."""
    tables = _ready(ready)
    for number in range(batches):
        for name, table in tables.items():
            yield name, number, _copied(table, number)


def write_text(table: pa.Table, path: Path, **options: Any) -> None:
    """Rows as text, NaN as what is missing."""
    import polars as pl

    path.parent.mkdir(exist_ok=True, parents=True)
    frame = pl.DataFrame(table).fill_nan(None)
    frame.write_csv(path, include_header=False, **options)


def declared(name: str, schema: pa.Schema, real: str, text: str) -> str:
    """The statement that makes a table, with its key."""
    kinds = [(pa.types.is_integer, "BIGINT"), (pa.types.is_floating, real)]
    columns = [
        f'"{field.name}" {next((kind for is_, kind in kinds if is_(field.type)), text)}'
        for field in schema
    ]
    key = ", ".join(f'"{column}"' for column in schema.names[: 1 if name == "Per_Image" else 2])
    return f'CREATE TABLE "{name}" ({", ".join(columns)}, PRIMARY KEY ({key}))'


def _ready(folder: str) -> dict[str, pa.Table]:
    return {
        path.stem: pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        for path in sorted(Path(folder).glob("*.arrow"))
    }


def _copied(table: pa.Table, number: int) -> pa.Table:
    numbers = pc.add(table["ImageNumber"], pa.scalar(IMAGE_SETS * number, pa.int64()))
    return table.set_column(0, "ImageNumber", numbers)


def _types(path: Path) -> dict[str, Any]:
    """Of objects, all that is measured is a real number."""
    import polars as pl

    if path.stem == "Image":
        return {}
    header = path.open().readline().rstrip().split(",")
    return {name: pl.Int64 if name in _KEYS else pl.Float64 for name in header}


FLOORS: dict[str, Callable[..., None]] = {
    "read-h5": read_h5,
    "write-sqlite": write_sqlite,
    "read-csv": read_csv,
    "convert-csv": convert_csv,
    "write-parquet": write_parquet,
    "write-duckdb": write_duckdb,
    "write-csv": write_csv,
}

if __name__ == "__main__":
    FLOORS[sys.argv[1]](*sys.argv[2:])
