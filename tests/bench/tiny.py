"""Runs of many tiny batches: one image set and two nuclei each, with the pipeline of a real case.

`python -m bench.tiny FOLDER BATCHES` makes `FOLDER/outputs` and `FOLDER/Batch_data.h5`.
"""

import csv
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from support.fixtures import unpacked

CASE = "40_spreadsheet"
WELLS = 384
SITES = 4
# File systems allow some 65,000 links to one file.
_LINKS = 20_000
_IMAGE = (
    *("Count_Nuclei", "ExecutionTime_12FlagImage", "FileName_DNA", "Group_Index", "Group_Length"),
    *("Group_Number", "ImageNumber", "MD5Digest_DNA", "Metadata_Plate", "Metadata_Site"),
    *("Metadata_Well", "ModuleError_12FlagImage", "PathName_DNA"),
)
_OBJECT = (
    *("ImageNumber", "ObjectNumber", "AreaShape_Area", "Location_Center_X", "Location_Center_Y"),
    "Number_Object_Number",
)


def write_run(home: Path, batches: int, planned: int | None = None) -> Path:
    """Writes a run of so many batches below `home`, and a batch file that plans `planned` image
    sets (default: just these); returns the folder of outputs. The run has no groups."""
    outputs = home / "outputs"
    write_batches(outputs, 1, batches)
    write_plan(home / "Batch_data.h5", planned or batches)
    return outputs


def write_batches(outputs: Path, first: int, last: int, *, own: bool = False) -> None:
    """Writes the batches of the image sets from `first` to `last`, a folder each.

    own: whether each job counts its image sets from 1.
    """
    outputs.mkdir(parents=True, exist_ok=True)
    experiment = outputs.parent / ".experiment"
    experiment.mkdir(exist_ok=True)
    for number in range(first, last + 1):
        folder = outputs / f"batch_{number}"
        folder.mkdir()
        plate, well, site = place(number)
        file = f"{plate}_{well}_s{site}.tif"
        digest = f"{number:032x}"
        key = 1 if own else number
        image = [2, 0.5, file, 1, 1, 1, key, digest, plate, site, well, 0, f"/images/{plate}"]
        _write(folder / "Image.csv", _IMAGE, [image])
        rows = [[key, n, 100 + n, number / 7, n / 3, n] for n in (1, 2)]
        _write(folder / "Nuclei.csv", _OBJECT, rows)
        shared = experiment / str(number // _LINKS)
        if not shared.exists():
            _write_experiment(shared)
        os.link(shared, folder / "Experiment.csv")


def place(number: int) -> tuple[str, str, int]:
    """The plate, well and site of an image set."""
    well, site = divmod(number - 1, SITES)
    plate, well = divmod(well, WELLS)
    return f"P{plate + 1:04}", f"{chr(65 + well // 24)}{well % 24 + 1:02}", site + 1


def write_plan(target: Path, planned: int) -> None:
    """Writes a batch file of so many image sets."""
    shutil.copy(unpacked(CASE) / "Batch_data.h5", target)
    places = [place(number) for number in range(1, planned + 1)]
    texts = {
        "FileName_DNA": [f"{plate}_{well}_s{site}.tif" for plate, well, site in places],
        "Metadata_Plate": [plate for plate, _, _ in places],
        "Metadata_Well": [well for _, well, _ in places],
        "PathName_DNA": [f"/images/{plate}" for plate, _, _ in places],
    }
    numbers = np.arange(1, planned + 1)
    index = np.column_stack([numbers, numbers - 1, numbers])
    options: dict[str, Any] = {
        "chunks": (1024,),
        "maxshape": (None,),
        "compression": "gzip",
        "shuffle": True,
    }
    with h5py.File(target, "r+") as opened:
        runs = opened["Measurements"]
        run = runs[sorted(runs)[-1]]
        tags = run["Experiment"]["Metadata_GroupingTags"]["data"]
        tags[...] = [b"[]"] * len(tags)
        images = run["Image"]
        for feature in list(images):
            del images[feature]
        integers = {
            "ImageNumber": numbers,
            "Group_Length": np.full(planned, planned),
            "Metadata_Site": np.array([site for _, _, site in places]),
        }
        texts_type = h5py.special_dtype(vlen=bytes)
        columns: dict[str, tuple[Any, Any]] = {}
        for feature, values in texts.items():
            columns[feature] = [value.encode() for value in values], texts_type
        for feature, numbers_of in integers.items():
            columns[feature] = numbers_of, np.int64
        for feature, (data, dtype) in columns.items():
            group = images.create_group(feature)
            group.create_dataset("data", data=data, dtype=dtype, **options)
            group.create_dataset("index", data=index, chunks=(1024, 3), maxshape=(None, 3))


def _write_experiment(target: Path) -> None:
    with (unpacked(CASE) / "outputs/P1-A01-1/Experiment.csv").open(newline="") as real:
        rows = [[k, "[]" if k == "Metadata_GroupingTags" else v] for k, v in csv.reader(real)]
    with target.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def _write(path: Path, header: tuple[str, ...], rows: Sequence[Sequence[object]]) -> None:
    lines = [",".join(map(str, row)) for row in (header, *rows)]
    path.write_text("\r\n".join(lines) + "\r\n", newline="")


if __name__ == "__main__":
    write_run(Path(sys.argv[1]), int(sys.argv[2]))
