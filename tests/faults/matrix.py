"""Runs cells of the matrix, a fault on a destination each, and tells what they found."""

import json
import platform
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cpexport import __version__
from faults import disks, inputs, power, servers, system_calls
from faults.places import NAMES
from faults.setup import CannotRunError, Row, Setup
from faults.trials import Attempt

ROWS: tuple[Row, ...] = (
    *system_calls.ROWS,
    *disks.ROWS,
    *servers.ROWS,
    *inputs.ROWS,
    *power.ROWS,
)


@dataclass(frozen=True)
class Cell:
    """A fault on a destination: how often it was tried, whether all of it was, and what was wrong.

    `skipped` is why nothing, or nothing more, was tried.
    """

    fault: str
    destination: str
    tried: int = 0
    is_whole: bool = False
    wrong: tuple[Attempt, ...] = ()
    skipped: str = ""
    seconds: float = 0.0

    def __str__(self) -> str:
        """The number of tries, and of violations if there are any; `-` if it could not run."""
        if not self.tried:
            return "-"
        return f"{self.tried}" + (f", {len(self.wrong)} wrong" if self.wrong else "")


def chosen(words: Sequence[str]) -> list[tuple[Row, str]]:
    """The cells that `place:fault`, `place` or `fault` name; all if nothing is named.

    Raises:
        ValueError: a word names no cell.
    """
    cells = [(row, place) for row in ROWS for place in row.places]
    if not words:
        return cells
    found = []
    for word in words:
        named = [
            (row, place) for row, place in cells if word in (row.name, place, f"{place}:{row.name}")
        ]
        if not named:
            raise ValueError(f"{word} is no fault, destination, or destination:fault")
        found += named
    return found


def run(setup: Setup, row: Row, place: str, seconds: float, tries: int) -> Cell:
    """Tries a cell until all of it is tried, so often at most, and so long at most."""
    began = time.monotonic()
    cell = Cell(row.name, place)
    try:
        with closing(row.run(setup, place)) as attempts:
            for attempt in attempts:
                wrong = (*cell.wrong, attempt) if attempt.violations else cell.wrong
                cell = replace(cell, tried=cell.tried + 1, wrong=wrong)
                if time.monotonic() - began > seconds or cell.tried >= tries:
                    break
            else:
                cell = replace(cell, is_whole=True)
    except CannotRunError as error:
        cell = replace(cell, skipped=str(error))
    except Exception:
        # Nothing is known of what was to come after it.
        lost = Attempt("the matrix itself fails", -1, "", (traceback.format_exc(),))
        cell = replace(cell, wrong=(*cell.wrong, lost))
    return replace(cell, seconds=round(time.monotonic() - began, 1))


def every(
    setup: Setup,
    cells: Sequence[tuple[Row, str]],
    seconds: float,
    tries: int,
    tell: Callable[[Cell], None],
) -> list[Cell]:
    """Runs cells; each gets its share of the time that is left."""
    stop = time.monotonic() + seconds
    done: list[Cell] = []
    for row, place in cells:
        weights = sum(one.weight for one, _ in cells[len(done) :])
        share = max(stop - time.monotonic(), 0) * row.weight / weights
        done.append(run(setup, row, place, share, tries))
        tell(done[-1])
    return done


def table(cells: Iterable[Cell]) -> str:
    """Faults by destination: how often each was tried, and how many violations it found."""
    by_fault: dict[str, dict[str, Cell]] = {}
    for cell in cells:
        by_fault.setdefault(cell.fault, {})[cell.destination] = cell
    places = [name for name in NAMES if any(name in row for row in by_fault.values())]
    lines = [["fault", *places]]
    lines += [
        [fault, *(str(row[place]) if place in row else "" for place in places)]
        for fault, row in by_fault.items()
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(places) + 1)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def reasons(cells: Iterable[Cell]) -> list[str]:
    """Why cells could not run, each reason once with the cells that it concerns."""
    by_reason: dict[str, list[str]] = {}
    for cell in cells:
        if cell.skipped:
            by_reason.setdefault(cell.skipped, []).append(f"{cell.destination}:{cell.fault}")
    return [f"{', '.join(names)}: {reason}" for reason, names in by_reason.items()]


def write(file: Path, cells: Sequence[Cell], seconds: float) -> None:
    """Writes what was found as JSON."""
    report: dict[str, Any] = {
        "cpexport_version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "seconds": round(seconds),
        "tried": sum(cell.tried for cell in cells),
        "violations": sum(len(cell.wrong) for cell in cells),
        "cells": [asdict(cell) for cell in cells],
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, indent=1) + "\n")
