"""The files of one folder that can belong to jobs, sorted by their names.

The only files read here are small ones named like a done file, and ones whose names show no format.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cpexport.cellprofiler.batch_file import NAME
from cpexport.files.opening import read_small
from cpexport.files.unpacked import is_packed, plain_name
from cpexport.jobs.split import PART, STAMP, unfinished
from cpexport.sources.hdf5.source import SUFFIXES as HDF5_SUFFIXES
from cpexport.sources.mysql_csv.setup_sql import SETUP
from cpexport.sources.packed import SUFFIXES as PACKED_SUFFIXES
from cpexport.sources.spreadsheet.csv_file import SUFFIXES as CSV_SUFFIXES
from cpexport.sources.sqlite.file import SUFFIXES as DATABASE_SUFFIXES
from cpexport.sources.unknown import Content, content_of, holds_pixels

TEMPORARY = ("tmp", "temp")
"""Names of the folders, inside their own, in which jobs run with `-t` keep temporary files."""

DATA_SUFFIXES = CSV_SUFFIXES | HDF5_SUFFIXES | DATABASE_SUFFIXES

# Formats in which people save tables, and suffixes that they give to copies.
_UNREAD = frozenset(
    {".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".parquet", ".feather", ".arrow", ".rds", ".dta"}
)
_PUT_ASIDE = frozenset({".bak", ".old", ".orig", ".backup", ".csv~"})

_TEMPORARY = re.compile(r"Cpmeasurements.*\.hdf5", re.IGNORECASE)
# Text files that jobs and people leave. A .csv file always counts as data.
_NOT_DATA = re.compile(r"(.*[_.-])?(log|done|readme)([_.-].*)?\.(txt|tsv)", re.IGNORECASE)
_DONE = ("Complete", "Failure")
_DONE_SIZE = 64


@dataclass(slots=True)
class Folder:
    """The files of one folder by kind, sorted by name.

    `setups` are the SETUP.SQL files of "MySQL / CSV", `temporary` the files that CellProfiler
    writes during a run, `packed` compressed files that may be data, and `unread` outputs in
    unsupported formats.
    """

    path: Path
    hdf5: list[Path] = field(default_factory=list)
    csv: list[Path] = field(default_factory=list)
    setups: list[Path] = field(default_factory=list)
    databases: list[Path] = field(default_factory=list)
    done: list[Path] = field(default_factory=list)
    temporary: list[Path] = field(default_factory=list)
    packed: list[Path] = field(default_factory=list)
    unread: list[Path] = field(default_factory=list)
    batch_file: bool = False
    stamped: bool = False

    @property
    def begun(self) -> bool:
        """Whether a planned job has begun here and is not complete."""
        return self.stamped and bool(unfinished(self.path.name))

    @property
    def had_a_job(self) -> bool:
        """Whether a job ran here, whatever else the folder contains."""
        return bool(self.done or self.temporary or self.stamped)

    @property
    def is_one_jobs(self) -> bool:
        """Whether exactly one job has left its traces here."""
        return self.stamped or len(self.done) == 1


def sorted_by_kind(path: Path, names: Iterable[str]) -> Folder:
    """Returns the folder at `path` with its files `names` sorted by kind."""
    names = list(names)
    present = frozenset(names)
    folder = Folder(path)
    pixels = holds_pixels(path)
    for name in names:
        if name == STAMP:
            folder.stamped = True
        elif name.lower() == NAME.lower():
            folder.batch_file = True
        elif names_csv(name) and is_packed(Path(name)) and plain_name(Path(name)) in present:
            # The same table twice: the one that needs no unpacking is read.
            folder.packed.append(path / name)
        elif files := _kept(folder, name, names, pixels):
            files(folder).append(path / name)
    return folder


def read_done_file(path: Path) -> str | None:
    """The status in a done file, `Complete` or `Failure`; None if the file is not a done file."""
    try:
        text = read_small(path, _DONE_SIZE).decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return text if text in _DONE else None


def suffix(name: str) -> str:
    """A file name's ending in lower case with its dot; empty if the name has no dot."""
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 else ""


def names_csv(name: str) -> bool:
    """Whether a file's name is that of a table in CSV, compressed or not."""
    return suffix(plain_name(Path(name))) in CSV_SUFFIXES


_Files = Callable[[Folder], list[Path]]


def _kept(folder: Folder, name: str, names: Sequence[str], pixels: bool) -> _Files | None:
    """Returns the list of `folder` that a file belongs to: by its name, or else by its content.

    A copy put aside next to its original, such as `screen.db.bak`, is not an output.
    """
    for matches, files in _RULES:
        if matches(name) and (files is not _done or read_done_file(folder.path / name)):
            return files
    ending = suffix(name)
    copied = ending in _PUT_ASIDE and any(
        suffix(other) in DATA_SUFFIXES for other in names if name.startswith(other)
    )
    content = None if pixels or copied else content_of(folder.path / name, ending)
    if content:
        return _BY_CONTENT[content]
    return _unread if ending in _PUT_ASIDE else None


def _hdf5(folder: Folder) -> list[Path]:
    return folder.hdf5


def _databases(folder: Folder) -> list[Path]:
    return folder.databases


def _done(folder: Folder) -> list[Path]:
    return folder.done


def _unread(folder: Folder) -> list[Path]:
    return folder.unread


_RULES: tuple[tuple[Callable[[str], object], _Files], ...] = (
    (_TEMPORARY.fullmatch, lambda folder: folder.temporary),
    (lambda name: suffix(name.removesuffix(PART)) in HDF5_SUFFIXES, _hdf5),
    (lambda name: name.endswith(SETUP), lambda folder: folder.setups),
    (lambda name: suffix(name) in DATABASE_SUFFIXES, _databases),
    (lambda name: "done" in name.lower(), _done),
    (
        lambda name: names_csv(name) and not _NOT_DATA.fullmatch(plain_name(Path(name))),
        lambda folder: folder.csv,
    ),
    (
        lambda name: (
            suffix(name) in PACKED_SUFFIXES and suffix(name[: -len(suffix(name))]) in DATA_SUFFIXES
        ),
        lambda folder: folder.packed,
    ),
    (lambda name: suffix(name) in _UNREAD | PACKED_SUFFIXES, _unread),
)
"""Pairs of a test of the file name and the list for such files; the first match counts."""

_BY_CONTENT: dict[Content, _Files] = {
    Content.MEASUREMENTS: _hdf5,
    Content.DATABASE: _databases,
    Content.MATLAB: _unread,
}
