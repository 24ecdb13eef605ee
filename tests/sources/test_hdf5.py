"""Measurement files as CellProfiler leaves them, oddities included: real ones, edited by h5py."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from support.fixtures import columns, declared, measurements, rows

Copy = Callable[..., Path]
Loaded = Callable[..., Path]


def store(feature: h5py.Group, part: str, values: Any) -> None:
    """Puts other values into `data` or `index`, of another type and length if they have them."""
    text = isinstance(values, list) and isinstance(values[0], bytes)
    array = np.array(values, object if text else None)
    del feature[part]
    feature.create_dataset(
        part,
        data=array,
        dtype=h5py.string_dtype() if text else array.dtype,
        chunks=(1024, *array.shape[1:]),
        maxshape=(None, *array.shape[1:]),
    )


@pytest.fixture
def outputs(copy: Copy) -> Path:
    """Two jobs, on image sets 1 to 6 and 7 to 12, without the batch file."""
    for name in ("batch_1_6", "batch_7_12"):
        file = copy("11_h5_and_csv", f"outputs/{name}/{name}.h5", to=f"outputs/{name}.h5")
    return file.parent


@pytest.fixture
def first(outputs: Path) -> Path:
    """The file of the first job."""
    return outputs / "batch_1_6.h5"


class TestTheIndexRules:
    def area(self, database: Path) -> list[object]:
        found = columns(database, "Per_Nuclei")
        pairs = zip(found["ImageNumber"], found["Nuclei_AreaShape_Area"], strict=True)
        return [area for number, area in pairs if number in range(1, 7)]

    def test_values_that_no_index_row_points_at_are_superseded(
        self, outputs: Path, first: Path, loaded: Loaded
    ) -> None:
        with measurements(first) as run:
            feature = run["Nuclei/AreaShape_Area"]
            data, index = feature["data"][()], feature["index"][()]
            store(feature, "data", np.concatenate([data * 0 - 1, data]))
            store(feature, "index", index + np.array([0, len(data), len(data)]))

        assert self.area(loaded(outputs)) == data.tolist()

    def test_rows_of_the_index_may_be_in_any_order(
        self, outputs: Path, first: Path, loaded: Loaded
    ) -> None:
        with measurements(first) as run:
            for name in ("Image", "Nuclei"):
                for feature in run[name].values():
                    index = feature["index"]
                    index[...] = index[()][np.random.default_rng(7).permutation(len(index))]
            index = run["Nuclei/AreaShape_Area/index"][()]
            data = run["Nuclei/AreaShape_Area/data"][()]
        expected = [value for _, a, b in sorted(index.tolist()) for value in data[a:b].tolist()]

        assert index[:, 0].tolist() != sorted(index[:, 0])
        assert self.area(loaded(outputs)) == expected

    def test_of_two_rows_for_one_image_set_the_later_counts(
        self, outputs: Path, first: Path, loaded: Loaded
    ) -> None:
        with measurements(first) as run:
            feature = run["Nuclei/AreaShape_Area"]
            data, index = feature["data"][()], feature["index"][()]
            _, start, stop = index[2]
            store(feature, "data", np.concatenate([data, np.full(stop - start, 99)]))
            store(feature, "index", [*index, [3, len(data), len(data) + stop - start]])
        data[start:stop] = 99

        assert self.area(loaded(outputs)) == data.tolist()

    def test_image_sets_numbered_minus_1_are_deleted_though_features_keep_their_rows(
        self, outputs: Path, first: Path, loaded: Loaded
    ) -> None:
        with measurements(first) as run:
            index = run["Image/ImageNumber/index"]
            index[...] = [[-1 if n in (2, 3) else n, a, b] for n, a, b in index[()]]
        database = loaded(outputs)
        found = [
            set(columns(database, f"Per_{name}")["ImageNumber"]) for name in ("Image", "Nuclei")
        ]

        assert found == [{1, *range(4, 13)}] * 2
        assert rows(database, "SELECT image_sets FROM _cpexport_batches ORDER BY 1") == [
            ("1,4-6",),
            ("7-12",),
        ]

    def test_the_last_run_in_a_file_counts(
        self, outputs: Path, first: Path, loaded: Loaded
    ) -> None:
        with h5py.File(first, "r+") as file:
            (name,) = file["Measurements"]
            file.copy(f"Measurements/{name}", file["Measurements"], "1999-01-01-00-01-00")
            old = file["Measurements/1999-01-01-00-01-00/Nuclei/AreaShape_Area/data"]
            old[...] = 0
            new = file[f"Measurements/{name}/Nuclei/AreaShape_Area/data"][()]

        assert self.area(loaded(outputs)) == new.tolist()


class TestMissingValues:
    def test_fewer_values_than_objects_leave_the_last_objects_null(
        self, outputs: Path, first: Path, loaded: Loaded
    ) -> None:
        with measurements(first) as run:
            index = run["Nuclei/AreaShape_Area/index"]
            index[1] = index[1] - [0, 0, 3]
            count = int(index[1][2] - index[1][1]) + 3
        query = "SELECT Nuclei_AreaShape_Area IS NULL FROM Per_Nuclei WHERE ImageNumber = 2"

        assert rows(loaded(outputs), query) == [(0,)] * (count - 3) + [(1,)] * 3

    def test_an_image_set_without_an_index_row_has_null(
        self, outputs: Path, first: Path, loaded: Loaded
    ) -> None:
        with measurements(first) as run:
            for feature in (
                run["Nuclei/AreaShape_Area"],
                run["Image/Threshold_FinalThreshold_Nuclei"],
            ):
                store(feature, "index", feature["index"][()][1:])
        database = loaded(outputs)
        nulls = "SELECT DISTINCT ImageNumber FROM {} WHERE {} IS NULL"

        assert rows(database, nulls.format("Per_Nuclei", "Nuclei_AreaShape_Area")) == [(1,)]
        assert rows(
            database, nulls.format("Per_Image", "Image_Threshold_FinalThreshold_Nuclei")
        ) == [(1,)]

    def test_a_feature_that_one_job_does_not_have_is_null_there(
        self, outputs: Path, first: Path, loaded: Loaded
    ) -> None:
        with measurements(first) as run:
            del run["Nuclei/AreaShape_Area"], run["Image/Metadata_Plate"]
        database = loaded(outputs)
        query = "SELECT DISTINCT {0}, typeof({1}) FROM {2} GROUP BY ImageNumber ORDER BY 1"
        text = query.format("ImageNumber < 7", "Image_Metadata_Plate", "Per_Image")
        real = query.format("ImageNumber < 7", "Nuclei_AreaShape_Area", "Per_Nuclei")

        assert rows(database, text) == [(0, "text"), (1, "null")]
        assert rows(database, real) == [(0, "real"), (1, "null")]

    def test_an_object_type_that_one_job_does_not_have_has_the_other_jobs_rows(
        self, outputs: Path, first: Path, loaded: Loaded
    ) -> None:
        with measurements(first) as run:
            del run["Cytoplasm"]
        query = "SELECT min(ImageNumber), max(ImageNumber) FROM Per_Cytoplasm"

        assert rows(loaded(outputs), query) == [(7, 12)]

    def test_a_feature_that_never_had_a_value_takes_its_type_from_the_other_jobs(
        self, outputs: Path, first: Path, loaded: Loaded
    ) -> None:
        """CellProfiler stores it as int64 of length 0, whatever it is (formats, 2.1)."""
        with measurements(first) as run:
            for feature in (run["Image/Metadata_Compound"], run["Nuclei/AreaShape_Area"]):
                store(feature, "data", np.zeros(0, np.int64))
                store(feature, "index", feature["index"][()] * [1, 0, 0])
        database = loaded(outputs)
        found = declared(database, "Per_Image") | declared(database, "Per_Nuclei")

        assert found["Image_Metadata_Compound"] == "TEXT"
        assert found["Nuclei_AreaShape_Area"] == "REAL"

    def test_infinities_and_nan_are_null_and_the_infinities_counted(
        self, outputs: Path, first: Path, loaded: Loaded
    ) -> None:
        with measurements(first) as run:
            data = run["Nuclei/AreaShape_Solidity/data"]
            data[:4] = [np.inf, -np.inf, np.nan, 0.25]
        database = loaded(outputs)
        query = "SELECT Nuclei_AreaShape_Solidity FROM Per_Nuclei ORDER BY 1, 2 LIMIT 4"
        query = query.replace("1, 2", "ImageNumber, Nuclei_Number_Object_Number")
        counted = "SELECT infinite_count, infinite_columns FROM _cpexport_tables"

        assert rows(database, query) == [(None,), (None,), (None,), (0.25,)]
        assert rows(database, f"{counted} WHERE infinite_count > 0") == [
            (2, '{"AreaShape_Solidity": 2}')
        ]


class TestTypesThatDifferBetweenJobs:
    def mixed(self, outputs: Path, feature: str, one: Any, other: Any) -> None:
        for name, values in (("batch_1_6.h5", one), ("batch_7_12.h5", other)):
            with measurements(outputs / name) as run:
                store(run[feature], "data", values)

    @pytest.mark.parametrize("flipped", [False, True], ids=["", "flipped"])
    @pytest.mark.parametrize(
        ("one", "other", "type", "values"),
        [
            (
                np.arange(6),
                np.arange(6) + 0.5,
                "REAL",
                [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5],
            ),
            (
                np.arange(6),
                [b"1.50", b"007", b"", b"A", b"\xc3\xa9", b"x\ny"],
                "TEXT",
                ["0", "1", "2", "3", "4", "5", "1.50", "007", "", "A", "é", "x\ny"],
            ),
            (
                np.array([0.5, 1e-7, 3.0, 1e22, np.nan, 0.1]),
                [b"1.50", b"007", b"", b"A", b"\xc3\xa9", b"x\ny"],
                "TEXT",
                ["0.5", "1e-07", "3.0", "1e+22", None, "0.1", "1.50", "007", "", "A", "é", "x\ny"],
            ),
        ],
        ids=["int64 and float64", "int64 and text", "float64 and text"],
    )
    def test_metadata_become_what_holds_both_whichever_comes_first(
        self,
        outputs: Path,
        loaded: Loaded,
        one: Any,
        other: Any,
        type: str,
        values: list[object],
        flipped: bool,
    ) -> None:
        if flipped:
            one, other, values = other, one, values[6:] + values[:6]
        self.mixed(outputs, "Image/Metadata_Site", one, other)
        database = loaded(outputs)

        assert declared(database, "Per_Image")["Image_Metadata_Site"] == type
        assert columns(database, "Per_Image")["Image_Metadata_Site"] == values

    def test_float32_is_widened_without_losing_a_bit(self, outputs: Path, loaded: Loaded) -> None:
        single = np.array([0.1, 1 / 3, 2.5, 1e-30, 16777217, 7], np.float32)
        self.mixed(outputs, "Image/Threshold_FinalThreshold_Nuclei", single, np.arange(6) + 0.1)
        found = columns(loaded(outputs), "Per_Image")["Image_Threshold_FinalThreshold_Nuclei"]

        assert found == [*map(float, single), *(np.arange(6) + 0.1).tolist()]

    def test_real_numbers_stay_real_where_the_name_promises_integers(
        self, outputs: Path, loaded: Loaded
    ) -> None:
        self.mixed(outputs, "Image/Count_Cells", np.arange(6.0), np.arange(6) + 0.5)
        database = loaded(outputs)
        found = columns(database, "Per_Image")["Image_Count_Cells"]

        assert declared(database, "Per_Image")["Image_Count_Cells"] == "REAL"
        assert found == [*np.arange(6.0), *np.arange(6) + 0.5]

    def test_integers_beyond_2_to_the_53_keep_all_digits(
        self, outputs: Path, loaded: Loaded
    ) -> None:
        large = 2**53 + np.arange(1, 7)
        self.mixed(outputs, "Image/Metadata_Site", large, np.arange(6))

        assert columns(loaded(outputs), "Per_Image")["Image_Metadata_Site"] == [
            *large.tolist(),
            *range(6),
        ]


class TestCellProfiler3:
    """Strings are written as Python literals: unicode_escape."""

    @pytest.fixture
    def folder(self, copy: Copy) -> Path:
        return copy(
            "70_cp319", "batch/outputs/batch_1_8/batch_1_8.h5", to="outputs/batch_1_8.h5"
        ).parent

    def test_its_text_is_unescaped(self, folder: Path, loaded: Loaded) -> None:
        written = ["plain", "é µ", "a\\b", "two\nlines", "日本", "\U0001d518", "'", ""]
        with measurements(folder / "batch_1_8.h5") as run:
            (name, *_) = (n for n in run["Image"] if n.startswith("FileName_"))
            escaped = [text.encode("unicode_escape") for text in written]
            # Python 2.7 wrote what lies beyond the first plane as a pair of surrogates.
            escaped[5] = rb"\ud835\udd18"
            store(run["Image"][name], "data", escaped)
            store(run["Image"][name], "index", [[n, n - 1, n] for n in range(1, 9)])

        assert columns(loaded(folder), "Per_Image")[f"Image_{name}"] == written

    def test_text_of_later_versions_is_left_as_it_is(
        self, outputs: Path, first: Path, loaded: Loaded
    ) -> None:
        written = [r"a\nb", r"\xe9", "é", "\\", "x", "y"]
        with measurements(first) as run:
            store(run["Image/Metadata_Compound"], "data", [text.encode() for text in written])

        assert columns(loaded(outputs), "Per_Image")["Image_Metadata_Compound"][:6] == written

    def test_its_pipeline_tells_the_last_module_that_records(
        self, folder: Path, loaded: Loaded
    ) -> None:
        with measurements(folder / "batch_1_8.h5") as run:
            feature = run["Image/ModuleError_07MeasureObjectNeighbors"]
            store(feature, "index", feature["index"][()][:5])

        assert columns(loaded(folder), "Per_Image")["ImageNumber"] == [1, 2, 3, 4, 5]
