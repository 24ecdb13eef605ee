"""What a report is asked to show."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from cpexport.cellprofiler.plate_positions import FORMATS, Position, selected
from cpexport.errors import UsageError

_BY_METADATA = re.compile(r"([A-Za-z_]\w*)=(.*)")
_KINDS: Final = ("positive", "negative")


@dataclass(frozen=True)
class ControlWells:
    """The wells of one kind of control: `positions` on every plate, or those with `value` in
    `feature`, metadata of their image sets or a column of a layout."""

    positions: frozenset[Position] = frozenset()
    feature: str = ""
    value: str = ""

    @classmethod
    def parse(cls, option: str, text: str) -> Self:
        """The controls in the value of an option: `A01-P01,A24` or `Compound=DMSO`.

        Raises:
            UsageError: it is neither.
        """
        if match := _BY_METADATA.fullmatch(text):
            return cls(feature=match[1], value=match[2])
        try:
            return cls(selected(text))
        except ValueError as error:
            raise UsageError(
                f"--{option}: {error}; write wells such as A01,B01 or A01-P01, or "
                "Metadata_Compound=DMSO"
            ) from error


@dataclass(frozen=True)
class ReportRequest:
    """What to show, as the options of `cpexport report` say it.

    outputs, batch_file, to: as in `check`; with `to`, values are read from the destination.
    prefix, run: of the destination.
    plate, well: features that name plates and wells (default: the usual ones).
    format: the number of wells of a plate (default: the smallest that holds all wells).
    features: patterns of the features to show (default: counts, then as many as fit).
    positive, negative: control wells, for Z'.
    lists, key: LoadData's lists, and the features that identify image sets, as in `check`.
    """

    outputs: tuple[Path, ...] = ()
    batch_file: Path | None = None
    to: str | None = None
    prefix: str = ""
    run: str | None = None
    same_pictures: bool = False
    plate: str | None = None
    well: str | None = None
    format: int | None = None
    features: tuple[str, ...] = ()
    positive: ControlWells | None = None
    negative: ControlWells | None = field(default=None)
    lists: tuple[Path, ...] = ()
    key: tuple[str, ...] = ()

    def check(self) -> None:
        """Refuses options that make no sense together.

        Raises:
            UsageError: names them.
        """
        if not (self.outputs or self.to or self.batch_file):
            raise UsageError("name OUTPUTS, a destination (--to), or both")
        if self.to is None:
            named = {"features": self.features, "prefix": self.prefix, "run": self.run}
            for option, value in {**named, **dict(zip(_KINDS, self.controls, strict=True))}.items():
                if value:
                    raise UsageError(f"--{option} needs --to")
        if self.format is not None and self.format not in FORMATS:
            known = ", ".join(map(str, FORMATS))
            raise UsageError(f"--plate-format is one of {known}, not {self.format}")
        if (self.positive is None) != (self.negative is None):
            raise UsageError("--positive and --negative need each other, for Z'")

    @property
    def controls(self) -> tuple[ControlWells | None, ControlWells | None]:
        """Positive and negative controls."""
        return self.positive, self.negative
