"""Decides which of a job's CSV files are read, and as what; the others get a reason.

A table that CellProfiler wrote for this job has the job's image sets, as many rows as Image.csv
counts, and the name of an object type: letters, digits and underscores, no digit first
(CellProfiler 4.2.8, cellprofiler_core/setting/text/alphanumeric). Often the folder also has tables
that people derived, or that an earlier run left.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cpexport.cellprofiler.features import EXPERIMENT, IMAGE, RELATIONSHIP
from cpexport.cellprofiler.pipeline import Pipeline
from cpexport.errors import SourceError
from cpexport.files.unpacked import plain_stem
from cpexport.sources.spreadsheet.csv_file import CsvFile, ends_cut, relative_name
from cpexport.sources.spreadsheet.csv_header import OBJECTS
from cpexport.sources.spreadsheet.image_csv import ImageCsvRows
from cpexport.sources.spreadsheet.object_type_names import (
    counts_all,
    is_type,
    name_given,
    object_types,
)
from cpexport.sources.spreadsheet.row_counts import (
    Candidate,
    copies,
    fit_together,
    mismatch,
    missing,
    nothing_counted,
    shared,
)

ONE_OF_TWO = "keep the one of this job, and move the other out of OUTPUTS"
_AWAY = "move it out of OUTPUTS"
_RELATIONSHIPS = "Object relationships"


@dataclass(frozen=True)
class Tables:
    """A job's CSV files by content. `left_out` gives the reason for each file that is not read."""

    images: tuple[CsvFile, ...] = ()
    experiment: CsvFile | None = None
    relationships: tuple[CsvFile, ...] = ()
    objects: Mapping[str, tuple[CsvFile, ...]] = field(default_factory=dict)
    left_out: Mapping[Path, str] = field(default_factory=dict)

    def without(self, left_out: Mapping[Path, str]) -> "Tables":
        """Returns the same with more files left out."""
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
    """The job's tables of image sets: the ones with CellProfiler's name, if any.

    There can be several, in folders named after metadata, or under names that the user chose.
    Identical copies of another one are left out.
    """
    return _different(_named(headers, IMAGE, prefix))


def experiment_of(headers: Sequence[CsvFile], prefix: str) -> CsvFile | None:
    """The job's Experiment.csv.

    Raises:
        SourceError: two files could be it.
    """
    files = _different(_named(headers, EXPERIMENT, prefix))
    if len(files) > 1:
        problem = (
            f"describes how the job ran, and so does {relative_name(files[1].path, files[0].path)}"
        )
        raise SourceError(files[0].path, problem, ONE_OF_TWO)
    return files[0] if files else None


def chosen(
    headers: Sequence[CsvFile],
    prefix: str,
    adopted: Collection[Path],
    rows: ImageCsvRows,
    pipeline: Pipeline | None,
) -> Tables:
    """Chooses which of the files with these headers to read.

    The names or folders of `adopted` files do not match `prefix`, so their rows must match
    Image.csv. `rows` come from `images_of`.

    Raises:
        SourceError: two files could have the same table.
    """
    images, experiment = images_of(headers, prefix), experiment_of(headers, prefix)
    relationships, left_out = _relationships(headers, prefix, pipeline)
    candidates = []
    for header in headers:
        if header.kind == OBJECTS:
            away = header.path in adopted
            names = object_types(header, prefix, rows, pipeline, away)
            if not names:
                left_out[header.path] = (
                    f"{plain_stem(header.path)} is not a valid name of an object type; {_AWAY}"
                )
                continue
            stem = plain_stem(header.path)
            own = not away and (
                stem.removeprefix(prefix) in names
                or len(header.objects) > 0
                or name_given(stem, pipeline) is not None
            )
            candidates.append(Candidate(header, names, own, away, rows))
        elif header.kind == IMAGE and header not in images:
            left_out[header.path] = (
                f"rows of image sets, but {images[0].path.name} is the table of this job; {_AWAY}"
            )
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
    of_kind = tuple(h for h in headers if h.kind == kind)
    return tuple(h for h in of_kind if plain_stem(h.path) == f"{prefix}{kind}") or of_kind


def _different(files: Sequence[CsvFile]) -> tuple[CsvFile, ...]:
    """The files without copies of an earlier one."""
    duplicates = copies(file.path for file in files)
    return tuple(file for file in files if file.path not in duplicates)


def _relationships(
    headers: Sequence[CsvFile], prefix: str, pipeline: Pipeline | None
) -> tuple[tuple[CsvFile, ...], dict[Path, str]]:
    """The files of relationships, one per folder, and the reasons for the files left out.

    Raises:
        SourceError: two files in one folder could be the job's.
    """
    kept: list[CsvFile] = []
    left_out: dict[Path, str] = {}
    folders: dict[Path, list[CsvFile]] = {}
    for header in headers:
        if header.kind == RELATIONSHIP:
            folders.setdefault(header.path.parent, []).append(header)
    for files in folders.values():
        own = [file for file in files if plain_stem(file.path) == f"{prefix}{_RELATIONSHIPS}"]
        own = own or [
            file for file in files if name_given(plain_stem(file.path), pipeline) is not None
        ]
        candidates = _different(own or files)
        if len(candidates) > 1 and len(own) < len(candidates):
            problem = f"has pairs of objects, and so has {candidates[1].path.name}"
            raise SourceError(candidates[0].path, problem, ONE_OF_TWO)
        kept += candidates
        for file in files:
            if file not in candidates:
                left_out[file.path] = f"{candidates[0].path.name} has the pairs of objects; {_AWAY}"
    return tuple(kept), left_out


def _misfits(
    candidates: Sequence[Candidate],
    prefix: str,
    images: Sequence[CsvFile],
    pipeline: Pipeline | None,
) -> dict[Path, str]:
    """The files of objects that are not read, judged by name and content, each with the reason."""
    left_out: dict[Path, str] = {}
    cut = any(ends_cut(image.path) for image in images)
    tables: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        counted = any(name in candidate.rows.counts for name in candidate.names)
        reason, advice = "", _AWAY
        if candidate.adopted:
            reason = mismatch(candidate)
            advice = (
                f"restore its complete table, or {_AWAY}"
                if reason == candidate.wrong_count
                else _AWAY
            )
        elif counted and not candidate.own:
            reason = candidate.unknown_image_set
        elif not counted and not cut:
            reason = _derived(candidate, images) or candidate.unknown_image_set
            if not reason and counts_all(candidate.rows, pipeline):
                reason = nothing_counted(candidate.names, candidate.rows)
                advice = f"rename it after its object type, or {_AWAY}"
        if reason:
            left_out[candidate.file.path] = f"{reason}; {advice}"
            continue
        for name in candidate.names:
            tables.setdefault(name, []).append(candidate)
    for name, several in tables.items():
        left_out |= _surplus(name, several, prefix)
    return left_out


def _surplus(name: str, candidates: Sequence[Candidate], prefix: str) -> dict[Path, str]:
    """The files of one object type that are not read, each with the reason.

    Files with different image sets are read together. Otherwise the file with CellProfiler's name
    is read.
    """
    if len(candidates) == 1 and not candidates[0].adopted:
        return {}

    def exact(candidate: Candidate) -> bool:
        return candidate.own and plain_stem(candidate.file.path) == f"{prefix}{name}"

    left_out: dict[Path, str] = {}
    ordered = sorted(
        candidates,
        key=lambda candidate: (not exact(candidate), not candidate.own, candidate.adopted),
    )
    same = copies(candidate.file.path for candidate in ordered)
    # In folders without objects, files are equal because they have only a header.
    with_rows = {
        candidate.file.path
        for candidate in ordered
        if candidate.file.path in same and candidate.has
    }
    copied = {path: first for path, first in same.items() if path in with_rows}
    kept = [candidate for candidate in ordered if candidate.file.path not in copied]
    for candidate in ordered:
        path = candidate.file.path
        if path in copied:
            left_out[path] = (
                f"{_unlike(candidate)}a copy of {relative_name(copied[path], path)}; {_AWAY}"
            )
    own = list(filter(exact, kept)) or [candidate for candidate in kept if candidate.own]
    if own and (len(own) == len(kept) or fit_together(kept)):
        return left_out
    if own:
        for candidate in kept:
            if candidate not in own:
                path = candidate.file.path
                has = f"{relative_name(own[0].file.path, path)} has the rows of {name} already"
                left_out[path] = f"{_unlike(candidate)}{has}; {_AWAY}"
        return left_out
    return left_out | _undecided(name, kept)


def _undecided(name: str, kept: Sequence[Candidate]) -> dict[Path, str]:
    """The files that are not read if none of several has CellProfiler's name, with reasons."""
    overlap = shared(kept)
    if overlap is None:
        lost = missing(kept)
        reason = f"{lost}; restore its complete table, or {_AWAY}"
        return {candidate.file.path: reason for candidate in kept if candidate.adopted and lost}
    left_out = {}
    for candidate in kept:
        path = candidate.file.path
        other = relative_name(
            (overlap[1] if candidate is overlap[0] else overlap[0]).file.path, path
        )
        has = f"also has rows of {name} in image set {overlap[2]}"
        left_out[path] = f"{other} {has}; {ONE_OF_TWO}"
    return left_out


def _unlike(candidate: Candidate) -> str:
    """What is wrong with a file's name, as the start of a reason; empty if nothing is."""
    stem = plain_stem(candidate.file.path)
    if not is_type(stem):
        return f"{stem} is not a valid name of an object type; "
    return "" if candidate.own or candidate.adopted else f"Image.csv counts no {stem}; "


def _derived(candidate: Candidate, images: Sequence[CsvFile]) -> str:
    """Why a table without a count in Image.csv was made by a user; empty if nothing shows it."""
    if candidate.file.numbers_rows and not any(image.numbers_rows for image in images):
        return "its first column only numbers the rows, so another program wrote it"
    merged = tuple(f"{name}_" for name in (*candidate.rows.counts, IMAGE))
    for _, feature in candidate.file.names:
        if feature.startswith(merged):
            return f"the column {feature} is named as in a table that was merged from others"
    return ""
