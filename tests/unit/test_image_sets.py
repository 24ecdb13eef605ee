import operator
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpexport import imagesets
from cpexport.imageset_overlaps import repeated
from cpexport.imagesets import ImageSets

# Few enough that sets touch, overlap and fill gaps often.
numbers = st.integers(1, 60)
number_sets = st.sets(numbers)
ranges = st.tuples(numbers, numbers).map(lambda pair: (min(pair), max(pair)))


def members(ranges: list[tuple[int, int]]) -> set[int]:
    return {number for first, last in ranges for number in range(first, last + 1)}


@given(number_sets)
def test_it_holds_the_numbers_it_was_made_of(wanted: set[int]) -> None:
    image_sets = ImageSets.of(wanted)

    assert list(image_sets) == sorted(wanted)
    assert len(image_sets) == len(wanted)
    assert bool(image_sets) == bool(wanted)
    assert [n in image_sets for n in range(63)] == [n in wanted for n in range(63)]


@given(number_sets, number_sets)
def test_its_operators_do_what_those_of_set_do(left: set[int], right: set[int]) -> None:
    ours, theirs = ImageSets.of(left), ImageSets.of(right)

    assert set(ours | theirs) == left | right
    assert set(ours & theirs) == left & right
    assert set(ours - theirs) == left - right
    assert (ours <= theirs) == ours.issubset(theirs) == (left <= right)
    assert (ours >= theirs) == (left >= right)
    assert (ours == theirs) == (left == right)


@given(number_sets, number_sets)
def test_equal_sets_are_equal_in_text_and_hash_however_they_were_made(
    left: set[int], right: set[int]
) -> None:
    joined = ImageSets.of(left) | ImageSets.of(right)
    at_once = ImageSets.of(left | right)

    assert joined == at_once
    assert hash(joined) == hash(at_once)
    assert str(joined) == str(at_once)
    assert joined.ranges == at_once.ranges


@given(number_sets)
def test_its_text_reads_back(wanted: set[int]) -> None:
    image_sets = ImageSets.of(wanted)

    assert ImageSets.parse(str(image_sets)) == image_sets
    assert repr(image_sets) == f"ImageSets('{image_sets}')"
    assert pickle.loads(pickle.dumps(image_sets)) == image_sets


@given(st.lists(ranges))
def test_ranges_may_come_in_any_order_and_overlap(pairs: list[tuple[int, int]]) -> None:
    text = " , ".join(f"{first} - {last}" for first, last in pairs)

    assert set(ImageSets.from_ranges(pairs)) == members(pairs)
    assert ImageSets.parse(text) == ImageSets.from_ranges(pairs)


@given(number_sets)
def test_no_two_of_its_ranges_touch(wanted: set[int]) -> None:
    ends = [end for pair in ImageSets.of(wanted).ranges for end in pair]

    assert ends == sorted(ends)
    assert all(after - before > 1 for before, after in zip(ends[1::2], ends[2::2], strict=False))


@given(st.text(alphabet="0123456789-, x"))
def test_a_text_is_either_read_or_refused_with_a_value_error(text: str) -> None:
    # The numbers are not gone over one by one: 1-999999999999 is a fine text.
    try:
        image_sets = ImageSets.parse(text)
    except ValueError:
        image_sets = ImageSets()

    assert ImageSets.parse(str(image_sets)) == image_sets


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("0", "'0'"),
        ("1-4,0-3", "'0-3'"),
        ("-3", "'-3'"),
        ("1-4, 5-3 ,9", "'5-3'"),
        ("1,two", "'two'"),
        ("1,,2", "''"),
        ("1-2-3", "'1-2-3'"),
        ("1 2", "'1 2'"),
        ("1.5", "'1.5'"),
        ("1\u0663", "'1\u0663'"),
        ("9" * 5000, "'9999"),
    ],
)
def test_a_bad_piece_of_text_is_named(text: str, piece: str) -> None:
    with pytest.raises(ValueError, match="in a list of image sets") as caught:
        ImageSets.parse(text)

    assert str(caught.value).startswith(piece)


@pytest.mark.parametrize("blank", ["", "  ", "\n"])
def test_a_blank_text_is_the_empty_set(blank: str) -> None:
    assert ImageSets.parse(blank) == ImageSets() == ImageSets.of([])


def test_the_empty_set_has_no_first_and_no_last() -> None:
    with pytest.raises(ValueError, match="no first"):
        _ = ImageSets().first
    with pytest.raises(ValueError, match="no last"):
        _ = ImageSets().last


def test_first_and_last_are_in_the_set() -> None:
    image_sets = ImageSets.parse("42-96,3,7-9")

    assert (image_sets.first, image_sets.last) == (3, 96)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ImageSets.of([2, 0]),
        lambda: ImageSets.of([-1]),
        lambda: ImageSets.span(0, 4),
        lambda: ImageSets(((0, 4),)),
    ],
)
def test_numbers_below_one_are_refused(make: Callable[[], ImageSets]) -> None:
    with pytest.raises(ValueError, match="image set numbers start at 1"):
        make()


def test_a_span_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="from 5 cannot end at 3"):
        ImageSets.span(5, 3)


@pytest.mark.parametrize("ranges", [((5, 6), (1, 2)), ((1, 4), (5, 6)), ((1, 4), (4, 6))])
def test_the_class_itself_takes_ranges_in_normal_form_only(
    ranges: tuple[tuple[int, int], ...],
) -> None:
    with pytest.raises(ValueError, match="with a gap between them"):
        ImageSets(ranges)


def test_integers_of_numpy_become_those_of_python() -> None:
    image_sets = ImageSets.of(np.array([3, 1, 2], dtype=np.uint16))

    assert image_sets == ImageSets.span(1, 3)
    assert all(type(end) is int for pair in image_sets.ranges for end in pair)
    assert np.int64(2) in image_sets


def test_real_numbers_are_not_image_set_numbers() -> None:
    with pytest.raises(TypeError):
        ImageSets.of([1.0])  # type: ignore[list-item]

    assert 1.0 not in ImageSets.span(1, 3)
    assert "1" not in ImageSets.span(1, 3)


@pytest.mark.parametrize("operate", [operator.or_, operator.and_, operator.sub, operator.le])
def test_other_types_take_no_part_in_its_operators(
    operate: Callable[[object, object], object],
) -> None:
    with pytest.raises(TypeError):
        operate(ImageSets.span(1, 3), {1, 2, 3})


def test_it_cannot_be_changed() -> None:
    image_sets = ImageSets.span(1, 3)

    with pytest.raises(AttributeError):
        image_sets.ranges = ()  # type: ignore[misc]


def test_a_huge_range_costs_no_more_than_a_small_one() -> None:
    everything = ImageSets.span(1, 10**15)
    hole = ImageSets.of([10**14])

    assert str(everything - hole) == f"1-{10**14 - 1},{10**14 + 1}-{10**15}"
    assert len(everything - hole) == 10**15 - 1
    assert hole <= everything


def test_of_a_large_set_only_what_is_near_a_small_one_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    large, small = ImageSets.of(range(1, 20_001, 2)), ImageSets.parse("9-12,15")
    looked: list[int] = []

    def counting(name: str) -> None:
        real = getattr(imagesets, name)

        def counted(*ranges: tuple[tuple[int, int], ...]) -> Any:
            looked.append(sum(map(len, ranges)))
            return real(*ranges)

        monkeypatch.setattr(imagesets, name, counted)

    counting("common")
    counting("remaining")

    assert [str(small & large), str(large & small)] == ["9,11,15"] * 2
    assert (str(small - large), small <= large) == ("10,12", False)
    assert max(looked) < 10


def test_a_million_ranges_are_handled_range_by_range() -> None:
    # Anything that goes over all ranges once for each would not end while somebody waits.
    odd = ImageSets.of(range(1, 2_000_001, 2))
    even = ImageSets.of(range(2, 2_000_001, 2))

    assert len(odd.ranges) == len(even.ranges) == 10**6
    assert odd | even == ImageSets.span(1, 2_000_000)
    assert odd & even == ImageSets()
    assert odd - even == odd
    assert ImageSets.span(1, 2_000_000) - odd == even
    assert all((n in odd) == (n % 2 == 1) for n in range(1, 2_000_000, 997))


@given(st.lists(number_sets, max_size=5))
def test_what_several_sets_have_is_repeated(wanted: list[set[int]]) -> None:
    found = repeated(ImageSets.of(some) for some in wanted)

    assert set(found) == {n for n in range(1, 61) if sum(n in some for some in wanted) > 1}
