"""Makes the sources of one folder: which of its files are one batch, and in which format."""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from cpexport.cellprofiler.pipeline import Pipeline
from cpexport.files.digest_set import DigestSet
from cpexport.files.opening import read_small
from cpexport.sources.base import Source
from cpexport.sources.companions import Companions
from cpexport.sources.folder import TEMPORARY, Folder, read_done_file
from cpexport.sources.folder_content import Place
from cpexport.sources.hdf5 import detect as hdf5
from cpexport.sources.hdf5.source import Hdf5Source
from cpexport.sources.mysql_csv import detect as mysql_csv
from cpexport.sources.mysql_csv.setup_sql import WELLS
from cpexport.sources.mysql_csv.source import SqlCsvSource
from cpexport.sources.no_output import EmptySource
from cpexport.sources.spreadsheet import detect as spreadsheet
from cpexport.sources.spreadsheet.source import SpreadsheetSource
from cpexport.sources.sqlite import detect as sqlite
from cpexport.sources.sqlite.source import DatabaseSource

_Compared = Hdf5Source | SpreadsheetSource | SqlCsvSource
_Batch = _Compared | DatabaseSource
_FORMATS: Sequence[Sequence[Callable[[Place, Pipeline | None], Sequence[_Batch]]]] = (
    [hdf5.detect],
    [spreadsheet.detect, mysql_csv.detect],
    [sqlite.detect],
)
"""What finds the batches of each format in a folder. The first formats with any are loaded; files
of the later ones should be of the same jobs, and are only compared."""

# Bytes of a properties file: a filter for each plate takes most of them.
_LONGEST = 1 << 22
_OF_MYSQL = re.compile(rb"^db_type\s*=\s*mysql\b", re.MULTILINE)


def sources_of(place: Place, hint: Pipeline | None = None) -> Sequence[Source]:
    """Returns one source per batch: measurement files, else CSV files, else SQLite files.

    The only batch of a folder has the folder's path; several have the paths of their files. `hint`
    is the batch file's pipeline.
    """
    found = ([batch for detect in kin for batch in detect(place, hint)] for kin in _FORMATS)
    batches = next(filter(None, found), [])
    if len(batches) == 1:
        batches = [_alone(batches[0], place.folder)]
    compared = [batch for batch in batches if not isinstance(batch, DatabaseSource)]
    return _with_companions(compared, place) if compared else batches


def _alone(batch: _Batch, folder: Folder) -> _Batch:
    """The only batch of a folder: the folder is its own, and so is the done file."""
    home = folder.path if folder.path.is_dir() else batch.path
    done = folder.done[0] if len(folder.done) == 1 else None
    if isinstance(batch, SpreadsheetSource | SqlCsvSource):
        return replace(batch, path=home, done=done)
    return replace(batch, path=home, done_status=read_done_file(done) if done else None)


def _with_companions(batches: Sequence[_Compared], place: Place) -> list[Source]:
    """Batches with the files of other formats in their folder, which are compared with them.

    Several measurement files are not compared: which of them has which image sets shows only in
    their rows. Of several batches of CSV files, the first one is compared for all.
    """
    databases = tuple(source.file for source in sqlite.detect(place))
    if not isinstance(batches[0], Hdf5Source):
        first, *others = batches
        companions = Companions(databases=databases, used=tuple(others) if databases else ())
        return [replace(first, companions=companions), *others]
    companions = Companions(tuple(place.csv), databases)
    if len(batches) == 1:
        jobs = tuple(mysql_csv.detect(place))
        companions = replace(companions, tables=tuple(place.image_tables), jobs=jobs)
    return [replace(batch, companions=companions) for batch in batches]


def empty_sources(folder: Folder, homes: DigestSet) -> list[Source]:
    """Returns the source of a job's folder with nothing but traces of the job, or none.

    `homes` are the paths of folders that have a source; this one's is added.
    """
    status = read_done_file(folder.done[0]) if folder.done else None
    home = folder.path.parent if folder.path.name in TEMPORARY else folder.path
    traces = folder.temporary or status or folder.begun
    if folder.batch_file or not traces or not homes.add(str(home)):
        return []
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
            if _OF_MYSQL.search(read_small(file, _LONGEST)):
                return file.name
    return ""
