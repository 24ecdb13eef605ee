"""The pictures of a report show what a browser shows of one; `make docs-refresh` makes them."""

import os
import struct
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.browser import Opened, opened
from support.page_reader import ROOT
from support.plate_screens import PlateScreen

import cpexport

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PICTURES = ROOT / "docs" / "pictures"
REFRESH = os.environ.get("CPEXPORT_DOCS") == "refresh"
# So many image sets that wells of a killed job have some of their sites.
SCREEN = PlateScreen([f"BR0011700{n}" for n in range(1, 7)], per_job=90, lost=(2,), cut=(9,))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = SCREEN.write(tmp_path_factory.mktemp("screen"))
    words: dict[str, Any] = {"batch": "Batch_data.h5", "to": "screen.sqlite"}
    # The pictures show relative paths.
    with chdir(home):
        cpexport.load("outputs", **words)
        cpexport.report("outputs", **words)
    return home / "report.html"


def is_shown(seen: Opened, name: str) -> None:
    """Whether the picture is as large as the window, and small as a file."""
    file = PICTURES / f"report-{name}.png"
    if REFRESH:
        seen.page.wait_for_timeout(200)
        file.write_bytes(seen.page.screenshot())
    window = seen.page.viewport_size
    width, height = struct.unpack(">II", file.read_bytes()[16:24])

    assert window is not None
    assert (width, height) == (window["width"], window["height"])
    assert file.stat().st_size < 200_000


def test_the_picture_of_states(browser: "Browser", report: Path) -> None:
    with opened(browser, report) as seen:
        assert "2,304" in seen.text(".figures")
        is_shown(seen, "state")


def test_the_picture_of_a_feature(browser: "Browser", report: Path) -> None:
    with opened(browser, report) as seen:
        seen.page.select_option("#metric", label="Nuclei per image set")
        seen.page.evaluate(
            "document.getElementById('plates').scrollIntoView({behavior: 'instant'})"
        )
        seen.well(2, 0).click()
        assert "BR00117003 A01" in seen.text("#well")
        is_shown(seen, "feature")


def test_the_picture_of_quality(browser: "Browser", report: Path) -> None:
    with opened(browser, report, color_scheme="dark") as seen:
        seen.page.evaluate(
            "document.getElementById('quality').scrollIntoView({behavior: 'instant'})"
        )
        assert "BR00117003" in seen.text(".metric:visible")
        is_shown(seen, "quality")
