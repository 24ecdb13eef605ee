"""Finds the job of each table that lies in another folder, or has another prefix.

A pipeline can have several ExportToSpreadsheet modules, each with its own folder or prefix. A table
belongs to the only table of image sets near it that has the same prefix or folder, all image sets
of the table, and the same object counts. A table without such a job is reported.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path

from cpexport.cellprofiler.features import EXPERIMENT, IMAGE, RELATIONSHIP
from cpexport.errors import LeftOut, SourceError
from cpexport.files.unpacked import plain_name, plain_stem
from cpexport.sources.folder_content import Place
from cpexport.sources.spreadsheet.csv_file import CsvFile
from cpexport.sources.spreadsheet.csv_header import OBJECTS
from cpexport.sources.spreadsheet.file_choice import images_of
from cpexport.sources.spreadsheet.file_groups import CsvGroup, Stray, header_of
from cpexport.sources.spreadsheet.image_csv import ImageCsvRows
from cpexport.sources.spreadsheet.row_counts import misfit

# A table that could belong to more jobs than this gets none, because the test would read each job.
_MOST = 100
_NO_OWNER = (
    "but no single Image.csv matches them; move this file next to its Image.csv and give it "
    "the same prefix, or move it out of OUTPUTS"
)
_WHY_STRAY = {
    OBJECTS: f"rows of objects, {_NO_OWNER}",
    RELATIONSHIP: f"pairs of objects, {_NO_OWNER}",
    IMAGE: "rows of image sets, but its name does not end in Image; rename it, or move it out of "
    "OUTPUTS",
    EXPERIMENT: "a second Experiment.csv; move it out of OUTPUTS",
}
_NO_SQL_JOB = (
    "rows of an export for MySQL, but its Image.CSV and SETUP.SQL are missing; move this "
    "file next to them, or out of OUTPUTS"
)


def adopt(places: Sequence[Place], by_path: Mapping[Path, Place]) -> list[LeftOut]:
    """Gives each table to the only job that it can belong to; returns the tables without a job.

    Changes the places: afterwards a table is in the place of its job and in no other.
    """
    loose = [_loose(place) for place in places]
    if any(loose) or any(place.strays for place in places):
        _adopt_tables(places, loose, by_path)
    left_out = []
    if any(place.sql_strays for place in places):
        left_out = _adopt_sql_tables(places, by_path)
    # CSV files next to a measurement file are from the same job, and are not used.
    own = (stray for place in places if not place.folder.hdf5 for stray in place.strays)
    return [*map(_left, own), *left_out]


def _adopt_tables(
    places: Sequence[Place], loose: Sequence[Sequence[Stray]], by_path: Mapping[Path, Place]
) -> None:
    homes = _homes(places, by_path)
    candidates = [
        (*_candidates(stray, place, homes, by_path), stray)
        for place, strays in zip(places, loose, strict=True)
        for stray in (*place.strays, *strays)
        if stray.kind in (OBJECTS, RELATIONSHIP)
    ]
    adopted = set()
    # The nearest job comes first: a job has only one table of each name.
    for _, groups, stray in sorted(candidates, key=lambda candidate: candidate[0]):
        if home := _home(stray, groups):
            home.files.append(stray.path)
            home.adopted.append(stray.path)
            adopted.add(stray.path)
    for place, strays in zip(places, loose, strict=True):
        place.strays = [stray for stray in place.strays if stray.path not in adopted]
        if any(stray.path in adopted for stray in strays):
            # The rest of such a folder belongs to no job.
            place.groups.clear()
            place.strays += [stray for stray in strays if stray.path not in adopted]


def _homes(
    places: Sequence[Place], by_path: Mapping[Path, Place]
) -> Mapping[tuple[Path, str], list[CsvGroup]]:
    """The jobs with image sets, by prefix and folder: the job's own folder and all above."""
    homes: dict[tuple[Path, str], list[CsvGroup]] = defaultdict(list)
    for group in (group for place in places for group in place.groups.values() if group.images):
        for where in _folders(group.files, by_path):
            homes[where, group.prefix].append(group)
    return homes


def _adopt_sql_tables(places: Sequence[Place], by_path: Mapping[Path, Place]) -> list[LeftOut]:
    """Does the same for "MySQL / CSV" files, whose names show their job; returns the rest."""
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
            candidates = next(
                (f for up in ups for n in beginnings if (f := homes.get((up, n)))), []
            )
            free = [
                files
                for files in candidates
                if all(plain_name(file) != plain_name(path) for file in files)
            ]
            if len(free) == 1:
                free[0].append(path)
            else:
                left_out.append(LeftOut(str(path), _NO_SQL_JOB))
    return left_out


def _folders(files: Iterable[Path], by_path: Mapping[Path, Place]) -> set[Path]:
    """The folders of some files, and all folders above them."""
    homes = {path.parent for path in files}
    return {up for home in homes for up in (home, *home.parents) if up in by_path}


def _loose(place: Place) -> list[Stray]:
    """Tables in a folder without image sets and without a trace of a job."""
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
    """The jobs that a table can belong to, with their distance in folders; the nearest ones only.

    In the table's own folder, any job is possible. Elsewhere, the job's prefix must begin the
    table's name.
    """
    own = [group for group in place.groups.values() if group.images]
    if own:
        return 0, own
    stem = plain_stem(stray.path)
    for distance, where in enumerate(stray.path.parents):
        if where not in by_path:
            break
        for length in range(len(stem), -1, -1):
            if groups := homes.get((where, stem[:length])):
                return distance, groups
    return 0, []


def _home(stray: Stray, candidates: Sequence[CsvGroup]) -> CsvGroup | None:
    """The only job that a table can belong to; with several candidates, their content decides.

    A job's own table of the same name excludes the job. An adopted one does not, because tables in
    different folders can each have some of the image sets.
    """
    free = list(islice((g for g in candidates if not g.has_own(plain_stem(stray.path))), _MOST + 1))
    if len(free) > 1:
        fits = [group for group in free[:_MOST] if _fits(stray, group, True)]
        free = fits or [group for group in free[:_MOST] if _fits(stray, group, False)]
    return free[0] if len(free) == 1 else None


def _fits(stray: Stray, group: CsvGroup, whole: bool) -> bool:
    if not isinstance(stray.header, CsvFile) or stray.kind != OBJECTS:
        return False
    headers = [h for h in map(header_of, group.files) if isinstance(h, CsvFile)]
    try:
        rows = ImageCsvRows(images_of(headers, group.prefix), None)
    except SourceError:
        return False
    return not misfit(stray.header, rows, group.prefix, whole)


def _left(stray: Stray) -> LeftOut:
    if isinstance(stray.header, SourceError):
        return LeftOut(str(stray.path), f"{stray.header.problem}; {stray.header.advice}")
    return LeftOut(str(stray.path), _WHY_STRAY[stray.kind])
