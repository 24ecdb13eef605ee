"""Files whose names do not tell their format: what they are by their content.

CellProfiler writes measurements and databases under any name that a person types: `DefaultDB`
without an ending, or `DefaultOUT.mat` (4.2.8, __main__.py and modules/exporttodatabase.py).
"""

from enum import Enum, auto
from pathlib import Path
from typing import Final

from cpexport.batchfile import is_measured
from cpexport.errors import SourceError
from cpexport.filekinds import HDF5, SQLITE
from cpexport.measurements import MeasurementFile, NotMeasurementsError

PROJECT: Final = ".cpproj"
"""A project holds a pipeline and its list of pictures, and measurements only by exception."""

_FIRST = 256
# scipy writes what CellProfiler up to 3 measured as one variable of this name, the first one
# (3.1.9, cellprofiler/pipeline.py, save_measurements).
_MATLAB = (b"MATLAB 5.0 MAT-file", b"handles\0")
# A run saves pictures by the hundred thousand: none of these is opened.
_PICTURES = (
    ".tif .tiff .tf8 .btf .png .jpg .jpeg .jp2 .bmp .gif .svg .webp .pgm .ppm .npy .npz .dib .c01 "
    ".flex .nd2 .czi .lif .lsm .ims .stk .zvi .oib .oif .vsi .dv .mrc .zst .avi .mov .mp4"
)
_TEXTS = (
    ".txt .tsv .csv .log .json .jsonl .xml .html .htm .md .rst .py .pyc .r .m .sh .slurm .pbs .js "
    ".css .ipynb .cppipe .cp .pipe .out .err .pdf .ps .eps .yml .yaml .ini .cfg .toml .properties "
    ".workspace .status .doc .docx .ppt .pptx .tar"
)
_KNOWN = frozenset(f"{_PICTURES} {_TEXTS}".split())
# Folders of pixels, whose files are called by numbers alone.
_CHUNKED = (".zarr", ".n5")


class Content(Enum):
    """What a file holds that its name does not tell."""

    MEASUREMENTS = auto()
    """CellProfiler's HDF5, or HDF5 that is damaged and may be that."""
    DATABASE = auto()
    """SQLite, whosever."""
    MATLAB = auto()
    """CellProfiler's measurements in a format that is not read."""


def content_of(path: Path, suffix: str) -> Content | None:
    """What a file is whose name ends in `suffix`, which says no format; None if it is no output.

    Files with endings of pictures and texts are not opened, and of others only the first bytes are
    read unless they are HDF5.
    """
    if suffix in _KNOWN:
        return None
    try:
        with path.open("rb") as stream:
            first = stream.read(_FIRST)
    except OSError:
        return None
    if first.startswith(HDF5):
        return Content.MEASUREMENTS if _may_be_an_output(path, suffix) else None
    if first.startswith(SQLITE):
        return Content.DATABASE
    start, variable = _MATLAB
    return Content.MATLAB if first.startswith(start) and variable in first else None


def holds_pixels(folder: Path) -> bool:
    """Whether a folder is part of a picture that is stored as many small files."""
    return any(part.lower().endswith(_CHUNKED) for part in folder.parts)


def _may_be_an_output(path: Path, suffix: str) -> bool:
    """Whether HDF5 is what a job left, and no batch file, project or another program's."""
    try:
        with MeasurementFile(path) as file:
            return is_measured(file) or file.experiment("Exit_Status") is not None
    except NotMeasurementsError:
        return False
    except SourceError:
        return suffix != PROJECT
