"""Lists the folders that jobs read, according to the batch file: of images and LoadData's list."""

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import unquote

import pyarrow as pa

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.features import IMAGE
from cpexport.cellprofiler.hdf5.measurement_file import MeasurementFile
from cpexport.cellprofiler.image_set_list import table
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
    if batch_file.is_list:
        files = (path for _, path in image_files(batch_file) if path)
        return _few({str(PurePosixPath(path).parent) for path in files if path.startswith("/")})
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


def image_files(batch_file: BatchFile) -> Iterator[tuple[int, str | None]]:
    """Yields the image set number and the path of each image; None for one that is no file.

    Paths that a list gives relative to LoadData's base image location are left out.
    """
    if batch_file.is_list:
        for column in _files_in(table(batch_file.lists)):
            yield from enumerate(column, start=1)
        return
    with MeasurementFile(batch_file.path) as file:
        for feature in file.features(IMAGE):
            if feature.startswith("URL_"):
                numbers, urls = file.one_each(IMAGE, feature)
                for number, url in zip(numbers.tolist(), urls.tolist(), strict=True):
                    yield number, file_of(str(url))


def _files_in(rows: pa.Table) -> Iterator[Iterator[str | None]]:
    """Yields the paths of a list's images, for each channel."""
    names = set(rows.column_names)
    for name in rows.column_names:
        kind, _, channel = name.partition("_")
        if kind.endswith("URL"):
            yield (file_of(url) if url else None for url in rows[name].to_pylist())
        elif kind.endswith("FileName") and f"{kind[:-8]}URL_{channel}" not in names:
            folders = f"{kind[:-8]}PathName_{channel}"
            if folders in names:
                both = zip(rows[folders].to_pylist(), rows[name].to_pylist(), strict=True)
                yield (f"{folder}/{file}" for folder, file in both)


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
