"""Writes a table of a destination into one file; implements `cpexport.export`."""

from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cpexport.api.arguments import FilePath, Words, comma_list, pairs, url
from cpexport.api.rows import read_batches, table_columns
from cpexport.cellprofiler.features import IMAGE, IMAGE_NUMBER, OBJECT_NUMBER, TABLE_NUMBER
from cpexport.cellprofiler.plate_positions import positions, selected
from cpexport.derived.treatments import place_features
from cpexport.errors import UsageError
from cpexport.files.row_files import check_writable, row_file
from cpexport.imagesets import ImageSets, union
from cpexport.outcome import DONE, stamped
from cpexport.sinks.registry import open_sink
from cpexport.spelling import closest, suggest

_LEDGER = "_cpexport_"
_SHOWN: Final = 10
_FIRST_IMAGE: Final = "image_number1"
# A table of wells has plate and well in columns of these names, or of those in Per_Image.
_PLACES: Final = ("Plate", "Well")
_KEYS: Final = (TABLE_NUMBER, IMAGE_NUMBER, OBJECT_NUMBER)


@dataclass(frozen=True)
class ExportedFile:
    """A file that was written: the table that it has, and how many rows and columns."""

    path: Path
    table: str
    rows: int
    columns: int
    bytes: int

    @property
    def exit_status(self) -> int:
        """0: the file is written."""
        return DONE

    def to_dict(self) -> dict[str, Any]:
        """The report as `cpexport export --format json` prints it."""
        return stamped(self.exit_status, {**vars(self), "path": str(self.path)})


def export(
    table: str,
    to: FilePath,
    out: FilePath,
    *,
    columns: Words = (),
    where: Words | Mapping[str, str] = (),
    run: str | None = None,
    prefix: str = "",
    overwrite: bool = False,
    defaults_file: FilePath | None = None,
) -> ExportedFile:
    """Writes a table of a destination into one file, for a spreadsheet or another program.

    >>> import cpexport
    >>> loaded = cpexport.load("screen/outputs", "screen.sqlite")
    >>> patterns = ["Image_Metadata_*", "Image_Count_*"]
    >>> file = cpexport.export("Per_Image", "screen.sqlite", "p1.csv", columns=patterns,
    ...                        where={"plate": "P1"})
    >>> file.rows, file.columns
    (11, 12)

    table: its name, with or without the prefix, as in `read`.
    to: the destination: a URL as for `--to`, or a file name.
    out: a file that ends in .csv, .xlsx or .parquet. A sheet of Excel has at most 1,048,576 rows
        and 16,384 columns.
    columns: names in which `*` stands for any text, such as `Nuclei_AreaShape_*` or `AreaShape_*`;
        by default all. The columns that name image sets and objects always come first.
    where: conditions such as `plate=P1` and `well=A01-B03`, or with any column of Per_Image; the
        rows of image sets that meet all of them are written.
    run: the run, if the destination numbers runs; by default all.
    prefix: what the names of all tables begin with.
    overwrite: whether an existing file is replaced.
    defaults_file: the option file of a MySQL or MariaDB server; by default ~/.my.cnf.

    Raises:
        UsageError: a table, column or run does not exist, no image set meets the conditions, or a
            sheet of Excel cannot hold the table; nothing was written.
        SinkError: the destination does not exist, cannot be read, or is empty.
        OSError: the file cannot be written.
    """
    path, source = Path(out), url(to, defaults_file)
    assert source is not None
    check_writable(path, overwrite=overwrite)
    name, existing = table_columns(source, table, prefix, run)
    if name.startswith(_LEDGER):
        conditions = _own_conditions(name, existing, pairs(where))
    else:
        conditions = _conditions(source, prefix, pairs(where))
    _, of_images = table_columns(source, "Per_Image", prefix, run)
    chosen = _chosen(columns, existing, name, {*_PLACES, *of_images})
    reading = _Reading(source, name, prefix, run, chosen, existing, conditions)
    rows = 0
    with closing(reading.batches()) as batches:
        first = next(batches)
        with row_file(path, name, first.schema) as file:
            for batch in chain([first], batches):
                rows += batch.num_rows
                file.write(batch)
            if conditions and not rows:
                raise UsageError(f"no row of {name} has {_texts(conditions)}")
    return ExportedFile(path, name, rows, len(chosen), path.stat().st_size)


@dataclass(frozen=True)
class _Condition:
    """A condition on a column of Per_Image; `text` is how the user wrote it."""

    text: str
    column: str
    meets: Callable[[str], bool]


@dataclass(frozen=True)
class _Reading:
    """The rows to write: the chosen columns of those that meet all conditions."""

    to: str
    table: str
    prefix: str
    run: str | None
    chosen: Sequence[str]
    existing: Sequence[str]
    conditions: Sequence[_Condition]

    def batches(self) -> Generator[pa.RecordBatch, None, None]:
        """Yields the rows; at least one batch, which can be empty."""
        own = [condition.column for condition in self.conditions]
        if own and self.table == f"{self.prefix}Per_Image":
            self._image_sets()
        if all(column in self.existing for column in own):
            for rows in self._read(self.table, dict.fromkeys([*self.chosen, *own]), None):
                met = rows.filter(pa.array(self._met(rows)))
                yield pa.RecordBatch.from_arrays(
                    [met[name] for name in self.chosen], names=list(self.chosen)
                )
            return
        number = next((n for n in (IMAGE_NUMBER, _FIRST_IMAGE) if n in self.existing), None)
        if number is None:
            raise UsageError(f"{self.table} has no image sets and no {own[0]}; leave out --where")
        yield from self._of_image_sets(number)

    def _of_image_sets(self, number: str) -> Generator[pa.RecordBatch, None, None]:
        by_run = self._image_sets()
        keys = [key for key in (TABLE_NUMBER, number) if key in self.existing]
        wanted = union(by_run.values())
        for rows in self._read(self.table, dict.fromkeys([*keys, *self.chosen]), wanted):
            numbers = rows[number].to_numpy()
            met = np.zeros(rows.num_rows, bool)
            for run, sets in by_run.items():
                own = np.isin(numbers, np.fromiter(sets, np.int64, len(sets)))
                met |= own & (rows[TABLE_NUMBER].to_numpy() == run) if run else own
            kept = rows.filter(pa.array(met))
            yield pa.RecordBatch.from_arrays(
                [kept[name] for name in self.chosen], names=list(self.chosen)
            )

    def _image_sets(self) -> dict[int, ImageSets]:
        """The image sets that meet the conditions, by number of run; 0 without runs.

        Raises:
            UsageError: there are none.
        """
        images, existing = table_columns(self.to, f"{self.prefix}Per_Image", self.prefix, self.run)
        keys = [key for key in (TABLE_NUMBER, IMAGE_NUMBER) if key in existing]
        columns = dict.fromkeys([*keys, *(condition.column for condition in self.conditions)])
        found: dict[int, list[int]] = {}
        values: set[str] = set()
        for rows in self._read(images, columns, None):
            met = rows.filter(pa.array(self._met(rows)))
            runs = met[TABLE_NUMBER].to_pylist() if TABLE_NUMBER in keys else [0] * met.num_rows
            for run, number in zip(runs, met[IMAGE_NUMBER].to_pylist(), strict=True):
                found.setdefault(run, []).append(number)
            if len(self.conditions) == 1 and len(values) < _SHOWN:
                values |= {*map(str, rows[self.conditions[0].column].drop_null().to_pylist())}
        if not found:
            raise UsageError(f"no image set has {_texts(self.conditions)}{_existing(values)}")
        return {run: ImageSets.of(numbers) for run, numbers in found.items()}

    def _read(
        self, table: str, columns: Iterable[str], image_sets: ImageSets | None
    ) -> Generator[pa.RecordBatch, None, None]:
        yield from read_batches(self.to, table, image_sets, list(columns), self.prefix, self.run)

    def _met(self, rows: pa.RecordBatch) -> npt.NDArray[np.bool_]:
        """A mask of the rows that meet all conditions."""
        met = np.ones(rows.num_rows, bool)
        for condition in self.conditions:
            texts = rows[condition.column].to_pylist()
            met &= np.array([v is not None and condition.meets(_text(v)) for v in texts], bool)
        return met


def _chosen(
    columns: Words, existing: Sequence[str], table: str, places: Collection[str]
) -> list[str]:
    """The columns to write: those that name wells, image sets and objects, and those that match.

    Raises:
        UsageError: none matches a pattern.
    """
    patterns = [word.strip() for word in (comma_list(columns) or "").split(",") if word.strip()]
    if {IMAGE_NUMBER, _FIRST_IMAGE}.isdisjoint(existing):
        keys = [n for n in existing if n == TABLE_NUMBER or n in places]
    else:
        keys = [n for n in existing if n in _KEYS or n.endswith("_Number_Object_Number")]
    chosen: dict[str, None] = dict.fromkeys(keys)
    for pattern in patterns:
        # Features are called as in Per_Nuclei: Nuclei_AreaShape_Area is AreaShape_Area.
        found = [
            name
            for name in existing
            if fnmatchcase(name, pattern) or fnmatchcase(name.partition("_")[2], pattern)
        ]
        if not found:
            message = f"--columns: no column of {table} is {pattern}"
            raise UsageError(suggest(message, closest(pattern.strip("*"), existing)))
        chosen.update(dict.fromkeys(found))
    return [name for name in existing if name in chosen] if patterns else list(existing)


def _conditions(to: str, prefix: str, texts: Iterable[str]) -> list[_Condition]:
    """The conditions of `--where`.

    Raises:
        UsageError: one is not NAME=VALUE, or names no column of Per_Image.
    """
    words = [_split(text) for text in texts]
    if not words:
        return []
    with open_sink(to, prefix, writing=False) as sink:
        layout = sink.layout()
    places = place_features(layout)
    images = [column for column in layout.columns if column.object == IMAGE]
    columns = {c.name: c.name for c in images} | {c.feature: c.name for c in images}
    usual = {"plate": places.plate, "well": places.well}
    conditions = []
    for name, equals, value in words:
        column = columns.get(usual.get(name.lower()) or name)
        if not (equals and name and value):
            raise UsageError(f"--where takes NAME=VALUE, such as plate=P1, not {name}{equals}")
        if column is None:
            message = f"--where {name}: no column of Per_Image"
            raise UsageError(suggest(message, closest(name, ["plate", "well", *columns])))
        meets = _in_wells(value) if column == columns.get(places.well) else value.__eq__
        conditions.append(_Condition(f"{name}={value}", column, meets))
    return conditions


def _own_conditions(table: str, existing: Sequence[str], texts: Iterable[str]) -> list[_Condition]:
    """The conditions on the own columns of a table of the ledger, such as `plate` and `State`.

    Raises:
        UsageError: one is not NAME=VALUE, or names no column.
    """
    columns, conditions = {column.lower(): column for column in existing}, []
    for name, equals, value in map(_split, texts):
        column = columns.get(name.lower())
        if not (equals and value):
            raise UsageError(f"--where takes NAME=VALUE, such as plate=P1, not {name}{equals}")
        if column is None:
            message = f"--where {name}: no column of {table}"
            raise UsageError(suggest(message, closest(name, existing)))
        meets = _in_wells(value) if column == "Well" else value.__eq__
        conditions.append(_Condition(f"{name}={value}", column, meets))
    return conditions


def _split(condition: str) -> tuple[str, str, str]:
    name, equals, value = condition.partition("=")
    return name.strip(), equals, value.strip()


def _texts(conditions: Iterable[_Condition]) -> str:
    return ", ".join(condition.text for condition in conditions)


def _existing(values: Iterable[str]) -> str:
    """What to choose from, in place of a value that does not exist."""
    shown = ", ".join(sorted(values)[:_SHOWN])
    return f"; existing values, such as {shown}" if shown else ""


def _in_wells(text: str) -> Callable[[str], bool]:
    """Whether a well is one of a list of wells and rectangles, however it is spelled; wells that
    are no positions must be spelled alike."""
    try:
        wanted = selected(text)
    except ValueError:
        return text.__eq__
    return lambda well: positions([well])[well] in wanted


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
