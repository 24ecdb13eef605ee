"""Recognizes the CSV files of "MySQL / CSV" in a folder, and the job of each, by their names.

A job on image sets 9 to 16 writes `SQL_9_16_Image.CSV` and so on, in upper case. The user can
choose another prefix than `SQL_` (CellProfiler 3.1.9, exporttodatabase.py, base_name).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cpexport.errors import SourceError
from cpexport.files.unpacked import open_unpacked, plain_name
from cpexport.sources.mysql_csv.setup_sql import SETUP
from cpexport.sources.spreadsheet.csv_file import open_csv

_AFTER_PREFIX = re.compile(r"([1-9]\d{0,8})_([1-9]\d{0,8})_\w+\.CSV")
_TABLE = re.compile(r".*?[1-9]\d*_[1-9]\d*_\w+\.CSV", re.DOTALL)
_ROW = re.compile(rb"\d+,(\d+|NULL),")
_IMAGES = re.compile(r"(.*?)[1-9]\d*_[1-9]\d*_Image\.CSV", re.DOTALL)


@dataclass(frozen=True, order=True)
class SqlJob:
    """A job, from its file names: the prefix, its first image set, and the last that ran."""

    prefix: str
    first: int
    last: int

    @property
    def beginning(self) -> str:
        """The beginning of the names of its CSV files."""
        return f"{self.prefix}{self.first}_{self.last}_"

    def file(self, table: str) -> str:
        """The name of the job's CSV file for a table.

        >>> SqlJob("SQL_", 9, 16).file("Image")
        'SQL_9_16_Image.CSV'
        """
        return f"{self.beginning}{table}.CSV"

    @property
    def setup(self) -> str:
        """The name of the file that lists the columns of the CSV files."""
        return self.prefix + SETUP


def sql_jobs(files: Iterable[Path], setups: Iterable[Path]) -> dict[SqlJob, list[Path]]:
    """The jobs among the CSV files of a folder, with the files of each, sorted by job.

    `setups` are the SETUP.SQL files of the folder. If the one of a prefix is gone, an Image.CSV
    without a header shows that it is not from ExportToSpreadsheet.
    """
    prefixes = {path.name.removesuffix(SETUP) for path in setups}
    files = list(files)
    for path in files:
        match = _IMAGES.fullmatch(plain_name(path))
        if match and _job(plain_name(path), prefixes) is None and _has_no_header(path):
            prefixes.add(match[1])
    jobs: dict[SqlJob, list[Path]] = {}
    for path in files:
        job = _job(plain_name(path), prefixes)
        if job is not None:
            jobs.setdefault(job, []).append(path)
    return dict(sorted(jobs.items()))


def sql_strays(files: Iterable[Path]) -> list[Path]:
    """The files among these that are named like a job's file and begin with a row of numbers.

    `files` belong to no job of their folder: their Image.CSV and SETUP.SQL are elsewhere.
    """
    return [
        path for path in files if _TABLE.fullmatch(plain_name(path)) and _begins_with_a_row(path)
    ]


def _begins_with_a_row(path: Path) -> bool:
    try:
        with open_unpacked(path) as stream:
            return _ROW.match(stream.read(64)) is not None
    except OSError:
        return False


def _job(name: str, prefixes: Iterable[str]) -> SqlJob | None:
    """The job of a file name. The longest prefix counts, because a prefix can end in digits."""
    for prefix in sorted(prefixes, key=len, reverse=True):
        if name.startswith(prefix) and (match := _AFTER_PREFIX.fullmatch(name, len(prefix))):
            return SqlJob(prefix, int(match[1]), int(match[2]))
    return None


def _has_no_header(path: Path) -> bool:
    try:
        return open_csv(path) is None
    except SourceError:
        return False
