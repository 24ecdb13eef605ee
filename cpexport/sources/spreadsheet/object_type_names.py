"""Finds the object types in a CSV file by its name, its header, and the counts in Image.csv.

CellProfiler names a table of objects `<prefix><object type>.csv`, unless the pipeline sets another
name. In Image.csv it counts every object type that it makes (CellProfiler 4.2.8,
modules/exporttospreadsheet.py; cellprofiler_core/module/image_segmentation). People rename files:
`nuclei.csv`, `Nuclei_run1.csv`, `A01_Nuclei.csv`. The name then still contains one counted object
type as a word.
"""

import re
from collections.abc import Iterable

from cpexport.cellprofiler.features import IMAGE
from cpexport.cellprofiler.flagged_image_sets import MARKS
from cpexport.cellprofiler.pipeline import Pipeline
from cpexport.files.unpacked import plain_stem
from cpexport.sources.spreadsheet.csv_file import CsvFile
from cpexport.sources.spreadsheet.image_csv import ImageCsvRows

# Letters, digits and underscores, no digit first (cellprofiler_core/setting/text/alphanumeric).
_TYPE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
# The start and end of a word in a file's name: `MyExpt_Nuclei`, `OldNuclei`, `nuclei2`.
_BEGINS = r"(?:^|(?<=[^A-Za-z])|(?<=[a-z])(?=[A-Z]))"
_ENDS = r"(?=$|[^A-Za-z]|(?<=[a-z])[A-Z])"


def object_types(
    header: CsvFile,
    prefix: str,
    rows: ImageCsvRows,
    pipeline: Pipeline | None,
    adopted: bool = False,
) -> tuple[str, ...]:
    """The object types in a file: nearly always one, or none if its name shows none.

    A header line of object types decides, or the pipeline if the user named the files there.
    `adopted` files have another prefix; their name ends in the object type.
    """
    stem = plain_stem(header.path)
    own = name_given(stem, pipeline)
    if own is None:
        own = stem.removeprefix(prefix)
        if adopted:
            ends = [name for name in rows.counts if stem.endswith(name)]
            own = max(ends, key=len, default="") or called_like(stem, rows.counts) or own
            if own not in rows.counts and not stem.startswith(prefix):
                return ()
        elif not _makes(pipeline, own):
            own = called_like(own, rows.counts) or own
    named = dict.fromkeys(over or own for over, _ in header.names if over != IMAGE)
    return tuple(named) if all(map(is_type, named)) else ()


def name_given(stem: str, pipeline: Pipeline | None) -> str | None:
    """The object type of a file that the pipeline names; None if the pipeline does not name it."""
    exports = pipeline.exports if pipeline else ()
    return next((name for name, pattern in exports if re.fullmatch(pattern, stem)), None)


def is_type(name: str) -> bool:
    """Whether CellProfiler accepts this name for an object type."""
    return _TYPE.fullmatch(name) is not None


def called_like(stem: str, counted: Iterable[str]) -> str:
    """The only counted object type that is a word of a file's name, in any case; empty if none is.

    >>> [called_like(s, ["Nuclei", "Cells"]) for s in ("nuclei", "A01_Nuclei", "Nuclei_Cells")]
    ['Nuclei', 'Nuclei', '']
    >>> called_like("FilteredNuclei_2", ["Nuclei", "FilteredNuclei"])
    'FilteredNuclei'
    """
    counted = list(counted)
    if stem in counted:
        return stem
    matches = [n for n in counted if re.search(f"{_BEGINS}(?i:{re.escape(n)}){_ENDS}", stem)]
    longest = [
        name
        for name in matches
        if not any(name != other and name.lower() in other.lower() for other in matches)
    ]
    return longest[0] if len(longest) == 1 else ""


def counts_all(rows: ImageCsvRows, pipeline: Pipeline | None) -> bool:
    """Whether Image.csv counts every object type of its job.

    It does unless the user chose the columns. Without a pipeline to say so, the columns in which
    modules record themselves show it, because users do not choose those.
    """
    if not rows.counts:
        return False
    if pipeline:
        return not pipeline.exports_chosen_columns
    return any(feature.startswith(MARKS) for feature in rows.features)


def _makes(pipeline: Pipeline | None, name: str) -> bool:
    """Whether the pipeline makes objects of this name, which Image.csv may not count."""
    return pipeline is not None and pipeline.exports_chosen_columns and name in pipeline.values
