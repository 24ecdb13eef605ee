"""Writes job outputs of a few lines, with tables as ExportToSpreadsheet writes them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np


def write(path: Path, text: str) -> Path:
    """Writes a file with CRLF line ends, like CellProfiler's, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, newline="\r\n")
    return path


def images(path: Path, counts: dict[int, int], objects: str = "Nuclei", picture: str = "i") -> Path:
    """Writes a table of image sets, each with its number of objects (`counts`)."""
    lines = [f"Count_{objects},FileName_DNA,ImageNumber,ModuleError_01LoadData"]
    lines += [f"{count},{picture}{number}.tif,{number},0" for number, count in counts.items()]
    return write(path, "\n".join(lines) + "\n")


def objects(path: Path, counts: dict[int, int], first: str = "", area: int = 5) -> Path:
    """Writes a table of objects, with `counts` of them by image set; `first` starts every line."""
    lines = [f"{first}ImageNumber,ObjectNumber,AreaShape_Area"]
    for number, count in counts.items():
        lines += [f"{first}{number},{index},{area + index}" for index in range(1, count + 1)]
    return write(path, "\n".join(lines) + "\n")


def experiment(path: Path, *modules: str, version: str = "4.2.8") -> Path:
    """Writes an Experiment.csv with a pipeline of these modules, each given as its text."""
    lines = ["CellProfiler Pipeline: http://www.cellprofiler.org", "Version:5", *modules]
    pipeline = "\n".join(lines)
    content = f'Key,Value\nCellProfiler_Version,{version}\nPipeline_Pipeline,"{pipeline}"\n'
    return write(path, content)


def measurements(path: Path, counts: dict[int, int], objects: str = "Nuclei") -> Path:
    """Writes a measurement file of image sets that count objects, without a table of objects."""
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = list(counts)
    index = np.array([(number, i, i + 1) for i, number in enumerate(numbers)])
    with h5py.File(path, "w") as file:
        file.attrs["Version"] = 1
        group = file.create_group("Measurements/2020-01-01-00-00-00")

        def feature(over: str, name: str, values: Sequence[object], kind: Any = None) -> None:
            feature_group = group.create_group(f"{over}/{name}")
            rows = index if over == "Image" else np.array([(0, 0, 1)])
            feature_group.create_dataset("index", data=rows)
            feature_group.create_dataset("data", data=np.array(values, dtype=kind))

        feature("Image", "ImageNumber", list(numbers))
        feature("Image", f"Count_{objects}", [float(count) for count in counts.values()])
        feature("Image", "ModuleError_01LoadData", [0] * len(numbers))
        names = [f"i{number}.tif" for number in numbers]
        feature("Image", "FileName_DNA", names, h5py.string_dtype())
        feature("Experiment", "Exit_Status", ["Complete"], h5py.string_dtype())
    return path
