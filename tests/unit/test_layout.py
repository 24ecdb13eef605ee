"""Layouts: which table and column each feature goes to."""

import string

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpexport.cellprofiler.features import INTEGER, NULL, NUMBER, REAL, TEXT
from cpexport.errors import WidthError
from cpexport.tables.capacity import TableCapacity
from cpexport.tables.casts import align
from cpexport.tables.layout import Features, Layout, joined, object_of, table_of

names = st.text(string.ascii_letters + string.digits + "_ é", min_size=1, max_size=20)
types = st.sampled_from([NULL, INTEGER, REAL, TEXT])
objects = st.sampled_from(["Image", "Nuclei", "Cells", "Nuclei_Small"])
features = st.dictionaries(objects, st.dictionaries(names, types, max_size=12), max_size=4)


def places(layout: Layout) -> dict[tuple[str, str], tuple[str, str]]:
    return {feature: (c.table, c.name) for feature, c in layout.by_feature.items()}


@given(features, features)
def test_a_later_load_moves_no_column(first: Features, second: Features) -> None:
    before = Layout().extended(first)
    after = before.extended(second)

    assert places(before).items() <= places(after).items()
    assert after.columns[: len(before.columns)] == before.columns


@given(features)
def test_no_two_columns_of_a_table_share_a_name_whatever_the_case(found: Features) -> None:
    layout = Layout().extended(found)
    cased = [(c.table, c.name.lower()) for c in layout.columns]

    assert len(cased) == len(set(cased))


@given(features, features)
def test_extending_twice_by_the_same_features_changes_nothing(
    first: Features, second: Features
) -> None:
    layout = Layout().extended(first).extended(second)

    assert layout.extended(first).extended(second) == layout


@given(st.integers(5, 40), st.integers(1, 120))
def test_a_table_too_wide_goes_on_in_parts_with_the_same_key(width: int, count: int) -> None:
    found = {"Nuclei": {f"AreaShape_{i:03}": REAL for i in range(count)}}
    layout = Layout().extended(found, capacity=TableCapacity.columns(width))
    parts = layout.parts("Nuclei")

    assert all(len(part.columns) + len(part.key) <= width for part in parts)
    assert {part.key for part in parts} == {("ImageNumber", "Nuclei_Number_Object_Number")}
    assert sum(len(part.columns) for part in parts) == count
    assert parts[0].name == "Per_Nuclei"


def test_what_names_the_pictures_is_in_the_first_part() -> None:
    found = {"Image": {f"Intensity_{i:03}": REAL for i in range(50)} | {"Metadata_Well": TEXT}}
    layout = Layout().extended(found, capacity=TableCapacity.columns(20))

    assert layout.by_feature["Image", "Metadata_Well"].table == "Per_Image"


def test_columns_come_in_the_order_of_cellprofiler() -> None:
    found = {
        "Nuclei": {"Zernike": REAL, "AreaShape_Area": REAL, NUMBER: INTEGER},
        "Image": {"Width_DNA": INTEGER, "Mean_Nuclei_Zernike": REAL, "Count_Nuclei": INTEGER},
    }
    layout = Layout().extended(found)

    assert [column.name for column in layout.columns] == [
        "ImageNumber",
        "Image_Count_Nuclei",
        "Image_Width_DNA",
        "Mean_Nuclei_Zernike",
        "Nuclei_Number_Object_Number",
        "Nuclei_AreaShape_Area",
        "Nuclei_Zernike",
    ]


def test_what_cellprofiler_leaves_out_has_no_column() -> None:
    found = {"Image": {"ModuleError_01LoadData": INTEGER, "ExecutionTime_01LoadData": REAL}}
    layout = Layout().extended(found)

    assert [column.feature for column in layout.columns] == [
        "ImageNumber",
        "ExecutionTime_01LoadData",
    ]


@given(st.floats(allow_nan=False), st.integers(-(2**53), 2**53))
def test_numbers_as_text_read_back_exactly(real: float, whole: int) -> None:
    batch = pa.record_batch([pa.array([real]), pa.array([whole])], names=["r", "w"])
    texts = align(batch, pa.schema([("r", TEXT), ("w", TEXT)])).to_pylist()[0]

    assert float(texts["r"]) == real
    assert texts["w"] == str(whole)


def test_a_whole_number_has_one_text_whatever_type_it_went_through() -> None:
    reals = pa.record_batch([pa.array([7.0, float("nan")])], names=["x"])
    integers = pa.record_batch([pa.array([7, None])], names=["x"])
    wanted = pa.schema([("x", TEXT)])

    assert align(reals, wanted).to_pylist() == align(integers, wanted).to_pylist()
    assert align(reals, wanted).to_pylist() == [{"x": "7"}, {"x": None}]


def test_an_integer_too_long_for_a_real_number_is_refused() -> None:
    batch = pa.record_batch([pa.array([2**53 + 1])], names=["x"])

    with pytest.raises(WidthError, match="too many digits"):
        align(batch, pa.schema([("x", REAL)]))


@given(features, features)
def test_joining_features_takes_the_wider_type(first: Features, second: Features) -> None:
    both = joined([first, second])
    width = [NULL, INTEGER, REAL, TEXT].index

    assert all(
        width(both[name][feature]) >= width(type)
        for one in (first, second)
        for name, found in one.items()
        for feature, type in found.items()
    )


@given(st.sampled_from(["Image", "Nuclei", "Relationship", "Per_Odd"]), st.text("ab_", max_size=4))
def test_a_table_name_tells_its_object_type(name: str, prefix: str) -> None:
    assert object_of(table_of(name, prefix), prefix) == name
