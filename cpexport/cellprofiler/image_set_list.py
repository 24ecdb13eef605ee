"""Reads LoadData's lists of image sets (`load_data.csv`), which plan a run without a batch file.

LoadData reads one row per image set and counts rows from 1 (CellProfiler 4.2.8,
modules/loaddata.py). Columns of images are named `Image_FileName_DNA` or `FileName_DNA`.
"""

import io
import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from pyarrow import csv

from cpexport.cellprofiler import pipeline
from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.image_identity import FILE, METADATA, Identities, telling
from cpexport.cellprofiler.image_keys import described, keys_of, usual_key
from cpexport.errors import SourceError
from cpexport.files.explained import unreadable
from cpexport.files.kinds import another_kind
from cpexport.files.opening import read_small
from cpexport.files.unpacked import open_unpacked
from cpexport.imagesets import LARGEST, NONE, ImageSets

_ADVICE: Final = "name a list of image sets that LoadData can read"
# A list of a million image sets has some 300 MB.
_LARGEST: Final = 2 << 30
_IMAGE: Final = "Image_"
# LoadData drops Image_ from names that begin so (utilities/core/modules/load_data.py,
# header_to_column).
_FILES: Final = ("PathName_", "FileName_", "URL_", "ObjectsFileName_", "ObjectsPathName_")
_TELLING: Final = (FILE, METADATA, "URL_")
# pyarrow's message, which goes on with the row itself.
_COLUMNS: Final = re.compile(r"Expected (\d+) columns, got (\d+)")
# Characters of an error that are shown, and bytes that show what a file is.
_SHOWN: Final = 120
_FIRST: Final = 1 << 16
# Bytes of a pipeline: the largest known has 2 MB.
_LONGEST: Final = 1 << 26
# CellProfiler 4.2.8 prepares all rows of its list, at half a millisecond each.
_LONG: Final = 10_000


def read_lists(paths: Sequence[Path], pipeline_file: Path | None = None) -> BatchFile:
    """Returns the image sets of one list, or of several one after the other, numbered from 1.

    Only the pipeline says by what jobs are grouped.

    Raises:
        SourceError: a file is not a list, or not a pipeline that reads one, or cannot be read.
    """
    whole = table(paths)
    whole = whole.rename_columns([name.removeprefix(_IMAGE) for name in whole.column_names])
    numbers = np.arange(1, whole.num_rows + 1)
    read = pipeline.parse("") if pipeline_file is None else _pipeline(pipeline_file)
    tags = tuple(f"{METADATA}{tag}" for tag in read.list_groups)
    if pipeline_file and (unknown := [tag for tag in tags if tag not in whole.column_names]):
        problem = f"groups images by {unknown[0]}, which {paths[0]} does not have"
        raise SourceError(pipeline_file, problem, "correct the module LoadData, or the list")
    features = {name: whole[name].combine_chunks() for name in telling(whole.column_names)}
    return BatchFile(
        paths[0],
        ImageSets.span(1, len(numbers)) if len(numbers) else NONE,
        Identities.of(numbers, features),
        Identities(numbers, {tag: whole[tag].combine_chunks() for tag in tags})
        if tags
        else Identities(),
        tags,
        read,
        None,
        lists=tuple(paths),
        pipeline_file=pipeline_file,
    )


def for_jobs(plan: BatchFile, path: Path, *, own_lists: bool = False) -> BatchFile:
    """Returns lists as the jobs of a plan read them: joined, and to be written to `path`.

    Each job gets a list of its own if image sets are grouped, because CellProfiler then numbers
    them by the order of their groups, or if the list is long, because each job would prepare all of
    its rows. Metadata must identify image sets then. With `own_lists`, it does so if it can.

    Raises:
        SourceError: a list cannot be read, or metadata does not identify its image sets.
    """
    rows = table(plan.lists)
    own = own_lists or bool(plan.group_tags) or rows.num_rows > _LONG
    return replace(plan, path=path, text=csv_text(rows), own_lists=own and bool(key_of(plan)))


def csv_text(rows: pa.Table) -> bytes:
    """Rows of a list, as LoadData reads them: UTF-8, commas, and a header."""
    for style in ("none", "needed"):
        stream = io.BytesIO()
        try:
            csv.write_csv(rows, stream, csv.WriteOptions(quoting_style=style))
        except pa.ArrowInvalid:
            # A value has a comma, a quote or a line break.
            continue
        break
    return stream.getvalue()


def table(paths: Sequence[Path]) -> pa.Table:
    """The rows of lists, one list after the other, as text.

    Raises:
        SourceError: a file is not a list, or cannot be read.
    """
    tables = [_read(path) for path in paths]
    whole = pa.concat_tables(tables, promote_options="default").combine_chunks()
    if whole.num_rows > LARGEST:
        raise SourceError(paths[0], f"lists {whole.num_rows} image sets", _ADVICE)
    return whole


def _pipeline(path: Path) -> pipeline.Pipeline:
    """Reads a pipeline that has LoadData.

    Raises:
        SourceError: it is no pipeline, or does not read a list.
    """
    try:
        text = read_small(path, _LONGEST)
    except OSError as error:
        advice = "name the pipeline (.cppipe) with --pipeline"
        raise SourceError(path, f"cannot be read: {error.strerror or error}", advice) from error
    read = pipeline.parse(text.decode("utf-8", "replace"))
    if not read.modules:
        advice = "export the pipeline from CellProfiler: File, Export, Pipeline"
        raise SourceError(path, "contains no pipeline", advice)
    if not any(m.enabled and m.name == "LoadData" for m in read.modules):
        advice = "name a pipeline with LoadData, or a batch file"
        raise SourceError(path, "has no module LoadData, so jobs would not read the list", advice)
    return read


def key_of(plan: BatchFile, known: Collection[str] | None = None) -> tuple[str, ...]:
    """The features that identify the image sets of a list: plate, well and site, or else all of its
    metadata, or else its file names, alone or with the metadata; empty if none does.

    known: the features that outputs have, if only those can tell which image sets they are.

    Raises:
        SourceError: plate, well and site do not identify them, and nothing else does.
    """
    names = [name for name in plan.identities.columns if known is None or name in known]
    metadata = tuple(sorted(name for name in names if name.startswith(METADATA)))
    files = tuple(sorted(name for name in names if name.startswith(FILE)))
    usual = usual_key(names)
    for key in (usual, metadata, files, (*metadata, *files)):
        if key and not _repeated(plan.identities, key):
            return key
    if usual and known is None:
        raise SourceError(
            plan.path,
            f"two rows have the same {', '.join(usual)}: {_repeated(plan.identities, usual)}",
            "give each image set other metadata, such as Metadata_Site",
        )
    return ()


def _repeated(identities: Identities, key: Sequence[str]) -> str:
    """The first key that two image sets have, or that lacks a value; empty if there is none."""
    seen: set[str] = set()
    for number, text in zip(identities.numbers.tolist(), keys_of(identities, key), strict=True):
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
    if other := another_kind(path):
        raise other
    if b"\0" in content[:_FIRST]:
        raise SourceError(path, "not a list of image sets: it is binary", _ADVICE)
    try:
        names = csv.open_csv(io.BytesIO(content)).schema.names
        as_text = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
        rows = csv.read_csv(io.BytesIO(content), convert_options=as_text)
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise SourceError(path, f"not a list of image sets: {_why(error)}", _ADVICE) from error
    if len(names) == 1 and (found := next((c for c in ";\t" if c in names[0]), "")):
        between = "semicolons" if found == ";" else "tabs"
        problem = f"has {between} between its columns, and LoadData reads commas"
        raise SourceError(path, problem, "save it with commas")
    plain = [name.removeprefix(_IMAGE) for name in names]
    if not any(name.startswith(_TELLING) for name in plain):
        problem = "not a list of image sets: no column begins with Image_FileName_ or Metadata_"
        raise SourceError(path, problem, _ADVICE)
    if repeated := [name for name in plain if plain.count(name) > 1]:
        raise SourceError(path, f"has two columns {repeated[0]}", _ADVICE)
    if not rows.num_rows:
        raise SourceError(path, "lists no image sets", _ADVICE)
    return rows.rename_columns(
        [
            short if short.startswith(_FILES) else name
            for short, name in zip(plain, names, strict=True)
        ]
    )


def _why(error: pa.ArrowInvalid | UnicodeDecodeError) -> str:
    """What is wrong with the text of a list, without its content, which can be anything."""
    if isinstance(error, UnicodeDecodeError):
        return "its header is not UTF-8"
    if found := _COLUMNS.search(str(error)):
        return f"a row has {found[2]} columns, and the first one {found[1]}"
    return "it is empty" if "Empty CSV" in str(error) else str(error).partition("\n")[0][:_SHOWN]


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
