"""Completes the values of options in a shell, where click cannot know them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from cpexport.destination_url import SCHEMES

if TYPE_CHECKING:
    # click imports this only for a shell that asks.
    from click.shell_completion import CompletionItem


def destinations(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list["CompletionItem[str]"]:
    """How URLs begin; the shell adds the names of files."""
    from click.shell_completion import CompletionItem

    begun = {url: rest for url, rest in SCHEMES.items() if url.startswith(incomplete)}
    urls = [CompletionItem(url, help=rest) for url, rest in begun.items()]
    # First, because click's function for bash forgets what came before it.
    return [CompletionItem(incomplete, type="file"), *urls]


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
