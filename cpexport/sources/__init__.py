"""What jobs leave, one module a format; each offers `cpexport.batch.Source`.

A new format needs its module here, and a line in `cpexport.discover` that tells its files.
"""

from cpexport.sources.database import DatabaseSource
from cpexport.sources.hdf5 import Hdf5Source
from cpexport.sources.leftover import LeftoverSource
from cpexport.sources.spreadsheet import SpreadsheetSource
from cpexport.sources.sqlcsv import SqlCsvSource

__all__ = [
    "DatabaseSource",
    "Hdf5Source",
    "LeftoverSource",
    "SpreadsheetSource",
    "SqlCsvSource",
]
