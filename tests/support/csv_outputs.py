"""Writes small job outputs, as folders of CSV files."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]

OLD, NEW = 1_700_000_000, 1_710_000_000


def output(
    folder: Path,
    images: Sequence[Row],
    time: int = OLD,
    *,
    pipeline: str = "",
    **objects: Sequence[Row],
) -> Path:
    """Writes a folder with Image.csv and a file for each object type, all with this file time.

    With the text of a pipeline it also has an Experiment.csv.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tables = {"Image": images, **objects}
    if pipeline:
        tables["Experiment"] = [{"Key": "Pipeline_Pipeline", "Value": pipeline}]
    for name, rows in tables.items():
        file = folder / f"{name}.csv"
        with file.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        os.utime(file, (time, time))
    return folder


def image(number: int, name: str = "", folder: str = "", digest: str = "", **more: object) -> Row:
    """A row of Image.csv with one channel, without the features whose text is empty."""
    row: Row = {"ImageNumber": number}
    for feature, value in (
        ("FileName_DNA", name),
        ("PathName_DNA", folder),
        ("MD5Digest_DNA", digest),
    ):
        if value:
            row[feature] = value
    return {**row, **more}


def nucleus(image_set: int, number: int, area: float, **more: object) -> Row:
    return {"ImageNumber": image_set, "ObjectNumber": number, "AreaShape_Area": area, **more}
