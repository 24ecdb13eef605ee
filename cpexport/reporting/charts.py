"""Small charts as SVG: a bar of states, boxes by plate, and a line over time."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from cpexport.reporting.markup import Html, element, joined, number
from cpexport.reporting.quality import Spread
from cpexport.reporting.run_state import WORDS, State

_WIDTH: Final = 640
_LABEL: Final = 110
_ROW: Final = 16


def state_bar(states: Mapping[State, int]) -> Html:
    """A bar whose parts are as long as there are image sets in each state."""
    total = sum(states.values())
    at, parts = 0.0, []
    for state, count in states.items():
        if count:
            # A state with few image sets is seen, too.
            width = max(count / total * 1000, 4)
            ends = {"x": f"{at:.1f}", "width": f"{width:.1f}"}
            parts.append(element("rect", y=0, height=24, class_=f"s{int(state)}", **ends))
            at += width
    says = ", ".join(f"{count:,} {WORDS[state]}" for state, count in states.items() if count)
    return element(
        "svg",
        *parts,
        viewBox=f"0 0 {max(at, 1):.1f} 24",
        preserveAspectRatio="none",
        role="img",
        aria_label=says or "no image sets",
        class_="bar",
    )


def boxes(names: Sequence[str], spreads: Sequence[Spread]) -> Html:
    """A row for each plate: a line from the smallest to the largest value, a box from the first to
    the third quartile, and a stroke at the median."""
    ends = [end for one in spreads if one.wells for end in (one.low, one.high)]
    if not ends:
        return Html()
    scale = _Scale(min(ends), max(ends), _LABEL, _WIDTH - 10)
    rows = []
    for place, (name, one) in enumerate(zip(names, spreads, strict=True)):
        y = place * _ROW + _ROW / 2
        shown = name if len(name) < 16 else f"{name[:14]}\u2026"
        rows.append(element("text", shown, x=_LABEL - 8, y=y + 3.5, class_="r"))
        if one.wells:
            low, quarter, middle, three, high = (
                scale(v) for v in (one.low, one.quarter, one.median, one.three_quarters, one.high)
            )
            rows += [
                element("path", d=f"M{low} {y}H{high}", class_="range"),
                element("path", d=f"M{quarter} {y - 5}H{three}v10H{quarter}z", class_="box"),
                element("path", d=f"M{middle} {y - 6}v12", class_="median"),
            ]
    height = len(names) * _ROW
    return _chart(joined(rows), scale.axis(height), height + 18, "Values of wells, by plate")


def line(values: Sequence[float], titles: Sequence[str]) -> Html:
    """Values in order of time as points on a line; those without a value are left out."""
    known = [(place, value) for place, value in enumerate(values) if math.isfinite(value)]
    if len(known) < 2:
        return Html()
    low, high = min(v for _, v in known), max(v for _, v in known)
    up = _Scale(low, high, 100, 10)
    across = _Scale(0, len(values) - 1, _LABEL, _WIDTH - 10)
    points = [(across(place), up(value), place, value) for place, value in known]
    path = "M" + "L".join(f"{x} {y}" for x, y, _, _ in points)
    dots = (
        element("circle", element("title", f"{titles[at]} {number(value)}"), cx=x, cy=y, r=3)
        for x, y, at, value in points
    )
    labels = joined(
        element("text", number(value), x=_LABEL - 8, y=up(value) + 3.5, class_="r")
        for value in dict.fromkeys((low, high))
    )
    ends = joined(
        element("text", titles[at], x=x, y=122, class_=side)
        for at, x, side in ((0, _LABEL, "l"), (len(values) - 1, _WIDTH - 10, "r"))
    )
    body = joined([element("path", d=path, class_="line"), *dots, labels, ends])
    return _chart(body, Html(), 126, "Mean of the image sets, in the order in which jobs ended")


def _chart(body: Html, axis: Html, height: float, label: str) -> Html:
    return element(
        "svg",
        body,
        axis,
        viewBox=f"0 0 {_WIDTH} {height:g}",
        role="img",
        aria_label=label,
        class_="chart",
    )


class _Scale:
    """Maps values from `low` to `high` onto a length."""

    def __init__(self, low: float, high: float, begin: float, end: float) -> None:
        self._low, self._span = low, (high - low) or 1.0
        self._begin, self._length = begin, end - begin
        self._ends = low, high

    def __call__(self, value: float) -> float:
        return round(self._begin + (value - self._low) / self._span * self._length, 1)

    def axis(self, y: float) -> Html:
        """The two ends and the middle of the scale, written below a chart."""
        low, high = self._ends
        ticks = [low] if low == high else [low, (low + high) / 2, high]
        sides = ("l", "", "r")
        return joined(
            element("text", number(value), x=self(value), y=y + 13, class_=side)
            for value, side in zip(ticks, sides, strict=False)
        )
