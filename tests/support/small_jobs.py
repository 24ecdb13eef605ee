"""Writes minimal job outputs with the values that a test needs."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

PIPELINE = """\
CellProfiler Pipeline: http://www.cellprofiler.org
Version:5
DateRevision:4281
GitHash:
ModuleCount:1
HasImagePlaneDetails:False

LoadData:[module_num:1|svn_version:'Unknown'|variable_revision_number:6|enabled:True]
    Name of the file:load_data.csv
"""
STARTED = "2026-11-22T12:00:00.123456"

Values = Mapping[str, object]
"""A value by feature."""
Objects = Mapping[str, Sequence[Values]]
"""A row for each object, by object type: `ImageNumber`, `ObjectNumber` and features."""


def csv_job(
    folder: Path,
    images: Mapping[int, Values],
    objects: Objects | None = None,
    started: str = STARTED,
) -> Path:
    """Writes a folder of CSV files like ExportToSpreadsheet's; all image sets have the features of
    the first."""
    folder.mkdir(parents=True)
    rows = []
    for number, values in images.items():
        counts = {
            f"Count_{name}": sum(row["ImageNumber"] == number for row in objects_of_type)
            for name, objects_of_type in (objects or {}).items()
        }
        rows.append({**_image(number), **counts, **values})
    _table(folder / "Image.csv", sorted(rows[0]), rows)
    for name, objects_of_type in (objects or {}).items():
        features = dict.fromkeys(feature for row in objects_of_type for feature in row)
        header = list(dict.fromkeys(["ImageNumber", "ObjectNumber", *features]))
        numbered = [{**row, "Number_Object_Number": row["ObjectNumber"]} for row in objects_of_type]
        _table(folder / f"{name}.csv", [*header, "Number_Object_Number"], numbered)
    metadata = {"CellProfiler_Version": "4.2.8.1", "Pipeline_Pipeline": PIPELINE}
    lines = [("Key", "Value"), *metadata.items(), ("Run_Timestamp", started)]
    with (folder / "Experiment.csv").open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    return folder


def h5_job(file: Path, images: Mapping[int, Values], started: str = STARTED) -> Path:
    """Writes a measurement file with images only; a value of None is left out."""
    file.parent.mkdir(parents=True, exist_ok=True)
    metadata = {
        "CellProfiler_Version": "4.2.8.1",
        "Pipeline_Pipeline": PIPELINE,
        "Run_Timestamp": started,
        "Modification_Timestamp": started,
        "Exit_Status": "Complete",
    }
    rows = {number: {**_image(number), **values} for number, values in images.items()}
    features = dict.fromkeys(feature for row in rows.values() for feature in row)
    with h5py.File(file, "w", libver="earliest") as opened:
        opened["Version"] = np.array([1])
        run = opened.create_group("Measurements/2026-11-22-12-00-00")
        for name, text in metadata.items():
            _feature(run, f"Experiment/{name}", {0: text})
        for name in features:
            _feature(run, f"Image/{name}", {n: row.get(name) for n, row in rows.items()})
    return file


def _image(number: int) -> dict[str, object]:
    return {
        "ImageNumber": number,
        "FileName_DNA": f"{number}.tif",
        "Metadata_Plate": "P1",
        "Metadata_Well": "A01",
        "ModuleError_01LoadData": 0,
        "ExecutionTime_01LoadData": 0.1,
    }


def _table(file: Path, header: Sequence[str], rows: Iterable[Values]) -> None:
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, header, restval="")
        writer.writeheader()
        writer.writerows(rows)


def _feature(run: h5py.Group, name: str, values: Mapping[int, object]) -> None:
    present = [value for value in values.values() if value is not None]
    index, position = [], 0
    for number, value in values.items():
        index.append((number, position, position + (value is not None)))
        position += value is not None
    group = run.create_group(name)
    data: object = np.array(present)
    kind = None
    if present and isinstance(present[0], str):
        data, kind = [str(value).encode() for value in present], h5py.special_dtype(vlen=str)
    group.create_dataset("data", data=data, dtype=kind, chunks=(1024,), maxshape=(None,))
    index_of = np.array(index, np.int64)
    group.create_dataset("index", data=index_of, chunks=(1024, 3), maxshape=(None, 3))
