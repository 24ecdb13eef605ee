"""A real browser for the tests of reports: Chromium, driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """Chromium; tests are skipped if it, or Playwright, is not installed."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("Chromium is not installed: make browser, as root")
    with api.sync_playwright() as playwright:
        # Root has no sandbox, and nor have containers.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


class Opened:
    """A page in the browser: what it asked for, and what went wrong in it."""

    def __init__(self, page: "Page") -> None:
        self.page = page
        self.requests: list[str] = []
        self.problems: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda message: self.problems.append(message.text))
        page.on("dialog", self._dismiss)

    def _dismiss(self, dialog: Any) -> None:
        self.problems.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def text(self, selector: str) -> str:
        """The text that an element shows, in one line."""
        return " ".join(self.page.locator(selector).inner_text().split())

    def well(self, plate: int, place: int) -> Any:
        """A well of a plate, both from 0."""
        return self.page.locator("svg[data-plate]").nth(plate).locator("rect").nth(place)


@contextmanager
def opened(browser: "Browser", file: Path, **options: Any) -> Iterator[Opened]:
    """Opens a file in a window of its own; nothing in it may go wrong."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
    seen = Opened(context.new_page())
    seen.page.goto(file.as_uri())
    yield seen
    context.close()
    assert seen.problems == []
    assert seen.requests == [file.as_uri()]
