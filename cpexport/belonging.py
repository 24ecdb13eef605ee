"""Which tables below OUTPUTS belong to a job in another folder, or under another prefix.

ExportToSpreadsheet can write into folders named for metadata, while Experiment.csv stays above
them (CellProfiler 4.2.8, modules/exporttospreadsheet.py, make_full_filename).
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cpexport.adoption import adopt
from cpexport.batch import LeftOut
from cpexport.features import EXPERIMENT
from cpexport.place import Place
from cpexport.sources.csvgroups import CsvGroup


def put_together(places: Sequence[Place]) -> list[LeftOut]:
    """Gives tables to the jobs whose they are; returns those that are nobody's, and why.

    Places change: what belongs to a job in another folder is in that job's place afterwards.
    """
    by_path = {place.folder.path: place for place in places}
    _join_jobs_above(places, by_path)
    for place in places:
        _share_experiments(place)
    return adopt(places, by_path)


def _above(path: Path, by_path: Mapping[Path, Place]) -> Iterator[Place]:
    """The places of the folders that hold this one, the nearest first."""
    for parent in path.parents:
        if parent not in by_path:
            return
        yield by_path[parent]


def _join_jobs_above(places: Sequence[Place], by_path: Mapping[Path, Place]) -> None:
    """Tables in a folder without any sign of a job belong to the job above them.

    Where one job ran there, they are that job's. Where several may have, each folder stays a batch
    of its own, and the Experiment.csv above says how it was run.
    """
    heads = {
        place.folder.path: place.experiments
        for place in places
        if place.experiments and not place.folder.hdf5
    }
    holding: set[Path] = set()
    for place in places:
        above = next((p for p in _above(place.folder.path, by_path) if p.is_a_jobs), None)
        if above is None or not place.is_a_jobs:
            continue
        holding.add(above.folder.path)
        if place.folder.had_a_job or place.folder.hdf5:
            continue
        for group in [g for g in place.groups.values() if not g.says_how_it_ran]:
            if above.is_one_jobs_measurements:
                above.beside += group.files
                del place.groups[group.prefix]
            elif group.images and (said := heads.get(above.folder.path)):
                _join(place, group, above, said)
    for path in heads.keys() & holding:
        place = by_path[path]
        for group in place.experiments:
            if not place.folder.had_a_job or any(g.images for g in place.groups.values()):
                del place.groups[group.prefix]


def _join(place: Place, group: CsvGroup, above: Place, said: Sequence[CsvGroup]) -> None:
    experiment = next((one for one in said if one.prefix == group.prefix), said[0])
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
    """An Experiment.csv under no job's prefix says how all jobs of its folder were run."""
    for stray in [one for one in place.strays if one.kind == EXPERIMENT]:
        silent = [g for g in place.groups.values() if not (g.says_how_it_ran or g.experiment)]
        for group in silent:
            group.experiment = stray.path
        if silent or any(group.experiment == stray.path for group in place.groups.values()):
            place.strays.remove(stray)
