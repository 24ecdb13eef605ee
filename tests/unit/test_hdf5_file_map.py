"""Measurement files read through a memory map, against the same read by HDF5's own library."""

import fcntl
import random
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from support.fixtures import unpacked

from cpexport.cellprofiler.features import IMAGE, IMAGE_NUMBER, TEXT
from cpexport.cellprofiler.hdf5.file_map import FileMap, Places, Records
from cpexport.cellprofiler.hdf5.index import Index
from cpexport.cellprofiler.hdf5.measurement_file import MeasurementFile
from cpexport.errors import SourceError
from cpexport.sources.hdf5.rows import image_rows, object_rows

Copy = Callable[..., Path]
RUN = "Measurements/2026-11-22-12-11-17"


class Watched(MeasurementFile):
    """Notes the features that are read one by one, by h5py."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.indexes: list[tuple[str, str]] = []
        self.data: list[tuple[str, str]] = []

    def index(self, object_name: str, feature: str) -> Index:
        self.indexes.append((object_name, feature))
        return super().index(object_name, feature)

    def values(self, object_name: str, feature: str) -> npt.NDArray[np.generic]:
        self.data.append((object_name, feature))
        return super().values(object_name, feature)


@contextmanager
def opened(path: Path, by_h5py: bool) -> Iterator[Watched]:
    with Watched(path) as file:
        if by_h5py:
            vars(file)["layout"] = None
        yield file


def read(file: MeasurementFile, every: int = 1) -> dict[str, pa.RecordBatch]:
    """The rows of all tables, of every so many image sets."""
    held = file.index(IMAGE, IMAGE_NUMBER)[::every, 0]
    objects = {name: object_rows(file, name, held) for name in file.objects}
    return {IMAGE: image_rows(file, held), **objects}


def bits(rows: pa.RecordBatch) -> list[tuple[object, ...]]:
    """What tells columns apart that compare as equal: the sign of 0, which NaN it is."""
    found: list[tuple[object, ...]] = []
    for field, column in zip(rows.schema, rows.columns, strict=True):
        known = column.is_valid().to_numpy(zero_copy_only=False)
        if field.type in (TEXT, pa.null()):
            values: object = column.to_pylist()
        else:
            values = column.fill_null(0).to_numpy()[known].tobytes()
        found.append((field.name, field.type, known.tobytes(), values))
    return found


def outcome(path: Path, by_h5py: bool) -> dict[str, list[tuple[object, ...]]] | str:
    """The tables of a file that can be damaged, or that it is."""
    try:
        with opened(path, by_h5py) as file:
            return {name: bits(rows) for name, rows in read(file).items()}
    except SourceError:
        return "damaged"


def files(name: str) -> list[Path]:
    found = [path for end in ("h5", "hdf5") for path in unpacked(name).rglob(f"*.{end}")]
    return sorted(found)


CASES = [
    "02_loaddata_grouped",
    "08_unsorted_groups",
    "10_ranges",
    "11_h5_and_csv",
    "12_failed",
    "13_groups",
    "20_sqlite",
    "22_exports",
    "40_spreadsheet",
    "40_variants",
    "50_track",
    "60_perf",
    "70_cp319",
    "90_cp5",
    "batch_files",
]

# HDF5 moved this group, of very long names, into the layout of its later versions.
# Two others were written anew, smaller, by another program.
LEFT = {
    "long/h5/measurements.h5": {IMAGE},
    "mapped/loaddata_Batch_data.h5": {IMAGE},
    "mapped/nat_Batch_data.h5": {IMAGE},
}
BLOB = "ImageSet_ImageSet"


@pytest.mark.parametrize("name", CASES)
def test_real_files_are_read_past_the_library_to_the_same_bits(name: str) -> None:
    for number, path in enumerate(files(name)):
        # Of the first file, every second image set, too.
        steps = (1,) if number else (1, 2)
        try:
            with opened(path, by_h5py=True) as file:
                expected = [read(file, every) if file.groups else {} for every in steps]
        except SourceError:
            assert outcome(path, by_h5py=False) == "damaged"
            continue
        with opened(path, by_h5py=False) as file:
            for every, tables in zip(steps, expected, strict=True):
                found = read(file, every)
                assert {t: bits(rows) for t, rows in found.items()} == {
                    t: bits(rows) for t, rows in tables.items()
                }
            tables = {name: rows.schema for name, rows in expected[0].items()}
            # Of image sets the library reads who is held, and bytes that are no vector.
            one_by_one = set(file.indexes) - {(IMAGE, IMAGE_NUMBER), (IMAGE, BLOB)}
            numbers = {(t, f) for t, f in file.data if tables[t].field(f).type != TEXT}
            left = LEFT.get(str(path.relative_to(unpacked(name))), set())
            assert {t for t, _ in one_by_one | numbers} == left


def test_a_file_is_locked_until_it_is_closed_and_not_for_as_long_as_it_is_mapped(
    copy: Copy,
) -> None:
    path = copy("08_unsorted_groups", "run_g/out.h5")

    def locked() -> bool:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    with MeasurementFile(path) as file:
        layout = file.layout
        assert layout is not None
        assert locked()
    assert not locked()


def made(path: Path, libver: str = "earliest", rows: int = 50, **how: Any) -> None:
    data = np.random.default_rng(3).normal(size=rows)
    data[[0, 2]] = np.nan, -0.0
    cut = rows // 2
    with h5py.File(path, "w", libver=(libver, "latest")) as file:
        for name, values in {
            "Image/ImageNumber": np.array([1, 2]),
            "Nuclei/AreaShape_Area": data,
            "Nuclei/Number_Object_Number": np.r_[1 : cut + 1, 1 : rows - cut + 1],
            "Nuclei/Parent_Cells": np.arange(rows)[::-1],
        }.items():
            group = file.create_group(f"{RUN}/{name}")
            index = [[1, 0, cut], [2, cut, rows]] if len(values) > 2 else [[1, 0, 1], [2, 1, 2]]
            index_how = {"chunks": (1024, 3), "maxshape": (None, 3)}
            group.create_dataset("index", data=np.array(index, np.int64), **index_how)
            asked: dict[str, Any] = {"chunks": (1024,), "maxshape": (None,), "shuffle": True}
            asked |= {"compression": 4, **how}
            kind = asked.pop("kinds", {}).get(values.dtype.kind, values.dtype)
            kept = {name: value for name, value in asked.items() if value is not None}
            group.create_dataset("data", data=values.astype(kind), **kept)


class TestOtherLayouts:
    """Files made by h5py alone."""

    def both(self, path: Path) -> tuple[set[str], dict[str, list[object]]]:
        with opened(path, by_h5py=True) as file:
            expected = {name: bits(rows) for name, rows in read(file).items()}
        with opened(path, by_h5py=False) as file:
            found = read(file)
            single = {feature for name, feature in file.data if name == "Nuclei"}
        assert {name: bits(rows) for name, rows in found.items()} == expected
        assert found["Nuclei"].num_rows
        return single, {f: found["Nuclei"][f].to_pylist() for f in found["Nuclei"].schema.names}

    @pytest.mark.parametrize(
        "how",
        [
            {"chunks": None, "maxshape": None, "shuffle": None, "compression": None},
            {"chunks": (512,)},
            {"shuffle": None},
            {"compression": 9},
            {"compression": None},
            {"fletcher32": True},
            {"fillvalue": 7},
            {"maxshape": (10**6,)},
            {"kinds": {"f": ">f8", "i": ">i8"}},
            {"kinds": {"f": "f2", "i": "i2"}},
            {"kinds": {"f": "<f8", "i": "u8"}},
            {"track_times": True, "scaleoffset": None, "shuffle": None},
            {"libver": "latest"},
            {"libver": "v108"},
        ],
        ids=str,
    )
    def test_another_layout_is_left_to_the_library(
        self, how: dict[str, Any], tmp_path: Path
    ) -> None:
        made(tmp_path / "a.h5", **how)
        single, columns = self.both(tmp_path / "a.h5")

        assert "Parent_Cells" in single
        assert columns["Parent_Cells"] == list(range(50))[::-1]

    @pytest.mark.parametrize(
        ("rows", "how"),
        [
            (50, {}),
            (50, {"kinds": {"f": "<f4", "i": "<i4"}}),
            (50, {"track_times": True}),
            (1024, {}),
            (1025, {}),
            (64 * 1024, {}),
            (64 * 1024 + 1, {}),
            (200_000, {"kinds": {"f": "<f4", "i": "<i4"}}),
        ],
    )
    def test_the_layout_of_cellprofiler_is_read_past_it(
        self, rows: int, how: dict[str, Any], tmp_path: Path
    ) -> None:
        made(tmp_path / "a.h5", rows=rows, **how)
        single, columns = self.both(tmp_path / "a.h5")

        assert single == set()
        assert columns["Parent_Cells"] == list(range(rows))[::-1]


class Damage:
    """Ways to damage a file where its groups, headers, trees and chunks are."""

    def __init__(self, path: Path, seed: int) -> None:
        self.content = path.read_bytes()
        self.random = random.Random(seed)
        signs = rb"TREE|SNOD|HEAP|\x01\0[\x01\x05-\x07]\0\x01\0\0\0.\0\0\0"
        self.signs = [match.start() for match in re.finditer(signs, self.content, re.DOTALL)]
        with h5py.File(path) as file:
            self.chunks: list[tuple[int, int]] = []
            file.visititems(self._note)

    def _note(self, _: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.chunks:
            for number in range(item.id.get_num_chunks()):
                chunk = item.id.get_chunk_info(number)
                self.chunks.append((chunk.byte_offset, chunk.size))

    def place(self) -> int:
        """Nearly always where something is that matters."""
        way = self.random.random()
        if way < 0.7:
            place = self.random.choice(self.signs) + self.random.randrange(-8, 160)
        elif way < 0.95:
            start, size = self.random.choice(self.chunks)
            place = start + self.random.randrange(min(size, 200))
        else:
            place = self.random.randrange(len(self.content))
        return max(0, min(place, len(self.content) - 600))

    def done(self) -> bytes:
        """The file, damaged in one way."""
        content, place, random = bytearray(self.content), self.place(), self.random
        way = random.choice(["bit", "bit", "byte", "zeros", "word", "word", "small", "cut"])
        if way == "bit":
            content[place] ^= 1 << random.randrange(8)
        elif way == "byte":
            content[place] = random.choice([0, 1, 255, random.randrange(256)])
        elif way == "zeros":
            length = random.choice([1, 8, 24, 512])
            content[place : place + length] = bytes(length)
        elif way == "word":
            # What leads somewhere leads somewhere else.
            place, other = place // 8 * 8, self.place() // 8 * 8
            content[place : place + 8] = self.content[other : other + 8]
        elif way == "small":
            place = place // 2 * 2
            number = int.from_bytes(content[place : place + 2], "little") + random.choice([-1, 1])
            content[place : place + 2] = (number % 65536).to_bytes(2, "little")
        else:
            # Cut, and the superblock says that this is all.
            length = random.randrange(len(content) // 2, len(content))
            content[40:48] = length.to_bytes(8, "little")
            del content[length:]
        return bytes(content)


def test_damaged_files_give_what_the_library_gives_or_are_refused(tmp_path: Path) -> None:
    damage = Damage(unpacked("08_unsorted_groups") / "run_g/out.h5", seed=6)
    sound = outcome(unpacked("08_unsorted_groups") / "run_g/out.h5", by_h5py=True)
    path = tmp_path / "damaged.h5"
    seen = {"damaged": 0, "as it was": 0, "other values": 0}
    for _ in range(120):
        path.write_bytes(damage.done())
        expected = outcome(path, by_h5py=True)
        assert not disagree(path, expected)
        kind = "damaged" if expected == "damaged" else "other values"
        seen["as it was" if expected == sound else kind] += 1

    # Neither is all of it harmless, nor does all of it keep the file from being read.
    assert seen["damaged"] > 30
    assert seen["as it was"] > 30


class Noted(FileMap):
    """Notes which bytes of the file were looked at, but for what is compressed."""

    def __init__(self, descriptor: int, seen: set[int]) -> None:
        self.seen = seen
        super().__init__(descriptor)

    def records(self, places: Places, dtype: np.dtype[np.void], room: int = 0) -> Records:
        for place in places.tolist():
            self.seen.update(range(place, place + dtype.itemsize))
        return super().records(places, dtype, room)


def looked_at(path: Path) -> list[int]:
    """The bytes of a file by which its values are found."""
    seen: set[int] = set()
    with path.open("rb") as own, MeasurementFile(path) as file:
        vars(file)["layout"] = Noted(own.fileno(), seen)
        read(file)
    return sorted(seen)


def disagree(path: Path, expected: dict[str, list[tuple[object, ...]]] | str) -> bool:
    """Whether a file is another one for us than for HDF5's library, which has the `expected`.

    Where the message of an object header that tells what to fill in is damaged, HDF5 2.0 forgets
    that chunks are compressed, and hands out what they are and whatever follows in memory: not the
    same twice. So what we leave to the library is not compared with what it says another time.
    """
    try:
        with opened(path, by_h5py=False) as file:
            found = {name: bits(rows) for name, rows in read(file).items()}
    except SourceError:
        return expected != "damaged"
    if isinstance(expected, str) or expected.keys() != found.keys():
        return True
    return any(
        one != other and (name, one[0]) not in file.data
        for name, columns in found.items()
        for one, other in zip(columns, expected[name], strict=True)
    )


def disagreements(path: Path, places: list[int], mask: Callable[[], int]) -> list[int]:
    """The bytes that, changed, make a file another one for us than for HDF5's library."""
    found = []
    with path.open("r+b") as file:
        for place in places:
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ mask()]))
            file.flush()
            if disagree(path, outcome(path, by_h5py=True)):
                found.append(place)
            file.seek(place)
            file.write(bytes([byte]))
            file.flush()
    return found


def test_each_byte_by_which_values_are_found_counts_as_it_does_for_the_library(
    tmp_path: Path,
) -> None:
    made(tmp_path / "a.h5")
    places = looked_at(tmp_path / "a.h5")
    rng = random.Random(1)

    assert len(places) > 3000
    sample = rng.sample(places, 400)
    assert disagreements(tmp_path / "a.h5", sample, lambda: 1 << rng.randrange(8)) == []


def test_a_run_whose_name_is_no_text_is_as_it_is_for_the_library(tmp_path: Path) -> None:
    made(tmp_path / "a.h5")
    name = RUN.partition("/")[2].encode()
    content = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "b.h5").write_bytes(content.replace(name, name[:-1] + b"\xff"))

    found = outcome(tmp_path / "b.h5", by_h5py=False)
    assert found == outcome(tmp_path / "b.h5", by_h5py=True) == outcome(tmp_path / "a.h5", True)


def nuclei(file: h5py.File) -> Iterator[h5py.Group]:
    """The features of nuclei in a real job's file, but for their numbers."""
    (run,) = file["Measurements"].values()
    yield from (run["Nuclei"][name] for name in run["Nuclei"] if name != "Number_Object_Number")


def test_features_side_by_side_can_have_indexes_of_their_own(copy: Copy) -> None:
    path = copy("11_h5_and_csv", "outputs/batch_1_6/batch_1_6.h5")
    with opened(path, by_h5py=False) as file:
        expected = bits(read(file)["Nuclei"])
    with h5py.File(path, "r+") as file:
        for feature in list(nuclei(file))[1::3]:
            index, data = feature["index"][:], feature["data"][:]
            parts = [data[start:stop] for _, start, stop in index]
            assert sum(map(len, parts)) == len(data)
            # The values of the last image set first, and so on.
            stops = np.cumsum([len(part) for part in parts[::-1]])[::-1]
            feature["data"][:] = np.concatenate(parts[::-1])
            feature["index"][:, 1:] = np.stack([stops - index[:, 2] + index[:, 1], stops], axis=1)

    with opened(path, by_h5py=False) as file:
        found = bits(read(file)["Nuclei"])
        assert ("Nuclei", "AreaShape_Area") not in file.data

    assert found == expected


@pytest.mark.parametrize("by_h5py", [True, False])
@pytest.mark.parametrize("number", [0, 5, -1])
def test_a_feature_with_fewer_values_than_the_others_is_damage(
    copy: Copy, by_h5py: bool, number: int
) -> None:
    path = copy("11_h5_and_csv", "outputs/batch_1_6/batch_1_6.h5")
    with h5py.File(path, "r+") as file:
        data = list(nuclei(file))[number]["data"]
        data.resize((len(data) - 1,))

    with (
        opened(path, by_h5py) as file,
        pytest.raises(SourceError, match="points outside its values"),
    ):
        read(file)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc/self/smaps is Linux's")
def test_hardly_anything_of_a_file_that_was_read_stays_in_memory() -> None:
    path = unpacked("60_perf") / "outputs" / "batch_1_10" / "measurements.h5"
    with opened(path, by_h5py=False) as file:
        held = file.index(IMAGE, IMAGE_NUMBER)[:, 0]
        mapped = {}
        for name in file.objects:
            object_rows(file, name, held)
            mapped[name] = in_memory(path)

    assert max(mapped.values()) < path.stat().st_size / 8
    assert min(mapped.values()) > 0


def in_memory(path: Path) -> int:
    """How many bytes of a file that this process maps are in its memory."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    places = [n for n, line in enumerate(lines) if line.endswith(str(path))]
    sizes = (next(line for line in lines[n:] if line.startswith("Rss:")) for n in places)
    return sum(1024 * int(size.split()[1]) for size in sizes)


def test_a_length_that_the_file_has_no_room_for_is_refused_at_once(tmp_path: Path) -> None:
    made(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file[f"{RUN}/Nuclei/Parent_Cells/data"].resize((2**36,))

    for by_h5py in (True, False):
        with opened(tmp_path / "a.h5", by_h5py) as file, pytest.raises(SourceError, match="cannot"):
            read(file)
