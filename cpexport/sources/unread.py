"""A job's output in a format that is not read: it is named where nothing else is there to read."""

import re
from collections.abc import Sequence
from pathlib import Path

from cpexport.batch import LeftOut

MATLAB = ".mat"
# The table of image sets under CellProfiler's name or one that ends in it; a destination's table
# and one saved of a database are `Per_Image`.
_IMAGES = re.compile(r"(?!.*Per_Image)(.*[^A-Za-z])?Image", re.IGNORECASE | re.DOTALL)


def unread_output(files: Sequence[Path]) -> LeftOut | None:
    """What to say of a folder's files that are not read, if they are a job's whole output.

    >>> str(unread_output([Path("Image.xlsx"), Path("Nuclei.xlsx")]).reason)
    'a table of image sets that is no CSV (and Nuclei.xlsx beside it); save them as CSV, or take \
them away'
    """
    measured = [path for path in files if path.suffix.lower() == MATLAB]
    if measured:
        reason = (
            "CellProfiler's measurements in a MATLAB file, which cpexport does not read; run the "
            "job again with an .h5 or ExportToSpreadsheet, or take it away"
        )
        return LeftOut(str(measured[0]), reason)
    images = [path for path in files if _IMAGES.fullmatch(path.name.split(".")[0])]
    if not images:
        return None
    first, *others = [*images, *(path for path in files if path not in images)]
    beside = f" (and {_listed(others)} beside it)" if others else ""
    them = "them" if others else "it"
    reason = (
        f"a table of image sets that is no CSV{beside}; save {them} as CSV, or take {them} away"
    )
    return LeftOut(str(first), reason)


def _listed(files: Sequence[Path]) -> str:
    return files[0].name if len(files) == 1 else f"{len(files)} more tables"
