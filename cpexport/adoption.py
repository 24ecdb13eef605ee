"""Tables that lie in another folder than their job, or have another prefix: whose they are.

A pipeline can have several ExportToSpreadsheet modules, with a folder or a prefix each. A table
belongs to the one table of image sets near it that has the same prefix, or in the same folder, and
all its image sets with as many objects; what is nobody's is named.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path

from cpexport.batch import LeftOut
from cpexport.errors import SourceError
from cpexport.features import EXPERIMENT, IMAGE, RELATIONSHIP
from cpexport.place import Place
from cpexport.sources.csvchoice import images_of
from cpexport.sources.csvfile import CsvFile
from cpexport.sources.csvfits import misfit
from cpexport.sources.csvgroups import CsvGroup, Stray, header_of
from cpexport.sources.csvheader import OBJECTS
from cpexport.sources.imagecsv import ImageRows

# A table that more jobs than this could have is no job's; each of them would be read.
_MOST = 100
_NOBODYS = (
    "but no one table of image sets that it belongs to; put it where its Image.csv is, under the "
    "same prefix, or take it away"
)
_WHY_STRAY = {
    OBJECTS: f"rows of objects, {_NOBODYS}",
    RELATIONSHIP: f"pairs of objects, {_NOBODYS}",
    IMAGE: "rows of image sets, but its name does not end in Image; rename it, or take it away",
    EXPERIMENT: "a second Experiment.csv; take it away",
}
_NO_SQL_JOB = (
    "rows of an export for MySQL, but no Image.CSV and SETUP.SQL of its job near it; put it "
    "where they are, or take it away"
)


def adopt(places: Sequence[Place], by_path: Mapping[Path, Place]) -> list[LeftOut]:
    """Gives tables to the one job that each can belong to; returns those that are nobody's.

    Places change: a table is in its job's place afterwards, and in no other.
    """
    loose = [_loose(place) for place in places]
    if any(loose) or any(place.strays for place in places):
        _adopt_tables(places, loose, by_path)
    left_out = []
    if any(place.sql_strays for place in places):
        left_out = _adopt_sql_tables(places, by_path)
    # What lies beside a measurement file is its job's, and is not used.
    own = (stray for place in places if not place.folder.hdf5 for stray in place.strays)
    return [*map(_left, own), *left_out]


def _adopt_tables(
    places: Sequence[Place], loose: Sequence[Sequence[Stray]], by_path: Mapping[Path, Place]
) -> None:
    homes: dict[tuple[Path, str], list[CsvGroup]] = defaultdict(list)
    for place in places:
        for group in place.groups.values():
            for where in _folders(group.files, by_path) if group.images else ():
                homes[where, group.prefix].append(group)
    asked = []
    for place, strays in zip(places, loose, strict=True):
        for stray in (*place.strays, *strays):
            if stray.kind in (OBJECTS, RELATIONSHIP):
                asked.append((*_candidates(stray, place, homes, by_path), stray))
    adopted = set()
    # The nearest first: a job has one table of a name.
    for _, found, stray in sorted(asked, key=lambda one: one[0]):
        if home := _home(stray, found):
            home.files.append(stray.path)
            home.adopted.append(stray.path)
            adopted.add(stray.path)
    for place, strays in zip(places, loose, strict=True):
        place.strays = [stray for stray in place.strays if stray.path not in adopted]
        if any(stray.path in adopted for stray in strays):
            # What is left of such a folder is no job's.
            place.groups.clear()
            place.strays += [stray for stray in strays if stray.path not in adopted]


def _adopt_sql_tables(places: Sequence[Place], by_path: Mapping[Path, Place]) -> list[LeftOut]:
    """The same for files of "MySQL / CSV", whose names say their job; returns who has none."""
    homes: dict[tuple[Path, str], list[list[Path]]] = defaultdict(list)
    for place in places:
        for job, files in place.jobs.items():
            for where in _folders(files, by_path):
                homes[where, job.beginning].append(files)
    left_out = []
    for place in places:
        for path in place.sql_strays:
            ups = [up for up in path.parents if up in by_path]
            beginnings = [path.name[: n + 1] for n, c in enumerate(path.name) if c == "_"]
            found = next((f for up in ups for n in beginnings if (f := homes.get((up, n)))), [])
            free = [files for files in found if all(file.name != path.name for file in files)]
            if len(free) == 1:
                free[0].append(path)
            else:
                left_out.append(LeftOut(str(path), _NO_SQL_JOB))
    return left_out


def _folders(files: Iterable[Path], by_path: Mapping[Path, Place]) -> set[Path]:
    """The folders of some files, and all that hold those."""
    homes = {path.parent for path in files}
    return {up for home in homes for up in (home, *home.parents) if up in by_path}


def _loose(place: Place) -> list[Stray]:
    """Tables of a folder without image sets and without a sign that a job ran there."""
    if place.folder.had_a_job or place.folder.hdf5:
        return []
    groups = [g for g in place.groups.values() if not (g.images or g.says_how_it_ran)]
    paths = [path for group in groups for path in group.files]
    return [Stray(path, header) for path in paths if (header := header_of(path)) is not None]


def _candidates(
    stray: Stray,
    place: Place,
    homes: Mapping[tuple[Path, str], list[CsvGroup]],
    by_path: Mapping[Path, Place],
) -> tuple[int, list[CsvGroup]]:
    """How far away a table's job may be, and the jobs that far away that it can belong to.

    In its own folder any job can have it. Elsewhere one that has a prefix which begins its name.
    """
    own = [group for group in place.groups.values() if group.images]
    if own:
        return 0, own
    stem = stray.path.stem
    for distance, where in enumerate(stray.path.parents):
        if where not in by_path:
            break
        for length in range(len(stem), -1, -1):
            if found := homes.get((where, stem[:length])):
                return distance, found
    return 0, []


def _home(stray: Stray, found: Sequence[CsvGroup]) -> CsvGroup | None:
    """The one job that a table belongs to. Of several, what they hold decides.

    A job's own table keeps others of its name away; of several in other folders, each can have
    some of the image sets.
    """
    free = list(islice((g for g in found if not g.has_own(stray.path.stem)), _MOST + 1))
    if len(free) > 1:
        fits = [group for group in free[:_MOST] if _fits(stray, group, True)]
        free = fits or [group for group in free[:_MOST] if _fits(stray, group, False)]
    return free[0] if len(free) == 1 else None


def _fits(stray: Stray, group: CsvGroup, whole: bool) -> bool:
    if not isinstance(stray.header, CsvFile) or stray.kind != OBJECTS:
        return False
    headers = [h for h in map(header_of, group.files) if isinstance(h, CsvFile)]
    try:
        rows = ImageRows(images_of(headers, group.prefix), None)
    except SourceError:
        return False
    return not misfit(stray.header, rows, group.prefix, whole)


def _left(stray: Stray) -> LeftOut:
    if isinstance(stray.header, SourceError):
        return LeftOut(str(stray.path), f"{stray.header.problem}; {stray.header.advice}")
    return LeftOut(str(stray.path), _WHY_STRAY[stray.kind])
