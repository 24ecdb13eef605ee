"""The summary of a ledger, which a load stores for the next one."""

from dataclasses import replace
from itertools import permutations

import pytest

from cpexport.imagesets import ImageSets
from cpexport.loading.completeness import shown_by_numbers
from cpexport.sinks.ledger import Count, Entry
from cpexport.sinks.summary import Summary, two_of


def entry(number: int, sets: str, loaded: str = "", **more: object) -> Entry:
    """An entry of a batch of CSV files, of which `loaded` is all by default."""
    own = ImageSets.parse(sets)
    made = Entry(
        path=f"batch_{number}",
        format="spreadsheet",
        signature=f"s{number}",
        fingerprint=f"f{number}",
        image_sets=own,
        complete=own,
        loaded=ImageSets.parse(loaded or sets),
        rejected=ImageSets(),
        group_tags=None,
        state="complete",
        reason="",
        age=(f"2026-01-0{number}", number),
        version="4.2.8",
        pipeline="p" if number < 3 else None,
        time="",
        cpexport="0",
        counts={"Per_Image": Count(len(own)), f"Per_T{number}": Count(number)},
    )
    return replace(made, **more)  # type: ignore[arg-type]


ENTRIES = [
    entry(1, "1-4"),
    entry(2, "5-6,9", group_tags=("Metadata_Well",)),
    entry(3, "7", measured={"Mean": 1.5}),
]


@pytest.mark.parametrize("first", range(4))
def test_a_summary_that_goes_on_is_that_of_all_entries(first: int) -> None:
    stored = Summary().with_entries(first, ENTRIES[:first])

    gone_on = Summary.from_json(stored.as_json()).with_entries(3, ENTRIES[first:])

    assert gone_on == Summary().with_entries(3, ENTRIES)
    assert gone_on.state == (3, 3, 8)
    assert str(gone_on.loaded) == "1-7,9"
    assert gone_on.csv_tables == {
        "p": {"Per_Image", "Per_T1", "Per_T2"},
        None: {"Per_Image", "Per_T3"},
    }
    assert gone_on.rows == {"Per_Image": 8, "Per_T1": 1, "Per_T2": 2, "Per_T3": 3}
    assert gone_on.newest == "2026-01-03"
    assert gone_on.measured


@pytest.mark.parametrize("order", list(permutations(ENTRIES)))
def test_what_a_summary_shows_of_gaps_is_the_same_in_any_order(order: tuple[Entry, ...]) -> None:
    assert Summary().with_entries(3, order).ran == Summary().with_entries(3, ENTRIES).ran


def test_what_is_stored_with_a_summary_comes_back() -> None:
    stored = replace(Summary().with_entries(3, ENTRIES), computed={"places": {"plate": "P"}})

    assert Summary.from_json(stored.as_json()) == stored


@pytest.mark.parametrize(
    "sets", [(), ("",), ("3",), ("3", "3"), ("2-3", "3"), ("1-4", "9", "5-8", ""), ("9", "1", "5")]
)
def test_two_sets_show_the_same_gaps_as_all(sets: tuple[str, ...]) -> None:
    many = [ImageSets.parse(text) for text in sets]

    assert len(two_of(many)) <= 2
    assert shown_by_numbers(two_of(many)) == shown_by_numbers(many)
