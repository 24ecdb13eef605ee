"""Finds the measurement files of a folder."""

from cpexport.cellprofiler.pipeline import Pipeline
from cpexport.sources.folder_content import Place
from cpexport.sources.hdf5.source import Hdf5Source


def detect(place: Place, hint: Pipeline | None = None) -> list[Hdf5Source]:
    """Returns a source for each measurement file."""
    return [Hdf5Source(file, file) for file in place.folder.hdf5]
