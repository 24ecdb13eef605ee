"""Finds the SQLite files of a folder that jobs wrote."""

from pathlib import Path

from cpexport.cellprofiler.pipeline import Pipeline
from cpexport.sources.folder import Folder
from cpexport.sources.folder_content import Place
from cpexport.sources.sqlite.file import FileKind, contents
from cpexport.sources.sqlite.source import DatabaseSource


def detect(place: Place, hint: Pipeline | None = None) -> list[DatabaseSource]:
    """Returns a source for each job's SQLite file. `hint` is the batch file's pipeline."""
    folder = place.folder
    return [
        DatabaseSource(file, file, hint=hint, by_cytominer=contents(file) is FileKind.CYTOMINER)
        for file in folder.databases
        if _is_export(file, folder)
    ]


def _is_export(path: Path, folder: Folder) -> bool:
    """Whether a file is a job's SQLite file.

    A file without tables counts only if the user named it or a job ran in its folder. Elsewhere, it
    may be a destination that is about to be created.
    """
    kind = contents(path)
    named = path == folder.path
    if kind is FileKind.CYTOMINER:
        # The CSV files that it was made of may be in OUTPUTS, too.
        return named
    return kind is FileKind.EXPORT or (kind is FileKind.NOTHING and (named or folder.had_a_job))
