"""Measurement files of odd types, shapes and indexes: read exactly, or left out by name.

Many files lie in one folder, each a job of two image sets with one odd thing in it, beside jobs
with nothing odd. What is expected is read by h5py alone.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support.calls import dry_run, load, verify
from support.fixtures import rows

from cpexport.commands.check import check
from cpexport.commands.load_report import LoadReport
from cpexport.errors import SourceError
from cpexport.loading.survey import survey

TEXTS = h5py.string_dtype()
RUN = "Measurements/2026-01-01-00-00-00"
INDEX = [[1, 0, 1], [2, 1, 2]]
OBJECTS = [[1, 0, 3], [2, 3, 5]]

Odd = Callable[[h5py.Group], None]


@dataclass(frozen=True)
class Kind:
    """Something odd: the feature it is in, and how its group is changed."""

    name: str
    feature: str
    change: Odd


def put(group: h5py.Group, part: str, data: Any, dtype: Any = None) -> None:
    del group[part]
    if dtype and h5py.check_vlen_dtype(dtype) not in (None, str):
        vectors = group.create_dataset(part, (len(data),), dtype)
        for place, values in enumerate(data):
            vectors[place] = values
    else:
        group.create_dataset(part, data=data, dtype=dtype)


def job(path: Path, first: int) -> None:
    """A job of two image sets with 3 and 2 nuclei, as CellProfiler writes it."""
    with h5py.File(path, "w") as file:
        file["Version"] = [1]
        run = file.create_group(RUN)

        def feature(name: str, data: Any, index: Any = INDEX, dtype: Any = None) -> None:
            group = run.create_group(name)
            group.create_dataset("data", data=data, dtype=dtype)
            shifted = np.array(index, np.int64)
            shifted[:, 0] += first - 1
            group.create_dataset("index", data=shifted)

        for name, text in (("Exit_Status", "Complete"), ("CellProfiler_Version", "4.2.8.1")):
            feature(f"Experiment/{name}", [text], [[1 - first, 0, 1]], TEXTS)
        feature("Image/ImageNumber", [first, first + 1])
        feature("Image/FileName_DNA", [f"{first}.tif", f"{first + 1}.tif"], INDEX, TEXTS)
        feature("Image/Metadata_Well", ["A01", "A02"], INDEX, TEXTS)
        feature("Image/ModuleError_01Measure", [0, 0])
        feature("Image/Count_Nuclei", [3.0, 2.0])
        feature("Image/Intensity_Mean_DNA", [0.25, 0.5])
        feature("Nuclei/Number_Object_Number", [1, 2, 3, 1, 2], OBJECTS)
        feature("Nuclei/AreaShape_Area", [10.0, 20.0, 30.5, 40.0, 50.0], OBJECTS)
        feature("Nuclei/Parent_Cells", [1, 2, 3, 1, 2], OBJECTS)
        pair = run.create_group("Relationship/3/Neighbors/Nuclei/Nuclei")
        vectors = {"ImageNumber": [first, first], "ObjectNumber": [1, 2]}
        for which, turn in (("First", 1), ("Second", -1)):
            for name, values in vectors.items():
                pair[f"{name}_{which}"] = np.array(values)[::turn]


DATA: dict[str, Callable[[int], tuple[Any, Any]]] = {
    "texts": lambda n: (["a", "b", "c", "d", "e"][:n], TEXTS),
    "texts like numbers": lambda n: (["1", "2", "3", "4", "5"][:n], TEXTS),
    "texts like reals": lambda n: (["1.50", "-0", "1e3", "nan", "inf"][:n], TEXTS),
    "empty texts": lambda n: ([""] * n, TEXTS),
    "texts of fixed length": lambda n: (np.array([b"a", b"bb", b"c", b"d", b"e"][:n]), None),
    "texts that are none": lambda n: (np.array([b"\xff\xfe"] * n), None),
    "texts beyond ASCII": lambda n: (["é", "日本", "😀", "\t", "'\"%;"][:n], TEXTS),
    "truth values": lambda n: (np.array([True, False, True, True, False][:n]), None),
    "half reals": lambda n: (np.array([0.5, 1.25, 65504, -1, 0][:n], np.float16), None),
    "long reals": lambda n: (np.array([1.1] * n, np.longdouble), None),
    "big-endian": lambda n: (np.array([1, 2, 3, 4, 5][:n], ">i4"), None),
    "bytes": lambda n: (np.array([1, 2, 255, 4, 5][:n], np.uint8), None),
    "unsigned": lambda n: (np.array([1, 2**63 - 1, 3, 4, 5][:n], np.uint64), None),
    "unsigned beyond": lambda n: (np.array([1, 2**63 + 5, 3, 4, 5][:n], np.uint64), None),
    "large": lambda n: (np.array([2**53 + 1, -(2**62), 3, 4, 5][:n]), None),
    "infinities": lambda n: (np.array([math.inf, -math.inf, math.nan, 0, 1][:n]), None),
    "compound": lambda n: (np.zeros(n, [("a", "i4"), ("b", "f8")]), None),
    "complex": lambda n: (np.zeros(n, np.complex128), None),
    "opaque": lambda n: (np.zeros(n, "V4"), None),
    "two dimensions": lambda n: (np.zeros((n, 2)), None),
    "a scalar": lambda n: (5.0, None),
    "nothing": lambda n: (h5py.Empty("f8"), None),
    "no values": lambda n: (np.zeros(0), None),
    "too few": lambda n: (np.zeros(n - 1), None),
    "too many": lambda n: (np.arange(n + 3.0), None),
    "vectors": lambda n: ([[1, 2], [3]][:n] + [[4]] * (n - 2), h5py.vlen_dtype(np.int64)),
    "kinds of things": lambda n: (np.zeros(n, int), h5py.enum_dtype({"A": 0, "B": 1})),
}

INDEXES: dict[str, Callable[[list[list[int]]], Any]] = {
    "out of order": lambda rows: np.array(rows[::-1]),
    "a row twice": lambda rows: np.array([*rows, [rows[0][0], rows[1][1], rows[1][2]]]),
    "a row deleted": lambda rows: np.array([rows[0], [-1, *rows[1][1:]]]),
    "an empty slice": lambda rows: np.array([rows[0], [rows[1][0], 0, 0]]),
    "no rows": lambda rows: np.zeros((0, 3), np.int64),
    "beyond": lambda rows: np.array([rows[0], [rows[1][0], 1000, 1001]]),
    "backwards": lambda rows: np.array([rows[0], [rows[1][0], rows[1][2], rows[1][1]]]),
    "negative": lambda rows: np.array([rows[0], [rows[1][0], -2, -1]]),
    "number nought": lambda rows: np.array([rows[0], [0, *rows[1][1:]]]),
    "reals": lambda rows: np.array(rows) + 0.5,
    "whole reals": lambda rows: np.array(rows, float),
    "texts": lambda rows: np.array([[b"1", b"2", b"3"]] * 2),
    "unsigned beyond": lambda rows: np.array(rows, np.uint64) + np.uint64(2**63),
    "two columns": lambda rows: np.array(rows)[:, :2],
    "one dimension": lambda rows: np.array(rows).ravel(),
    "nothing": lambda rows: h5py.Empty("i8"),
    "longer": lambda rows: np.array([[rows[0][0], 0, rows[1][2]], rows[1]]),
}

FEATURES = {
    "Image/Intensity_Mean_DNA": 2,
    "Image/Metadata_Well": 2,
    "Image/ModuleError_01Measure": 2,
    "Image/ImageNumber": 2,
    "Nuclei/AreaShape_Area": 5,
    "Nuclei/Number_Object_Number": 5,
}


def kinds() -> Iterator[Kind]:
    for feature, length in FEATURES.items():
        for name, make in DATA.items():

            def data(group: h5py.Group, make: Any = make, length: int = length) -> None:
                values, dtype = make(length)
                put(group, "data", values, dtype)

            yield Kind(name, feature, data)
        for name, change in INDEXES.items():

            def index(group: h5py.Group, change: Any = change) -> None:
                put(group, "index", change(group["index"][:].tolist()))

            yield Kind(f"index: {name}", feature, index)
        for part in ("data", "index"):

            def lose(group: h5py.Group, part: str = part) -> None:
                del group[part]

            def nest(group: h5py.Group, part: str = part) -> None:
                del group[part]
                group.create_group(part)

            yield Kind(f"no {part}", feature, lose)
            yield Kind(f"{part} is a group", feature, nest)
    yield Kind("no vectors", "Relationship/3/Neighbors/Nuclei", lambda group: lose_all(group))
    for name, values in {
        "reals": [1.5, 2.5],
        "texts": [b"1", b"2"],
        "beyond": np.array([2**63, 1], np.uint64),
        "too many": [1, 2, 3],
        "nought": [0, 1],
    }.items():

        def pairs(group: h5py.Group, values: Any = values) -> None:
            put(group, "ObjectNumber_First", values)

        yield Kind(f"pairs of {name}", "Relationship/3/Neighbors/Nuclei/Nuclei", pairs)


def lose_all(group: h5py.Group) -> None:
    for name in list(group["Nuclei"]):
        del group["Nuclei"][name]


KINDS = list(kinds())


class Oracle:
    """What is in a file, by h5py and nothing else; `None` where there is no value."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def values(self, feature: str) -> dict[int, list[Any]] | None:
        """The values of each image set; None if they cannot be told."""
        with closing(h5py.File(self.path, "r")) as file:
            group = file[RUN][feature]
            try:
                data, index = group["data"], group["index"][:]
                if data.ndim != 1 or index.ndim != 2 or index.dtype.kind not in "iu":
                    return None
                if h5py.check_string_dtype(data.dtype):
                    values = [text.decode("utf-8") for text in data[:]]
                elif data.dtype.kind in "biuf" and data.dtype.itemsize <= 8:
                    values = data[:].tolist()
                else:
                    return None
                found = {}
                for number, start, stop in index.tolist():
                    if number > 0:
                        if not 0 <= start <= stop <= len(values):
                            return None
                        found[number] = [plain(value) for value in values[start:stop]]
                return found
            except (AttributeError, KeyError, ValueError, TypeError, OSError):
                return None


def plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def alike(ours: Any, theirs: Any) -> bool:
    """Whether a database's value is the file's, spelled as text where others were texts.

    SQLite has NULL where a file has an infinity, unless the column holds texts.
    """
    if isinstance(theirs, float) and math.isinf(theirs):
        return ours is None or ours == str(theirs)
    if ours is None or theirs is None or isinstance(theirs, str):
        return bool(ours == theirs) or (ours is None and theirs == "")
    if isinstance(ours, str):
        return float(ours) == float(theirs) and (
            not isinstance(theirs, int) or int(float(ours)) == theirs or int(ours) == theirs
        )
    return bool(ours == theirs)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file for each kind, and one job with nothing odd before and after them."""
    home = tmp_path_factory.mktemp("odd") / "outputs"
    home.mkdir()
    for place, kind in enumerate([None, *KINDS, None]):
        path = home / f"{place:04}.h5"
        job(path, 2 * place + 1)
        if kind:
            with h5py.File(path, "a") as file:
                kind.change(file[RUN][kind.feature])
    return home


@pytest.fixture(scope="module")
def report(outputs: Path) -> LoadReport:
    return load([outputs], f"sqlite:///{outputs.parent}/odd.sqlite")


def left_out(report: LoadReport) -> dict[str, str]:
    return {Path(one.path).name: one.reason for one in report.left_out}


def test_no_kind_ends_the_load_of_others(outputs: Path, report: LoadReport) -> None:
    last = len(KINDS) + 1
    numbers = {
        n for (n,) in rows(outputs.parent / "odd.sqlite", "SELECT ImageNumber FROM Per_Image")
    }

    assert {1, 2, 2 * last + 1, 2 * last + 2} <= numbers
    assert 30 < report.loaded < len(KINDS)
    assert not [
        reason for reason in left_out(report).values() if "its content is unexpected" in reason
    ]


IMAGES = ("Image/Intensity_Mean_DNA", "Image/Count_Nuclei", "Image/Metadata_Well")
NUMBERS, NUCLEI = (
    "Nuclei/Number_Object_Number",
    ("Nuclei/AreaShape_Area", "Nuclei/Parent_Cells"),
)


def wrong(oracle: Oracle, images: list[Any], nuclei: list[Any]) -> Iterator[str]:
    """What a destination's rows of a file have otherwise than the file."""
    for number, *row in images:
        for feature, ours in zip(IMAGES, row, strict=True):
            values = oracle.values(feature) or {}
            (theirs,) = values.get(number, []) or [None]
            if not alike(ours, theirs):
                yield f"{feature} of {number}: {ours!r} for {theirs!r}"
        mine = [row[1:] for row in nuclei if row[0] == number]
        for place, feature in enumerate(NUCLEI, 1):
            values = oracle.values(feature) or {}
            theirs = values.get(number, [])
            theirs = theirs + [None] * (len(mine) - len(theirs))
            if [alike(row[place], value) for row, value in zip(mine, theirs, strict=False)] != [
                True
            ] * len(theirs):
                yield f"{feature} of {number}: {mine} for {theirs}"
        said = (oracle.values(NUMBERS) or {}).get(number, [])
        if None not in said and [row[0] for row in mine][: len(said)] != said:
            yield f"{NUMBERS} of {number}: {mine} for {said}"


def test_what_is_loaded_is_right_and_the_rest_is_named(outputs: Path, report: LoadReport) -> None:
    database = outputs.parent / "odd.sqlite"
    images = rows(
        database,
        "SELECT ImageNumber, Image_Intensity_Mean_DNA, Image_Count_Nuclei, Image_Metadata_Well "
        "FROM Per_Image",
    )
    nuclei = rows(
        database,
        "SELECT ImageNumber, Nuclei_Number_Object_Number, Nuclei_AreaShape_Area, "
        "Nuclei_Parent_Cells FROM Per_Nuclei ORDER BY rowid",
    )
    found, unnamed, loaded = {}, [], 0
    for place, kind in enumerate(KINDS, 1):
        name, numbers = f"{place:04}.h5", {2 * place + 1, 2 * place + 2}
        mine = [row for row in images if row[0] in numbers]
        loaded += bool(mine)
        listed = Oracle(outputs / name).values("Image/ImageNumber") or {1: [], 2: []}
        if len(mine) < len(listed) and not left_out(report).get(name):
            unnamed.append(f"{kind.feature}: {kind.name}")
        objects = [row for row in nuclei if row[0] in numbers]
        if different := list(wrong(Oracle(outputs / name), mine, objects)):
            found[f"{kind.feature}: {kind.name}"] = different

    infinite = rows(
        database, "SELECT sum(infinite_count) FROM _cpexport_tables WHERE table_name = 'Per_Image'"
    )

    assert found == {}
    assert unnamed == []
    assert infinite == [(2,)]
    assert 50 < loaded < len(KINDS)


def test_check_verify_and_a_dry_run_go_through_them_too(outputs: Path, report: LoadReport) -> None:
    url = f"sqlite:///{outputs.parent}/odd.sqlite"
    verified = verify([outputs], url)
    dry = dry_run([outputs], f"sqlite:///{outputs.parent}/other.sqlite")
    found = survey([outputs])

    assert verified.differences == ()
    assert verified.verified == report.loaded
    assert len(found.batches) == len(KINDS) + 2
    assert len(dry[0].left_out) <= len(report.left_out)


def test_a_batch_file_of_any_kind_is_read_or_refused_by_name(outputs: Path, tmp_path: Path) -> None:
    refused = []
    some = [place for place, kind in enumerate(KINDS, 1) if kind.feature.startswith("Image")][::2]
    for place in some:
        source = outputs / f"{place:04}.h5"
        try:
            check([tmp_path], source)
        except SourceError as error:
            refused.append((error.path, str(source)))

    assert 10 < len(refused) < len(some)
    assert [path for path, source in refused if path != source] == []
