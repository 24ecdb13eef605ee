"""Copies the measurements of case 60_perf as those of other jobs in a larger run."""

import re
from pathlib import Path

import h5py
import numpy as np

IMAGE_SETS = 10
"""The number of image sets in each copy, as in the original file."""

# No compressed chunk looks like this by chance.
_PLATE = re.compile(rb"Q1(?=_[A-P]\d\d_s\d)")


def plate(number: int) -> str:
    """The start of image names in a copy, instead of `Q1`; of the same length up to number 675."""
    if number < 26 * 26:
        return chr(65 + number // 26) + chr(65 + number % 26)
    return f"Q{number}"


def renamed(text: str, number: int) -> str:
    """A text of the original file as it is in the copy."""
    return _PLATE.sub(plate(number).encode(), text.encode()).decode()


class Renumbered:
    """Writes copies of a measurement file with other image numbers and other file names.

    Nearly all image numbers are uncompressed in the file, so a copy is made by changing bytes. That
    is a hundred times as fast as changing thousands of datasets with HDF5.
    """

    def __init__(self, file: Path) -> None:
        self._content = file.read_bytes()
        self._names = [match.start() for match in _PLATE.finditer(self._content)]
        self._places: list[tuple[int, int, type[np.integer], int]] = []
        self._packed: list[str] = []
        with h5py.File(file) as opened:
            opened.visititems(self._note)

    def _note(self, name: str, item: h5py.Group | h5py.Dataset) -> None:
        numbers = "/Relationship/" in name and "ImageNumber" in name
        index = name.endswith("/index") and "/Experiment/" not in name
        if not isinstance(item, h5py.Dataset) or not (
            numbers or index or name.endswith("/Image/ImageNumber/data")
        ):
            return
        if item.compression or item.shuffle:
            self._packed.append(name)
            return
        for chunk in range(item.id.get_num_chunks()):
            chunk_info = item.id.get_chunk_info(chunk)
            # In an index, the first of three columns is the image number.
            step = 3 if index else 1
            self._places.append((chunk_info.byte_offset, chunk_info.size, item.dtype.type, step))

    def write(self, path: Path, number: int) -> None:
        """Writes the copy whose first image set is `IMAGE_SETS * number + 1`; number < 676."""
        content = bytearray(self._content)
        for start in self._names:
            content[start : start + 2] = plate(number).encode()
        for start, size, dtype, step in self._places:
            values = np.frombuffer(content, dtype, size // np.dtype(dtype).itemsize, start)[::step]
            values[values > 0] += IMAGE_SETS * number
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        with h5py.File(path, "r+") as opened:
            for name in self._packed:
                first = (slice(None), 0) if name.endswith("/index") else slice(None)
                opened[name][first] += IMAGE_SETS * number
