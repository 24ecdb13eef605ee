"""How wells with the same text in a layout, such as one compound, differ from others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cpexport.reporting.quality import Mask, Spread, robust_deviation
from cpexport.tables.aggregates import Floats

_LEAST_EFFECT: Final = 0.05
_LEAST_WELLS: Final = 3


@dataclass(frozen=True)
class Effect:
    """The wells with one text.

    change: the median of their differences from the reference of their plate, as a part of it; NaN
        if no plate has a reference.
    deviation: the robust standard deviation of the reference wells, as such a part.
    """

    text: str
    spread: Spread
    change: float
    deviation: float

    @property
    def matters(self) -> bool:
        """Whether there are a few wells, which differ by a twentieth at least, and by more than one
        robust standard deviation."""
        enough = self.spread.wells >= _LEAST_WELLS and abs(self.change) >= _LEAST_EFFECT
        return bool(enough and abs(self.change) > self.deviation)


def effects(
    values: Floats,
    plates: Sequence[slice],
    texts: npt.NDArray[np.object_],
    reference: Mask | None,
) -> tuple[Effect, ...]:
    """The effect of each text, in the order of the texts.

    values, texts: of each well; NaN without a value, None without a text.
    plates: the wells of each plate. A well is compared with its own plate, so that plates that
        differ as a whole show no effect of what they have more of.
    reference: the wells to compare with, such as negative controls; None for all wells of a plate.
    """
    has = np.isfinite(values)
    among = has if reference is None else has & reference
    changes = np.full(len(values), np.nan)
    for place in plates:
        own = values[place][among[place]]
        if len(own) and (middle := float(np.median(own))):
            changes[place] = (values[place] - middle) / abs(middle)
    known = np.isfinite(changes)
    deviation = robust_deviation(changes[known & among])
    found = []
    for text in sorted({text for text in texts.tolist() if text is not None}):
        mine = has & (texts == text)
        compared = changes[mine & known]
        change = float(np.median(compared)) if len(compared) else float("nan")
        found.append(Effect(text, Spread.of(values[mine]), change, deviation))
    return tuple(found)
