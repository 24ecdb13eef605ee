"""Lives days, each in a folder of its own, and tells of those on which something was wrong."""

import csv
import shutil
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import h5py
from support.fixtures import unpacked

from days.cluster import StuckError
from days.day import Day
from days.disk import Disk
from days.truth import Case, Fault

_COUNT = 24
# Of the same pictures, which are grouped by plate and well in one of them: two image sets each.
_BATCHES = {
    "10_ranges": "ModuleError_14FlagImage",
    "02_loaddata_grouped": "ModuleError_12FlagImage",
}


@dataclass(frozen=True)
class Bad:
    """A day on which something was wrong, and all that was done on it."""

    seed: int
    what: str
    done: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"seed {self.seed}: {self.what}", *self.done]
        lines.append(f"again: cd tests && python -m days --seed {self.seed} --keep FOLDER")
        return "\n  ".join(lines)


@cache
def cases() -> tuple[tuple[Case, ...], Mapping[str, Any]]:
    """The batch files, and what CellProfiler knows by each of them."""
    pictures: dict[str, Mapping[str, str]] = {}
    for table in unpacked("10_ranges").glob("outputs/*/Image.csv"):
        with table.open(newline="", encoding="latin-1") as file:
            for row in csv.DictReader(file):
                named = ("FileName_", "PathName_", "URL_", "Metadata_", "Group_")
                pictures[row["ImageNumber"]] = {
                    name: value
                    for name, value in row.items()
                    if name.startswith(named) and name != "Metadata_QCFlag"
                }
    found, facts = [], {}
    for name, mark in _BATCHES.items():
        path = unpacked(name) / "Batch_data.h5"
        with h5py.File(path) as file:
            runs = file["Measurements"]
            text = runs[sorted(runs)[-1]]["Experiment"]["Pipeline_Pipeline"]["data"][0].decode()
        facts[str(path)] = {"pipeline": text, "mark": mark, "pictures": pictures}
        groups = [frozenset((n, n + 1)) for n in range(1, _COUNT, 2)] if "grouped" in name else ()
        found.append(Case(path, frozenset(range(1, _COUNT + 1)), tuple(groups)))
    return tuple(found), facts


def lived(seed: int, keep: Path | None = None) -> Bad | None:
    """What was wrong on the day of a seed, if anything was. Its folder is copied to `keep` then."""
    home = Path(tempfile.mkdtemp(prefix="cpexport-days-"))
    disk = Disk(home / "disk")
    some, facts = cases()
    try:
        day = Day(seed, home / "control", disk, some, facts)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                day.live()
            except (Fault, StuckError, subprocess.TimeoutExpired) as fault:
                what = str(fault)
            except Exception:
                what = traceback.format_exc()
            else:
                return None
        if keep is not None:
            disk.free()
            shutil.copytree(home, keep, symlinks=True, ignore=_no_pipes)
        name = str(home)
        done = tuple(line.replace(name, str(keep or "")) for line in day.commands.said)
        return Bad(seed, what.replace(name, str(keep or "")), done)
    finally:
        disk.close()
        shutil.rmtree(home, ignore_errors=True)


def _no_pipes(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if Path(folder, name).is_fifo()]


def every(first: int, days: int) -> int:
    """Lives so many days, and prints what was wrong; how many were wrong."""
    wrong = 0
    for seed in range(first, first + days):
        bad = lived(seed)
        wrong += bad is not None
        print(bad or f"seed {seed}: nothing is wrong", flush=True)
    print(f"{days} days, {wrong} wrong", file=sys.stderr)
    return wrong
