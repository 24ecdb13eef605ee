"""Reads LoadData's lists of image sets (`load_data.csv`), which plan a run without a batch file.

LoadData reads one row per image set and counts rows from 1 (CellProfiler 4.2.8,
modules/loaddata.py). Columns of images are named `Image_FileName_DNA` or `FileName_DNA`.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from pyarrow import csv

from cpexport.cellprofiler import pipeline
from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.image_identity import FILE, METADATA, Pictures, telling
from cpexport.cellprofiler.image_keys import described, keys_of, usual_key
from cpexport.errors import SourceError
from cpexport.files.explained import unreadable
from cpexport.files.unpacked import open_unpacked
from cpexport.imagesets import LARGEST, NONE, ImageSets

_ADVICE: Final = "name a list of image sets that LoadData can read"
# A list of a million image sets has some 300 MB.
_LARGEST: Final = 2 << 30
_IMAGE: Final = "Image_"
_TELLING: Final = (FILE, METADATA, "URL_")


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
    content = _content(path)
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SourceError(path, "is UTF-16", "save it as UTF-8")
    try:
        names = csv.open_csv(io.BytesIO(content)).schema.names
        as_text = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
        rows = csv.read_csv(io.BytesIO(content), convert_options=as_text)
    except pa.ArrowInvalid as error:
        raise SourceError(path, f"not a list of image sets: {error}", _ADVICE) from error
    if len(names) == 1 and (found := next((c for c in ";\t" if c in names[0]), "")):
        between = "semicolons" if found == ";" else "tabs"
        problem = f"has {between} between its columns, and LoadData reads commas"
        raise SourceError(path, problem, "save it with commas")
    rows = rows.rename_columns([name.removeprefix(_IMAGE) for name in names])
    if not any(name.startswith(_TELLING) for name in rows.column_names):
        problem = "not a list of image sets: no column begins with Image_FileName_ or Metadata_"
        raise SourceError(path, problem, _ADVICE)
    if repeated := [n for n in rows.column_names if rows.column_names.count(n) > 1]:
        raise SourceError(path, f"has two columns {repeated[0]}", _ADVICE)
    if not rows.num_rows:
        raise SourceError(path, "lists no image sets", _ADVICE)
    return rows


def _content(path: Path) -> bytes:
    """The whole file, unpacked: pyarrow waits for ever if reading a stream fails."""
    try:
        with open_unpacked(path) as stream:
            content = stream.read(_LARGEST + 1)
    except OSError as error:
        raise unreadable(path, error, _ADVICE) from error
    if len(content) > _LARGEST:
        raise SourceError(path, f"is larger than {_LARGEST >> 30} GB", _ADVICE)
    return content
