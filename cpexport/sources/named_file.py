"""Handles a file that the user named directly: finds its batch, or why it has none."""

import re
from pathlib import Path

from cpexport.cellprofiler.features import EXPERIMENT, IMAGE, RELATIONSHIP
from cpexport.errors import RERUN, CpexportError, LeftOut, SourceError, UsageError
from cpexport.files.buckets import SCHEMES
from cpexport.files.kinds import HDF5, SQLITE, another_kind, described
from cpexport.files.listed import is_hidden
from cpexport.files.opening import open_regular
from cpexport.files.unpacked import is_packed, plain_name, plain_stem
from cpexport.files.walk import is_regular, walk
from cpexport.jobs.split import PLAN, STAMP
from cpexport.sources.folder import Folder, names_csv, sorted_by_kind
from cpexport.sources.folder_content import Place
from cpexport.sources.mysql_csv.file_names import sql_jobs
from cpexport.sources.packed import may_be_data
from cpexport.sources.spreadsheet.csv_bytes import no_table
from cpexport.sources.spreadsheet.csv_file import SUFFIXES as CSV_SUFFIXES
from cpexport.sources.spreadsheet.csv_file import CsvFile
from cpexport.sources.spreadsheet.csv_header import OBJECTS
from cpexport.sources.spreadsheet.file_groups import CsvGroup, csv_folder, header_of
from cpexport.spelling import closest, suggest

_NAME_IMAGES = "which are in the Image.csv of its job; name that, or the folder of both"
_WHY = {
    OBJECTS: f"has no image sets, {_NAME_IMAGES}",
    RELATIONSHIP: f"has pairs of objects and no image sets, {_NAME_IMAGES}",
    EXPERIMENT: f"describes how a run was made and has no image sets, {_NAME_IMAGES}",
}
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):/")
_TEXT = ".txt"
_NOT_OURS = "name a job's .h5, Image.csv or SQLite file, or its folder"


def place_of(path: Path) -> Place | LeftOut:
    """Returns the batch of a single file; an Image.csv brings the tables with its prefix."""
    if not is_regular(path):
        return LeftOut(str(path), f"not a regular file; {_NOT_OURS}")
    start = _start(path)
    if start == HDF5:
        return Place(Folder(path, hdf5=[path]))
    if start and SQLITE.startswith(start):
        return Place(Folder(path, databases=[path]))
    if is_hidden(path.name):
        reason = "a hidden file of macOS, Office or an editor; name the file next to it"
        return LeftOut(str(path), reason)
    kind = sorted_by_kind(path.parent, [path.name])
    if kind.packed:
        return why_packed(path) if may_be_data(path) else no_data(path)
    if not kind.csv and path.suffix.lower() in CSV_SUFFIXES and not kind.done:
        kind.csv = [path]
    if not kind.csv:
        unknown = kind in (Folder(path.parent), Folder(path.parent, unread=[path]))
        if unknown and path.name not in (PLAN, STAMP) and (not kind.unread or another_kind(path)):
            return _no_output(path)
        kind.path = path
        return Place(kind)
    return _csv(path)


def does_not_exist(path: Path) -> CpexportError:
    """The error for one of OUTPUTS; a path has one slash where a URL has two."""
    scheme = _SCHEME.match(str(path))
    if scheme and not path.parent.exists():
        message = (
            f"OUTPUTS: unsupported URL {scheme[1]}://; use a path, s3://, gs://, az:// or file:///"
        )
        close = closest(scheme[1], SCHEMES)
        return UsageError(suggest(message, close and f"{close}://"))
    try:
        # Without their ending, which makes all names look alike.
        others = (other for other in path.parent.iterdir() if other.suffix == path.suffix)
        siblings = {other.stem: other for other in others}
    except OSError:
        siblings = {}
    close = closest(path.stem, siblings)
    advice = suggest("name the folder that holds the jobs' outputs", close and str(siblings[close]))
    return SourceError(path, "does not exist", advice)


def why_packed(path: Path) -> LeftOut:
    """The reason why a compressed file that may be data is not read."""
    if names_csv(path.name):
        name = plain_name(path)
        return LeftOut(str(path), f"{name} next to it is the same table; delete one of the two")
    return LeftOut(str(path), "a compressed file; decompress it, or move it out of OUTPUTS")


def no_data(path: Path) -> LeftOut:
    """The reason why a file is not CellProfiler's."""
    why = another_kind(path) or no_table(path)
    if path.suffix.lower() == _TEXT and described(path) == "is a text file":
        return _no_output(path)
    return LeftOut(str(path), f"{why.problem}; {_NOT_OURS if why.advice == RERUN else why.advice}")


def _no_output(path: Path) -> LeftOut:
    """The reason why a file is no output, by what it is."""
    if kind := another_kind(path):
        return LeftOut(str(path), f"{kind.problem}; {kind.advice}")
    return LeftOut(
        str(path), f"{described(path)}, not the output of a CellProfiler job; {_NOT_OURS}"
    )


def _start(path: Path) -> bytes:
    try:
        with open_regular(path) as stream:
            return stream.read(len(HDF5))
    except OSError:
        return b""


def _csv(path: Path) -> Place | LeftOut:
    """The batch of a CSV file, with the related files in its folder."""
    names = next(iter(walk(path.parent))).names
    # Of two that would be one table, the one that the user named is meant.
    other = {plain_name(path)} if is_packed(path) else set()
    folder = sorted_by_kind(path.parent, {*names, path.name} - other)
    jobs = sql_jobs(folder.csv, folder.setups)
    for job, files in jobs.items():
        if path in files:
            if plain_name(path) != job.file(IMAGE):
                return LeftOut(str(path), f"rows of objects; name {job.file(IMAGE)} of its job")
            return Place(Folder(path, csv=files, setups=folder.setups), jobs={job: files})
    sql_files = {file for files in jobs.values() for file in files}
    header = header_of(path)
    if isinstance(header, SourceError):
        return LeftOut(str(path), f"{header.problem}; {header.advice}")
    if header is None:
        return no_data(path)
    if header.kind != IMAGE:
        return LeftOut(str(path), _WHY[header.kind])
    csv = csv_folder([file for file in folder.csv if file not in sql_files])
    single_file = CsvGroup("", [path])
    group = next((g for g in csv.groups.values() if path in g.files), single_file)
    if plain_stem(path) != f"{group.prefix}{IMAGE}" and group.holds(f"{group.prefix}{IMAGE}"):
        group = single_file
    strays = [s for s in csv.strays if isinstance(s.header, CsvFile) and s.kind != IMAGE]
    if len(csv.groups) > 1:
        strays = [stray for stray in strays if stray.kind == EXPERIMENT]
    done = folder.done if len(csv.groups) == 1 else []
    return Place(Folder(path, done=done), {group.prefix: group}, strays)
