"""Which batch an image set is taken from, where several have it."""

import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from support.fixtures import Ran, rows

Copy = Callable[..., Path]
Run = Callable[..., Ran]


def test_a_copy_that_does_not_say_when_it_was_made_is_known_by_its_content(
    copy: Copy, cpexport: Run, tmp_path: Path
) -> None:
    folder = copy("40_spreadsheet", "outputs/P1-A01-1", "first")
    (folder / "Experiment.csv").unlink()
    cpexport("load", "first", "--to", "sqlite:///screen.sqlite")
    shutil.copytree(folder, tmp_path / "second", copy_function=shutil.copyfile)
    again = cpexport("load", "second", "--to", "sqlite:///screen.sqlite", "--format", "json")
    said = json.loads(again.out)
    owner = rows(
        tmp_path / "screen.sqlite",
        "SELECT path FROM _cpexport_sets JOIN _cpexport_batches USING (batch_id)",
    )

    assert (said["batches"]["loaded"], said["batches"]["already"]) == (0, 1)
    assert owner == [("first",)]


def test_without_a_time_of_its_own_the_files_tell_which_output_is_newer(
    copy: Copy, cpexport: Run, tmp_path: Path
) -> None:
    for name, age in (("older", 1_700_000_000), ("newer", 1_710_000_000)):
        folder = copy("40_spreadsheet", "outputs/P1-A01-1", f"run/{name}")
        (folder / "Experiment.csv").unlink()
        image = folder / "Image.csv"
        with image.open(newline="") as stream:
            header, values = csv.reader(stream)
        values[header.index("Threshold_OrigThreshold_Nuclei")] = str(age / 3_600_000_000)
        with image.open("w", newline="") as stream:
            csv.writer(stream).writerows([header, values])
        for file in folder.iterdir():
            os.utime(file, (age, age))
    cpexport("load", "run", "--to", "sqlite:///screen.sqlite")
    query = "SELECT Image_Threshold_OrigThreshold_Nuclei FROM Per_Image"

    assert rows(tmp_path / "screen.sqlite", query) == [(0.475,)]
