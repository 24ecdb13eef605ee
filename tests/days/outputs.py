"""What a job writes, and which image sets of a folder are whole by what it holds.

Every attempt writes values of its own: its number is in each row, so that a destination tells
which attempt a row came from.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

_LARGEST = 3


def count(number: int) -> int:
    """How many nuclei an image set has."""
    return 1 + number % _LARGEST


def area(attempt: int, number: int, nucleus: int) -> int:
    return attempt * 1000 + number * 10 + nucleus


def files(numbers: Iterable[int], attempt: int, facts: Mapping[str, Any]) -> dict[str, bytes]:
    """The files of a job, in the order in which they are written. `facts` are the batch file's:
    `pipeline`, its text, `mark`, the feature that its last module writes, and `pictures`."""
    numbers = list(numbers)
    pictures: Mapping[str, Mapping[str, Any]] = facts["pictures"]
    names = sorted(pictures[str(numbers[0])])
    measured = ["Count_Nuclei", "Intensity_Attempt", "ImageNumber", "Metadata_QCFlag"]
    images: list[Sequence[object]] = [[*measured, facts["mark"], *names]]
    nuclei: list[Sequence[object]] = [["ImageNumber", "ObjectNumber", "AreaShape_Area"]]
    for number in numbers:
        said = [pictures[str(number)][name] for name in names]
        images.append([count(number), attempt, number, 0, 0, *said])
        nuclei += [[number, n, area(attempt, number, n)] for n in range(1, count(number) + 1)]
    experiment: list[Sequence[object]] = [
        ["Key", "Value"],
        ["CellProfiler_Version", "4.2.8.1"],
        ["Pipeline_Pipeline", facts["pipeline"]],
    ]
    tables = {"Experiment.csv": experiment, "Image.csv": images, "Nuclei.csv": nuclei}
    return {name: _text(rows) for name, rows in tables.items()}


def _text(rows: Iterable[Sequence[object]]) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue().encode()


def begun(content: Mapping[str, bytes], share: float) -> dict[str, bytes]:
    """The first `share` of all that a job writes: files after one another, the last one cut."""
    at = share * len(content)
    return {
        name: text if number + 1 <= at else text[: int((at - number) * len(text))]
        for number, (name, text) in enumerate(content.items())
        if number < at
    }


def whole(folder: Path, groups: Iterable[frozenset[int]] = ()) -> dict[int, int]:
    """The image sets that a job's folder has whole, and the attempt that wrote each.

    All rows of both tables are there to their ends. A group counts as one; in a job that says
    Failure the last one is not done.
    """
    images, nuclei = (_rows(folder / name) for name in ("Image.csv", "Nuclei.csv"))
    there: dict[int, list[dict[str, str]]] = {}
    for row in nuclei:
        there.setdefault(int(row["ImageNumber"]), []).append(row)
    found = {}
    for row in images:
        number = int(row["ImageNumber"])
        if len(there.get(number, [])) == int(row["Count_Nuclei"]):
            found[number] = int(row["Intensity_Attempt"])
    held = {int(row["ImageNumber"]) for row in images}
    failed = _said(folder) == "Failure"
    for group in groups:
        cut = held & group - found.keys()
        if cut or (failed and held and max(held) in group):
            found = {n: a for n, a in found.items() if n not in group}
    return found


def _said(folder: Path) -> str:
    try:
        return (folder / "done.txt").read_text().strip()
    except OSError:
        return ""


def _rows(path: Path) -> list[dict[str, str]]:
    """The rows that end with a newline."""
    try:
        text = path.read_bytes().decode()
    except OSError:
        return []
    text = text[: text.rfind("\n") + 1]
    return list(csv.DictReader(io.StringIO(text, newline="")))
