"""Reports a job's output in an unsupported format, if the folder has nothing else to read."""

import re
from collections.abc import Sequence
from pathlib import Path

from cpexport.errors import LeftOut

MATLAB = ".mat"
# The table of image sets has CellProfiler's name or a name that ends in it. A destination's table,
# or one exported from a database, is `Per_Image`.
_IMAGES = re.compile(r"(?!.*Per_Image)(.*[^A-Za-z])?Image", re.IGNORECASE | re.DOTALL)


def unread_output(files: Sequence[Path]) -> LeftOut | None:
    """The report about a folder's unsupported files if they are a job's whole output, else None.

    >>> str(unread_output([Path("Image.xlsx"), Path("Nuclei.xlsx")]).reason)
    'a table of image sets that is not CSV (and Nuclei.xlsx next to it); save them as CSV, or move \
them out of OUTPUTS'
    """
    measured = [path for path in files if path.suffix.lower() == MATLAB]
    if measured:
        reason = (
            "CellProfiler's measurements in a MATLAB file, which cpexport does not read; run "
            "the job again with an .h5 or ExportToSpreadsheet, or move it out of OUTPUTS"
        )
        return LeftOut(str(measured[0]), reason)
    images = [path for path in files if _IMAGES.fullmatch(path.name.split(".")[0])]
    if not images:
        return None
    first, *others = [*images, *(path for path in files if path not in images)]
    more = f" (and {_listed(others)} next to it)" if others else ""
    them = "them" if others else "it"
    reason = (
        f"a table of image sets that is not CSV{more}; save {them} as CSV, or move {them} "
        "out of OUTPUTS"
    )
    return LeftOut(str(first), reason)


def _listed(files: Sequence[Path]) -> str:
    return files[0].name if len(files) == 1 else f"{len(files)} more tables"
