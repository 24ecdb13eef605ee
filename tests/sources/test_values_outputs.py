"""What is loaded is what the jobs' files say, read here a second way: h5py and pandas."""

import base64
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas
import pytest
from support.fixtures import columns, rows

Case = Callable[[str], Path]
Loaded = Callable[..., Path]
Run = tuple[list[Path], Path]
Values = dict[int, list[Any]]

# Not columns: the keys, and what ExportToDatabase leaves out (formats, 3.2).
_NOT_COLUMNS = ("ImageNumber", "ObjectNumber", "ModuleError_", "Description_", "TimeElapsed_")
_GROUPS = ("Group_Number", "Group_Index", "Group_Length")


def run_of(file: h5py.File) -> h5py.Group:
    """The group of a measurement file's last run."""
    return file["Measurements"][sorted(file["Measurements"])[-1]]


def plain(value: Any, escaped: bool) -> Any:
    """A value as SQLite gives it back; missing numbers and infinities are NULL."""
    if isinstance(value, bytes):
        # CellProfiler 3 wrote text as Python literals.
        return value.decode("unicode_escape") if escaped else value.decode()
    value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def slices(feature: h5py.Group) -> dict[int, tuple[int, int]]:
    """Image set to where its values are: by the index alone, -1 is deleted, the last row counts."""
    return {int(n): (int(a), int(b)) for n, a, b in feature["index"][()] if n > 0}


def by_h5py(paths: list[Path]) -> dict[str, dict[str, Values]]:
    """Object type to feature to values by image set, of all files; all of an object one list."""
    found: dict[str, dict[str, Values]] = {}
    for path in paths:
        with h5py.File(path) as file:
            run = run_of(file)
            experiment = run["Experiment"]["CellProfiler_Version"]["data"][()]
            escaped = experiment[-1].startswith((b"2", b"3"))
            held = sorted(slices(run["Image"]["ImageNumber"]))
            for name in set(run) - {"Experiment", "Relationship"}:
                for feature in run[name]:
                    if not feature.startswith(_NOT_COLUMNS):
                        values = run[name][feature]["data"][()]
                        where = slices(run[name][feature])
                        mine = found.setdefault(name, {}).setdefault(feature, {})
                        for number in held:
                            own = values[slice(*where.get(number, (0, 0)))]
                            mine[number] = [plain(value, escaped) for value in own]
                            if feature == "ImageSet_ImageSet":
                                # Bytes, in the words that ExportToSpreadsheet has for them.
                                mine[number] = [str(base64.b64encode(own.tobytes()))]
    return found


def laid(features: dict[str, Values], numbers: list[int]) -> Iterator[tuple[str, list[Any]]]:
    """The columns of one table: an image's one value, or those of all its objects in order."""
    for feature, values in features.items():
        lengths = {n: max(len(other.get(n, ())) for other in features.values()) for n in numbers}
        padded = {n: [*(v := values.get(n, [])), *[None] * (lengths[n] - len(v))] for n in numbers}
        yield feature, [value for number in numbers for value in padded[number]]


def column_of(name: str, feature: str) -> str:
    column = f"{name}_{feature}"
    # CellProfiler's names have 64 characters at most; the only features here that are longer:
    return column.replace("ObjectsPerBin", "ObjectsPerBn") if len(column) > 64 else column


H5 = {
    "13_groups": "outputs",
    "70_cp319": "batch/outputs",
    "50_track": "lap_batch/outputs",
    "50_track overlap": "overlap_batch/outputs",
}


@pytest.fixture(params=H5)
def h5(case: Case, loaded: Loaded, request: pytest.FixtureRequest) -> Run:
    """The .h5 files of a run, and the database that it makes."""
    folder = case(request.param.split()[0]) / H5[request.param]
    return sorted(folder.glob("*/*.h5")), loaded(folder)


class TestMeasurementFiles:
    def test_every_feature_is_a_column_and_every_column_a_feature(self, h5: Run) -> None:
        files, database = h5
        for name, features in by_h5py(files).items():
            wanted = {column_of(name, feature) for feature in features}
            wanted |= {"ImageNumber"} | ({f"{name}_Number_Object_Number"} - {"Image_"})
            wanted -= {"Image_Number_Object_Number"}

            assert set(columns(database, f"Per_{name}")) == wanted

    def test_every_value_is_bit_for_bit_the_one_that_the_index_points_at(self, h5: Run) -> None:
        files, database = h5
        measured = by_h5py(files)
        numbers = sorted(measured["Image"]["Count_Nuclei"])
        wrong = []
        for name, features in measured.items():
            found = columns(database, f"Per_{name}")
            for feature, values in laid(features, numbers):
                # A job of CellProfiler 3 on a range numbers the groups of that range.
                if feature not in _GROUPS and found[column_of(name, feature)] != values:
                    wrong.append((name, feature))

        assert wrong == []

    def test_rows_are_the_image_sets_that_were_not_deleted_and_all_their_objects(
        self, h5: Run
    ) -> None:
        files, database = h5
        measured = by_h5py(files)
        counts = measured["Image"]["Count_Nuclei"]
        expected = [(n, i) for n in sorted(counts) for i in range(1, int(counts[n][0]) + 1)]
        query = "SELECT ImageNumber, Nuclei_Number_Object_Number FROM Per_Nuclei ORDER BY 1, 2"

        assert rows(database, query) == expected
        assert rows(database, "SELECT ImageNumber FROM Per_Image ORDER BY 1") == [
            (number,) for number in sorted(counts)
        ]

    def test_relationships_are_the_pairs_in_the_files_each_once(self, h5: Run) -> None:
        files, database = h5
        expected = set()
        for path in files:
            with h5py.File(path) as file:
                relationships = run_of(file)["Relationship"]
                leaves: list[str] = []
                relationships.visit(lambda leaf, found=leaves: found.append(leaf))
                for leaf in (leaf for leaf in leaves if leaf.count("/") == 3):
                    module, relationship, first, second = leaf.split("/")
                    vectors = [
                        relationships[leaf][part][()].tolist()
                        for part in (
                            "ImageNumber_First",
                            "ObjectNumber_First",
                            "ImageNumber_Second",
                            "ObjectNumber_Second",
                        )
                    ]
                    kind = (int(module), relationship, first, second)
                    expected |= {(*kind, *pair) for pair in zip(*vectors, strict=True)}
        found = rows(database, "SELECT * FROM Per_RelationshipsView")

        assert sorted(found) == sorted(expected)


@pytest.mark.parametrize("movies", ["lap_batch", "overlap_batch"])
def test_a_tracked_nucleus_has_its_parent_in_an_earlier_image_set(
    case: Case, loaded: Loaded, movies: str
) -> None:
    database = loaded(case("50_track") / movies / "outputs")
    pairs = rows(database, "SELECT image_number1, image_number2 FROM Per_Relationships")

    assert len(pairs) > 100
    assert (
        rows(database, "SELECT 1 FROM Per_Relationships WHERE image_number1 >= image_number2") == []
    )


def test_pairs_of_a_movie_say_what_the_features_of_its_nuclei_say(
    case: Case, loaded: Loaded
) -> None:
    """By overlap; LAP closes gaps at the end of a group, in the pairs only."""
    database = loaded(case("50_track") / "overlap_batch" / "outputs")
    query = "SELECT image_number1, object_number1, image_number2, object_number2 FROM {}"
    pairs = rows(database, query.format("Per_RelationshipsView WHERE relationship = 'Parent'"))
    names = [name for name in columns(database, "Per_Nuclei") if "_TrackObjects_Parent" in name]
    image, number = sorted(names)
    features = rows(
        database,
        f"SELECT {image}, {number}, ImageNumber, Nuclei_Number_Object_Number "
        f"FROM Per_Nuclei WHERE {number} > 0",
    )

    assert sorted(pairs) == sorted(features) != []


class TestCsvFiles:
    """A folder for each image set (40); that of image set 9 was cut off and is not loaded."""

    NAMES = ("Image", "Nuclei", "Cells", "Cytoplasm", "BigNuclei")

    @pytest.fixture
    def home(self, case: Case) -> Path:
        return case("40_spreadsheet") / "outputs"

    def frame(self, home: Path, name: str) -> pandas.DataFrame:
        """All the CSV files of one type: fields as they stand there, rows in order of the key."""
        folders = sorted(path for path in home.iterdir() if path.name != "P1-B02-1")
        keys = ["ImageNumber", *(["ObjectNumber"] if name != "Image" else [])]
        frames = [
            pandas.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False)
            for folder in folders
        ]
        return pandas.concat(frames).sort_values(keys, key=lambda text: text.astype(int))

    @pytest.mark.parametrize("name", NAMES)
    def test_every_column_of_the_files_is_there_but_not_what_images_repeat(
        self, home: Path, loaded: Loaded, name: str
    ) -> None:
        repeated = () if name == "Image" else ("Metadata_", "FileName_", "PathName_")
        wanted = {
            column_of(name, feature)
            for feature in self.frame(home, name).columns
            if not feature.startswith((*_NOT_COLUMNS, *repeated))
        }
        found = set(columns(loaded(home), f"Per_{name}"))

        assert found == wanted | {"ImageNumber"} | (
            set() if name == "Image" else {f"{name}_Number_Object_Number"}
        )

    @pytest.mark.parametrize("name", NAMES)
    def test_every_value_is_the_number_or_the_text_in_its_field(
        self, home: Path, loaded: Loaded, name: str
    ) -> None:
        found = columns(loaded(home), f"Per_{name}")
        frame = self.frame(home, name)
        wrong = []
        for feature in frame.columns:
            column = column_of(name, feature)
            if column in found and feature not in _GROUPS:
                values, fields = found[column], frame[feature].tolist()
                if isinstance(next((v for v in values if v is not None), None), str):
                    same = values == fields
                else:
                    numbers = np.array([float(field or "nan") for field in fields])
                    same = [None if math.isnan(n) else n for n in numbers] == values
                if not same:
                    wrong.append(feature)

        assert wrong == []
        assert found["ImageNumber"] == frame["ImageNumber"].astype(int).tolist()

    def test_relationships_are_the_lines_of_the_files_each_once(
        self, home: Path, loaded: Loaded
    ) -> None:
        paths = home.glob("*/Object relationships.csv")
        frame = pandas.concat([pandas.read_csv(path) for path in paths])
        expected = frame[
            [
                "Module Number",
                "Relationship",
                "First Object Name",
                "Second Object Name",
                "First Image Number",
                "First Object Number",
                "Second Image Number",
                "Second Object Number",
            ]
        ]
        found = rows(loaded(home), "SELECT * FROM Per_RelationshipsView")

        assert sorted(found) == sorted(set(expected.itertuples(index=False, name=None)))
