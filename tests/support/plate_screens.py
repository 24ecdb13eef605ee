"""Writes outputs of screens of whole plates, for reports: a batch file and a file for each job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from support.small_jobs import PIPELINE

Numbers = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64] | Numbers | Sequence[str]


@dataclass(frozen=True)
class PlateScreen:
    """A screen whose third plate has an edge effect, and whose counts fall from plate to plate.

    per_job: image sets of each job. `lost` are the jobs, from 0, that left nothing; `cut` were
    killed when they had run half of their image sets.
    """

    plates: Sequence[str]
    rows: int = 8
    columns: int = 12
    sites: int = 4
    per_job: int = 96
    lost: tuple[int, ...] = ()
    cut: tuple[int, ...] = ()
    seed: int = 1

    @property
    def size(self) -> int:
        """How many image sets it has."""
        return len(self.plates) * self.rows * self.columns * self.sites

    def write(self, folder: Path) -> Path:
        """Writes `Batch_data.h5` and `outputs` into a folder; returns it."""
        outputs = folder / "outputs"
        outputs.mkdir(parents=True)
        numbers = np.arange(1, self.size + 1)
        names, values = self._names(), self._values()
        _write(folder / "Batch_data.h5", numbers, names, "")
        for job, start in enumerate(range(0, self.size, self.per_job)):
            if job in self.lost:
                continue
            own = slice(start, min(start + self.per_job, self.size))
            run = slice(start, start + self.per_job // (2 if job in self.cut else 1))
            columns: dict[str, Values] = {name: column[own] for name, column in names.items()}
            columns |= {name: column[run] for name, column in values.items()}
            columns |= {"ModuleError_01LoadData": np.zeros(len(numbers[run]), np.int64)}
            columns |= {"ExecutionTime_01LoadData": np.ones(len(numbers[run]))}
            path = outputs / f"batch_{own.start + 1}_{own.stop}.h5"
            ended = f"2026-11-22T{job // 60:02}:{job % 60:02}:00"
            _write(path, numbers[own], columns, ended, whole=job not in self.cut)
        return folder

    def _names(self) -> dict[str, Values]:
        place = np.arange(self.size)
        site = place % self.sites
        well = place // self.sites % (self.rows * self.columns)
        plate = place // (self.rows * self.columns * self.sites)
        wells = [f"{chr(65 + w // self.columns)}{w % self.columns + 1:02}" for w in well.tolist()]
        plates = [self.plates[p] for p in plate.tolist()]
        sites = site.tolist()
        return {
            "Metadata_Plate": plates,
            "Metadata_Well": wells,
            "Metadata_Site": np.asarray(site + 1),
            "FileName_DNA": [
                f"{p}_{w}_s{s + 1}.tif" for p, w, s in zip(plates, wells, sites, strict=True)
            ],
        }

    def _values(self) -> dict[str, Values]:
        random = np.random.default_rng(self.seed)
        place = np.arange(self.size)
        well = place // self.sites % (self.rows * self.columns)
        plate = place // (self.rows * self.columns * self.sites)
        row, column = well // self.columns, well % self.columns
        edge = (row % (self.rows - 1) == 0) | (column % (self.columns - 1) == 0)
        nuclei = random.normal(140 - 4 * plate, 12) - 45 * (edge & (plate == 2))
        nuclei[(plate == 1) & (row == 3) & (column == 4)] = 9
        nuclei = nuclei.round()
        return {
            "Count_Nuclei": nuclei,
            "Count_Cells": (nuclei * 0.95).round(),
            "ImageQuality_PowerLogLogSlope_DNA": random.normal(-1.6, 0.05, self.size),
            "ImageQuality_PercentMaximal_DNA": abs(random.normal(0, 0.02, self.size)),
            "Intensity_MeanIntensity_DNA": random.normal(0.1, 0.01, self.size) + 0.001 * column,
        }


def _write(
    path: Path,
    numbers: Numbers,
    columns: Mapping[str, Values],
    ended: str,
    *,
    whole: bool = True,
) -> None:
    """Writes a measurement file; one without an end is a batch file. Columns can have values of the
    first image sets only."""
    metadata = {"CellProfiler_Version": "4.2.8.1", "Pipeline_Pipeline": PIPELINE}
    if ended:
        metadata |= {"Run_Timestamp": ended, "Modification_Timestamp": ended}
    if ended and whole:
        metadata |= {"Exit_Status": "Complete"}
    with h5py.File(path, "w", libver="earliest") as file:
        file["Version"] = np.array([1])
        run = file.create_group("Measurements/2026-11-22-12-00-00")
        for name, text in metadata.items():
            _feature(run, f"Experiment/{name}", [text], np.array([0]))
        for name, values in {"ImageNumber": numbers, **columns}.items():
            _feature(run, f"Image/{name}", values, numbers)


def _feature(run: h5py.Group, name: str, values: Values, numbers: Numbers) -> None:
    place = np.arange(len(values))
    group = run.create_group(name)
    if isinstance(values, np.ndarray):
        group.create_dataset("data", data=values)
    else:
        texts = [text.encode() for text in values]
        group.create_dataset("data", data=texts, dtype=h5py.special_dtype(vlen=str))
    group.create_dataset("index", data=np.stack([numbers[: len(place)], place, place + 1], 1))
