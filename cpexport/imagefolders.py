"""The folders that jobs read: of pictures, and of LoadData's list, as the batch file names them."""

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import unquote

from cpexport.batchfile import BatchFile
from cpexport.features import IMAGE
from cpexport.measurements import MeasurementFile
from cpexport.pipeline import Module

MOST: Final = 20
"""As many folders as a command line is to name, if those that hold them can be named instead."""


def file_of(url: str) -> str | None:
    """The path that a `file:` URL names; None for any other URL."""
    if not url.startswith("file:"):
        return None
    return unquote(url.removeprefix("file:").removeprefix("//"))


def folders_read(batch_file: BatchFile) -> tuple[str, ...]:
    """All folders that hold what jobs read, none below another, in order of name.

    Where there are more than `MOST`, the folders that hold them, but never those right below the
    root.
    """
    found: set[str] = set()
    with MeasurementFile(batch_file.path) as file:
        for feature in file.features(IMAGE):
            if feature.startswith("URL_"):
                _, values = file.one_each(IMAGE, feature)
                paths = {file_of(str(value)) for value in values.tolist()}
                found |= {str(PurePosixPath(path).parent) for path in paths if path}
            elif feature.startswith("PathName_"):
                _, values = file.one_each(IMAGE, feature)
                found |= {str(value) for value in values.tolist()}
    for module in batch_file.pipeline.modules:
        if module.enabled and module.name == "LoadData":
            kind, folder, _ = list_of(module)
            found |= {folder} if kind == "Elsewhere..." else set()
    return _few({path for path in found if path.startswith("/")})


def list_of(module: Module) -> tuple[str, str, str]:
    """Of LoadData: how its list is looked for, the folder of it, and its name."""
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
    there = set(folders)
    return sorted(f for f in there if not there & set(f.parents))
