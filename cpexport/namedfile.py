"""A file that was named itself, not the folder it lies in: its batch, or why it is none."""

from pathlib import Path

from cpexport.batch import LeftOut
from cpexport.errors import RERUN, SourceError
from cpexport.features import EXPERIMENT, IMAGE, RELATIONSHIP
from cpexport.filekinds import HDF5, SQLITE
from cpexport.place import Place
from cpexport.sources.csvbytes import no_table
from cpexport.sources.csvfile import SUFFIXES as CSV_SUFFIXES
from cpexport.sources.csvfile import CsvFile
from cpexport.sources.csvgroups import CsvGroup, csv_folder, header_of
from cpexport.sources.csvheader import OBJECTS
from cpexport.sources.folder import Folder, sorted_by_kind
from cpexport.sources.packed import may_be_data
from cpexport.sources.sqlnames import sql_jobs
from cpexport.walk import is_hidden, is_regular, walk

_NAME_IMAGES = "which are in the Image.csv of its job; name that, or the folder that holds both"
_WHY = {
    OBJECTS: f"has no image sets, {_NAME_IMAGES}",
    RELATIONSHIP: f"has pairs of objects and no image sets, {_NAME_IMAGES}",
    EXPERIMENT: f"says how a run was made and has no image sets, {_NAME_IMAGES}",
}
_NOT_OURS = "name a job's .h5, Image.csv or SQLite file, or the folder that holds it"


def place_of(path: Path) -> Place | LeftOut:
    """The batch of a file that is no folder: an Image.csv brings the tables of its prefix."""
    if not is_regular(path):
        return LeftOut(str(path), f"not a regular file; {_NOT_OURS}")
    start = _start(path)
    if start == HDF5:
        return Place(Folder(path, hdf5=[path]))
    if start and SQLITE.startswith(start):
        return Place(Folder(path, databases=[path]))
    if is_hidden(path.name):
        reason = (
            "a hidden file, where macOS, Office or an editor keeps its own; name the file beside it"
        )
        return LeftOut(str(path), reason)
    kind = sorted_by_kind(path.parent, [path.name])
    if kind.packed:
        return LeftOut(str(path), PACKED) if may_be_data(path) else no_data(path)
    if not kind.csv and path.suffix.lower() in CSV_SUFFIXES and not kind.done:
        kind.csv = [path]
    if not kind.csv:
        kind.path = path
        return Place(kind)
    return _csv(path)


PACKED = "a compressed file; decompress it, or take it away"


def no_data(path: Path) -> LeftOut:
    """That a file is not one of CellProfiler's, and how that is known."""
    why = no_table(path)
    return LeftOut(str(path), f"{why.problem}; {_NOT_OURS if why.advice == RERUN else why.advice}")


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(len(HDF5))
    except OSError:
        return b""


def _csv(path: Path) -> Place | LeftOut:
    """The batch of a CSV file, with the files beside it that are called alike."""
    names = next(iter(walk(path.parent))).names
    folder = sorted_by_kind(path.parent, {*names, path.name})
    jobs = sql_jobs(folder.csv, folder.setups)
    for job, files in jobs.items():
        if path in files:
            if path.name != job.file(IMAGE):
                return LeftOut(str(path), f"rows of objects; name {job.file(IMAGE)} of its job")
            return Place(Folder(path, csv=files, setups=folder.setups), jobs={job: files})
    taken = {file for files in jobs.values() for file in files}
    header = header_of(path)
    if isinstance(header, SourceError):
        return LeftOut(str(path), f"{header.problem}; {header.advice}")
    if header is None:
        return no_data(path)
    if header.kind != IMAGE:
        return LeftOut(str(path), _WHY[header.kind])
    csv = csv_folder([file for file in folder.csv if file not in taken])
    alone = CsvGroup("", [path])
    group = next((g for g in csv.groups.values() if path in g.files), alone)
    if path.stem != f"{group.prefix}{IMAGE}" and group.holds(f"{group.prefix}{IMAGE}"):
        group = alone
    strays = [s for s in csv.strays if isinstance(s.header, CsvFile) and s.kind != IMAGE]
    if len(csv.groups) > 1:
        strays = [stray for stray in strays if stray.kind == EXPERIMENT]
    done = folder.done if len(csv.groups) == 1 else []
    return Place(Folder(path, done=done), {group.prefix: group}, strays)
