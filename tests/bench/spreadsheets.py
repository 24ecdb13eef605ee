"""The CSV files that ExportToSpreadsheet writes of a job, as CellProfiler 4.2 writes them.

Every value is the shortest text that gives it back, of single precision where it is single; `nan`
where there is none; CRLF after each row; features in order of their names.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from support.renumbered import IMAGE_SETS, renamed

from bench.measurements import Job, Values

OF_OBJECTS = ("Cells", "Cytoplasm", "Nuclei")
_RELATIONSHIPS = (
    *("Module", "Module Number", "Relationship"),
    *("First Object Name", "First Image Number", "First Object Number"),
    *("Second Object Name", "Second Image Number", "Second Object Number"),
)


class Spreadsheets:
    """The files of a job, and of its copies with other image numbers (see `Renumbered`)."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._objects = {name: _lines(*rows) for name, rows in job.objects.items()}

    def write(self, folder: Path, number: int | None = None) -> None:
        """The files of the job, or of its copy of that number."""
        folder.mkdir(parents=True)
        by = IMAGE_SETS * (number or 0)
        _write(folder / "Image.csv", self._images(number))
        _write(folder / "Experiment.csv", [("Key", "Value"), *self._job.experiment.items()])
        _write(folder / "Object relationships.csv", self._relationships(by))
        for name, (header, lines) in self._objects.items():
            text = "".join(f"{image + by},{rest}" for image, rest in lines)
            (folder / f"{name}.csv").write_bytes((header + text).encode())

    def _images(self, number: int | None) -> Iterator[Iterable[object]]:
        features = sorted({feature for image in self._job.images for feature in image})
        yield features
        for image in self._job.images:
            copied = {f: _copied(f, value, number) for f, value in image.items()}
            yield [copied.get(feature, "") for feature in features]

    def _relationships(self, by: int) -> Iterator[Sequence[object]]:
        yield _RELATIONSHIPS
        for module, relationship, first, second, columns in self._job.relationships:
            begin = (self._job.modules[module], module, relationship)
            for i, one, j, other in zip(*(c.tolist() for c in columns), strict=True):
                yield (*begin, first, i + by, one, second, j + by, other)


def _copied(feature: str, value: Any, number: int | None) -> str:
    if number is None:
        return str(value)
    if feature == "ImageNumber":
        return str(value + IMAGE_SETS * number)
    return renamed(value, number) if isinstance(value, str) else str(value)


def _write(path: Path, rows: Iterable[Iterable[object]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    path.write_bytes(text.getvalue().encode())


def _lines(numbers: Values, columns: dict[str, Values]) -> tuple[str, list[tuple[int, str]]]:
    """The header, and for each row its image number and all that follows."""
    header = ",".join(["ImageNumber", "ObjectNumber", *columns]) + "\r\n"
    # Objects are numbered from 1 within each image.
    starts = np.searchsorted(numbers, numbers)
    texts: list[Iterable[str]] = [map(str, (np.arange(len(numbers)) - starts + 1).tolist())]
    texts += [_texts(column) for column in columns.values()]
    rows = (",".join(row) + "\r\n" for row in zip(*texts, strict=True))
    return header, list(zip(numbers.tolist(), rows, strict=True))


def _texts(column: Values) -> Iterable[str]:
    # Of single precision, the shortest text is known only to numpy.
    return map(str, column if column.dtype == np.float32 else column.tolist())
