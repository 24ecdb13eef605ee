"""The pictures of terminals show what commands show; `make docs-refresh` makes them."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.fixtures import extract
from support.page_reader import ROOT
from support.site import Site
from support.terminal_pictures import picture, shown, words_of

PICTURES = ROOT / "docs" / "pictures"
REFRESH = os.environ.get("CPEXPORT_DOCS") == "refresh"
COLUMNS = 92


def test_the_picture_of_a_check(tmp_path: Path) -> None:
    extract(ROOT / "examples" / "screen.tar.xz", tmp_path)
    words = ["check", "screen/outputs"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}

    is_what_is_shown("check", words, tmp_path, environment)


def test_the_picture_of_a_check_that_watches(
    site: Site, background: Callable[[list[str]], None]
) -> None:
    site.plan("--images-per-batch", 2, "--at-once", 3)
    site.fail({"3-4": ["exit 7"], "15-16": ["late"], "17-18": ["late"], "19-20": ["late"]})
    background(["sh", str(site.run / "submit.sh")])

    # The three jobs that wait hold the run here: no later picture differs, and no earlier
    # one has as many complete image sets.
    def half_done(text: str) -> bool:
        return all(re.search(rf"{words}\b", text) for words in ("complete +12", "running +6"))

    words = ["check", "run", "--watch", "1"]
    is_what_is_shown("watch", words, site.home, {**os.environ, **site.environment}, half_done)


@pytest.fixture
def background(site: Site) -> Iterator[Callable[[list[str]], None]]:
    """Starts a command with the site's programs; it is ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(words: list[str]) -> None:
        environment = {**os.environ, **site.environment}
        with (site.home / "background.log").open("wb") as log:
            started.append(
                subprocess.Popen(words, env=environment, stdout=log, stderr=log, cwd=site.home)
            )

    yield start
    # The jobs that wait end by themselves, and what runs them then.
    (site.home / "attempts" / "go_on").touch()
    for process in started:
        process.wait(120)


def is_what_is_shown(
    name: str,
    words: list[str],
    cwd: Path,
    environment: dict[str, str],
    until: Callable[[str], bool] | None = None,
) -> None:
    path = PICTURES / f"{name}.svg"
    program = str(Path(sys.executable).with_name("cpexport"))
    output = shown([program, *words], cwd, environment, COLUMNS, until)
    made = picture(" ".join(["cpexport", *words]), output.replace(f"{cwd}/", ""), COLUMNS)
    if REFRESH:
        path.write_text(made, "utf-8")

    assert without_times(words_of(path.read_text("utf-8"))) == without_times(words_of(made))
    assert "http://" not in made.replace("http://www.w3.org/", "")
    assert "https://" not in made
    assert path.stat().st_size < 30_000


def without_times(words: list[str]) -> list[str]:
    """The words without times; a first look does not know the time to go."""
    lasting = re.sub(r"\d+:\d\d(:\d\d)? to go", "", " ".join(words))
    return [re.sub(r"\d+:\d\d(:\d\d)?|[━╸╺]+", "-", word) for word in lasting.split()]
