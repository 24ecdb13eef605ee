"""The files of one folder that may belong to jobs, told apart by their names.

Only small files that are called as if they said how a job ended are read, and those whose names
tell no format.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cpexport.batchfile import NAME
from cpexport.jobs import PART, STAMP, unfinished
from cpexport.sources.csvfile import SUFFIXES as CSV_SUFFIXES
from cpexport.sources.databasefile import SUFFIXES as DATABASE_SUFFIXES
from cpexport.sources.hdf5 import SUFFIXES as HDF5_SUFFIXES
from cpexport.sources.packed import SUFFIXES as PACKED_SUFFIXES
from cpexport.sources.setupsql import SETUP
from cpexport.sources.unknown import Content, content_of, holds_pixels

DATA_SUFFIXES = CSV_SUFFIXES | HDF5_SUFFIXES | DATABASE_SUFFIXES

# What people save tables as, and what they call those that they put aside.
_UNREAD = frozenset(
    {".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".parquet", ".feather", ".arrow", ".rds", ".dta"}
)
_PUT_ASIDE = frozenset({".bak", ".old", ".orig", ".backup", ".csv~"})

_TEMPORARY = re.compile(r"Cpmeasurements.*\.hdf5", re.IGNORECASE)
# Texts that jobs and people leave; with commas in them, .csv is always taken for data.
_NOT_DATA = re.compile(r"(.*[_.-])?(log|done|readme)([_.-].*)?\.(txt|tsv)", re.IGNORECASE)
_DONE = ("Complete", "Failure")
_DONE_SIZE = 64


@dataclass
class Folder:
    """The files of one folder by kind, in order of name.

    `setups` are the SETUP.SQL of "MySQL / CSV", `temporary` what CellProfiler writes as it runs,
    `packed` compressed files that may be data, `unread` outputs in formats that are not read.
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
        """Whether a job of a plan has begun here and is not complete."""
        return self.stamped and bool(unfinished(self.path.name))

    @property
    def had_a_job(self) -> bool:
        """Whether a job ran here, whatever else there is."""
        return bool(self.done or self.temporary or self.stamped)

    @property
    def is_one_jobs(self) -> bool:
        """Whether one job, and only one, has left its signs here."""
        return self.stamped or len(self.done) == 1


def sorted_by_kind(path: Path, names: Iterable[str]) -> Folder:
    """The folder at `path`, the files in it called `names`."""
    names = list(names)
    folder = Folder(path)
    pixels = holds_pixels(path)
    for name in names:
        if name == STAMP:
            folder.stamped = True
        elif name.lower() == NAME.lower():
            folder.batch_file = True
        elif files := _kept(folder, name, names, pixels):
            files(folder).append(path / name)
    return folder


def said(path: Path) -> str | None:
    """What a done file says; None if this is not one."""
    try:
        if path.stat().st_size > _DONE_SIZE:
            return None
        text = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return text if text in _DONE else None


def suffix(name: str) -> str:
    """What a file's name ends in, in lower case and with its dot; empty if it has no dot."""
    at = name.rfind(".")
    return name[at:].lower() if at > 0 else ""


_Files = Callable[[Folder], list[Path]]


def _kept(folder: Folder, name: str, names: Sequence[str], pixels: bool) -> _Files | None:
    """Where a folder keeps a file: by its name, and by its content if that tells nothing.

    What was put aside beside the file that it is a copy of, as `screen.db.bak` is, is no output.
    """
    for is_one, files in _RULES:
        if is_one(name) and (files is not _done or said(folder.path / name)):
            return files
    ending = suffix(name)
    copied = ending in _PUT_ASIDE and any(
        suffix(other) in DATA_SUFFIXES for other in names if name.startswith(other)
    )
    found = None if pixels or copied else content_of(folder.path / name, ending)
    if found:
        return _BY_CONTENT[found]
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
        lambda name: suffix(name) in CSV_SUFFIXES and not _NOT_DATA.fullmatch(name),
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
"""What files are called, the first rule that fits counts; and where a folder keeps them."""

_BY_CONTENT: dict[Content, _Files] = {
    Content.MEASUREMENTS: _hdf5,
    Content.DATABASE: _databases,
    Content.MATLAB: _unread,
}
