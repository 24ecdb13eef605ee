"""Outputs of jobs in a few lines of text: tables as ExportToSpreadsheet writes them."""

from pathlib import Path

import h5py
import numpy as np


def write(path: Path, text: str) -> Path:
    """A file with CRLF line ends, as CellProfiler's, and the folders to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, newline="\r\n")
    return path


def images(path: Path, counts: dict[int, int], objects: str = "Nuclei", picture: str = "i") -> Path:
    """A table of image sets that count so many objects."""
    lines = [f"Count_{objects},FileName_DNA,ImageNumber,ModuleError_01LoadData"]
    lines += [f"{count},{picture}{number}.tif,{number},0" for number, count in counts.items()]
    return write(path, "\n".join(lines) + "\n")


def objects(path: Path, counts: dict[int, int], first: str = "", area: int = 5) -> Path:
    """A table of so many objects in each image set; `first` begins every line."""
    lines = [f"{first}ImageNumber,ObjectNumber,AreaShape_Area"]
    for number, count in counts.items():
        lines += [f"{first}{number},{place},{area + place}" for place in range(1, count + 1)]
    return write(path, "\n".join(lines) + "\n")


def experiment(path: Path, *modules: str, version: str = "4.2.8") -> Path:
    """An Experiment.csv with a pipeline of these modules, each as its text."""
    text = ["CellProfiler Pipeline: http://www.cellprofiler.org", "Version:5", *modules]
    pipeline = "\n".join(text)
    said = f'Key,Value\nCellProfiler_Version,{version}\nPipeline_Pipeline,"{pipeline}"\n'
    return write(path, said)


def measurements(path: Path, counts: dict[int, int], objects: str = "Nuclei") -> Path:
    """A measurement file of image sets that count so many objects, and has none of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = list(counts)
    index = np.array([(number, i, i + 1) for i, number in enumerate(numbers)])
    with h5py.File(path, "w") as file:
        file.attrs["Version"] = 1
        group = file.create_group("Measurements/2020-01-01-00-00-00")

        def feature(over: str, name: str, values: list[object], kind: object = None) -> None:
            at = group.create_group(f"{over}/{name}")
            rows = index if over == "Image" else np.array([(0, 0, 1)])
            at.create_dataset("index", data=rows)
            at.create_dataset("data", data=np.array(values, dtype=kind))

        feature("Image", "ImageNumber", list(numbers))
        feature("Image", f"Count_{objects}", [float(count) for count in counts.values()])
        feature("Image", "ModuleError_01LoadData", [0] * len(numbers))
        names = [f"i{number}.tif" for number in numbers]
        feature("Image", "FileName_DNA", names, h5py.string_dtype())
        feature("Experiment", "Exit_Status", ["Complete"], h5py.string_dtype())
    return path
