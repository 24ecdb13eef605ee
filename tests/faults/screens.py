"""The small screen that is loaded: outputs that are there before the fault, and others after."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from support.small_jobs import Values, csv_job, h5_job

_LATER = "2026-11-23T12:00:00.123456"


@dataclass(frozen=True)
class Screen:
    """The outputs that are there `before` a fault, and `all` of them, in one folder.

    One of the others is newer for images of the first, and one has a feature more and wider types.
    The `lasting` ones neither replace others nor are replaced: if a fault costs a newer output, the
    older one is loaded in its stead, and the ledger keeps that.
    """

    before: tuple[Path, ...]
    all: Path
    lasting: tuple[Path, ...]


def _images(numbers: Sequence[int], site: object) -> dict[int, Values]:
    return {n: {"MD5Digest_DNA": f"{n:032x}", "Metadata_Site": site} for n in numbers}


def _cells(numbers: Sequence[int], **more: object) -> dict[str, Sequence[Values]]:
    rows = [
        {"ImageNumber": number, "ObjectNumber": place, "AreaShape_Area": number + place / 8, **more}
        for number in numbers
        for place in range(1, 4)
    ]
    return {"Cells": rows}


def screen(home: Path) -> Screen:
    """Writes the outputs of four jobs below a new folder."""
    first = csv_job(home / "batch_1_2", _images((1, 2), 1), _cells((1, 2)))
    second = h5_job(home / "batch_3_4" / "batch.h5", _images((3, 4), 1)).parent
    again = _cells((1, 2), AreaShape_Perimeter=7)
    csv_job(home / "batch_1_2_again", _images((1, 2), 1), again, _LATER)
    cells = _cells((5, 6), Intensity_Mean=0.125)
    last = csv_job(home / "batch_5_6", _images((5, 6), "left"), cells)
    return Screen((first, second), home, (second, last))
