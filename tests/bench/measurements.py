"""One job's measurement file as values, the plain way: to write its CSV files and ready rows."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Values = np.ndarray[Any, Any]

# Written when the job ends, so after its export modules have run.
_AFTERWARDS = ("Exit_Status", "Modification_Timestamp")
# Keys of the tables, which the HDF5 has as measurements too.
KEYS = ("ImageNumber", "ObjectNumber")


@dataclass(frozen=True)
class Job:
    """What one measurement file holds.

    `images`: for each image set, in order, its values by feature. `objects`: by object type, the
    image number of each row and the columns by feature, without `KEYS`. `relationships`: module
    number, relationship, first and second object type, and four columns of numbers.
    """

    numbers: list[int]
    images: list[dict[str, Any]]
    objects: dict[str, tuple[Values, dict[str, Values]]]
    relationships: list[tuple[int, str, str, str, list[Values]]]
    experiment: dict[str, str]

    @property
    def modules(self) -> dict[int, str]:
        """The names of the pipeline's modules by number."""
        text = self.experiment["Pipeline_Pipeline"]
        found = re.findall(r"^(\w+):\[module_num:(\d+)\|", text, re.MULTILINE)
        return {int(number): name for name, number in found}

    @property
    def values(self) -> int:
        """How many measurements of objects there are."""
        return sum(len(numbers) * len(columns) for numbers, columns in self.objects.values())


def read_job(file: Path) -> Job:
    with h5py.File(file) as opened:
        runs = opened["Measurements"]
        run = runs[sorted(runs)[-1]]
        names = [n for n in run if n not in ("Image", "Experiment", "Relationship")]
        numbers = sorted(run["Image"]["ImageNumber"]["index"][:, 0].tolist())
        experiment = {key: _last(item) for key, item in run["Experiment"].items()}
        return Job(
            numbers,
            _images(run["Image"], numbers),
            {name: _objects(run[name]) for name in names},
            _relationships(run["Relationship"]) if "Relationship" in run else [],
            {k: v for k, v in sorted(experiment.items()) if k not in _AFTERWARDS},
        )


def _last(feature: h5py.Group) -> str:
    (_, start, _), *_ = feature["index"][:]
    return str(feature["data"][start].decode())


def _images(group: h5py.Group, numbers: list[int]) -> list[dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {number: {} for number in numbers}
    for feature in sorted(group):
        data = group[feature]["data"][:]
        for number, start, stop in group[feature]["index"][:].tolist():
            if number in found and stop > start:
                value = data[start]
                found[number][feature] = value.decode() if isinstance(value, bytes) else value
    return [found[number] for number in numbers]


def _objects(group: h5py.Group) -> tuple[Values, dict[str, Values]]:
    index = group["Number_Object_Number"]["index"][:]
    index = index[index[:, 0].argsort(kind="stable")]
    numbers = np.repeat(index[:, 0], index[:, 2] - index[:, 1])
    columns = {f: _column(group[f]) for f in sorted(group) if f not in KEYS}
    return numbers, columns


def _column(feature: h5py.Group) -> Values:
    data, index = feature["data"][:], feature["index"][:]
    rows = index[index[:, 0].argsort(kind="stable")].tolist()
    return np.concatenate([data[start:stop] for _, start, stop in rows] or [data[:0]])


def _relationships(group: h5py.Group) -> list[tuple[int, str, str, str, list[Values]]]:
    columns = [f"{key}_{which}" for which in ("First", "Second") for key in KEYS]
    found = []

    def note(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Group) and columns[0] in item:
            module, relationship, first, second = name.split("/")
            values = [item[column][:] for column in columns]
            found.append((int(module), relationship, first, second, values))

    group.visititems(note)
    return sorted(found, key=lambda kind: kind[:4])
