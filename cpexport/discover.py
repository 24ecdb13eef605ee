"""Finds batches below folders of any layout, by file names and headers; reads no measurements."""

import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from cpexport.batch import Source
from cpexport.batchfile import NAME
from cpexport.errors import SourceError
from cpexport.features import IMAGE
from cpexport.jobs import PART, PLAN, STAMP, STATUS, STATUS_SUFFIXES
from cpexport.pipeline import Pipeline
from cpexport.sources.csvfile import SUFFIXES as CSV_SUFFIXES
from cpexport.sources.csvfile import CsvFile, open_csv
from cpexport.sources.database import DatabaseSource
from cpexport.sources.databasefile import SUFFIXES as DATABASE_SUFFIXES
from cpexport.sources.databasefile import Contents, contents
from cpexport.sources.hdf5 import SUFFIXES as HDF5_SUFFIXES
from cpexport.sources.hdf5 import Hdf5Source
from cpexport.sources.leftover import LeftoverSource
from cpexport.sources.setupsql import SETUP
from cpexport.sources.spreadsheet import SpreadsheetSource
from cpexport.sources.sqlcsv import SqlCsvSource
from cpexport.sources.sqlnames import sql_jobs

SCRIPT = "cpexport-script.json"
"""The file that makes a folder one of `cpexport script`, where nothing is a job's."""

TEMPORARY = ("tmp", "temp")
"""Jobs are told by `-t` to keep temporary files in a folder of such a name within their own."""

_TEMPORARY = re.compile(r"Cpmeasurements.*\.hdf5", re.IGNORECASE)
_NOT_DATA = re.compile(r"(.*[_.-])?(log|done|readme)([_.-].*)?", re.IGNORECASE)
_IMAGE_CSV = re.compile(r"(.*)Image", re.DOTALL)
_DONE = ("Complete", "Failure")


@dataclass
class _Folder:
    """The files of one folder that may belong to jobs."""

    path: Path
    hdf5: list[Path] = field(default_factory=list)
    csv: list[Path] = field(default_factory=list)
    setups: list[Path] = field(default_factory=list)
    databases: list[Path] = field(default_factory=list)
    done: list[Path] = field(default_factory=list)
    temporary: list[Path] = field(default_factory=list)
    batch_file: bool = False
    stamped: bool = False

    @property
    def begun(self) -> bool:
        """Whether a job of a plan has begun here and is not complete."""
        return self.stamped and self.path.name.endswith(PART)

    @property
    def had_a_job(self) -> bool:
        """Whether a job ran here, whatever else there is."""
        return bool(self.done or self.temporary or self.stamped)


@dataclass(frozen=True)
class Found:
    """What lies below the OUTPUTS: `batch_files` by path, and folders with jobs' files.

    `plans` are files that a plan may be in, `histories` folders with jobs' status files, and
    `stamps` the files by which jobs' folders say which batch file they were run with.
    """

    folders: tuple[_Folder, ...]
    batch_files: tuple[Path, ...]
    plans: tuple[Path, ...] = ()
    histories: tuple[Path, ...] = ()
    stamps: tuple[Path, ...] = ()

    def retold(self, outputs: Collection[Path] = (), batch_files: Collection[Path] = ()) -> "Found":
        """The same, once files were opened: `outputs` are jobs' measurement files, whatever they
        are called, and `batch_files` are not."""
        more: dict[Path, list[Path]] = {}
        for path in outputs:
            more.setdefault(path.parent, []).append(path)
        none = set(batch_files)
        folders = []
        for folder in self.folders:
            hdf5 = [path for path in folder.hdf5 if path not in none]
            batch_file = folder.batch_file or len(hdf5) < len(folder.hdf5)
            hdf5 = sorted([*hdf5, *more.get(folder.path, [])])
            folders.append(replace(folder, hdf5=hdf5, batch_file=batch_file))
        return replace(self, folders=tuple(folders))

    @property
    def temporary(self) -> tuple[Path, ...]:
        """CellProfiler's temporary files, where it keeps measurements as it runs."""
        return tuple(path for folder in self.folders for path in folder.temporary)

    def sources(self, hint: Pipeline | None = None) -> list[Source]:
        """One source a batch, in order of path, folders without outputs last.

        `hint` is the batch file's pipeline.

        Raises:
            SourceError: a CSV file cannot be read.
        """
        found: list[Source] = []
        for folder in self.folders:
            found += _sources(folder, hint)
        homes = {home for source in found for home in (source.path, source.path.parent)}
        for folder in self.folders:
            found += _leftovers(folder, homes)
        return found


def find(outputs: Iterable[Path]) -> Found:
    """Walks OUTPUTS: folders, or single files. What two of them share is found once.

    Raises:
        SourceError: one of them does not exist, or a folder cannot be listed.
    """
    folders: dict[str, _Folder] = {}
    batch_files: dict[str, Path] = {}
    files: set[str] = set()
    plans: dict[str, Path] = {}
    histories: dict[str, Path] = {}
    stamps: dict[str, Path] = {}
    # Folders first: a file that is named besides belongs to its folder's batches.
    for top in sorted(outputs, key=Path.is_file):
        if not top.exists():
            raise SourceError(top, "does not exist", "name the folder that holds the jobs' outputs")
        if top.is_file():
            single = _Folder(top)
            if os.path.realpath(top) not in files:
                _sort(top, single)
                # Whoever names a temporary file wants what is in it.
                single.hdf5 += single.temporary
                single.temporary.clear()
                folders.setdefault(os.path.realpath(top), single)
            continue
        for path, names in _walk(top):
            files |= {os.path.realpath(path / name) for name in names}
            if path.name == STATUS and any(Path(n).suffix in STATUS_SUFFIXES for n in names):
                histories.setdefault(os.path.realpath(path), path)
                continue
            folder = _Folder(path)
            for name in names:
                if name == PLAN:
                    plans.setdefault(os.path.realpath(path / name), path / name)
                elif name == STAMP:
                    stamps.setdefault(os.path.realpath(path / name), path / name)
                    folder.stamped = True
                elif name.lower() == NAME.lower():
                    folder.batch_file = True
                    batch_files.setdefault(os.path.realpath(path / name), path / name)
                else:
                    _sort(path / name, folder)
            folders.setdefault(os.path.realpath(path), folder)
    return Found(
        tuple(folders.values()),
        tuple(batch_files.values()),
        tuple(plans.values()),
        tuple(histories.values()),
        tuple(stamps.values()),
    )


def _walk(top: Path) -> Iterator[tuple[Path, list[str]]]:
    """Every folder below `top` once, links to folders followed, in order of name."""
    seen = set()

    def refuse(error: OSError) -> None:
        raise SourceError(error.filename or top, f"cannot be listed: {error.strerror}", "check it")

    for path, subfolders, names in os.walk(top, onerror=refuse, followlinks=True):
        real = os.path.realpath(path)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        if SCRIPT in names:
            subfolders.clear()
            continue
        subfolders.sort()
        yield Path(path), sorted(names)


def _sort(path: Path, folder: _Folder) -> None:
    suffix = path.suffix.lower()
    if _TEMPORARY.fullmatch(path.name):
        folder.temporary.append(path)
    elif Path(path.name.removesuffix(PART)).suffix.lower() in HDF5_SUFFIXES:
        folder.hdf5.append(path)
    elif path.name.endswith(SETUP):
        folder.setups.append(path)
    elif suffix in DATABASE_SUFFIXES:
        folder.databases.append(path)
    elif "done" in path.name.lower() and _said(path):
        folder.done.append(path)
    elif suffix in CSV_SUFFIXES and not _NOT_DATA.fullmatch(path.stem):
        folder.csv.append(path)


def _said(path: Path) -> str | None:
    """What a done file says; None if this is not one."""
    try:
        if path.stat().st_size > 64:
            return None
        text = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return text if text in _DONE else None


def _sources(folder: _Folder, hint: Pipeline | None) -> list[Source]:
    jobs = sql_jobs(folder.csv, folder.setups)
    sql = {path for files in jobs.values() for path in files}
    groups = _csv_groups([path for path in folder.csv if path not in sql])
    databases = [path for path in folder.databases if _is_export(path, folder)]
    unused = tuple(path.name for path in databases)
    batches = len(folder.hdf5) or len(groups) + len(jobs) or len(databases)
    alone = batches == 1 and folder.path.is_dir()
    done = folder.done[0] if len(folder.done) == 1 and batches == 1 else None
    said = _said(done) if done else None
    if folder.hdf5:
        csv = [path.name for group in [*groups.values(), sorted(sql)] for path in group]
        beside = (*csv, *unused)
        return [
            Hdf5Source(folder.path if alone else file, file, beside, said) for file in folder.hdf5
        ]
    if not (groups or jobs):
        return [
            DatabaseSource(folder.path if alone else file, file, said, hint) for file in databases
        ]
    spreadsheets = [
        SpreadsheetSource(
            folder.path if alone else folder.path / f"{prefix}{IMAGE}.csv",
            tuple(files),
            prefix,
            done,
            hint,
            unused,
        )
        for prefix, files in sorted(groups.items())
    ]
    return spreadsheets + [
        SqlCsvSource(
            folder.path if alone else files[0].parent / job.file(IMAGE), tuple(files), job, done
        )
        for job, files in jobs.items()
    ]


def _is_export(path: Path, folder: _Folder) -> bool:
    """Whether a file is a job's SQLite file. One without tables is if a job ran beside it.

    Elsewhere, such a file may be a destination that is only about to be made.
    """
    found = contents(path)
    named = path == folder.path
    return found is Contents.EXPORT or (found is Contents.NOTHING and (named or folder.had_a_job))


def _csv_groups(files: list[Path]) -> dict[str, list[Path]]:
    """The CSV files of each batch in a folder, by prefix.

    A file belongs to the longest prefix that begins it, prefixes being what stands before `Image`
    in the files of that name. Without one, the files of a folder are one batch if CellProfiler
    wrote any of them, which their headers tell.
    """
    prefixes = []
    for path in files:
        found = _IMAGE_CSV.fullmatch(path.stem)
        if found and _is_image(path):
            prefixes.append(found[1])
    if not prefixes:
        ours = any(path.stat().st_size == 0 or _header(path) for path in files)
        return {"": files} if ours else {}
    groups: dict[str, list[Path]] = {prefix: [] for prefix in prefixes}
    for path in files:
        mine = [prefix for prefix in prefixes if path.name.startswith(prefix)]
        if mine:
            groups[max(mine, key=len)].append(path)
    return groups


def _is_image(path: Path) -> bool:
    header = _header(path)
    return not isinstance(header, CsvFile) or header.kind == IMAGE


def _header(path: Path) -> CsvFile | SourceError | None:
    """A file's header; a damaged one is told when its batch is looked at, not here."""
    try:
        return open_csv(path)
    except SourceError as error:
        return error


def _leftovers(folder: _Folder, homes: set[Path]) -> list[Source]:
    """A job's folder that holds nothing but what says that there was a job."""
    said = _said(folder.done[0]) if folder.done else None
    home = folder.path.parent if folder.path.name in TEMPORARY else folder.path
    if folder.batch_file or home in homes or not (folder.temporary or said or folder.begun):
        return []
    homes.add(home)
    return [LeftoverSource(home, said, tuple(folder.temporary))]
