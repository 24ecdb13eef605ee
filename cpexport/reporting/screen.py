"""Puts the image sets of a run on plates: what a report shows of each well."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

import numpy as np

from cpexport.cellprofiler.plate_positions import FORMATS, Position, plate_format, positions
from cpexport.imagesets import ImageSets
from cpexport.reporting.places import NOWHERE, Located, Place, Places, within
from cpexport.reporting.run_state import RunState, State

MOST_WELLS: Final = 25_000
"""The most wells that are drawn: 65 plates of 384."""


@dataclass(frozen=True)
class Piece:
    """Image sets of one well with the same state and the same batch; `batch` is its place in
    `RunState.jobs`, or `NO_BATCH`."""

    image_sets: ImageSets
    state: State
    batch: int


@dataclass(frozen=True)
class Well:
    """One well.

    position: where it is on the plate; None if its name does not say it.
    places: its numbers in `Places.wells`: several, if its name is spelled in several ways.
    run: the place of its run in `Screen.runs`.
    parts: the state of each part, such as a site, in order; an entry for each image set.
    """

    name: str
    position: Position | None
    places: tuple[int, ...]
    run: int
    pieces: tuple[Piece, ...]
    parts: tuple[tuple[str, int, State], ...] = field(repr=False, default=())

    @cached_property
    def states(self) -> Mapping[State, int]:
        """The number of image sets in each state that occurs."""
        return Counter(state for _, _, state in self.parts)

    @property
    def state(self) -> State:
        """The worst state of its image sets."""
        return max(self.states)

    @property
    def image_sets(self) -> ImageSets:
        """All its image sets."""
        return ImageSets.from_ranges(r for piece in self.pieces for r in piece.image_sets.ranges)


@dataclass(frozen=True)
class Plate:
    """A plate: its wells in order of rows, then those without a position. `name` can be empty."""

    name: str
    wells: tuple[Well, ...]

    @property
    def title(self) -> str:
        return self.name or "plate without a name"

    @cached_property
    def states(self) -> Mapping[State, int]:
        """The number of image sets in each state that occurs."""
        total: Counter[State] = Counter()
        for well in self.wells:
            total.update(well.states)
        return total

    @property
    def incomplete(self) -> int:
        """How many image sets are neither complete nor skipped."""
        return sum(n for state, n in self.states.items() if state > State.SKIPPED)


@dataclass(frozen=True)
class Screen:
    """All plates of a report.

    format: the number of wells of each plate, which holds every well with a position.
    placed: how many image sets are in a well.
    runs: the runs, in the order of `Well.run`.
    """

    plates: tuple[Plate, ...]
    format: int
    placed: int
    runs: tuple[RunState, ...] = field(repr=False)

    @property
    def wells(self) -> Iterator[Well]:
        """All wells, plate by plate."""
        for plate in self.plates:
            yield from plate.wells

    @property
    def slices(self) -> list[slice]:
        """The wells of each plate, as places in `wells`."""
        ends = np.cumsum([0, *(len(plate.wells) for plate in self.plates)]).tolist()
        return [slice(*pair) for pair in pairwise(ends)]

    @cached_property
    def drawn(self) -> tuple[int, ...]:
        """The places of the plates that are drawn, in order: all of them, or those that lack the
        most image sets, as many as `MOST_WELLS` allows, and at least one."""
        each = FORMATS[self.format][0] * FORMATS[self.format][1]
        most = max(MOST_WELLS // each, 1)
        worst = sorted(range(len(self.plates)), key=lambda i: (-self.plates[i].incomplete, i))
        return tuple(sorted(worst[:most]))


def screen(
    runs: Sequence[RunState],
    located: Sequence[Located],
    places: Places,
    format: int | None = None,
) -> Screen:
    """Puts the image sets of runs on plates; `located` says for each run where they are.

    format: the number of wells of a plate; by default the smallest that has all wells. A well that
        it does not have counts as one without a position.
    """
    names = list(places.wells)
    found = positions({place.well for place in names})
    if format is None:
        format = plate_format(found)
    rows, columns = FORMATS[format]
    # The wells of each plate, by position or by name.
    wells: dict[str, dict[tuple[bool, object], list[int]]] = {}
    for number, place in enumerate(names):
        position = found[place.well]
        if position and not (position.row < rows and position.column < columns):
            position = None
        key = (position is None, position or place.well)
        wells.setdefault(place.plate, {}).setdefault(key, []).append(number)
    pieces = _Pieces(list(places.parts))
    for index, (run, where) in enumerate(zip(runs, located, strict=True)):
        pieces.add(index, run, where)
    plates = []
    for plate in sorted(wells, key=natural):
        on_plate = wells[plate]
        ordered = sorted(on_plate, key=_row_major)
        own = (pieces.well(names[on_plate[key][0]], key[1], on_plate[key]) for key in ordered)
        plates.append(Plate(plate, tuple(well for well in own if well)))
    return Screen(
        tuple(plate for plate in plates if plate.wells), format, pieces.placed, tuple(runs)
    )


def _row_major(key: tuple[bool, object]) -> tuple[bool, Any]:
    """Sorts wells by position, then those without one by name."""
    return key[0], natural(key[1]) if key[0] else key[1]


def natural(text: object) -> list[tuple[int, str]]:
    """A key that sorts numbers in texts by value.

    >>> sorted(["P10", "P2", "", "p1"], key=natural)
    ['', 'P2', 'P10', 'p1']
    """
    parts = re.split(r"([0-9]{1,18})", str(text))
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


@dataclass
class _Pieces:
    """Collects image sets by the number of their well: run, number, part, state and batch."""

    parts: list[str]
    by_well: dict[int, tuple[int, list[tuple[int, int, int, int]]]] = field(default_factory=dict)
    placed: int = 0

    def add(self, index: int, run: RunState, where: Located) -> None:
        states, owners = run.states(where.numbers), run.owners(where.numbers)
        arrays = where.numbers, where.parts, states, owners
        # A destination can also hold image sets that the batch file does not list.
        wanted = within(where.numbers, run.image_sets)
        order = np.flatnonzero(wanted & (where.wells != NOWHERE))
        order = order[np.argsort(where.wells[order], kind="stable")]
        self.placed += len(order)
        wells, starts = np.unique(where.wells[order], return_index=True)
        lists = [array[order].tolist() for array in arrays]
        ends = pairwise([*starts.tolist(), len(order)])
        for well, (start, end) in zip(wells.tolist(), ends, strict=True):
            rows = list(zip(*(values[start:end] for values in lists), strict=True))
            self.by_well[well] = index, rows

    def well(self, place: Place, key: object, numbers: Sequence[int]) -> Well | None:
        """The well with these numbers; None if no image set is in it."""
        present = [self.by_well[number] for number in numbers if number in self.by_well]
        if not present:
            return None
        rows = [row for _, some in present for row in some]
        groups: dict[tuple[int, int], list[int]] = {}
        for number, _, state, owner in rows:
            groups.setdefault((state, owner), []).append(number)
        position = key if isinstance(key, Position) else None
        parts = ((self.parts[part], number, State(state)) for number, part, state, _ in rows)
        return Well(
            position.name if position else place.well,
            position,
            tuple(numbers),
            present[0][0],
            tuple(
                Piece(ImageSets.of(members), State(state), owner)
                for (state, owner), members in groups.items()
            ),
            tuple(sorted(parts, key=lambda part: (natural(part[0]), part[1]))),
        )
