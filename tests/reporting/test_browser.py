"""A report in a real browser: what pointer and keys do, and that it asks for no other file."""

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.browser import opened
from support.plate_screens import PlateScreen

import cpexport

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HOSTILE = "P2</script><img src=x onerror=alert(1)>"
COUNT = "Nuclei per image set"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = PlateScreen(["P1", HOSTILE], sites=2, per_job=32, lost=(1,), cut=(4,)).write(
        tmp_path_factory.mktemp("screen")
    )
    to, out = home / "s.sqlite", home / "r.html"
    cpexport.load(home / "outputs", to)
    cpexport.report(home / "outputs", batch=home / "Batch_data.h5", to=to, out=out)
    return out


def test_a_click_shows_a_well_and_escape_hides_it(browser: "Browser", page: Path) -> None:
    with opened(browser, page) as seen:
        seen.well(0, 16).click()
        text = seen.text("#well")

        assert text.startswith("P1 B05")
        assert "33-34 missing: no batch has them" in text
        assert "33: P1_B05_s1.tif" in text
        assert re.search(r"Run again cellprofiler -c -r -p \S+ -f 33 -l 34 -o", text)
        seen.page.keyboard.press("Escape")
        assert not seen.page.locator("#well").is_visible()


def test_keys_go_from_well_to_well_and_are_announced(browser: "Browser", page: Path) -> None:
    with opened(browser, page) as seen:
        seen.page.locator("svg[data-plate]").nth(1).focus()
        for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "ArrowUp", "ArrowRight"):
            seen.page.keyboard.press(key)
        said = f"{HOSTILE} A02. Image sets complete: 195-196"
        assert seen.page.locator("#at").text_content() == said
        seen.page.keyboard.press("End")
        seen.page.keyboard.press("Enter")

        assert seen.text("#well").startswith(f"{HOSTILE} H12")


def test_a_feature_colors_the_wells_and_shows_its_quality(browser: "Browser", page: Path) -> None:
    with opened(browser, page) as seen:
        seen.page.select_option("#metric", label=COUNT)
        colors = seen.page.eval_on_selector_all(
            "svg[data-plate] rect", "all => all.map((one) => getComputedStyle(one).fill)"
        )
        missing = seen.page.locator("svg[data-plate] rect.nil").count()
        seen.well(0, 0).hover()

        assert len(set(colors)) > 50
        # Wells B05 to C08, and half of the fifth job.
        assert missing == 16 + 8
        assert re.fullmatch(rf"P1 A01 {COUNT}: [\d.]+ complete: 1-2", seen.text("#tip"))
        assert seen.text(".metric:visible h3") == COUNT
        assert seen.page.locator("#legend .scale").is_visible()


def test_wells_are_chosen_by_what_is_in_them(
    browser: "Browser", page: Path, tmp_path: Path
) -> None:
    to, text = tmp_path / "s.sqlite", "<img src=x onerror=alert(1)>"
    shutil.copy(page.parent / "s.sqlite", to)
    lines = [f"A{n:02},{'DMSO' if n % 2 else text},{n}" for n in range(1, 13)]
    (tmp_path / "layout.csv").write_text("\n".join(["Well,Compound,Dose", *lines]))
    cpexport.annotate(tmp_path / "layout.csv", to)
    cpexport.report(to=to, out=tmp_path / "r.html", positive="Compound=DMSO", negative="B01-B12")
    with opened(browser, tmp_path / "r.html") as seen:
        bright = "svg[data-plate] rect:not(.dim)"
        every = seen.page.locator(bright).count()
        seen.page.select_option("#treatment", label=text)
        some = seen.page.locator(bright).count()
        seen.well(0, 1).hover()
        tip = seen.text("#tip")
        seen.well(0, 1).click()
        panel = seen.text("#well")
        seen.page.select_option("#treatment", label="anything")

        assert (some, seen.page.locator(bright).count()) == (12, every)
        assert f"Compound: {text} Dose: 2" in tip
        assert f"In the well Compound: {text} Dose: 2" in panel
        assert seen.page.locator("img").count() == 0


def test_it_is_readable_in_the_dark_on_paper_and_without_a_script(
    browser: "Browser", page: Path
) -> None:
    with opened(browser, page, color_scheme="dark", java_script_enabled=False) as seen:
        background = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == "rgb(20, 25, 27)"
        seen.page.emulate_media(media="print")
        background = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == "rgb(255, 255, 255)"
        assert not seen.page.locator("nav").is_visible()
        assert seen.page.locator("svg[data-plate] rect").count() == 192
        names = seen.page.locator("svg[role=img]").evaluate_all("all => all.map(a => a.ariaLabel)")
        assert "P1: 144 complete, 16 failed, 32 missing. Arrow keys go from well to well." in names


def test_a_narrow_window_scrolls_down_only(browser: "Browser", page: Path) -> None:
    with opened(browser, page) as seen:
        seen.page.set_viewport_size({"width": 360, "height": 740})
        seen.page.select_option("#metric", label=COUNT)
        width = seen.page.evaluate("document.documentElement.scrollWidth")
        seen.well(0, 16).click()
        panel = seen.page.locator("#well").bounding_box()

        assert width == 360
        assert panel is not None
        assert (panel["x"], panel["width"]) == (0, 360)
