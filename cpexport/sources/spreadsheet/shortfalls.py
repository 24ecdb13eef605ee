"""Finds the rows that a job's CSV files lack, compared with the counts in Image.csv."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np

from cpexport.cellprofiler.features import EXPERIMENT
from cpexport.errors import AS_WRITTEN, RERUN, SourceError
from cpexport.files.kinds import is_pointer
from cpexport.files.unpacked import plain_stem
from cpexport.imagesets import NONE, ImageSets
from cpexport.sources.spreadsheet.csv_bytes import first_lines, no_table, no_text
from cpexport.sources.spreadsheet.csv_file import CsvFile, ends_cut, relative_name
from cpexport.sources.spreadsheet.file_choice import ONE_OF_TWO, Tables
from cpexport.sources.spreadsheet.image_csv import ImageCsvRows
from cpexport.sources.spreadsheet.object_type_names import called_like


def shortfalls(
    tables: Tables, rows: ImageCsvRows, headless: Sequence[Path], prefix: str
) -> dict[int, str]:
    """Image set to what its tables lack, by CellProfiler's own counts.

    `headless` are files named like the job's that have no header of CellProfiler's.

    Raises:
        SourceError: a table is cut off or damaged and the affected image sets are unknown, or two
            tables have rows of one image set.
    """
    incomplete: dict[int, str] = {}
    for file in tables.relationships:
        if ends_cut(file.path):
            incomplete |= dict.fromkeys(rows.present, f"{file.path.name} is cut off")
    for file in tables.images:
        if ends_cut(file.path) and not tables.objects:
            raise SourceError(file.path, "cut off in the middle of a line", RERUN)
    for path in [path for path in headless if path not in tables.left_out]:
        why = no_table(path)
        lost = _lost(path, tables, rows, prefix)
        if lost and why.advice != RERUN:
            # No job leaves such a file, so running the job again does not help.
            raise why
        incomplete |= dict.fromkeys(lost, f"{path.name} {why.problem}")
    for names in _side_by_side(tables):
        _count(names, tables, rows, incomplete)
    return incomplete


def unwritten(tables: Tables, rows: ImageCsvRows) -> Iterator[str]:
    """Notes about objects that are counted but in no file, as FlagImage skipped the image sets."""
    for names in _side_by_side(tables):
        if lost := rows.unwritten(names) & rows.with_objects(names):
            yield (
                f"{tables.objects[names[0]][0].path.name}: no rows of the image sets {lost}, "
                "which FlagImage skipped: CellProfiler writes none unless it has made all of "
                f"{', '.join(names)}"
            )


def counted_type_of(path: Path, prefix: str, objects: Collection[str], rows: ImageCsvRows) -> str:
    """The counted object type of a file that cannot be read; empty if there is none.

    `objects` are the types whose rows are in other files.
    """
    name = plain_stem(path).removeprefix(prefix)
    if name in rows.counts:
        return name
    like = called_like(name, rows.counts)
    return "" if like in objects else like


def _side_by_side(tables: Tables) -> list[list[str]]:
    """Groups the object types by the files with their rows: one file can have several."""
    groups: dict[tuple[Path, ...], list[str]] = {}
    for name, files in tables.objects.items():
        groups.setdefault(tuple(file.path for file in files), []).append(name)
    return list(groups.values())


def _lost(path: Path, tables: Tables, rows: ImageCsvRows, prefix: str) -> ImageSets:
    """The image sets that should have rows in a file without a header."""
    name = plain_stem(path).removeprefix(prefix)
    if is_pointer(path):
        return rows.present
    if counted := counted_type_of(path, prefix, tables.objects, rows):
        return rows.counted()[counted]
    if "relation" in name.lower() or (not rows.counts and name != EXPERIMENT):
        return rows.present if _only_begun(path) or no_text(path) else NONE
    return NONE


def _count(
    names: Sequence[str], tables: Tables, rows: ImageCsvRows, incomplete: dict[int, str]
) -> None:
    """Compares the rows of files with Count_<Object>; for several types, with the largest count.

    Adds the image sets that lack rows to `incomplete`.
    """
    files = tables.objects[names[0]]
    has: dict[int, int] = {}
    where: dict[int, CsvFile] = {}
    cut = None
    for file in files:
        image_sets, end_is_cut = file.image_sets()
        cut = file if end_is_cut else cut
        numbers, counted = np.unique(image_sets, return_counts=True)
        for number, count in zip(numbers.tolist(), counted.tolist(), strict=True):
            if number in where:
                other = relative_name(file.path, where[number].path)
                problem = f"has rows of image set {number}, and so has {other}"
                raise SourceError(where[number].path, problem, ONE_OF_TWO)
            has[number], where[number] = count, file
    for number in sorted(has.keys() - set(rows.numbers.tolist())):
        path = where[number].path
        if number < 1:
            raise SourceError(path, f"image set {number}: image set numbers start at 1", AS_WRITTEN)
        end = ", because it is cut off" if any(ends_cut(f.path) for f in tables.images) else ""
        incomplete.setdefault(number, f"{path.name} has rows of it, but Image.csv has none{end}")
    counts = [rows.counts[name] for name in names if name in rows.counts]
    if not counts:
        if cut:
            raise SourceError(cut.path, "cut off in the middle of a line", RERUN)
        return
    most = np.nan_to_num(np.fmax.reduce(counts), posinf=np.inf, neginf=-np.inf)
    skipped = rows.unwritten(names)
    for number, count in zip(rows.numbers.tolist(), most.tolist(), strict=True):
        if has.get(number, 0) != count and (number in has or number not in skipped):
            path = where.get(number, cut or files[0]).path
            end = ", because it is cut off" if cut and where.get(number, cut) == cut else ""
            lacks = f"{path.name} has {has.get(number, 0)} of {count:.15g} rows{end}"
            incomplete.setdefault(number, lacks)


def _only_begun(path: Path) -> bool:
    line, _ = first_lines(path)
    return not line or (line.startswith((b"Image", b"Module")) and not line.endswith(b"\n"))
