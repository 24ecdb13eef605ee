"""Which object types a CSV file has rows of: by its name, its header, and what Image.csv counts.

CellProfiler calls a table of objects `<prefix><object type>.csv` unless the pipeline has another
name for it, and counts every object type that it makes in Image.csv (CellProfiler 4.2.8,
modules/exporttospreadsheet.py; cellprofiler_core/module/image_segmentation). People rename files:
`nuclei.csv`, `Nuclei_run1.csv`, `A01_Nuclei.csv`. One counted object type is still a word of the
name.
"""

import re
from collections.abc import Iterable

from cpexport.features import IMAGE
from cpexport.pipeline import Pipeline
from cpexport.skipped import MARKS
from cpexport.sources.csvfile import CsvFile
from cpexport.sources.imagecsv import ImageRows

# Letters, digits and underscores, no digit first (cellprofiler_core/setting/text/alphanumeric).
_TYPE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
# Where a word of a file's name begins and ends: `MyExpt_Nuclei`, `OldNuclei`, `nuclei2`.
_BEGINS = r"(?:^|(?<=[^A-Za-z])|(?<=[a-z])(?=[A-Z]))"
_ENDS = r"(?=$|[^A-Za-z]|(?<=[a-z])[A-Z])"


def object_types(
    header: CsvFile, prefix: str, rows: ImageRows, pipeline: Pipeline | None, adopted: bool = False
) -> tuple[str, ...]:
    """The object types that a file has rows of: nearly always one; none if its name tells none.

    A line of object types over the features says it, and so does the pipeline where the user named
    the files. `adopted` files have another prefix: their object type is the end of their name.
    """
    stem = header.path.stem
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
    """The object type of a file whose name the user chose in the pipeline; None if it is not."""
    exports = pipeline.exports if pipeline else ()
    return next((name for name, pattern in exports if re.fullmatch(pattern, stem)), None)


def is_type(name: str) -> bool:
    """Whether CellProfiler accepts this name for an object type."""
    return _TYPE.fullmatch(name) is not None


def called_like(stem: str, counted: Iterable[str]) -> str:
    """The one counted object type that is a word of a file's name, whatever its case; else empty.

    >>> [called_like(s, ["Nuclei", "Cells"]) for s in ("nuclei", "A01_Nuclei", "Nuclei_Cells")]
    ['Nuclei', 'Nuclei', '']
    >>> called_like("FilteredNuclei_2", ["Nuclei", "FilteredNuclei"])
    'FilteredNuclei'
    """
    counted = list(counted)
    if stem in counted:
        return stem
    found = [n for n in counted if re.search(f"{_BEGINS}(?i:{re.escape(n)}){_ENDS}", stem)]
    longest = [
        name
        for name in found
        if not any(name != other and name.lower() in other.lower() for other in found)
    ]
    return longest[0] if len(longest) == 1 else ""


def counts_all(rows: ImageRows, pipeline: Pipeline | None) -> bool:
    """Whether Image.csv counts every object type of its job.

    It does unless a person chose the columns. Where no pipeline says so, columns by which modules
    record themselves do, as nobody chooses those.
    """
    if not rows.counts:
        return False
    if pipeline:
        return not pipeline.exports_chosen_columns
    return any(feature.startswith(MARKS) for feature in rows.features)


def _makes(pipeline: Pipeline | None, name: str) -> bool:
    """Whether the pipeline makes objects of this name that Image.csv need not count."""
    return pipeline is not None and pipeline.exports_chosen_columns and name in pipeline.values
