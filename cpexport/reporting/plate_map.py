"""Draws a plate as SVG: a square for each well, its state, and the sites of wells that differ.

Wells are drawn in the order in which the page's data lists them, so that the script finds them.
"""

import math
from collections.abc import Iterator
from typing import Final

from cpexport.cellprofiler.plate_positions import FORMATS, Position
from cpexport.reporting.markup import Html, element, joined
from cpexport.reporting.run_state import WORDS, State
from cpexport.reporting.screen import Plate, Well

CELL: Final = 12
_LEFT, _TOP, _GAP = 22, 16, 13
_INNER: Final = CELL - 1
_LARGEST: Final = 2.4
"""The most pixels of a unit."""


def drawn(plate: Plate, index: int, format: int) -> Html:
    """The map of a plate. Wells without a position are in rows of their own, below the others."""
    rows, columns = FORMATS[format]
    places = list(_cells(plate, rows, columns))
    others = max((y for y, _ in places), default=0) >= rows * CELL
    height = max([rows * CELL, *(y + CELL for y, _ in places)])
    width = columns * CELL
    return element(
        "figure",
        element("figcaption", element("b", plate.title), " ", element("span", summary(plate))),
        element(
            "svg",
            _labels(rows, columns),
            element("path", d=_grid(rows, columns), class_="none"),
            *(_square(well, x, y) for well, (y, x) in zip(plate.wells, places, strict=True)),
            _parts(plate, places),
            _marks(plate, places),
            element("text", "other", x=0, y=rows * CELL + _GAP - 3, class_="l") if others else "",
            viewBox=f"{-_LEFT} {-_TOP} {width + _LEFT + 2} {height + _TOP + 2}",
            role="img",
            tabindex="0",
            aria_label=f"{plate.title}: {summary(plate)}. Arrow keys go from well to well.",
            data_plate=index,
            data_rows=rows,
            data_columns=columns,
            # Plates with few wells would be drawn in huge letters.
            style=f"max-width:{(width + _LEFT + 2) * _LARGEST:.0f}px",
        ),
        class_=f"plate p{format}",
    )


def summary(plate: Plate) -> str:
    """The states of a plate's image sets, such as `22 complete, 2 missing`."""
    states = plate.states
    return ", ".join(f"{states[state]:,} {WORDS[state]}" for state in State if states.get(state))


def _cells(plate: Plate, rows: int, columns: int) -> Iterator[tuple[int, int]]:
    """Yields the top and the left of each well."""
    without = 0
    for well in plate.wells:
        place = well.position
        if place is None:
            place = Position(rows + without // columns, without % columns)
            without += 1
        yield place.row * CELL + (_GAP if place.row >= rows else 0), place.column * CELL


def _labels(rows: int, columns: int) -> Html:
    step = 1 if columns <= 24 else 4
    top = (
        element("text", column + 1, x=column * CELL + _INNER / 2, y=-4)
        for column in range(columns)
        if column % step == 0
    )
    left = (
        element("text", Position(row, 0).name[:-2], x=-3, y=row * CELL + 9, class_="r")
        for row in range(rows)
        if row % (1 if rows <= 16 else 2) == 0
    )
    return element("g", *top, *left, class_="axis", aria_hidden="true")


def _grid(rows: int, columns: int) -> str:
    """A dot in each well, which shows where a plate has none."""
    middle = _INNER / 2
    lines = (f"M{middle} {row * CELL + middle}" + f"h0m{CELL} 0" * columns for row in range(rows))
    return "".join(lines)


def _square(well: Well, x: int, y: int) -> Html:
    # Short, as a file has thousands of them: width and height are in the style sheet.
    state = "" if well.state is State.COMPLETE else f" class=s{int(well.state)}"
    return Html(f"<rect x={x} y={y}{state} />")


def _parts(plate: Plate, places: list[tuple[int, int]]) -> Html:
    """The parts of wells whose image sets have different states, as small squares."""
    paths: dict[State, list[str]] = {}
    for well, (top, left) in zip(plate.wells, places, strict=True):
        if len(well.states) < 2:
            continue
        across = math.ceil(math.sqrt(len(well.parts)))
        width, height = _INNER / across, _INNER / math.ceil(len(well.parts) / across)
        for place, (_, _, state) in enumerate(well.parts):
            x, y = left + place % across * width, top + place // across * height
            square = f"M{x:.4g} {y:.4g}h{width:.3g}v{height:.3g}h-{width:.3g}z"
            paths.setdefault(state, []).append(square)
    return joined(
        element("path", d="".join(some), class_=f"part s{int(state)}")
        for state, some in sorted(paths.items())
    )


def _marks(plate: Plate, places: list[tuple[int, int]]) -> Html:
    """A mark on each well with a state other than complete, for those who do not see its color:
    a cross for failed, a stroke for missing, a dot for running, a dash for skipped."""
    marks = {
        State.SKIPPED: "m3 5.5h5",
        State.RUNNING: "m5.5 5.5h0",
        State.FAILED: "m3 3l5 5m0 -5l-5 5",
        State.MISSING: "m3 8l5 -5",
    }
    paths: dict[State, list[str]] = {}
    for well, (top, left) in zip(plate.wells, places, strict=True):
        if well.state in marks and len(well.states) == 1:
            paths.setdefault(well.state, []).append(f"M{left} {top}{marks[well.state]}")
    return joined(
        element("path", d="".join(some), class_=f"mark m{int(state)}")
        for state, some in sorted(paths.items())
    )
