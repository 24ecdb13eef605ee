"""The files around the package agree with each other: version, dates, bounds, checks."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import lowest_versions
from support.fixtures import Ran

import cpexport as package

ROOT = Path(__file__).parents[2]


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def test_the_changelog_begins_with_the_version_and_its_date() -> None:
    heading = re.search(r"^## (\S+) - (\d{4}-\d\d-\d\d)$", text("CHANGELOG.md"), re.MULTILINE)
    first = re.search(r"^## .*$", text("CHANGELOG.md"), re.MULTILINE)
    cited = dict(
        re.findall(r"^(version|date-released): (\S+)$", text("CITATION.cff"), re.MULTILINE)
    )

    assert heading
    assert first
    assert first[0] == heading[0]
    assert heading[1] == package.__version__ == cited["version"]
    assert heading[2] == cited["date-released"]


def test_the_command_says_the_version(cpexport: Callable[..., Ran]) -> None:
    assert package.__version__ in cpexport("--version").out


def test_each_package_that_the_program_uses_has_a_lower_bound() -> None:
    project = tomllib.loads(text("pyproject.toml"))["project"]
    extras = project["optional-dependencies"]
    kinds = ("cloud", "delta", "duckdb", "mysql")
    needed = [*project["dependencies"], *(line for kind in kinds for line in extras[kind])]

    assert extras["all"] == [f"cpexport[{','.join(kinds)}]"]
    assert len(lowest_versions.lowest()) == len(needed)


def test_each_hook_of_git_is_part_of_make_check() -> None:
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", text("Makefile"), re.MULTILINE)
    hooks = re.findall(r"entry: \.venv/bin/(\S+)", text(".pre-commit-config.yaml"))

    assert recipe
    assert {"ruff", "mypy", "lint-imports", "codespell"} <= set(hooks)
    assert all(f"$(VENV)/bin/{hook}" in recipe[1] for hook in hooks)


def test_a_bug_report_asks_for_what_is_needed() -> None:
    asked = text(".github/ISSUE_TEMPLATE/bug_report.yml")
    for what in ("cpexport --version", "whole command", "label: Files", "cpexport.structure"):
        assert what in asked
