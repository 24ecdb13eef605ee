"""Puts the CSV files of jobs into one SQLite file, as cytominer-database does."""

import csv
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from zlib import crc32

TABLES = ("Image", "Cells", "Cytoplasm", "Nuclei")
_KEYS = ("ImageNumber", "ObjectNumber")
_TYPES: dict[str, Callable[[str], object]] = {"BIGINT": int, "FLOAT": float, "TEXT": str}


def ingested(jobs: Iterable[Path], file: Path) -> Path:
    """Writes the file from the folders of jobs."""
    with closing(sqlite3.connect(file)) as database:
        for job in jobs:
            for name in TABLES:
                with (job / f"{name}.csv").open(newline="") as stream:
                    header, *rows = csv.reader(stream)
                _insert(database, name, header, rows, crc32(job.name.encode()))
        database.commit()
    return file


def _insert(
    database: sqlite3.Connection, name: str, header: list[str], rows: list[list[str]], job: int
) -> None:
    named = [column if column in _KEYS else f"{name}_{column}" for column in header]
    types = [_type([row[place] for row in rows]) for place in range(len(header))]
    pairs = zip(named, types, strict=True)
    columns = ["TableNumber BIGINT", *(f'"{column}" {type}' for column, type in pairs)]
    database.execute(f"CREATE TABLE IF NOT EXISTS {name} ({', '.join(columns)})")
    wanted = ", ".join(f'"{column}"' for column in ("TableNumber", *named))
    marks = ", ".join("?" * (1 + len(named)))
    values = [
        [job, *(_TYPES[type](text) for type, text in zip(types, row, strict=True))] for row in rows
    ]
    database.executemany(f"INSERT INTO {name} ({wanted}) VALUES ({marks})", values)


def _type(texts: list[str]) -> str:
    for name, read in _TYPES.items():
        try:
            [read(text) for text in texts]
        except ValueError:
            continue
        return name
    raise ValueError(texts)
