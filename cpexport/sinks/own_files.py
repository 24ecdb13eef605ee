"""Recognizes the files and folders of destinations that cpexport made."""

import os
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import quote

from cpexport import _sqlite_adbc
from cpexport.files.kinds import SQLITE
from cpexport.files.opening import open_regular

LEDGERS: Final = {"parquet": "_cpexport.sqlite", "delta": "_cpexport_delta.sqlite"}
"""The ledger's file by kind of folder: what a kind must not be taken for has another name."""

# DuckDB's file signature follows a checksum of 8 bytes (duckdb.org, storage/internals).
_DUCKDB: Final = (8, b"DUCK")


def kind_of(path: Path) -> str | None:
    """`sqlite`, `duckdb`, `parquet` or `delta` for a destination of cpexport; None for anything
    else.

    Any DuckDB file counts, as no job of CellProfiler writes one.
    """
    if path.is_dir():
        return folder_kind(path)
    try:
        with open_regular(path) as stream:
            start = stream.read(len(SQLITE))
    except OSError:
        return None
    place, signature = _DUCKDB
    if start[place:].startswith(signature):
        return "duckdb"
    return "sqlite" if start == SQLITE and _has_ledger(path) else None


def folder_kind(folder: Path) -> str | None:
    """The kind of a folder that cpexport made; None for any other."""
    return next((kind for kind, name in LEDGERS.items() if (folder / name).is_file()), None)


def _has_ledger(path: Path) -> bool:
    try:
        uri = f"file:{quote(os.fsencode(path.absolute()))}?mode=ro"
        with closing(_sqlite_adbc.Connection(uri)) as connection:
            ours = "SELECT 1 FROM sqlite_master WHERE name = '_cpexport_batches'"
            return bool(connection.rows(ours))
    except (_sqlite_adbc.Error, UnicodeDecodeError):
        return False
