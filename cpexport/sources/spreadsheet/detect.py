"""Finds the batches among the CSV files of ExportToSpreadsheet in a folder."""

from cpexport.cellprofiler.pipeline import Pipeline
from cpexport.sources.folder_content import Place
from cpexport.sources.spreadsheet.source import SpreadsheetSource


def detect(place: Place, hint: Pipeline | None = None) -> list[SpreadsheetSource]:
    """Returns a source for each group of files with one prefix. `hint` is the batch file's
    pipeline."""
    return [
        SpreadsheetSource(
            group.image_file,
            tuple(group.files),
            group.prefix,
            hint=hint,
            adopted=tuple(group.adopted),
            experiment=group.experiment,
            unread=tuple(place.folder.unread),
        )
        for group in place.groups.values()
    ]
