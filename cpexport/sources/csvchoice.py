"""Which of a job's CSV files are read, as what, and why the others are not.

A table that CellProfiler wrote for this job has the job's image sets, as many rows as Image.csv
counts, and the name of an object type: letters, digits and underscores, no digit first
(CellProfiler 4.2.8, cellprofiler_core/setting/text/alphanumeric). What people made of it, or left
from an earlier run, often lies beside it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cpexport.errors import SourceError
from cpexport.features import EXPERIMENT, IMAGE, RELATIONSHIP
from cpexport.pipeline import Pipeline
from cpexport.sources.csvfile import CsvFile, ends_cut, name_beside
from cpexport.sources.csvfits import (
    Candidate,
    copies,
    fit_together,
    missing,
    nothing_counted,
    shared,
    strange,
)
from cpexport.sources.csvheader import OBJECTS
from cpexport.sources.csvtypes import counts_all, is_type, name_given, object_types
from cpexport.sources.imagecsv import ImageRows

ONE_OF_TWO = "keep the one that is this job's, and take the other away"
_AWAY = "take it away"
_RELATIONSHIPS = "Object relationships"


@dataclass(frozen=True)
class Tables:
    """A job's CSV files by what they hold. `left_out` says of the others why they are not read."""

    images: tuple[CsvFile, ...] = ()
    experiment: CsvFile | None = None
    relationships: tuple[CsvFile, ...] = ()
    objects: Mapping[str, tuple[CsvFile, ...]] = field(default_factory=dict)
    left_out: Mapping[Path, str] = field(default_factory=dict)

    def without(self, left_out: Mapping[Path, str]) -> "Tables":
        """The same but for more files that are not read."""
        kept = {
            name: tuple(file for file in files if file.path not in left_out)
            for name, files in self.objects.items()
        }
        return Tables(
            self.images,
            self.experiment,
            self.relationships,
            {name: files for name, files in kept.items() if files},
            {**self.left_out, **left_out},
        )


def images_of(headers: Sequence[CsvFile], prefix: str) -> tuple[CsvFile, ...]:
    """The job's tables of image sets: those of the name that CellProfiler gives, if there is one.

    There can be several, in folders named for metadata, or under names of the user's. One that
    is a copy of another, byte by byte, is left out.
    """
    return _different(_named(headers, IMAGE, prefix))


def experiment_of(headers: Sequence[CsvFile], prefix: str) -> CsvFile | None:
    """The job's Experiment.csv.

    Raises:
        SourceError: nothing tells which of two files is.
    """
    found = _different(_named(headers, EXPERIMENT, prefix))
    if len(found) > 1:
        problem = f"says how the job ran, and so does {name_beside(found[1].path, found[0].path)}"
        raise SourceError(found[0].path, problem, ONE_OF_TWO)
    return found[0] if found else None


def chosen(
    headers: Sequence[CsvFile],
    prefix: str,
    adopted: Collection[Path],
    rows: ImageRows,
    pipeline: Pipeline | None,
) -> Tables:
    """What to read of the files with these headers.

    `adopted` are files that are called otherwise than `prefix` says, or lie elsewhere: they must
    fit what Image.csv says. `rows` are those of `images_of`.

    Raises:
        SourceError: nothing tells which of two files has a table.
    """
    images, experiment = images_of(headers, prefix), experiment_of(headers, prefix)
    relationships, left_out = _relationships(headers, prefix, pipeline)
    candidates = []
    for header in headers:
        if header.kind == OBJECTS:
            away = header.path in adopted
            names = object_types(header, prefix, rows, pipeline, away)
            if not names:
                left_out[header.path] = f"{header.path.stem} is no name of an object type; {_AWAY}"
                continue
            stem = header.path.stem
            own = not away and (
                stem.removeprefix(prefix) in names
                or len(header.objects) > 0
                or name_given(stem, pipeline) is not None
            )
            candidates.append(Candidate(header, names, own, away, rows))
        elif header.kind == IMAGE and header not in images:
            left_out[header.path] = f"rows of image sets beside {images[0].path.name}; {_AWAY}"
        elif header.kind == EXPERIMENT and header is not experiment:
            left_out[header.path] = f"a second {EXPERIMENT}.csv; {_AWAY}"
    left_out |= _misfits(candidates, prefix, images, pipeline)
    objects: dict[str, list[CsvFile]] = {}
    for candidate in candidates:
        for name in candidate.names if candidate.file.path not in left_out else ():
            objects.setdefault(name, []).append(candidate.file)
    types = {name: tuple(files) for name, files in objects.items()}
    return Tables(images, experiment, relationships, types, left_out)


def _named(headers: Sequence[CsvFile], kind: str, prefix: str) -> tuple[CsvFile, ...]:
    found = tuple(h for h in headers if h.kind == kind)
    return tuple(h for h in found if h.path.stem == f"{prefix}{kind}") or found


def _different(files: Sequence[CsvFile]) -> tuple[CsvFile, ...]:
    """The files without those that are copies of an earlier one."""
    again = copies(file.path for file in files)
    return tuple(file for file in files if file.path not in again)


def _relationships(
    headers: Sequence[CsvFile], prefix: str, pipeline: Pipeline | None
) -> tuple[tuple[CsvFile, ...], dict[Path, str]]:
    """The files of relationships, in folders named for metadata one each, and why not the others.

    Raises:
        SourceError: nothing tells which of two files in one folder is the job's.
    """
    kept: list[CsvFile] = []
    left_out: dict[Path, str] = {}
    folders: dict[Path, list[CsvFile]] = {}
    for header in headers:
        if header.kind == RELATIONSHIP:
            folders.setdefault(header.path.parent, []).append(header)
    for files in folders.values():
        own = [file for file in files if file.path.stem == f"{prefix}{_RELATIONSHIPS}"]
        own = own or [file for file in files if name_given(file.path.stem, pipeline) is not None]
        found = _different(own or files)
        if len(found) > 1 and len(own) < len(found):
            problem = f"has pairs of objects, and so has {found[1].path.name}"
            raise SourceError(found[0].path, problem, ONE_OF_TWO)
        kept += found
        for file in files:
            if file not in found:
                left_out[file.path] = f"{found[0].path.name} has the pairs of objects; {_AWAY}"
    return tuple(kept), left_out


def _misfits(
    candidates: Sequence[Candidate],
    prefix: str,
    images: Sequence[CsvFile],
    pipeline: Pipeline | None,
) -> dict[Path, str]:
    """Files of objects that are not read, by their names and by what they hold, and why."""
    left_out: dict[Path, str] = {}
    cut = any(ends_cut(image.path) for image in images)
    tables: dict[str, list[Candidate]] = {}
    for one in candidates:
        counted = any(name in one.rows.counts for name in one.names)
        reason, advice = "", _AWAY
        if one.adopted:
            reason = strange(one)
            advice = f"put its whole table there, or {_AWAY}" if reason == one.wrong else _AWAY
        elif counted and not one.own:
            reason = one.unknown
        elif not counted and not cut:
            reason = _derived(one, images) or one.unknown
            if not reason and counts_all(one.rows, pipeline):
                reason = nothing_counted(one.names, one.rows)
                advice = f"name it for its object type, or {_AWAY}"
        if reason:
            left_out[one.file.path] = f"{reason}; {advice}"
            continue
        for name in one.names:
            tables.setdefault(name, []).append(one)
    for name, several in tables.items():
        left_out |= _surplus(name, several, prefix)
    return left_out


def _surplus(name: str, candidates: Sequence[Candidate], prefix: str) -> dict[Path, str]:
    """Which files that may have the rows of one object type are not read, and why.

    Files of different image sets are read together. Else the one that is called as CellProfiler
    calls it is read.
    """
    if len(candidates) == 1 and not candidates[0].adopted:
        return {}

    def exact(one: Candidate) -> bool:
        return one.own and one.file.path.stem == f"{prefix}{name}"

    left_out: dict[Path, str] = {}
    ordered = sorted(candidates, key=lambda one: (not exact(one), not one.own, one.adopted))
    same = copies(one.file.path for one in ordered)
    # Folders without objects have equal files, which are nothing but a header.
    with_rows = {one.file.path for one in ordered if one.file.path in same and one.has}
    again = {path: first for path, first in same.items() if path in with_rows}
    kept = [one for one in ordered if one.file.path not in again]
    for one in ordered:
        path = one.file.path
        if path in again:
            left_out[path] = f"{_unlike(one)}a copy of {name_beside(again[path], path)}; {_AWAY}"
    own = list(filter(exact, kept)) or [one for one in kept if one.own]
    if own and (len(own) == len(kept) or fit_together(kept)):
        return left_out
    if own:
        for one in kept:
            if one not in own:
                path = one.file.path
                has = f"{name_beside(own[0].file.path, path)} has the rows of {name} already"
                left_out[path] = f"{_unlike(one)}{has}; {_AWAY}"
        return left_out
    both = shared(kept)
    for one in kept:
        path = one.file.path
        if both:
            other = name_beside((both[1] if one is both[0] else both[0]).file.path, path)
            has = f"has rows of {name} in image set {both[2]} as well"
            left_out[path] = f"{other} {has}; {ONE_OF_TWO}"
        elif one.adopted and (lost := missing(kept)):
            left_out[path] = f"{lost}; put its whole table there, or {_AWAY}"
    return left_out


def _unlike(one: Candidate) -> str:
    """What is wrong with a file's name, to begin a reason with; empty if nothing is."""
    stem = one.file.path.stem
    if not is_type(stem):
        return f"{stem} is no name of an object type; "
    return "" if one.own or one.adopted else f"Image.csv counts no {stem}; "


def _derived(one: Candidate, images: Sequence[CsvFile]) -> str:
    """Why a table that Image.csv does not count is somebody's own; empty if nothing tells."""
    if one.file.numbers_rows and not any(image.numbers_rows for image in images):
        return "its first column only numbers the rows, so another program wrote it"
    merged = tuple(f"{name}_" for name in (*one.rows.counts, IMAGE))
    for _, feature in one.file.names:
        if feature.startswith(merged):
            return f"the column {feature} is called as in a table merged of others"
    return ""
