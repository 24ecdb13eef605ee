"""Reads LoadData's lists of image sets (`load_data.csv`), which plan a run without a batch file.

LoadData reads one row per image set and counts rows from 1 (CellProfiler 4.2.8,
modules/loaddata.py). Columns of images are named `Image_FileName_DNA` or `FileName_DNA`.
"""

import gzip
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import pyarrow as pa
from pyarrow import csv

from cpexport.cellprofiler import pipeline
from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.image_identity import FILE, METADATA, Pictures, telling
from cpexport.cellprofiler.image_keys import described, keys_of, usual_key
from cpexport.errors import SourceError
from cpexport.files.opening import open_regular
from cpexport.imagesets import LARGEST, NONE, ImageSets

_ADVICE: Final = "name a list of image sets that LoadData can read"
_IMAGE: Final = "Image_"
_TELLING: Final = (FILE, METADATA, "URL_")


def is_list(path: Path) -> bool:
    """Whether a file is a list by its name, and not a batch file.

    >>> [is_list(Path(name)) for name in ("load_data.csv", "a.csv.gz", "Batch_data.h5")]
    [True, True, False]
    """
    return path.name.lower().endswith((".csv", ".csv.gz"))


def read_lists(paths: Sequence[Path]) -> BatchFile:
    """Returns the image sets of one list, or of several one after the other, numbered from 1.

    There is no pipeline, and nothing says by what jobs are grouped.

    Raises:
        SourceError: a file is not a list, or cannot be read.
    """
    tables = [_read(path) for path in paths]
    whole = pa.concat_tables(tables, promote_options="default").combine_chunks()
    if whole.num_rows > LARGEST:
        raise SourceError(paths[0], f"lists {whole.num_rows} image sets", _ADVICE)
    numbers = np.arange(1, whole.num_rows + 1)
    features = {name: whole[name].combine_chunks() for name in telling(whole.column_names)}
    return BatchFile(
        paths[0],
        ImageSets.span(1, len(numbers)) if len(numbers) else NONE,
        Pictures.of(numbers, features),
        Pictures(),
        (),
        pipeline.parse(""),
        None,
        is_list=True,
    )


def key_of(plan: BatchFile) -> tuple[str, ...]:
    """The metadata that identifies the image sets of a list: plate, well and site, or else all of
    its metadata; empty if neither does.

    Raises:
        SourceError: plate, well and site do not identify them, nor does all metadata.
    """
    usual = usual_key(plan.pictures.columns)
    every = tuple(sorted(name for name in plan.pictures.columns if name.startswith(METADATA)))
    for key in (usual, every):
        if key and not _repeated(plan.pictures, key):
            return key
    if usual:
        raise SourceError(
            plan.path,
            f"two rows have the same {', '.join(usual)}: {_repeated(plan.pictures, usual)}",
            "name the metadata that identifies each image set with --key",
        )
    return ()


def _repeated(pictures: Pictures, key: Sequence[str]) -> str:
    """The first key that two image sets have, or that lacks a value; empty if there is none."""
    seen: set[str] = set()
    for number, text in zip(pictures.numbers.tolist(), keys_of(pictures, key), strict=True):
        if text is None:
            return f"row {number} lacks one"
        if text in seen:
            return described(text)
        seen.add(text)
    return ""


def _read(path: Path) -> pa.Table:
    try:
        with _opened(path) as stream:
            names = csv.open_csv(stream).schema.names
        as_text = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
        with _opened(path) as stream:
            rows = csv.read_csv(stream, convert_options=as_text)
    except OSError as error:
        raise SourceError(path, f"cannot be read: {error.strerror or error}", _ADVICE) from error
    except pa.ArrowInvalid as error:
        raise SourceError(path, f"not a list of image sets: {error}", _ADVICE) from error
    rows = rows.rename_columns([name.removeprefix(_IMAGE) for name in names])
    if not any(name.startswith(_TELLING) for name in rows.column_names):
        problem = "not a list of image sets: no column begins with Image_FileName_ or Metadata_"
        raise SourceError(path, problem, _ADVICE)
    if repeated := [n for n in rows.column_names if rows.column_names.count(n) > 1]:
        raise SourceError(path, f"has two columns {repeated[0]}", _ADVICE)
    return rows


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO | gzip.GzipFile]:
    with open_regular(path) as stream:
        if path.suffix.lower() == ".gz":
            with gzip.GzipFile(fileobj=stream) as unpacked:
                yield unpacked
        else:
            yield stream
