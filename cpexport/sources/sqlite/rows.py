"""Reads the rows of an ExportToDatabase file, some image sets at a time, one column per feature."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cpexport.cellprofiler.features import (
    IMAGE,
    IMAGE_NUMBER,
    INTEGER,
    NUMBER,
    REAL,
    TEXT,
    promised_type,
)
from cpexport.errors import AS_WRITTEN, RERUN, SourceError
from cpexport.imagesets import ImageSets
from cpexport.sources.sqlite.file import DatabaseFile
from cpexport.sources.sqlite.object_numbers import Counts, limit, numbered
from cpexport.sources.sqlite.schema import ObjectTable, declared
from cpexport.sources.sqlite.stored_tables import check_texts, quoted
from cpexport.tables.layout import RELATIONSHIPS

# A statement reads at most this many values, so that it ends within a fraction of a second.
_VALUES = 2_000_000
# The most image sets in the list of one statement.
_SETS = 10_000


def row_counts(file: DatabaseFile, table: str, key: str = IMAGE_NUMBER) -> Counts:
    """The number of rows of each image set in a table.

    Raises:
        SourceError: a row has no image set number, or one below 1.
    """
    name = quoted(key)
    counts = file.rows(f"SELECT {name}, count(*) FROM {quoted(table)} GROUP BY {name}")
    for number, _ in counts:
        if not isinstance(number, int) or number < 1:
            raise SourceError(file.path, f"{table} has an image set {number!r}", AS_WRITTEN)
    return dict(counts)


def object_counts(
    file: DatabaseFile, table: ObjectTable, rows: Counts, counted: Mapping[str, Counts]
) -> dict[str, Counts]:
    """Object type to the number of its objects in each image set of a table.

    `counted` are the values of Count_<Object> by object type; see `object_numbers`.
    """
    names = list(table.numbers)
    columns = [quoted(table.numbers[name]) for name in names]
    wanted = ", ".join(f"count({column}), max({column})" for column in columns)
    counts: dict[str, dict[int, int]] = {name: {} for name in names}
    for numbers in _portions(rows, rows, table.width):
        for number, *values in file.rows(
            f"SELECT {quoted(IMAGE_NUMBER)}, {wanted} FROM {quoted(table.name)} "
            f"WHERE {_among(IMAGE_NUMBER, numbers)} GROUP BY {quoted(IMAGE_NUMBER)}"
        ):
            for name, count, last in zip(names, values[::2], values[1::2], strict=True):
                most = limit(table, rows, counted.get(name, {}), number)
                first_are_numbered = (last or 0) == count
                counts[name][number] = max(count, most) if first_are_numbered else count
    return dict(counts)


def untracked(file: DatabaseFile, table: ObjectTable, rows: Counts) -> list[int]:
    """Image sets with objects for which TrackObjects has not written anything yet.

    Some of its methods write only after the whole group (write_data_to_db, post_group).
    """
    image_sets: list[int] = []
    for name, features in table.features.items():
        tracks = [quoted(c) for f, c in features.items() if f.startswith("TrackObjects_")]
        for numbers in _portions(rows, rows, table.width) if tracks else ():
            image_sets += (
                number
                for (number,) in file.rows(
                    f"SELECT {quoted(IMAGE_NUMBER)} FROM {quoted(table.name)} "
                    f"WHERE {_among(IMAGE_NUMBER, numbers)} "
                    f"AND {quoted(table.numbers[name])} IS NOT NULL "
                    f"GROUP BY 1 HAVING count(coalesce({', '.join(tracks)}, NULL)) = 0"
                )
            )
    return image_sets


def table_rows(
    file: DatabaseFile,
    table: ObjectTable,
    wanted: ImageSets,
    rows: Counts,
    counted: Mapping[str, Counts] | None = None,
) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Yields the rows of the image sets `wanted`, for each object type of the table.

    An object type comes at least once, even without rows. `counted` is as in `object_counts`.

    Raises:
        SourceError: two rows have the same key, or values do not fit the column.
    """
    portions = _portions(wanted, rows, table.width)
    for numbers in list(portions) or [[]]:
        columns = _read(file, table, numbers, sum(rows.get(number, 0) for number in numbers))
        for name in table.features:
            limits = {n: limit(table, rows, (counted or {}).get(name, {}), n) for n in numbers}
            yield name, _of_one(file, table, name, columns, limits)


def relationship_rows(
    file: DatabaseFile, pairs: str, kinds: str, wanted: ImageSets
) -> Iterator[pa.RecordBatch]:
    """Yields the pairs with both image sets `wanted`; each pair once."""
    key = "relationship_type_id"
    names = RELATIONSHIPS.names[:4]
    kind_rows = file.rows(f"SELECT {key}, {', '.join(names)} FROM {quoted(kinds)} ORDER BY 1")
    ids = [row[0] for row in kind_rows]
    try:
        columns = zip(RELATIONSHIPS, range(1, 5), strict=False)
        types = [pa.array([row[i] for row in kind_rows], field.type) for field, i in columns]
    except pa.ArrowException as error:
        raise SourceError(
            file.path, f"damaged: SQLite reports for {kinds}: {error}", RERUN
        ) from error
    columns_read = [key, *RELATIONSHIPS.names[4:]]
    rows = row_counts(file, pairs, "image_number1")
    numbers = np.fromiter(wanted, np.int64, len(wanted))
    for portion in list(_portions(wanted, rows, len(RELATIONSHIPS))) or [[]]:
        block = file.arrow(
            f"SELECT {', '.join(columns_read)} FROM {quoted(pairs)} "
            f"WHERE {_among('image_number1', portion)} ORDER BY {', '.join(columns_read)}",
            sum(rows.get(number, 0) for number in portion),
        )
        for name, column in zip(columns_read, block.columns, strict=True):
            if column.type != INTEGER or column.null_count:
                raise SourceError(
                    file.path, f"{pairs}: {name} is not always an integer", AS_WRITTEN
                )
        values = np.unique(np.stack([c.to_numpy() for c in block.columns], axis=1), axis=0)
        values = values[np.isin(values[:, 3], numbers)]
        if not np.isin(values[:, 0], ids).all():
            raise SourceError(
                file.path, f"{pairs} has a relationship type that {kinds} lacks", AS_WRITTEN
            )
        kind = pa.array(np.searchsorted(ids, values[:, 0]))
        yield pa.RecordBatch.from_arrays(
            [t.take(kind) for t in types]
            + [pa.array(np.ascontiguousarray(values[:, i])) for i in range(1, 5)],
            schema=RELATIONSHIPS,
        )


def _read(
    file: DatabaseFile, table: ObjectTable, numbers: Sequence[int], rows: int
) -> dict[str, pa.Array]:
    """The columns of a table for some image sets, with the types that their values need."""
    where = _among(IMAGE_NUMBER, numbers)
    owners = {c: (o, f) for o, rows_read in table.features.items() for f, c in rows_read.items()}
    owners |= {c: (o, NUMBER) for o, c in table.numbers.items()}
    names = [IMAGE_NUMBER, *owners]
    texts = [name for name in owners if declared(table.columns[name]) == TEXT]
    check_texts(file.path, file.size, file.rows, table.name, texts, where)
    rows_read = file.arrow(
        f"SELECT {', '.join(map(quoted, names))} FROM {quoted(table.name)} WHERE {where} "
        f"ORDER BY {quoted(IMAGE_NUMBER)}, {quoted(table.order)}",
        rows,
    )
    columns = {IMAGE_NUMBER: rows_read.column(0)}
    for place, (name, owner) in enumerate(owners.items(), 1):
        columns[name] = _settled(file, table, name, rows_read.column(place), owner, where)
    return columns


def _of_one(
    file: DatabaseFile,
    table: ObjectTable,
    name: str,
    columns: Mapping[str, pa.Array],
    limits: Counts,
) -> pa.RecordBatch:
    """The rows of one object type, without padding."""
    arrays = {IMAGE_NUMBER: columns[IMAGE_NUMBER]}
    if name != IMAGE:
        arrays[NUMBER] = columns[table.numbers[name]]
    arrays |= {feature: columns[column] for feature, column in table.features[name].items()}
    batch = pa.RecordBatch.from_pydict(arrays)
    if name != IMAGE and batch[NUMBER].null_count:
        batch = numbered(batch, limits)
    keys = batch.columns[: 1 if name == IMAGE else 2]
    if any(key.type != INTEGER for key in keys):
        raise SourceError(file.path, f"{table.name} has a key that is not an integer", AS_WRITTEN)
    values = np.stack([key.to_numpy() for key in keys])
    if values.size and values[-1].min() < 1:
        raise SourceError(file.path, f"{table.name} has a number below 1", AS_WRITTEN)
    if (same := (values[:, 1:] == values[:, :-1]).all(axis=0)).any():
        image, *number = values[:, int(np.flatnonzero(same)[0])].tolist()
        what = f"object {number[0]} of image set {image}" if number else f"image set {image}"
        raise SourceError(file.path, f"{what} has two rows in {table.name}", AS_WRITTEN)
    return batch


def _settled(
    file: DatabaseFile,
    table: ObjectTable,
    column: str,
    array: pa.Array,
    owner: tuple[str, str],
    where: str,
) -> pa.Array:
    """A column with its values as stored: texts as texts, numbers with all their digits."""
    type = declared(table.columns[column])
    if array.null_count == len(array):
        return pa.nulls(len(array), type)
    large = array.type == REAL and type != REAL and _has_large(array)
    if large and "integer" in _stored(file, table, column, where):
        # The driver has converted all of them to real numbers.
        problem = f"{column} has real numbers and integers of more than 15 digits"
        raise SourceError(file.path, problem, "no column can hold both; move it out of OUTPUTS")
    if array.type in (INTEGER, REAL):
        return array
    if type != TEXT:
        if promised_type(*owner) in (INTEGER, REAL):
            problem = f"text in the numeric column {column} of {table.name}"
            raise SourceError(file.path, problem, AS_WRITTEN)
        if _stored(file, table, column, where) & {"integer", "real"}:
            array = _written_out(file, table, column, where, len(array))
    try:
        text = array.cast(TEXT)
        text.validate(full=True)
    except pa.ArrowInvalid as error:
        problem = f"damaged: {column} of {table.name} has text that is not UTF-8"
        raise SourceError(file.path, problem, RERUN) from error
    return text


def _has_large(array: pa.DoubleArray) -> bool:
    return bool(pc.max(pc.abs(array)).as_py() >= 2**53)


def _stored(file: DatabaseFile, table: ObjectTable, column: str, where: str) -> set[str]:
    """The storage classes of a column's values: `integer`, `real`, `text`, `blob`, `null`."""
    name = quoted(column)
    types = file.rows(f"SELECT DISTINCT typeof({name}) FROM {quoted(table.name)} WHERE {where}")
    return {type for (type,) in types}


def _written_out(
    file: DatabaseFile, table: ObjectTable, column: str, where: str, rows: int
) -> pa.StringArray:
    """A column of numbers and texts as texts; the driver's own text of a number loses digits."""
    name = quoted(column)
    return file.arrow(
        f"SELECT CASE typeof({name}) WHEN 'real' THEN printf('%!.17g', {name}) "
        f"ELSE CAST({name} AS TEXT) END FROM {quoted(table.name)} WHERE {where} "
        f"ORDER BY {quoted(IMAGE_NUMBER)}, {quoted(table.order)}",
        rows,
    ).column(0)


def _portions(wanted: ImageSets | Counts, rows: Counts, columns: int) -> Iterator[list[int]]:
    """Yields image sets that have rows, in order, as many at a time as one statement may read."""
    portion: list[int] = []
    room = _VALUES
    for number in sorted(number for number in wanted if number in rows):
        cost = rows[number] * columns
        if portion and (cost > room or len(portion) == _SETS):
            yield portion
            portion, room = [], _VALUES
        portion.append(number)
        room -= cost
    if portion:
        yield portion


def _among(column: str, numbers: Sequence[int]) -> str:
    return f"{quoted(column)} IN ({', '.join(map(str, numbers))})"
