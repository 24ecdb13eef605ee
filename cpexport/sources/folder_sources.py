"""Makes the sources of one folder: which of its files are one batch, and in which format."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from cpexport.cellprofiler.features import IMAGE
from cpexport.cellprofiler.pipeline import Pipeline
from cpexport.sources.base import Source
from cpexport.sources.companions import Companions
from cpexport.sources.folder import TEMPORARY, Folder, read_done_file
from cpexport.sources.folder_content import Place
from cpexport.sources.hdf5.source import Hdf5Source
from cpexport.sources.mysql_csv.setup_sql import WELLS
from cpexport.sources.mysql_csv.source import SqlCsvSource
from cpexport.sources.no_output import EmptySource
from cpexport.sources.spreadsheet.source import SpreadsheetSource
from cpexport.sources.sqlite.file import FileKind, contents
from cpexport.sources.sqlite.source import DatabaseSource

_OF_MYSQL = re.compile(rb"^db_type\s*=\s*mysql\b", re.MULTILINE)


def sources_of(place: Place, hint: Pipeline | None = None) -> Sequence[Source]:
    """Returns one source per batch: measurement files, else CSV files, else SQLite files.

    The only batch of a folder has the folder's path; several have the paths of their files. `hint`
    is the batch file's pipeline.
    """
    folder = place.folder
    databases = tuple(path for path in folder.databases if _is_export(path, folder))
    batches = len(folder.hdf5) or len(place.groups) + len(place.jobs) or len(databases)
    home = folder.path if batches == 1 and folder.path.is_dir() else None
    done = folder.done[0] if len(folder.done) == 1 and batches == 1 else None
    status = read_done_file(done) if done else None
    if folder.hdf5:
        companions = _companions_of_measurements(place, databases, only=batches == 1)
        return [Hdf5Source(home or file, file, companions, status) for file in folder.hdf5]
    if place.groups or place.jobs:
        return _csv_sources(place, home, done, hint, databases)
    return [DatabaseSource(home or file, file, status, hint) for file in databases]


def _companions_of_measurements(
    place: Place, databases: tuple[Path, ...], *, only: bool
) -> Companions:
    """The CSV and SQLite files next to measurement files.

    `only` is whether the folder has one measurement file: the image sets in CSV files can be
    compared only with that.
    """
    companions = Companions(tuple(place.csv), databases)
    if not only:
        return companions
    jobs = tuple(SqlCsvSource(files[0], tuple(files), job) for job, files in place.jobs.items())
    return replace(companions, tables=tuple(place.image_tables), jobs=jobs)


def _csv_sources(
    place: Place,
    home: Path | None,
    done: Path | None,
    hint: Pipeline | None,
    databases: tuple[Path, ...],
) -> Sequence[Source]:
    """The batches in CSV files; the first one compares the SQLite files with all of them at once.

    `home` is the folder if it has only one batch, and `done` that batch's done file.
    """
    sources: list[SpreadsheetSource | SqlCsvSource] = [
        SpreadsheetSource(
            home or group.image_file,
            tuple(group.files),
            group.prefix,
            done,
            hint,
            adopted=tuple(group.adopted),
            experiment=group.experiment,
            unread=tuple(place.folder.unread),
        )
        for group in place.groups.values()
    ]
    sources += [
        SqlCsvSource(home or files[0].parent / job.file(IMAGE), tuple(files), job, done)
        for job, files in place.jobs.items()
    ]
    first, *others = sources
    companions = Companions(databases=databases, used=tuple(others) if databases else ())
    return [replace(first, companions=companions), *others]


def _is_export(path: Path, folder: Folder) -> bool:
    """Whether a file is a job's SQLite file.

    A file without tables counts only if the user named it or a job ran in its folder. Elsewhere, it
    may be a destination that is about to be created.
    """
    kind = contents(path)
    named = path == folder.path
    return kind is FileKind.EXPORT or (kind is FileKind.NOTHING and (named or folder.had_a_job))


def empty_sources(folder: Folder, homes: set[Path]) -> list[Source]:
    """Returns the source of a job's folder with nothing but traces of the job, or none.

    `homes` are the folders that have a source; this one's is added.
    """
    status = read_done_file(folder.done[0]) if folder.done else None
    home = folder.path.parent if folder.path.name in TEMPORARY else folder.path
    if folder.batch_file or home in homes or not (folder.temporary or status or folder.begun):
        return []
    homes.add(home)
    return [EmptySource(home, status, tuple(folder.temporary), _server_file(folder))]


def _server_file(folder: Folder) -> str:
    """The name of the file that shows that jobs wrote to a MySQL server; empty if none does.

    Statements for tables of wells exist only for a server, and so does a properties file of such a
    database (CellProfiler 4.2.8, exporttodatabase.py, write_mysql_table_per_well and
    write_properties_file).
    """
    if any(setup.name.upper() != WELLS for setup in folder.setups):
        # These belong to "MySQL / CSV".
        return ""
    if folder.setups:
        return folder.setups[0].name
    for file in sorted(folder.path.glob("*.properties")):
        with suppress(OSError):
            if _OF_MYSQL.search(file.read_bytes()):
                return file.name
    return ""
