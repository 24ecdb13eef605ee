"""Finds batches below folders of any layout, by file names and headers; reads no measurements.

`walk` lists the files, `sources.folder` tells them apart by name, each format knows its own files,
and `belonging` what lies in other folders than its job.
"""

import os
import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from cpexport.batch import LeftOut, Source
from cpexport.batchfile import NAME
from cpexport.belonging import put_together
from cpexport.errors import SourceError
from cpexport.features import IMAGE
from cpexport.jobs import PLAN, STAMP, STATUS, STATUS_SUFFIXES
from cpexport.namedfile import PACKED, place_of
from cpexport.pipeline import Pipeline
from cpexport.place import Place
from cpexport.sources.beside import Beside
from cpexport.sources.csvgroups import csv_folder, header_of
from cpexport.sources.database import DatabaseSource
from cpexport.sources.databasefile import Contents, contents
from cpexport.sources.folder import Folder, said, sorted_by_kind
from cpexport.sources.hdf5 import Hdf5Source
from cpexport.sources.leftover import LeftoverSource
from cpexport.sources.packed import may_be_data
from cpexport.sources.setupsql import WELLS
from cpexport.sources.spreadsheet import SpreadsheetSource
from cpexport.sources.sqlcsv import SqlCsvSource
from cpexport.sources.sqlnames import sql_jobs, sql_strays
from cpexport.sources.unread import unread_output
from cpexport.walk import Listed, Told, is_text, walk

TEMPORARY = ("tmp", "temp")
"""Jobs are told by `-t` to keep temporary files in a folder of such a name within their own."""

_OF_MYSQL = re.compile(rb"^db_type\s*=\s*mysql\b", re.MULTILINE)
_UNSAYABLE = "its name is not UTF-8, so no report or ledger can name it; rename it"


@dataclass(frozen=True)
class Found:
    """What lies below the OUTPUTS: `batch_files` by path, and folders with jobs' files, `listed`.

    `plans` are files that a plan may be in, `histories` folders with jobs' status files, and
    `stamps` the files by which jobs' folders say which batch file they were run with. `not_read`
    may be jobs' data, `named` are files that were named themselves; both say what is wrong.
    """

    listed: tuple[Place, ...]
    batch_files: tuple[Path, ...]
    plans: tuple[Path, ...] = ()
    histories: tuple[Path, ...] = ()
    stamps: tuple[Path, ...] = ()
    not_read: tuple[LeftOut, ...] = ()
    named: tuple[LeftOut, ...] = ()

    def retold(self, outputs: Collection[Path] = (), batch_files: Collection[Path] = ()) -> "Found":
        """The same, once files were opened: `outputs` are jobs' measurement files, whatever they
        are called, and `batch_files` are not."""
        more: dict[Path, list[Path]] = {}
        for path in outputs:
            more.setdefault(path.parent, []).append(path)
        none = set(batch_files)
        places = []
        for place in self.listed:
            folder = place.folder
            hdf5 = [path for path in folder.hdf5 if path not in none]
            batch_file = folder.batch_file or len(hdf5) < len(folder.hdf5)
            hdf5 = sorted([*hdf5, *more.get(folder.path, [])])
            folder = replace(folder, hdf5=hdf5, batch_file=batch_file)
            places.append(replace(place, folder=folder))
        return replace(self, listed=tuple(places))

    @cached_property
    def _together(self) -> tuple[list[Place], list[LeftOut]]:
        """Places with what is theirs, and what is nobody's."""
        places = [place.copied() for place in self.listed]
        return places, put_together(places)

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Files and folders that may be jobs' data, but belong to no batch."""
        places, nobodys = self._together
        unread = [
            left
            for place in places
            if (left := unread_output(place.folder.unread)) and not _sources(place)
        ]
        named = self.named
        if named:
            brought = {str(file) for place in places for file in place.brought}
            named = tuple(one for one in named if one.path not in brought)
        return (*self.not_read, *nobodys, *unread, *named)

    @property
    def temporary(self) -> tuple[Path, ...]:
        """CellProfiler's temporary files, where it keeps measurements as it runs."""
        return tuple(path for place in self.listed for path in place.folder.temporary)

    def sources(self, hint: Pipeline | None = None) -> list[Source]:
        """One source a batch, in order of path, folders without outputs last.

        `hint` is the batch file's pipeline.
        """
        places, _ = self._together
        found: list[Source] = []
        for place in places:
            found += _sources(place, hint)
        homes = {home for source in found for home in (source.path, source.path.parent)}
        for place in places:
            found += _leftovers(place.folder, homes)
        return found


def find(outputs: Iterable[Path], told: Told = lambda files: None) -> Found:
    """Walks OUTPUTS: folders, or single files. What two of them share is found once.

    Raises:
        SourceError: one of them does not exist, or cannot be listed.
    """
    finding = _Finding()
    # Folders first: a file that is named besides belongs to its folder's batches.
    tops = sorted(outputs, key=lambda top: not top.is_dir())
    for top in tops:
        if not top.exists():
            raise SourceError(top, "does not exist", "name the folder that holds the jobs' outputs")
        if top.is_dir():
            for listed in walk(top, told):
                finding.take(listed)
        else:
            finding.take_file(top)
    return finding.found()


@dataclass
class _Finding:
    """What was found so far; all by paths without links, so that nothing is found twice."""

    places: dict[str, Place] = field(default_factory=dict)
    listed: dict[str, Listed] = field(default_factory=dict)
    batch_files: dict[str, Path] = field(default_factory=dict)
    plans: dict[str, Path] = field(default_factory=dict)
    histories: dict[str, Path] = field(default_factory=dict)
    stamps: dict[str, Path] = field(default_factory=dict)
    not_read: list[LeftOut] = field(default_factory=list)
    named: list[LeftOut] = field(default_factory=list)

    def take(self, listed: Listed) -> None:
        """Adds a folder."""
        if listed.real in self.listed:
            return
        self.listed[listed.real] = listed
        self.not_read += [LeftOut(str(path), f"{why}; check it") for path, why in listed.closed]
        path, names = listed.path, listed.names
        if path.name == STATUS and listed.closed:
            # Jobs of which nobody can read what became of them may still run.
            self.histories.setdefault(listed.real, path)
            return
        if path.name == STATUS and any(Path(name).suffix in STATUS_SUFFIXES for name in names):
            self.histories.setdefault(listed.real, path)
            return
        for name in names:
            if (found := self._special(name)) is not None:
                found.setdefault(listed.real_path(name), path / name)
        sayable = [name for name in names if is_text(name)]
        folder = sorted_by_kind(path, sayable)
        self.not_read += [LeftOut(str(file), PACKED) for file in folder.packed if may_be_data(file)]
        if len(sayable) < len(names):
            self._leave_unsayable(path, set(names) - set(sayable))
        jobs = sql_jobs(folder.csv, folder.setups)
        taken = {file for files in jobs.values() for file in files}
        rest = [file for file in folder.csv if file not in taken] if taken else folder.csv
        csv = csv_folder(rest)
        strays = sql_strays(rest)
        self.places[listed.real] = Place(folder, csv.groups, list(csv.strays), jobs, strays)

    def _special(self, name: str) -> dict[str, Path] | None:
        """Where to keep a file of this name, if it says something of jobs."""
        if name == PLAN:
            return self.plans
        if name == STAMP:
            return self.stamps
        return self.batch_files if name.lower() == NAME.lower() else None

    def take_file(self, top: Path) -> None:
        """Adds a file, if its folder was not added already."""
        home = self.listed.get(os.path.realpath(top.parent))
        real = os.path.realpath(top)
        behind = self.listed.get(os.path.dirname(real))  # noqa: PTH120
        if (home and top.name in home.names) or (behind and os.path.basename(real) in behind.names):  # noqa: PTH119
            return
        found = place_of(top)
        if isinstance(found, Place):
            self.places.setdefault(real, found)
        else:
            self.named.append(found)

    def found(self) -> Found:
        """All of it, when nothing comes any more."""
        places = []
        for place in self.places.values():
            if is_text(str(place.folder.path)):
                places.append(place)
            elif place.is_a_jobs or _sources(place):
                self.not_read.append(LeftOut(str(place.folder.path), _UNSAYABLE))
        return Found(
            tuple(places),
            tuple(self.batch_files.values()),
            tuple(self.plans.values()),
            tuple(self.histories.values()),
            tuple(self.stamps.values()),
            tuple(self.not_read),
            tuple(self.named),
        )

    def _leave_unsayable(self, path: Path, names: Iterable[str]) -> None:
        folder = sorted_by_kind(path, sorted(names))
        data = [*folder.hdf5, *(file for file in folder.csv if header_of(file) is not None)]
        data += [file for file in folder.databases if contents(file) is Contents.EXPORT]
        self.not_read += [LeftOut(str(file), _UNSAYABLE) for file in data]


def _sources(place: Place, hint: Pipeline | None = None) -> list[Source]:
    """The batches of a place: measurement files, else CSV files, else SQLite files."""
    folder = place.folder
    databases = tuple(path for path in folder.databases if _is_export(path, folder))
    batches = len(folder.hdf5) or len(place.groups) + len(place.jobs) or len(databases)
    alone = batches == 1 and folder.path.is_dir()
    done = folder.done[0] if len(folder.done) == 1 and batches == 1 else None
    text = said(done) if done else None
    if folder.hdf5:
        beside = Beside(tuple(place.csv), databases)
        if batches == 1:
            jobs = tuple(SqlCsvSource(f[0], tuple(f), job) for job, f in place.jobs.items())
            beside = replace(beside, tables=tuple(place.image_tables), jobs=jobs)
        return [
            Hdf5Source(folder.path if alone else file, file, beside, text) for file in folder.hdf5
        ]
    if not (place.groups or place.jobs):
        return [
            DatabaseSource(folder.path if alone else file, file, text, hint) for file in databases
        ]
    found: list[SpreadsheetSource | SqlCsvSource] = [
        SpreadsheetSource(
            folder.path if alone else group.image_file,
            tuple(group.files),
            group.prefix,
            done,
            hint,
            adopted=tuple(group.adopted),
            experiment=group.experiment,
            unread=tuple(folder.unread),
        )
        for group in place.groups.values()
    ]
    found += [
        SqlCsvSource(
            folder.path if alone else files[0].parent / job.file(IMAGE), tuple(files), job, done
        )
        for job, files in place.jobs.items()
    ]
    # SQLite files are compared with all batches at once, by the first of them.
    first, *others = found
    beside = Beside(databases=databases, used=tuple(others) if databases else ())
    return [replace(first, beside=beside), *others]


def _is_export(path: Path, folder: Folder) -> bool:
    """Whether a file is a job's SQLite file. One without tables is if a job ran beside it.

    Elsewhere, such a file may be a destination that is only about to be made.
    """
    found = contents(path)
    named = path == folder.path
    return found is Contents.EXPORT or (found is Contents.NOTHING and (named or folder.had_a_job))


def _leftovers(folder: Folder, homes: set[Path]) -> list[Source]:
    """A job's folder that holds nothing but what says that there was a job."""
    text = said(folder.done[0]) if folder.done else None
    home = folder.path.parent if folder.path.name in TEMPORARY else folder.path
    if folder.batch_file or home in homes or not (folder.temporary or text or folder.begun):
        return []
    homes.add(home)
    return [LeftoverSource(home, text, tuple(folder.temporary), _of_server(folder))]


def _of_server(folder: Folder) -> str:
    """Which file says that jobs wrote to a MySQL server; empty if none does. Statements for tables
    of wells are only for that, and so is a properties file of such a database (CellProfiler 4.2.8,
    exporttodatabase.py, write_mysql_table_per_well and write_properties_file)."""
    if any(setup.name.upper() != WELLS for setup in folder.setups):
        # Of "MySQL / CSV".
        return ""
    if folder.setups:
        return folder.setups[0].name
    for file in sorted(folder.path.glob("*.properties")):
        with suppress(OSError):
            if _OF_MYSQL.search(file.read_bytes()):
                return file.name
    return ""
