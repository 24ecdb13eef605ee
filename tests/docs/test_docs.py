"""What the documents say about the code is true; `test_pages` runs what they show."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from docstring_text import as_markdown
from messages import collect
from messages_page import cell, tables
from support import forks
from support.fixtures import Ran
from support.page_reader import ROOT
from support.pages import Page

DOCS = ROOT / "docs"
PAGES = [Page.read(path) for path in (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))]


def test_every_difference_names_tests_that_there_are() -> None:
    text = (DOCS / "explanation" / "differences.md").read_text("utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    differences = [row for row in lines if "---" not in row and "proved by" not in row]
    named = re.findall(r"`(test_\w+)::(test_\w+)`", text)

    assert len(differences) > 15
    assert [row for row in differences if "::test_" not in row] == []
    for file, name in named:
        (path,) = (ROOT / "tests").glob(f"*/{file}.py")
        assert f"def {name}(" in path.read_text("utf-8"), name


def test_what_the_page_about_jobs_quotes_is_what_the_program_says() -> None:
    page = (DOCS / "how-to" / "failed-jobs.md").read_text()
    quoted = [row.split(" | ")[0].lstrip("| ") for row in re.findall(r"^\| .*", page, re.MULTILINE)]
    phrases = [q for q in quoted if " says" not in q and not q.startswith("---")]
    sources = sorted((ROOT / "cpexport").rglob("*.py")) + sorted((ROOT / "cpexport").rglob("*.sh"))
    # As it is printed: without the ends of strings and lines in between.
    said = " ".join(re.sub(r'"\s*\\?\s*f?"', "", source.read_text()) for source in sources)
    # Slurm's own reason.
    theirs = {"PartitionTimeLimit"}

    assert len(phrases) > 20
    for phrase in set(phrases) - theirs:
        for words in re.split(r" ?… ?| 127$| 9$", phrase):
            assert words in said, phrase


def test_every_option_of_the_commands_is_on_a_page(cpexport: Callable[..., Ran]) -> None:
    text = "\n".join(page.text for page in PAGES)
    options = set()
    names = ("load", "check", "plan", "verify", "report", "script", "properties", "runner")
    for command in names:
        options |= set(re.findall(r"(--[a-z-]+)", cpexport(command, "--help").out))

    assert len(options) > 40
    assert {option for option in options if option not in text} == set()


def test_the_readme_is_short_and_names_no_registry() -> None:
    text = (ROOT / "README.md").read_text("utf-8")

    assert len(text.splitlines()) <= 150
    assert re.findall(r"https?://(?!images\.lab\.org)[^\s)]*", text) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path.name)
def test_a_page_says_what_a_batch_is_where_it_first_uses_the_word(page: Page) -> None:
    """To biologists a batch is an experimental batch."""
    prose = re.sub(r"`[^`\n]*`|\]\([^)]*\)", "", outside_of_blocks(page))
    # Other words, and headings, which have no room.
    prose = re.sub(r"(?i)batch[ -]files?|batch jobs?|^#.*$|^\| \*\*.*$", "", prose, flags=re.M)
    first = re.search(r"(?i)\bbatch(es)?\b", prose)

    if first and page.path.name not in ("CHANGELOG.md",):
        near = prose[max(0, first.start() - 80) : first.end() + 90].replace("\n", " ")
        assert "one job" in near, near


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path.name)
def test_links_between_pages_lead_somewhere(page: Page) -> None:
    """As the repository shows them; `make docs` looks at them as the site does."""
    links = re.findall(r"\]\(([\w./-]+)(?:#[\w-]+)?\)", outside_of_blocks(page))
    made = {DOCS / "changelog.md", DOCS / "explanation" / "architecture.md"}

    there = [(page.path.parent / link).resolve() for link in links]
    assert [str(path) for path in there if not path.exists() and path not in made] == []


def test_every_table_of_the_ledger_is_on_its_page() -> None:
    schema = (ROOT / "sql" / "schema.sqlite.sql").read_text("utf-8")
    names = re.findall(r"CREATE (?:TABLE|VIEW) (_cpexport_\w+)", schema)
    page = (DOCS / "reference" / "ledger.md").read_text("utf-8")

    assert len(names) > 8
    assert [name for name in names if f"| `{name}`" not in page and f", `{name}`" not in page] == []


def test_every_page_is_in_the_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text("utf-8")
    names = [page.path.relative_to(DOCS).as_posix() for page in PAGES if DOCS in page.path.parents]

    assert len(names) > 30
    assert [name for name in names if f": {name}\n" not in menu] == []


def test_every_message_of_the_code_is_on_the_page_about_messages() -> None:
    messages = collect(ROOT / "cpexport")
    text = tables(ROOT / "cpexport")

    assert len(messages) > 250
    # The same words on the page and in a terminal.
    assert "| not an HDF5 file | " in text
    assert [message for message in messages if cell(message.problem) not in text] == []


def test_docstrings_become_markdown() -> None:
    docstring = """Reads.

>>> read("a")
['b']

url, table: what to read, from
    a destination.
run: one run.

Raises:
    UsageError: none.
"""

    assert (
        as_markdown(docstring)
        == """Reads.

```pycon
>>> read("a")
['b']
```

* `url`, `table`: what to read, from
    a destination.
* `run`: one run.

Raises:
    UsageError: none.
"""
    )


def test_the_demo_loads_all_image_sets(tmp_path: Path) -> None:
    for file in (ROOT / "examples").iterdir():
        if file.is_file():
            shutil.copy(file, tmp_path)
    forks.program(tmp_path / "programs")
    path = f"{tmp_path / 'programs'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    words = ["sh", str(tmp_path / "demo.sh")]
    done = subprocess.run(
        words, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "24 verified, 0 different" in done.stdout


def outside_of_blocks(page: Page) -> str:
    text = page.text
    for block in sorted(page.blocks, key=lambda block: block.start, reverse=True):
        text = text[: block.start] + text[block.end :]
    return re.sub(r"<!--.*?-->", "", text)
