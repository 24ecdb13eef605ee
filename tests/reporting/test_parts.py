"""The parts of a report: states of image sets, wells, and what their values show."""

from pathlib import Path

import numpy as np
import pytest

from cpexport.cellprofiler.plate_positions import plate_format
from cpexport.commands.check_report import CheckReport
from cpexport.commands.seen import Seen
from cpexport.imagesets import ImageSets
from cpexport.jobs.history import History
from cpexport.reporting.batch_facts import facts
from cpexport.reporting.effects import effects
from cpexport.reporting.places import Located, Place, Places
from cpexport.reporting.quality import judge, z_prime
from cpexport.reporting.run_state import NO_BATCH, RunState, State
from cpexport.reporting.screen import screen

S = ImageSets.parse


def seen(path: str, image_sets: str, complete: str, state: str, reason: str = "") -> Seen:
    return Seen(path, S(image_sets), S(complete), state, reason)


@pytest.fixture
def run() -> RunState:
    """A run in which a job failed twice, and jobs run and wait."""
    batches = (
        seen("a", "1-4", "1-4", "complete"),
        seen("b", "5-8", "5-6", "failed", "exit status 7 in batch_5_8"),
        seen("c", "7-8", "7", "failed", "exit status 9 in batch_7_8"),
        seen("d", "9-10", "", "running"),
    )
    history = History(waiting=S("11"))
    skipped = S("4")
    found = CheckReport(None, S("1-3,5-7"), S(""), S(""), batches, history=history, skipped=skipped)
    return RunState.of(found)


class TestStates:
    def test_each_image_set_has_one(self, run: RunState) -> None:
        assert {state: str(sets) for state, sets in run.by_state.items()} == {
            State.COMPLETE: "1-3,5-7",
            State.SKIPPED: "4",
            State.RUNNING: "9-10",
            State.FAILED: "8",
            State.MISSING: "",
        }

    def test_the_batch_of_an_image_set_is_one_that_has_it_complete(self, run: RunState) -> None:
        numbers = np.array([1, 6, 7, 8, 10, 99])

        assert run.owners(numbers).tolist() == [0, 1, 2, 2, 3, NO_BATCH]

    def test_errors_of_one_kind_differ_in_numbers_and_names_only(self, run: RunState) -> None:
        (kind,) = facts([run]).errors

        assert (kind.batches, str(kind.image_sets)) == (("b", "c"), "7-8")


class TestWells:
    def test_spellings_of_a_well_are_one_well(self, run: RunState) -> None:
        places = Places({Place("P", "A1"): 0, Place("P", "a01"): 1, Place("P", "17"): 2}, {"": 0})
        numbers = np.array([1, 2, 3])
        shown = screen([run], [Located(numbers, np.array([0, 1, 2]), np.zeros(3, int))], places)
        (plate,) = shown.plates

        assert [(well.name, str(well.image_sets)) for well in plate.wells] == [
            ("A01", "1-2"),
            ("17", "3"),
        ]
        assert shown.placed == 3

    def test_a_plate_is_as_large_as_its_wells_need(self) -> None:
        assert [plate_format([well]) for well in ("C4", "P24", "AF48", "ZZ99", "H1")] == [
            *(12, 384, 1536, 6, 96)
        ]

    def test_only_as_many_plates_are_drawn_as_fit(
        self, run: RunState, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("cpexport.reporting.screen.MOST_WELLS", 2 * 96)
        wells = {Place(f"P{n + 1}", "A01"): n for n in range(8)}
        where = Located(np.arange(1, 9), np.arange(8), np.zeros(8, int))
        shown = screen([run], [where], Places(wells, {"": 0}), 96)

        # Image set 8 failed; all others are complete or skipped.
        assert [shown.plates[place].name for place in shown.drawn] == ["P1", "P8"]


class TestQuality:
    def test_an_edge_effect_is_not_taken_for_outlying_wells(self) -> None:
        rows, columns = np.divmod(np.arange(96), 12)
        edge = (rows % 7 == 0) | (columns % 11 == 0)
        values = np.where(edge, 60.0, 100.0) + np.arange(96.0) % 5
        values[50] = 20
        found = judge(values, [slice(0, 96)], edge, np.full(96, True), None, (), 10)

        assert found.edges[0].matters
        assert (found.edges[0].edge, found.edges[0].inner) == (62, 102)
        assert [(one.well, one.value) for one in found.outliers] == [(50, 20)]

    def test_a_compound_is_compared_with_the_controls_of_its_own_plates(self) -> None:
        # The second plate has twice as many cells, and no well with A.
        values = np.array([10, 10, 10.4, 5, 5, 5.2, np.nan, 20, 20.2, 20, 10, 10, 20, 20.0])
        texts = np.array([*"CCCAAAA", *"CCCBBDD"], object)
        texts[-1] = None
        plates = [slice(0, 7), slice(7, 14)]
        found = {one.text: one for one in effects(values, plates, texts, texts == "C")}
        unnamed = {one.text: one for one in effects(values, plates, texts, None)}

        assert {text: round(one.change, 6) for text, one in found.items()} == {
            "A": -0.5, "B": -0.5, "C": 0, "D": 0,
        }  # fmt: skip
        # B has two wells only.
        assert [text for text, one in found.items() if one.matters] == ["A"]
        assert (found["A"].spread.wells, found["A"].spread.median) == (3, 5)
        # Half of the first plate has the effect, so nothing stands out of it.
        assert not any(one.matters for one in unnamed.values())

    def test_wells_without_a_value_do_not_count(self) -> None:
        values = np.array([1.0, np.nan, 3.0, np.nan])
        none = np.full(4, False)
        found = judge(values, [slice(0, 3), slice(3, 4)], none, none, None, (), 10)

        assert (found.spreads[0].wells, found.spreads[0].median) == (2, 2)
        assert found.spreads[1].wells == 0
        assert not found.edges[0].matters

    def test_z_prime_is_that_of_zhang_1999(self) -> None:
        positive, negative = np.array([90.0, 110.0, 100.0]), np.array([8.0, 12.0, 10.0])

        assert z_prime(positive, negative) == pytest.approx(1 - 3 * (10 + 2) / 90)
        assert np.isnan(z_prime(positive[:1], negative))


def test_the_files_of_a_page_are_part_of_the_package() -> None:
    import cpexport.reporting

    folder = Path(cpexport.reporting.__file__).parent / "assets"
    assert {file.name for file in folder.iterdir()} == {"report.css", "report.js"}
