"""Judges the values of wells: spread of each plate, edges, outlying wells, drift, and Z'.

All statistics are of wells, so each well counts once, however many image sets it has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cpexport.cellprofiler.plate_positions import FORMATS, Position
from cpexport.tables.aggregates import Floats

Mask = npt.NDArray[np.bool_]

OUTLYING: Final = 5.0
"""From how many robust standard deviations on a well is named."""
_LEAST_WELLS: Final = 12
_LEAST_EDGE: Final = 6
_MAD: Final = 1.4826
"""Times the median absolute deviation is the standard deviation, for a normal distribution."""
_LEAST_EFFECT: Final = 0.05


@dataclass(frozen=True)
class Spread:
    """The values of one plate: how many wells, and their quartiles; all NaN without a value."""

    wells: int
    low: float
    quarter: float
    median: float
    three_quarters: float
    high: float

    @classmethod
    def of(cls, values: Floats) -> "Spread":
        if not len(values):
            return cls(0, *[float("nan")] * 5)
        return cls(len(values), *np.quantile(values, (0, 0.25, 0.5, 0.75, 1)).tolist())


@dataclass(frozen=True)
class Edge:
    """The medians of the wells at the edge of a plate and inside; NaN without such wells."""

    edge: float
    inner: float
    wells: int
    deviation: float = float("nan")

    @property
    def change(self) -> float:
        """How much the edge differs, as a part of the inner median; NaN if that is 0."""
        return (self.edge - self.inner) / abs(self.inner) if self.inner else float("nan")

    @property
    def matters(self) -> bool:
        """Whether the edge differs by a twentieth at least, and by more than one robust standard
        deviation of the inner wells."""
        enough = self.wells >= _LEAST_EDGE and abs(self.change) >= _LEAST_EFFECT
        return bool(enough and abs(self.edge - self.inner) > self.deviation)


@dataclass(frozen=True)
class Outlier:
    """A well far from the median of its plate, in robust standard deviations. If the edge of the
    plate matters, wells at the edge and inner wells have medians of their own."""

    well: int
    value: float
    deviations: float


@dataclass(frozen=True)
class Quality:
    """What the values of one metric show, by plate.

    z_prime: by plate; NaN without two control wells of each kind.
    outliers: the wells that are named, the farthest first; `more` is how many others are outlying.
    drift: the mean over the image sets of each point in time; NaN where none has a value.
    """

    spreads: tuple[Spread, ...]
    edges: tuple[Edge, ...]
    outliers: tuple[Outlier, ...]
    more: int
    z_prime: tuple[float, ...]
    drift: tuple[float, ...]


def judge(
    values: Floats,
    plates: Sequence[slice],
    edge: Mask,
    on_plate: Mask,
    controls: tuple[Mask, Mask] | None,
    drift: Sequence[float],
    named: int,
) -> Quality:
    """Judges a metric from its value in each well (NaN without one).

    plates: the wells of each plate.
    edge, on_plate: whether a well is at the edge, and whether it has a position at all.
    controls: whether a well is a positive and a negative control.
    named: the most outliers to name.
    """
    has = np.isfinite(values)
    edges = tuple(
        _edge(values[place], (has & edge)[place], (has & on_plate & ~edge)[place])
        for place in plates
    )
    outliers: list[Outlier] = []
    for place, found in zip(plates, edges, strict=True):
        wells = np.arange(place.start, place.stop)
        if found.matters:
            # Else every well at the edge would be outlying.
            outliers += _outliers(values, wells[(has & edge)[place]])
            outliers += _outliers(values, wells[(has & ~edge)[place]])
        else:
            outliers += _outliers(values, wells[has[place]])
    outliers.sort(key=lambda outlier: -abs(outlier.deviations))
    return Quality(
        tuple(Spread.of(values[place][has[place]]) for place in plates),
        edges,
        tuple(outliers[:named]),
        max(len(outliers) - named, 0),
        tuple(
            z_prime(*(values[place][(has & kind)[place]] for kind in controls))
            if controls
            else float("nan")
            for place in plates
        ),
        tuple(drift),
    )


def at_edge(place: Position | None, format: int) -> bool:
    """Whether a position is in the first or last row or column of a plate.

    >>> at_edge(Position(7, 3), 96), at_edge(Position(7, 3), 384), at_edge(None, 96)
    (True, False, False)
    """
    rows, columns = FORMATS[format]
    return place is not None and (place.row in (0, rows - 1) or place.column in (0, columns - 1))


def z_prime(positive: Floats, negative: Floats) -> float:
    """1 - 3 (s+ + s-) / |m+ - m-|, with sample standard deviations (Zhang 1999).

    NaN with fewer than two wells of a kind, or if both means are equal.

    >>> round(z_prime(np.array([10.0, 12.0]), np.array([1.0, 1.0])), 3)
    0.576
    """
    if min(len(positive), len(negative)) < 2:
        return float("nan")
    distance = abs(positive.mean() - negative.mean())
    spread = positive.std(ddof=1) + negative.std(ddof=1)
    return float(1 - 3 * spread / distance) if distance else float("nan")


def robust_deviation(values: Floats) -> float:
    """The median absolute deviation times 1.4826; NaN without values."""
    if not len(values):
        return float("nan")
    return _MAD * float(np.median(np.abs(values - np.median(values))))


def _edge(values: Floats, edge: Mask, inner: Mask) -> Edge:
    if not (edge.any() and inner.any()):
        return Edge(float("nan"), float("nan"), int(edge.sum()))
    inside = values[inner]
    middle, deviation = float(np.median(inside)), robust_deviation(inside)
    return Edge(float(np.median(values[edge])), middle, int(edge.sum()), deviation)


def _outliers(values: Floats, wells: npt.NDArray[np.int64]) -> list[Outlier]:
    """The outlying ones of the wells of a plate; none if the plate has few wells, or if half of
    them have the same value."""
    if len(wells) < _LEAST_WELLS:
        return []
    own = values[wells]
    middle, deviation = np.median(own), robust_deviation(own)
    if not deviation:
        return []
    away = (own - middle) / deviation
    return [
        Outlier(int(well), float(value), float(far))
        for well, value, far in zip(wells, own, away, strict=True)
        if abs(far) > OUTLYING
    ]
