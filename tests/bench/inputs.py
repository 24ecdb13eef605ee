"""What is measured: copies of one real job of case 60_perf, as jobs of screens of three sizes."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
from support.renumbered import IMAGE_SETS, Renumbered, renamed

from bench.measurements import Job, Values, read_job
from bench.spreadsheets import OF_OBJECTS, Spreadsheets

SIZES = (1, 4, 16)
PLANNED = 100_000
OUTPUT = "outputs/batch_1_10/measurements.h5"
BATCH_FILE = "Batch_data.h5"
# As CellProfiler has them.
_CHUNKS = {"chunks": (1024,), "maxshape": (None,), "compression": "gzip", "shuffle": True}


@dataclass(frozen=True)
class Inputs:
    """Folders below `home`: size `n` is `n * unit` batches of `IMAGE_SETS` image sets each.

    `ready` holds the rows of one batch as Arrow files, one a table; `values` is how many
    measurements of objects a batch has. `planned` is a batch file of `PLANNED` image sets.
    """

    home: Path
    unit: int
    values: int

    def batches(self, size: int) -> int:
        return self.unit * size

    def h5(self, size: int) -> Path:
        return self.home / "h5" / f"{size}x"

    def csv(self, size: int) -> Path:
        return self.home / "csv" / f"{size}x"

    def tables(self, size: int) -> Path:
        """The same CSV files, without those that no peer reads."""
        return self.home / "tables" / f"{size}x"

    @property
    def ready(self) -> Path:
        return self.home / "ready"

    @property
    def planned(self) -> Path:
        return self.home / "planned" / BATCH_FILE


def build(
    home: Path, case: Path, unit: int, sizes: tuple[int, ...] = SIZES, planned: int = PLANNED
) -> Inputs:
    """The inputs below `home`, made of the unpacked case if they are not there already.

    Of more than 676 batches there would be too few names of plates: `unit` is at most 42.
    """
    home = home / f"unit-{unit}"
    marker = home / "values"
    if not marker.is_file():
        shutil.rmtree(home, ignore_errors=True)
        job = read_job(case / OUTPUT)
        _write_batches(home, case, job, unit, sizes)
        write_ready(home / "ready", job)
        (home / "planned").mkdir()
        plan(case / BATCH_FILE, home / "planned" / BATCH_FILE, planned // IMAGE_SETS)
        marker.write_text(str(job.values))
    return Inputs(home, unit, int(marker.read_text()))


def _write_batches(home: Path, case: Path, job: Job, unit: int, sizes: tuple[int, ...]) -> None:
    copies, spreadsheets = Renumbered(case / OUTPUT), Spreadsheets(job)
    for number in range(unit * max(sizes)):
        name = f"batch_{IMAGE_SETS * number + 1}_{IMAGE_SETS * (number + 1)}"
        made = home / "batches" / name
        copies.write(made / "h5" / "measurements.h5", number)
        spreadsheets.write(made / "csv", number)
        for size in (size for size in sizes if number < unit * size):
            _link(made / "h5", home / "h5" / f"{size}x" / name)
            _link(made / "csv", home / "csv" / f"{size}x" / name)
            peers = [f"{name}.csv" for name in ("Image", *OF_OBJECTS)]
            _link(made / "csv", home / "tables" / f"{size}x" / name, peers)
    for size in sizes:
        for kind in ("h5", "csv"):
            plan(case / BATCH_FILE, home / kind / f"{size}x" / BATCH_FILE, unit * size)


def _link(folder: Path, to: Path, names: list[str] | None = None) -> None:
    """The same files in another folder, which take no room."""
    to.mkdir(parents=True)
    for path in folder.iterdir():
        if names is None or path.name in names:
            os.link(path, to / path.name)


def plan(source: Path, target: Path, batches: int) -> None:
    """A batch file that plans so many copies of the first image sets of another one."""
    shutil.copy(source, target)
    with h5py.File(target, "r+") as opened:
        runs = opened["Measurements"]
        images = runs[sorted(runs)[-1]]["Image"]
        for feature in list(images):
            group = images[feature]
            starts = group["index"][:IMAGE_SETS, 1].tolist()
            values = [group["data"][start] for start in starts]
            copied = [_planned(feature, v, n, batches) for n in range(batches) for v in values]
            rows = np.arange(len(copied))
            del group["index"], group["data"]
            index = np.column_stack([rows + 1, rows, rows + 1])
            group.create_dataset("index", data=index, chunks=(1024, 3), maxshape=(None, 3))
            dtype = h5py.special_dtype(vlen=bytes) if isinstance(values[0], bytes) else np.int64
            group.create_dataset("data", data=copied, dtype=dtype, **_CHUNKS)
        images["ImageNumber"]["data"][:] = np.arange(IMAGE_SETS * batches) + 1


def _planned(feature: str, value: Any, number: int, batches: int) -> Any:
    if feature == "Group_Length":
        return IMAGE_SETS * batches
    return renamed(value.decode(), number).encode() if isinstance(value, bytes) else value


def write_ready(folder: Path, job: Job) -> None:
    """The rows of a job as Arrow files, one a table: real numbers as doubles, NaN as it is."""
    folder.mkdir()
    image = {f"Image_{f}": pa.array([i.get(f) for i in job.images]) for f in job.images[0]}
    images = pa.table({"ImageNumber": pa.array(job.numbers), **image})
    _write_table(folder / "Per_Image.arrow", images)
    for name, (numbers, columns) in job.objects.items():
        key = columns["Number_Object_Number"]
        table = {"ImageNumber": numbers, f"{name}_Number_Object_Number": key}
        others = {f: v for f, v in columns.items() if f != "Number_Object_Number"}
        table |= {f"{name}_{feature}": _plain(values) for feature, values in others.items()}
        _write_table(folder / f"Per_{name}.arrow", pa.table(table))


def _plain(values: Values) -> Values:
    return values.astype(np.float64) if values.dtype == np.float32 else values


def _write_table(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
