"""Makes the man page from the same texts as the help screens (man 7 man, the format of pages)."""

import re
from collections.abc import Iterable, Iterator
from inspect import cleandoc
from typing import Final

import click

from cpexport import __version__
from cpexport.cli.screens import PROGRAM, Command, Commands, Example, Group

# click's mark for lines that are not to be wrapped.
_AS_IT_IS: Final = "\b"


def man_page(program: Commands) -> str:
    """Returns the page of the program and all its commands, as the text of `cpexport.1`."""
    return "\n".join(_lines(program)) + "\n"


def _lines(program: Commands) -> Iterator[str]:
    context = click.Context(program, info_name=PROGRAM, **program.context_settings)
    summary, *rest = _paragraphs(program)
    # Without a date, so that the same source always gives the same page.
    yield f'.TH {PROGRAM.upper()} 1 "" "{PROGRAM} {__version__}" "User Commands"'
    # Words are neither hyphenated nor spread over the line: users copy them.
    yield from (".nh", ".ad l")
    yield from (".SH NAME", rf"{PROGRAM} \- {_escaped(summary.rstrip('.'))}")
    yield from (".SH SYNOPSIS", *_usage(program, context))
    yield from (".SH DESCRIPTION", *_texts(rest))
    yield ".SH OPTIONS"
    yield from _groups(program.groups(context))
    for section, commands in program.sections().items():
        yield f".SH {_escaped(section.upper())}"
        for name, command in commands.items():
            yield from _command(command, click.Context(command, context, name))
    yield ".SH EXAMPLES"
    yield from _examples(program.examples)


def _command(command: Command, context: click.Context) -> Iterator[str]:
    yield from (f".SS {_escaped(context.command_path)}", *_usage(command, context))
    yield from _texts(_paragraphs(command))
    yield from _groups(command.groups(context), titled=True)
    if command.examples:
        yield from (".PP", r"\fIExamples:\fR")
        yield from _examples(command.examples)


def _usage(command: click.Command, context: click.Context) -> tuple[str, str]:
    pieces = " ".join(command.collect_usage_pieces(context))
    return ".PP", rf"\fB{_escaped(context.command_path)}\fR {_escaped(pieces)}"


def _paragraphs(command: click.Command) -> list[str]:
    return cleandoc(command.help or "").split("\n\n")


def _texts(paragraphs: Iterable[str]) -> Iterator[str]:
    for paragraph in paragraphs:
        mark, _, text = paragraph.partition("\n")
        if mark == _AS_IT_IS:
            yield from (".PP", ".nf", *map(_escaped, text.splitlines()), ".fi")
        else:
            yield from (".PP", _escaped(paragraph))


def _groups(groups: Iterable[Group], *, titled: bool = False) -> Iterator[str]:
    for title, records in groups:
        if titled:
            yield from (".PP", rf"\fI{_escaped(title)}:\fR")
        for names, text in records:
            yield from (".TP", rf"\fB{_escaped(names)}\fR", _escaped(text))


def _examples(examples: Iterable[Example]) -> Iterator[str]:
    for what, command in examples:
        yield from (".PP", f"{_escaped(what)}:", ".PP", ".RS 4", ".nf")
        yield from map(_escaped, command.splitlines())
        yield from (".fi", ".RE")


def _escaped(text: str) -> str:
    r"""Escapes what means something else in a page: backslashes, hyphens, dots that begin a line.

    >>> print(_escaped("a-b\n.c"))
    a\-b
    \&.c
    """
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq")
    text = text.replace("`", r"\(ga").replace("^", r"\(ha").replace("~", r"\(ti")
    return re.sub(r"^\.", r"\\&.", text, flags=re.MULTILINE)


if __name__ == "__main__":
    from cpexport.cli.main import commands

    click.echo(man_page(commands), nl=False)
