"""A screen as plain values: image sets, what was measured of them, and the jobs that did it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

Value = int | float | str | None
"""One measurement; None where nothing was measured, NaN where that gave no number."""

IMAGE = "Image"
NUMBER = "Number_Object_Number"
PLATE, WELL, SITE = "Metadata_Plate", "Metadata_Well", "Metadata_Site"

H5, CSV, SQLITE, SQLCSV = "h5", "csv", "sqlite", "sqlcsv"
FORMATS = (H5, CSV, SQLITE, SQLCSV)


class Kind(IntEnum):
    """What a column can hold; a higher one holds all that a lower one holds."""

    INTEGER = 1
    REAL = 2
    TEXT = 3


@dataclass(frozen=True)
class Feature:
    """A feature of an object type, or of `Image`.

    `promise` is the kind that CellProfiler declares for it, None where only values tell. `single`
    is whether CellProfiler measures it in single precision.
    """

    object: str
    name: str
    promise: Kind | None
    single: bool = False


@dataclass(frozen=True)
class ImageSet:
    """What one job says of one image set: its own features, and objects in order of number."""

    number: int
    image: Mapping[str, Value]
    objects: Mapping[str, tuple[Mapping[str, Value], ...]] = field(default_factory=dict)


Pair = tuple[int, str, str, str, int, int, int, int]
"""A relationship: module, name, two object types, image and object number of either object."""


@dataclass(frozen=True)
class Damage:
    """What happened to a job's files.

    `kind` is one of `early` (killed before the first image set was done), `unended` (never said
    how it ended), `cut` and `empty` (the whole file), `rows` (a table ends after `rows` whole rows
    and a part of the next), `gone` (a table is not there). `table` is an object type, or `Image`.
    """

    kind: str
    table: str = ""
    rows: int = 0


@dataclass(frozen=True)
class Job:
    """One job and its output. `sets` are the image sets it was to run; `failed` those that raised,
    of which it says no more than what it was started with."""

    name: str
    format: str
    sets: tuple[ImageSet, ...]
    pairs: tuple[Pair, ...]
    finished: datetime
    features: tuple[Feature, ...]
    failed: frozenset[int] = frozenset()
    damage: Damage | None = None
    exit_status: str = "Complete"

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(one.number for one in self.sets)


@dataclass(frozen=True)
class Style:
    """How the outputs of a run are written, where CellProfiler leaves people a choice."""

    version: str = "4.2.8.1"
    file_prefix: str = ""
    table_prefix: str = "MyExpt_"
    side_by_side: bool = False
    nan: str = "nan"
    experiment_csv: bool = True
    relationships_csv: bool = True
    repeated_metadata: bool = False
    done_file: bool = True
    flat: bool = False
    means: bool = False


@dataclass(frozen=True)
class Run:
    """One run of a pipeline over a screen.

    `planned` are the image sets of its batch file, as that knows them; `tags` the features by which
    it is grouped; `objects` the object types. `batch_file` says whether the batch file lies beside
    the outputs, is named in every command, or is not there: `beside`, `named`, `none`.
    """

    name: str
    planned: tuple[ImageSet, ...]
    planned_features: tuple[Feature, ...]
    objects: tuple[str, ...]
    tags: tuple[str, ...]
    jobs: tuple[Job, ...]
    style: Style
    batch_file: str = "beside"


def rows_of(job: Job, table: str, side_by_side: bool = False) -> list[int]:
    """The image set of each row of a job's table, in order; of objects side by side any table is
    that of all."""
    if table == IMAGE:
        return list(job.numbers)
    found = []
    for one in job.sets:
        names: Iterable[str] = one.objects if side_by_side else [table]
        found += [one.number] * max((len(one.objects.get(name, ())) for name in names), default=0)
    return found
