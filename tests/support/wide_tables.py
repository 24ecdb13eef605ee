"""Outputs with hundreds or thousands of columns."""

import shutil
import tempfile
from functools import cache
from pathlib import Path

import h5py

from support.fixtures import unpacked

# Until the tests end.
_HOME = tempfile.TemporaryDirectory(prefix="wide-")


@cache
def wide_job() -> Path:
    """The outputs of one job with 650 features of each object type, made once, only to be read.

    They are those of case 60_perf, cut down to two image sets.
    """
    job = Path(_HOME.name) / "outputs" / "batch_1_2"
    job.mkdir(parents=True)
    made = job / "measurements.h5"
    shutil.copy(unpacked("60_perf") / "outputs" / "batch_1_10" / made.name, made)
    with h5py.File(made, "r+") as file:
        (run,) = file["Measurements"].values()
        for name in set(run) - {"Experiment", "Relationship"}:
            for feature in run[name].values():
                _, _, stop = feature["index"][1]
                feature["data"].resize(stop, 0)
                feature["index"].resize(2, 0)
        run["Relationship"].visititems(_cut)
    return job


def _cut(_: str, item: h5py.Group | h5py.Dataset) -> None:
    """Leaves the pairs of image sets 1 and 2, which are the first."""
    if isinstance(item, h5py.Group) and "ImageNumber_First" in item:
        count = int((item["ImageNumber_First"][()] <= 2).sum())
        for column in item.values():
            column.resize(count, 0)


def widen(folder: Path, file: str, columns: int) -> dict[str, float]:
    """Adds measured columns to a CSV file until it has `columns` in all; returns their values."""
    path = folder / file
    header, *lines = path.read_text().splitlines()
    have = header.count(",") + 1
    new = {f"Texture_Wide_{number:04}": number + 0.125 for number in range(columns - have)}
    header += "".join(f",{name}" for name in new)
    lines = [line + "".join(f",{value}" for value in new.values()) for line in lines]
    path.write_bytes("".join(f"{line}\r\n" for line in [header, *lines]).encode())
    return new
