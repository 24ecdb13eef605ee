"""What tells pictures apart: file names, planes and metadata."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpexport.cellprofiler.image_identity import Identities, from_texts
from cpexport.cellprofiler.image_set_names import named
from cpexport.cellprofiler.same_image import compared
from cpexport.imagesets import ImageSets

texts = st.one_of(st.none(), st.text(max_size=5))
identities = st.dictionaries(
    st.integers(1, 50), st.fixed_dictionaries({"FileName_DNA": texts, "Metadata_Well": texts})
).map(
    lambda found: Identities(
        np.array(sorted(found), np.int64),
        {
            name: pa.array([found[number][name] for number in sorted(found)], pa.string())
            for name in ("FileName_DNA", "Metadata_Well")
        },
    )
)


def one(**values: str | None) -> Identities:
    columns = {name: pa.array([value], pa.string()) for name, value in values.items()}
    return Identities(np.array([1], np.int64), columns)


@given(identities)
def test_what_was_written_down_reads_back(found: Identities) -> None:
    again = from_texts(found.numbers.tolist(), list(found.texts()))

    assert list(again.texts()) == list(found.texts())
    assert compared(found, again).different == {}


@given(identities, st.lists(st.integers(0, 60)))
def test_selecting_keeps_those_that_are_there(found: Identities, wanted: list[int]) -> None:
    kept = found.select(wanted)

    assert kept.numbers.tolist() == sorted(set(wanted) & set(found.numbers.tolist()))
    assert kept.columns["Metadata_Well"].to_pylist() == [
        value
        for number, value in zip(
            found.numbers.tolist(), found.columns["Metadata_Well"].to_pylist(), strict=True
        )
        if number in wanted
    ]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (one(FileName_DNA="a.tif"), one(FileName_DNA="a.tif")),
        (one(Metadata_Site="1"), one(Metadata_Site="1.0")),
        (one(Metadata_Well="A01"), one(Metadata_Well=None)),
        (one(FileName_DNA="a.tif", Metadata_Flag="0"), one(FileName_DNA="a.tif")),
    ],
)
def test_the_same_picture_is_not_a_difference(ours: Identities, theirs: Identities) -> None:
    assert compared(ours, theirs).different == {}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (one(FileName_DNA="a.tif"), one(FileName_DNA="b.tif")),
        (one(FileName_DNA="1"), one(FileName_DNA="1.0")),
        (one(Metadata_Well="A01"), one(Metadata_Well="A02")),
        (one(Metadata_Well=""), one(Metadata_Well="A02")),
    ],
)
def test_another_picture_is_one_and_says_how(ours: Identities, theirs: Identities) -> None:
    (found,) = compared(ours, theirs).different.values()

    assert (found.ours, found.theirs) == (
        ours.columns[found.feature][0].as_py(),
        theirs.columns[found.feature][0].as_py(),
    )


def test_without_a_common_feature_nothing_can_be_told() -> None:
    found = compared(one(FileName_DNA="a.tif"), one(Metadata_Well="A01"))

    assert (found.different, str(found.undecided), str(found.named)) == ({}, "1", "")


def test_image_sets_of_one_file_are_called_by_their_planes() -> None:
    texts = {
        "FileName_DNA": ["a.nd2"] * 3,
        "Series_DNA": ["0", "1", "1"],
        "Frame_DNA": ["0", "0", "4"],
        "Channel_DNA": ["-1"] * 3,
    }
    columns = {name: pa.array(values) for name, values in texts.items()}
    found = named(Identities.of(np.arange(1, 4), columns), ImageSets.parse("1-3"))

    assert [str(found[number]) for number in (1, 2, 3)] == [
        "a.nd2",
        "a.nd2 series 1",
        "a.nd2 series 1 frame 4",
    ]
