"""Compares the rows of CSV files of objects with the counts in Image.csv, per file and together."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from cpexport.errors import SourceError
from cpexport.files.opening import open_regular
from cpexport.sources.spreadsheet.csv_bytes import unreadable
from cpexport.sources.spreadsheet.csv_file import CsvFile
from cpexport.sources.spreadsheet.image_csv import ImageCsvRows
from cpexport.sources.spreadsheet.object_type_names import object_types


@dataclass(frozen=True)
class Candidate:
    """A file that may have the rows of one or more object types.

    `own` is whether its name and folder are those of the job's own table. `adopted` is whether it
    has another prefix than the job, or lies in another folder. A file that is neither was renamed.
    """

    file: CsvFile
    names: tuple[str, ...]
    own: bool
    adopted: bool
    rows: ImageCsvRows = field(repr=False)

    @property
    def has(self) -> Mapping[int, int]:
        """Image set to the number of its rows; empty if the file cannot be read."""
        return self._read[0]

    @property
    def unknown_image_set(self) -> str:
        """The first image set that has rows here and none in Image.csv, in words; else empty."""
        return self._read[2]

    @property
    def damage(self) -> str:
        """Why its rows cannot be counted; empty if they can."""
        return self._read[3]

    @cached_property
    def wrong_count(self) -> str:
        """The first image set with another number of rows than Image.csv counts; else empty.

        An image set without rows does not count.
        """
        return _difference(self.has, self.names, self.rows, self._read[1])

    @cached_property
    def _read(self) -> tuple[Mapping[int, int], bool, str, str]:
        try:
            sets, cut = self.file.image_sets()
        except SourceError as error:
            return {}, False, "", error.problem
        numbers, counts = np.unique(sets, return_counts=True)
        has = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
        unknown_image_set = "".join(
            f"rows of image set {number}, which is not in Image.csv"
            for number in np.setdiff1d(numbers, self.rows.numbers)[:1]
        )
        return has, cut, unknown_image_set, ""


def misfit(header: CsvFile, rows: ImageCsvRows, prefix: str, whole: bool = True) -> str:
    """Why a table cannot belong to a job with these image sets; empty if it can.

    If `whole`, it must have the objects of all image sets; otherwise other files can have some.
    """
    names = object_types(header, prefix, rows, None, adopted=True)
    candidate = Candidate(header, names, own=False, adopted=True, rows=rows)
    return mismatch(candidate) or (missing([candidate]) if whole else "")


def mismatch(candidate: Candidate) -> str:
    """Why a file with another name than the job's cannot belong to the job; empty if it can."""
    return (
        nothing_counted(candidate.names, candidate.rows)
        or candidate.damage
        or candidate.unknown_image_set
        or candidate.wrong_count
    )


def nothing_counted(names: Sequence[str], rows: ImageCsvRows) -> str:
    """A sentence that Image.csv counts other object types, but none of these; else empty."""
    if not rows.counts or any(name in rows.counts for name in names):
        return ""
    return f"Image.csv counts no {' or '.join(names) or 'such objects'}"


def missing(candidates: Sequence[Candidate]) -> str:
    """The first image set whose objects have no rows in these files, in words; else empty."""
    first = candidates[0]
    has: set[int] = set().union(*(candidate.has for candidate in candidates))
    lost = dict.fromkeys((n for n in first.rows.numbers.tolist() if n not in has), 0)
    return _difference(lost, first.names, first.rows)


def shared(candidates: Sequence[Candidate]) -> tuple[Candidate, Candidate, int] | None:
    """Two files with rows of the same image set, and its number; None if they do not overlap."""
    seen: dict[int, Candidate] = {}
    for candidate in candidates:
        for number in candidate.has:
            if number in seen:
                return seen[number], candidate, number
            seen[number] = candidate
    return None


def fit_together(candidates: Sequence[Candidate]) -> bool:
    """Whether the files have different image sets, and together all rows that Image.csv counts."""
    return (
        bool(candidates[0].rows.counts)
        and not any(map(mismatch, candidates))
        and not missing(candidates)
        and shared(candidates) is None
    )


def copies(paths: Iterable[Path]) -> dict[Path, Path]:
    """Files that are identical to an earlier one, each with the earlier one.

    Raises:
        SourceError: a file cannot be read.
    """
    by_size: dict[int, list[Path]] = {}
    originals: dict[Path, Path] = {}
    for path in paths:
        try:
            by_size.setdefault(path.stat().st_size, []).append(path)
        except OSError as error:
            raise unreadable(path, error) from error
    for alike in by_size.values():
        first: dict[str, Path] = {}
        for path in alike if len(alike) > 1 else ():
            try:
                with open_regular(path) as stream:
                    digest = hashlib.file_digest(stream, "sha256").hexdigest()
            except OSError as error:
                raise unreadable(path, error) from error
            if first.setdefault(digest, path) != path:
                originals[path] = first[digest]
    return originals


def _difference(
    has: Mapping[int, int], names: Sequence[str], rows: ImageCsvRows, cut: bool = False
) -> str:
    """The first image set in `has` with another number of rows than Image.csv counts, in words."""
    counted = [rows.counts[name] for name in names if name in rows.counts]
    if not counted:
        return ""
    most = np.nan_to_num(np.fmax.reduce(counted), posinf=np.inf, neginf=-np.inf)
    for number, count in zip(rows.numbers.tolist(), most.tolist(), strict=True):
        if has.get(number, count) != count:
            actual, end = has[number], ", because it is cut off" if cut else ""
            return f"{actual} rows of image set {number}, where Image.csv counts {count:.15g}{end}"
    return ""
