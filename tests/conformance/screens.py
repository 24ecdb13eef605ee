"""Screens of the conformance tests: pictures, and batch files that CellProfiler made of them.

The tests are not part of the usual run, as they take minutes: they need `cellprofiler` on the PATH,
and to be asked for by CPEXPORT_CONFORMANCE=1.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from real import (
    cellprofiler,
)
from screen import MEASURE, Field, draw, fields, pipeline_text, write_list

WHOLE, FAILED, NOT_WHOLE = 0, 1, 3

GROUPED = {
    ("LoadData", "Group images by metadata?"): "Yes",
    ("LoadData", "Select metadata tags for grouping"): "Plate,Well",
}


@dataclass(frozen=True)
class Screen:
    """Pictures, and a batch file that lists them in the order of `fields`, from 1."""

    home: Path
    images: Path
    fields: Sequence[Field]

    @property
    def batch_file(self) -> Path:
        return self.home / "Batch_data.h5"

    def members(self) -> dict[tuple[str, str], set[int]]:
        """The image sets of each well."""
        found: dict[tuple[str, str], set[int]] = {}
        for number, field in enumerate(self.fields, start=1):
            found.setdefault((field.plate, field.well), set()).add(number)
        return found


def prepared(
    home: Path,
    images: Path,
    listed: Sequence[Field],
    modules: Sequence[str],
    settings: dict[tuple[str, str], str],
    *words: object,
) -> Screen:
    """Writes a list and a pipeline of these modules, and has CellProfiler run it.

    `words` are more words of its command line.
    """
    home.mkdir()
    write_list(home / "images.csv", listed, images)
    place = {("LoadData", "Input data file location"): f"Elsewhere...|{home}"}
    pipeline = home / "screen.cppipe"
    pipeline.write_text(pipeline_text(["LoadData", *MEASURE, *modules], {**place, **settings}))
    # Its exit status is no sign where it only makes a batch file.
    options = ("-p", pipeline, "-o", home, "-t", home / "tmp", *words)
    ran = cellprofiler("-c", "-r", *options, cwd=home)
    (home / "cellprofiler.log").write_text(ran.out + ran.err)
    return Screen(home, images, listed)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("screens")


@pytest.fixture(scope="session")
def drawn(home: Path) -> tuple[Path, list[Field]]:
    found = fields(["P1", "P2"], ["A01", "A02", "A03"], 2)
    draw(found, home / "images")
    return home / "images", found


@pytest.fixture(scope="session")
def plain(home: Path, drawn: tuple[Path, list[Field]]) -> Screen:
    """No groups, and nothing is exported."""
    return prepared(home / "plain", *drawn, ["CreateBatchFiles"], {})


@pytest.fixture(scope="session")
def grouped(home: Path, drawn: tuple[Path, list[Field]]) -> Screen:
    """By plate and well, in order; jobs leave CSV files."""
    modules = ["ExportToSpreadsheet", "CreateBatchFiles"]
    return prepared(home / "grouped", *drawn, modules, GROUPED)


@pytest.fixture(scope="session")
def scattered(home: Path, drawn: tuple[Path, list[Field]]) -> Screen:
    """By plate and well, but all first sites are listed before all second ones."""
    images, found = drawn
    listed = sorted(found, key=lambda field: field.site)
    modules = ["ExportToSpreadsheet", "CreateBatchFiles"]
    return prepared(home / "scattered", images, listed, modules, GROUPED)


@pytest.fixture(scope="session")
def out_of_order(home: Path) -> Screen:
    """By plate and well, each well in one piece, in an order that is not that of their names.

    Of wells too: 9, 10, 11 are in order as numbers, and 10, 11, 9 as texts.
    """
    images = home / "images_out_of_order"
    found = fields(["P2", "P1"], ["9", "10", "11"], 2)
    draw(found, images)
    modules = ["ExportToSpreadsheet", "CreateBatchFiles"]
    return prepared(home / "out_of_order", images, found, modules, GROUPED)


@pytest.fixture(scope="session")
def own(home: Path, drawn: tuple[Path, list[Field]]) -> Path:
    """What CellProfiler's own ExportToDatabase writes of the pictures in one run."""
    return prepared(home / "own", *drawn, ["ExportToDatabase"], {}).home / "own.db"


def needs_cellprofiler() -> None:
    """Skips the module that calls it unless CellProfiler is there and asked for."""
    if os.environ.get("CPEXPORT_CONFORMANCE") != "1" or shutil.which("cellprofiler") is None:
        pytest.skip(
            "runs with `cellprofiler` on the PATH and CPEXPORT_CONFORMANCE=1",
            allow_module_level=True,
        )
