"""Finds which tables below OUTPUTS belong to a job in another folder, or with another prefix.

ExportToSpreadsheet can write into folders named after metadata, while Experiment.csv stays above
them (CellProfiler 4.2.8, modules/exporttospreadsheet.py, make_full_filename).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cpexport.cellprofiler.features import EXPERIMENT
from cpexport.errors import LeftOut
from cpexport.files.digest_set import DigestSet
from cpexport.sources.adoption import adopt
from cpexport.sources.folder_content import Place
from cpexport.sources.spreadsheet.file_groups import CsvGroup


@dataclass(frozen=True)
class Traits:
    """What some places have in common.

    plain: whether all of them are.
    apart: whether, in addition, no table can belong to a job in another folder, as in most runs:
        `put_together` would then change nothing.
    unread: whether any has outputs in unsupported formats.
    traces: whether any may have traces of a job without its outputs.
    temporary: CellProfiler's temporary files in them.
    """

    plain: bool
    apart: bool
    unread: bool
    traces: bool
    temporary: tuple[Path, ...]


def traits(places: Iterable[Place]) -> Traits:
    """Looks at each place once."""
    plain, unread, traces = True, False, False
    temporary: list[Path] = []
    jobs, above = DigestSet(), DigestSet()
    for place in places:
        folder = place.folder
        plain = plain and place.is_plain
        unread = unread or bool(folder.unread)
        traces = traces or bool(folder.temporary or folder.done or folder.begun)
        temporary += folder.temporary
        if place.is_a_jobs:
            jobs.add(str(folder.path))
            for up in folder.path.parents:
                # Where one folder is known, those above it are.
                if not above.add(str(up)):
                    break
    return Traits(plain, plain and jobs.isdisjoint(above), unread, traces, tuple(temporary))


def put_together(places: Sequence[Place]) -> list[LeftOut]:
    """Gives tables to their jobs; returns the tables without a job, each with the reason.

    Changes the places: afterwards a table is in the place of its job, even if that is another
    folder.
    """
    by_path = {place.folder.path: place for place in places}
    _join_jobs_above(places, by_path)
    for place in places:
        _share_experiments(place)
    return adopt(places, by_path)


def _above(path: Path, by_path: Mapping[Path, Place]) -> Iterator[Place]:
    """Yields the places of the folders above a path, the nearest first."""
    for parent in path.parents:
        if parent not in by_path:
            return
        yield by_path[parent]


def _join_jobs_above(places: Sequence[Place], by_path: Mapping[Path, Place]) -> None:
    """Gives the tables of a folder without any trace of a job to the job above.

    If one job ran above, the tables are its own. If several may have run, each folder stays a
    batch, and the Experiment.csv above describes its run.
    """
    experiments_by_folder = {
        place.folder.path: place.experiments
        for place in places
        if place.experiments and not place.folder.hdf5
    }
    with_jobs_below: set[Path] = set()
    for place in places:
        above = next((p for p in _above(place.folder.path, by_path) if p.is_a_jobs), None)
        if above is None or not place.is_a_jobs:
            continue
        with_jobs_below.add(above.folder.path)
        if place.folder.had_a_job or place.folder.hdf5:
            continue
        for group in [g for g in place.groups.values() if not g.says_how_it_ran]:
            if above.is_one_jobs_measurements:
                above.companions += group.files
                del place.groups[group.prefix]
            elif group.images and (experiments := experiments_by_folder.get(above.folder.path)):
                _join(place, group, above, experiments)
    for path in experiments_by_folder.keys() & with_jobs_below:
        place = by_path[path]
        for group in place.experiments:
            if not place.folder.had_a_job or any(g.images for g in place.groups.values()):
                del place.groups[group.prefix]


def _join(place: Place, group: CsvGroup, above: Place, experiments: Sequence[CsvGroup]) -> None:
    experiment = next(
        (group_above for group_above in experiments if group_above.prefix == group.prefix),
        experiments[0],
    )
    if not above.folder.is_one_jobs:
        group.experiment = experiment.experiment_file
        return
    del place.groups[group.prefix]
    whole = above.groups.setdefault(group.prefix, CsvGroup(group.prefix, []))
    if whole is not experiment:
        whole.experiment = experiment.experiment_file
    whole.files += group.files
    whole.images = True


def _share_experiments(place: Place) -> None:
    """Applies an Experiment.csv without a job of its prefix to all jobs of its folder."""
    for stray in [s for s in place.strays if s.kind == EXPERIMENT]:
        silent = [g for g in place.groups.values() if not (g.says_how_it_ran or g.experiment)]
        for group in silent:
            group.experiment = stray.path
        if silent or any(group.experiment == stray.path for group in place.groups.values()):
            place.strays.remove(stray)
