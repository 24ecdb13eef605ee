"""Completes the values of options in a shell, where click cannot know them."""

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cpexport.destination_url import SCHEMES

_SHELL = re.compile(r"[\s\x00-\x1f\x7f\"'`$;&|<>()\\*?\[\]!#~{}\ud800-\udfff]")

if TYPE_CHECKING:
    # click imports this only for a shell that asks.
    from click.shell_completion import CompletionItem


def destinations(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list["CompletionItem[str]"]:
    """How URLs begin, and the names of files and folders."""
    from click.shell_completion import CompletionItem

    begun = {url: rest for url, rest in SCHEMES.items() if url.startswith(incomplete)}
    # By name: click's functions for shells complete either words or files, never both.
    names = _paths(incomplete) if incomplete else []
    items = [CompletionItem(name) for name in names]
    items += [CompletionItem(url, help=rest) for url, rest in begun.items()]
    return items if names else [CompletionItem(incomplete, type="file"), *items]


def _paths(incomplete: str) -> list[str]:
    """The files and folders whose path begins so; folders end in a slash.

    A shell inserts a word as it is, so names that mean something to a shell are left out.
    """
    folder, slash, begin = incomplete.rpartition("/")
    found: list[str] = []
    with suppress(OSError):
        for path in sorted(Path(folder + slash or ".").expanduser().iterdir()):
            if path.name.startswith(begin) and not _SHELL.search(path.name):
                found.append(f"{folder}{slash}{path.name}" + "/" * path.is_dir())
    return found


def layouts(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list["CompletionItem[str]"]:
    """The layouts of `--objects`. Only the outputs know their object types."""
    from cpexport.tables.options import LAYOUTS

    return _next_of_list(incomplete, LAYOUTS)


def kinds(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list["CompletionItem[str]"]:
    """The words of `--aggregate` and `--wells`."""
    from cpexport.tables.options import AGGREGATES

    return _next_of_list(incomplete, AGGREGATES)


def _next_of_list(incomplete: str, words: Iterable[str]) -> list["CompletionItem[str]"]:
    """Completes the last of several words that are separated by commas."""
    from click.shell_completion import CompletionItem

    before, comma, last = incomplete.rpartition(",")
    rest = [word for word in words if word.startswith(last) and word not in before.split(",")]
    return [CompletionItem(f"{before}{comma}{word}") for word in rest]
