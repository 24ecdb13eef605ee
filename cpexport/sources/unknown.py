"""Recognizes the format of a file by its content, if its name does not show it.

CellProfiler writes measurements and databases under any name that a user types: `DefaultDB` without
an ending, or `DefaultOUT.mat` (4.2.8, __main__.py and modules/exporttodatabase.py).
"""

from enum import Enum, auto
from pathlib import Path
from typing import Final

from cpexport.cellprofiler.batch_file import is_measured
from cpexport.cellprofiler.hdf5.measurement_file import MeasurementFile, NotMeasurementsError
from cpexport.errors import SourceError
from cpexport.files.kinds import HDF5, SQLITE
from cpexport.files.opening import open_regular

PROJECT: Final = ".cpproj"
"""The ending of a project: a pipeline and its list of images, and only rarely measurements."""

_FIRST = 256
# scipy writes the measurements of CellProfiler up to 3 as one variable of this name, the first
# (3.1.9, cellprofiler/pipeline.py, save_measurements).
_MATLAB = (b"MATLAB 5.0 MAT-file", b"handles\0")
# A run can save hundreds of thousands of images, so these files are not opened.
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
# Folders of pixels, with files named by numbers alone.
_CHUNKED = (".zarr", ".n5")


class Content(Enum):
    """The content of a file whose name does not show it."""

    MEASUREMENTS = auto()
    """CellProfiler's HDF5, or damaged HDF5 that may be CellProfiler's."""
    DATABASE = auto()
    """SQLite of any program."""
    MATLAB = auto()
    """CellProfiler's measurements in an unsupported format."""


def content_of(path: Path, suffix: str) -> Content | None:
    """Returns the content of a file with an unknown `suffix`; None if the file is not an output.

    Files with the suffix of an image or text are not opened. Of other files only the first bytes
    are read, unless they are HDF5.
    """
    if suffix in _KNOWN:
        return None
    try:
        with open_regular(path) as stream:
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
    """Whether a folder is part of an image that is stored as many small files."""
    return any(part.lower().endswith(_CHUNKED) for part in folder.parts)


def _may_be_an_output(path: Path, suffix: str) -> bool:
    """Whether HDF5 is a job's output, and not a batch file, a project or another program's file."""
    try:
        with MeasurementFile(path) as file:
            return is_measured(file) or file.experiment("Exit_Status") is not None
    except NotMeasurementsError:
        return False
    except SourceError:
        return suffix != PROJECT
