"""How the rows of CSV files of objects fit what Image.csv counts, alone and together."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from cpexport.errors import SourceError
from cpexport.sources.csvbytes import unreadable
from cpexport.sources.csvfile import CsvFile
from cpexport.sources.csvtypes import object_types
from cpexport.sources.imagecsv import ImageRows


@dataclass(frozen=True)
class Candidate:
    """A file that may have the rows of one or more object types.

    `own` is whether it is called and lies as the job's own table would; `adopted` whether it has
    another prefix than the job, or lies in another folder. A file that is neither was renamed.
    """

    file: CsvFile
    names: tuple[str, ...]
    own: bool
    adopted: bool
    rows: ImageRows = field(repr=False)

    @property
    def has(self) -> Mapping[int, int]:
        """Image set to how many rows it has; nothing if it cannot be read."""
        return self._read[0]

    @property
    def unknown(self) -> str:
        """The first image set of which it has rows and Image.csv none; empty if there is none."""
        return self._read[2]

    @property
    def damage(self) -> str:
        """Why its rows cannot be told; empty if they can."""
        return self._read[3]

    @cached_property
    def wrong(self) -> str:
        """The first image set of which it has rows, but not as many as Image.csv counts."""
        return _difference(self.has, self.names, self.rows, self._read[1])

    @cached_property
    def _read(self) -> tuple[Mapping[int, int], bool, str, str]:
        try:
            sets, cut = self.file.image_sets()
        except SourceError as error:
            return {}, False, "", error.problem
        numbers, found = np.unique(sets, return_counts=True)
        has = dict(zip(numbers.tolist(), found.tolist(), strict=True))
        unknown = "".join(
            f"rows of image set {number}, which is not in Image.csv"
            for number in np.setdiff1d(numbers, self.rows.numbers)[:1]
        )
        return has, cut, unknown, ""


def misfit(header: CsvFile, rows: ImageRows, prefix: str, whole: bool = True) -> str:
    """Why a table cannot be that of a job with these image sets; empty if it can.

    If it must be `whole` it has the objects of all image sets; else other files can have some.
    """
    names = object_types(header, prefix, rows, None, adopted=True)
    candidate = Candidate(header, names, own=False, adopted=True, rows=rows)
    return strange(candidate) or (missing([candidate]) if whole else "")


def strange(candidate: Candidate) -> str:
    """Why a file that is not called as the job's cannot be the job's; empty if it can."""
    return (
        nothing_counted(candidate.names, candidate.rows)
        or candidate.damage
        or candidate.unknown
        or candidate.wrong
    )


def nothing_counted(names: Sequence[str], rows: ImageRows) -> str:
    """That Image.csv counts object types, but none of these; empty if it counts one."""
    if not rows.counts or any(name in rows.counts for name in names):
        return ""
    return f"Image.csv counts no {' or '.join(names) or 'such objects'}"


def missing(candidates: Sequence[Candidate]) -> str:
    """The first image set of whose objects none of these files has rows; empty if they have all."""
    first = candidates[0]
    has: set[int] = set().union(*(candidate.has for candidate in candidates))
    lost = dict.fromkeys((n for n in first.rows.numbers.tolist() if n not in has), 0)
    return _difference(lost, first.names, first.rows)


def shared(candidates: Sequence[Candidate]) -> tuple[Candidate, Candidate, int] | None:
    """Two files that both have rows of one image set; None if each image set is in one file."""
    seen: dict[int, Candidate] = {}
    for candidate in candidates:
        for number in candidate.has:
            if number in seen:
                return seen[number], candidate, number
            seen[number] = candidate
    return None


def fit_together(candidates: Sequence[Candidate]) -> bool:
    """Whether each file has other image sets, and all of them have the rows that are counted."""
    return (
        bool(candidates[0].rows.counts)
        and not any(map(strange, candidates))
        and not missing(candidates)
        and shared(candidates) is None
    )


def copies(paths: Iterable[Path]) -> dict[Path, Path]:
    """Those of the files that hold the same as an earlier one, byte by byte, and that one.

    Raises:
        SourceError: a file cannot be read.
    """
    by_size: dict[int, list[Path]] = {}
    found: dict[Path, Path] = {}
    for path in paths:
        try:
            by_size.setdefault(path.stat().st_size, []).append(path)
        except OSError as error:
            raise unreadable(path, error) from error
    for alike in by_size.values():
        first: dict[str, Path] = {}
        for path in alike if len(alike) > 1 else ():
            try:
                with path.open("rb") as stream:
                    digest = hashlib.file_digest(stream, "sha256").hexdigest()
            except OSError as error:
                raise unreadable(path, error) from error
            if first.setdefault(digest, path) != path:
                found[path] = first[digest]
    return found


def _difference(
    has: Mapping[int, int], names: Sequence[str], rows: ImageRows, cut: bool = False
) -> str:
    """The first image set in `has` that has another number of rows than Image.csv counts."""
    counted = [rows.counts[name] for name in names if name in rows.counts]
    if not counted:
        return ""
    most = np.nan_to_num(np.fmax.reduce(counted), posinf=np.inf, neginf=-np.inf)
    for number, count in zip(rows.numbers.tolist(), most.tolist(), strict=True):
        if has.get(number, count) != count:
            there, end = has[number], "; it is cut off" if cut else ""
            return f"{there} rows of image set {number}, where Image.csv counts {count:.15g}{end}"
    return ""
