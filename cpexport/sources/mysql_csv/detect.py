"""Finds the batches among the "MySQL / CSV" files of a folder."""

from cpexport.cellprofiler.features import IMAGE
from cpexport.cellprofiler.pipeline import Pipeline
from cpexport.sources.folder_content import Place
from cpexport.sources.mysql_csv.source import SqlCsvSource


def detect(place: Place, hint: Pipeline | None = None) -> list[SqlCsvSource]:
    """Returns a source for the files of each job."""
    return [
        SqlCsvSource(files[0].parent / job.file(IMAGE), tuple(files), job)
        for job, files in place.jobs.items()
    ]
