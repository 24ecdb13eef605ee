"""Tables of a destination as pandas frames: what `cpexport.read` gives."""

from collections.abc import Mapping, Sequence

import pandas as pd
import pyarrow as pa

from cpexport.errors import SinkError, UsageError
from cpexport.features import (
    IMAGE,
    INTEGER,
    NUMBER,
    OBJECT,
    OBJECT_NUMBER,
    REAL,
    RELATIONSHIP,
    TEXT,
)
from cpexport.imagesets import ImageSets
from cpexport.shape import VIEW
from cpexport.sinks import Sink, open_sink
from cpexport.tables import RELATIONSHIPS, Layout


def read(
    url: str,
    table: str,
    image_sets: str | None = None,
    columns: Sequence[str] | None = None,
    prefix: str = "",
    run: str | None = None,
) -> pd.DataFrame:
    """A table of a destination: a row an image set or object, in order of key, columns as there.

    `url` is what `cpexport load --to` took, and `prefix` its `--prefix`, which may stand before
    `table` or not. A table in parts (`Per_Image_part2`) is read as one. `Per_RelationshipsView` are
    pairs of objects, by the image set of the first. `image_sets` is a text such as `1-10,12`: both
    ends count, and those that are not there have no rows. `columns` come in the order in which they
    are named; all by default. A table without rows of these image sets is an empty frame. Where the
    destination numbers runs, `run` is the name of one; without, rows are of all, in order of them.

    Integers are `int64`, or pandas' nullable `Int64` in a column with a NULL; real numbers are
    `float64` with NaN; text is `str`, or None, in a column of objects.

    >>> import cpexport
    >>> cpexport.read("sqlite:///screen.sqlite", "Per_Cells", image_sets="1-10")  # doctest: +SKIP

    Raises:
        UsageError: no such table, column or run, or none of the image sets; says what is there.
        SinkError: the destination is not there, cannot be read, or holds nothing.
    """
    with open_sink(url, prefix, run=run, writing=False) as sink:
        layout = sink.layout()
        if not layout.columns:
            under = f" under the prefix {prefix}" if prefix else ""
            raise SinkError(sink.name, f"holds no image sets{under}", "load something first")
        if run is not None and run not in sink.runs():
            raise UsageError(
                f"no run {run}; there are {', '.join(sink.runs()) or 'none with a name'}"
            )
        tables = {
            table.name: table.object for name in layout.objects for table in layout.parts(name)[:1]
        } | {f"{prefix}Per_RelationshipsView": RELATIONSHIP}
        if sink.shape.layout == VIEW:
            tables[f"{prefix}Per_Object"] = OBJECT
        name = next((n for n in (table, f"{prefix}{table}") if n in tables), None)
        if name is None:
            raise UsageError(f"no table {table}; there are {', '.join(sorted(tables))}")
        features = _features(layout, tables[name])
        chosen = list(features) if columns is None else list(columns)
        if strange := [column for column in chosen if column not in features]:
            raise UsageError(f"no column {strange[0]} in {name}; there are {', '.join(features)}")
        wanted = _image_sets(sink, image_sets)
        asked = None if tables[name] == RELATIONSHIP else [features[column] for column in chosen]
        rows = pa.Table.from_batches(sink.read(tables[name], asked, wanted))
    found = {column: _series(rows[features[column]]) for column in chosen}
    return pd.DataFrame(found, columns=pd.Index(chosen), copy=False)


def _features(layout: Layout, object_name: str) -> Mapping[str, str]:
    """The columns of a table in their order, with the feature that each holds."""
    if object_name == RELATIONSHIP:
        return {name: name for name in (*layout.image_key[:-1], *RELATIONSHIPS.names)}
    if object_name == OBJECT and not layout.parts(OBJECT):
        columns = (c.name for c in layout.columns if c.object != IMAGE)
        return {
            **{n: n for n in layout.image_key},
            OBJECT_NUMBER: NUMBER,
            **{n: n for n in columns},
        }
    parts = layout.parts(object_name)
    keys = zip(parts[0].key, (*layout.image_key, NUMBER), strict=False)
    return {**dict(keys), **{c.name: c.feature for part in parts for c in part.columns}}


def _image_sets(sink: Sink, text: str | None) -> ImageSets | None:
    if text is None:
        return None
    try:
        wanted = ImageSets.parse(text)
    except ValueError as error:
        raise UsageError(str(error)) from error
    there = sink.ledger().loaded
    if not wanted & there:
        raise UsageError(
            f"no image set of {text or 'an empty list'} in {sink.name}: it has {there}"
        )
    return wanted


def _series(column: pa.ChunkedArray) -> "pd.Series[object]":
    if column.type == TEXT:
        return pd.Series(column.to_numpy(), dtype=object)
    if column.type == INTEGER:
        dtype = pd.Int64Dtype() if column.null_count else None
        return column.to_pandas(types_mapper=lambda _: dtype)
    return column.cast(REAL).to_pandas()
