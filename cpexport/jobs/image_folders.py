"""Lists the folders that jobs read, according to the batch file: of images and LoadData's list."""

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import unquote

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.features import IMAGE
from cpexport.cellprofiler.hdf5.measurement_file import MeasurementFile
from cpexport.cellprofiler.pipeline import Module

MOST: Final = 20
"""The most folders for a command line; beyond that, their parents are named instead."""


def file_of(url: str) -> str | None:
    """The path in a `file:` URL; None for any other URL."""
    if not url.startswith("file:"):
        return None
    return unquote(url.removeprefix("file:").removeprefix("//"))


def folders_read(batch_file: BatchFile) -> tuple[str, ...]:
    """Returns the folders with files that jobs read, none below another, in order of name.

    If there are more than `MOST`, the deepest are replaced by their parents, except folders that
    are one or two levels below the root.
    """
    folders: set[str] = set()
    with MeasurementFile(batch_file.path) as file:
        for feature in file.features(IMAGE):
            if feature.startswith("URL_"):
                _, values = file.one_each(IMAGE, feature)
                paths = {file_of(str(value)) for value in values.tolist()}
                folders |= {str(PurePosixPath(path).parent) for path in paths if path}
            elif feature.startswith("PathName_"):
                _, values = file.one_each(IMAGE, feature)
                folders |= {str(value) for value in values.tolist()}
    for module in batch_file.pipeline.modules:
        if module.enabled and module.name == "LoadData":
            kind, folder, _ = list_of(module)
            folders |= {folder} if kind == "Elsewhere..." else set()
    return _few({path for path in folders if path.startswith("/")})


def list_of(module: Module) -> tuple[str, str, str]:
    """Returns where LoadData finds its list (the kind of place, and the folder) and its name."""
    kind, _, folder = module.setting("Input data file location").partition("|")
    return kind, folder, module.setting("Name of the file")


def _few(paths: Iterable[str]) -> tuple[str, ...]:
    folders = _outermost(map(PurePosixPath, paths))
    while len(folders) > MOST:
        deepest = max(len(folder.parts) for folder in folders)
        if deepest <= 3:
            break
        folders = _outermost(f.parent if len(f.parts) == deepest else f for f in folders)
    return tuple(map(str, folders))


def _outermost(folders: Iterable[PurePosixPath]) -> list[PurePosixPath]:
    unique = set(folders)
    return sorted(f for f in unique if not unique & set(f.parents))
