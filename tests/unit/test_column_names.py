"""Column names against CellProfiler's own.

`data/column_names` has what CellProfiler 4.2.8's `ColumnNameMapping` made of the names of five
pipelines, and of names made up for every branch of it, each set at three lengths.
"""

import csv
import lzma
import random
import re
import time
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpexport.cellprofiler.column_names import column_names

TRUTH = Path(__file__).parents[1] / "data" / "column_names"
PIPELINES = {
    "perf_sqlite": 64,
    "sqlite_combined": 64,
    "sqlite_longnames": 64,
    "sqlite_longnames40": 40,
    "track_lap": 64,
}

# Any text at all, and texts of so few characters that they are alike but for case and odd ones.
any_names = st.lists(st.text(st.characters(exclude_categories=())), max_size=30)
alike_names = st.lists(st.text(alphabet="aAbB_é \n1", max_size=20), max_size=30)
some_names = any_names | alike_names
lengths = st.integers(10, 64)


def truth(name: str) -> list[dict[str, str]]:
    with lzma.open(TRUTH / f"{name}.csv.xz", "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def synthetic() -> dict[tuple[str, int], dict[str, str]]:
    sets: dict[tuple[str, int], dict[str, str]] = defaultdict(dict)
    for row in truth("synthetic"):
        sets[row["set"], int(row["max_len"])][row["feature_name"]] = row["column"]
    return sets


def differ_without_case(columns: dict[str, str]) -> bool:
    return len({column.casefold() for column in columns.values()}) == len(columns)


@pytest.mark.parametrize(("pipeline", "max_length"), PIPELINES.items())
def test_columns_of_a_pipeline_are_those_of_cellprofiler(pipeline: str, max_length: int) -> None:
    expected = {row["feature_name"]: row["column"] for row in truth(pipeline)}
    expected |= {key: key for key in ("ImageNumber", "ObjectNumber")}

    assert column_names(expected, max_length) == expected


@pytest.mark.parametrize(("case", "expected"), synthetic().items(), ids=str)
def test_columns_of_every_branch_are_those_of_cellprofiler(
    case: tuple[str, int], expected: dict[str, str]
) -> None:
    _, max_length = case

    assert column_names(expected, max_length) == expected


@given(some_names, lengths)
def test_no_two_columns_are_equal_even_where_case_does_not_count(
    names: list[str], max_length: int
) -> None:
    columns = column_names(names, max_length)

    assert list(columns) == list(dict.fromkeys(names))
    assert all(re.fullmatch("[0-9a-zA-Z_$]+", column) for column in columns.values())
    assert differ_without_case(columns)


@given(some_names, lengths, st.randoms(use_true_random=False))
def test_the_order_of_names_changes_no_column(
    names: list[str], max_length: int, luck: random.Random
) -> None:
    shuffled = luck.sample(names, len(names))

    assert column_names(shuffled, max_length) == column_names(names, max_length)


@given(some_names, some_names, lengths)
def test_columns_of_an_earlier_load_stay_and_are_avoided(
    earlier: list[str], later: list[str], max_length: int
) -> None:
    taken = column_names(earlier, max_length)
    columns = column_names(later, max_length, taken)

    assert set(columns) == set(later)
    assert differ_without_case(taken | columns)
    assert column_names(earlier, max_length, taken) == taken
    assert all(columns[name] == taken[name] for name in columns.keys() & taken.keys())


def test_a_name_that_is_taken_keeps_its_column() -> None:
    taken = {"Image_Metadata_a b": "Image_Metadata_a_b"}

    columns = column_names(["Image_Metadata_a_b", "Image_Metadata_a b"], taken=taken)

    assert columns == {
        "Image_Metadata_a_b": "Image_Metadata_a_b1",
        "Image_Metadata_a b": "Image_Metadata_a_b",
    }


def test_names_alike_but_for_case_get_a_number_that_no_other_name_has() -> None:
    columns = column_names(["Image_DOSE", "Image_Dose", "Image_dose", "Image_dose1"])

    assert columns == {
        "Image_DOSE": "Image_DOSE",
        "Image_Dose": "Image_Dose2",
        "Image_dose": "Image_dose3",
        "Image_dose1": "Image_dose1",
    }


def test_a_number_stands_in_place_of_the_last_characters_where_there_is_no_room() -> None:
    names = [letter + "_" * 9 for letter in "aA"] + [letter + "_" * 8 + "1" for letter in "bB"]

    assert column_names(names, 10) == {
        "A_________": "A_________",
        "a_________": "a________1",
        "B________1": "B________1",
        "b________1": "b________2",
    }


def test_overlong_names_with_nothing_to_drop_still_differ() -> None:
    names = ["_" * length for length in range(60, 100)]

    columns = column_names(names)

    assert differ_without_case(columns)
    assert max(map(len, columns.values())) == 64


def test_an_empty_name_gets_a_column() -> None:
    assert column_names([""]) == {"": "1"}
    assert column_names(["", "1"]) == {"": "2", "1": "1"}


def test_a_length_without_room_for_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 10 characters, not 9"):
        column_names(["Image_Count_Nuclei"], 9)


def test_four_thousand_names_that_all_need_work_take_less_than_a_second() -> None:
    names = [f"Mean_Nuclei_{'Texture (illum) ' * 6}{number:04}" for number in range(4000)]
    start = time.process_time()

    columns = column_names(names)

    assert time.process_time() - start < 1
    assert differ_without_case(columns)
