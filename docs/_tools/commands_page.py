"""The page about commands: usage, options and examples of each, from the command line itself."""

import re
from collections.abc import Iterator, Sequence
from inspect import cleandoc
from typing import Any

import click

# A help screen may say in brackets what an option's default is, or which values it takes.
_EXTRA = re.compile(r"\s*\[([^\[\]]*)\]$")

Records = Sequence[tuple[str, str]]


def page(program: click.Group, name: str) -> str:
    """A section for each command, in the order of the program's help screen, in Markdown."""
    whole = click.Context(program, info_name=name)
    lines: list[str] = []
    for command_name in program.list_commands(whole):
        command = program.commands[command_name]
        context = click.Context(command, parent=whole, info_name=command_name)
        lines += [f"## {command_name}", "", *_command(command, context)]
    return "\n".join(lines)


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    usage = " ".join(command.collect_usage_pieces(context))
    yield from ("```", f"{context.command_path} {usage}", "```", "")
    for paragraph in cleandoc(command.help or "").split("\n\n"):
        yield from (_escaped(" ".join(paragraph.split())), "")
    for title, records in _groups(command, context):
        yield from (
            f"**{title}**",
            "",
            "| option | what it does | default, values |",
            "| --- | --- | --- |",
        )
        for names, text in records:
            extra = _EXTRA.search(text)
            default = _default(extra[1]) if extra else ""
            yield f"| {_code(names)} | {_escaped(_EXTRA.sub('', text))} | {_escaped(default)} |"
        yield ""
    for example in getattr(command, "examples", ()):
        yield from (f"{_escaped(example.what)}:", "", "```", example.command, "```", "")


def _groups(command: click.Command, context: click.Context) -> Iterator[tuple[str, Records]]:
    """The options of a command in groups, if it has groups."""
    groups: Any = getattr(command, "groups", None)
    if groups is not None:
        yield from groups(context)
        return
    records = [
        record
        for parameter in command.get_params(context)
        if isinstance(parameter, click.Option)
        if (record := parameter.get_help_record(context)) is not None
    ]
    yield "Options", records


def _default(extra: str) -> str:
    """What brackets of a help screen say, without the word that is the column's title."""
    return extra.removeprefix("default: ")


def _code(text: str) -> str:
    """Code in a cell of a table, where a | would end the cell."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;")
    return f"<code>{escaped}</code>"


def _escaped(text: str) -> str:
    for special in ("\\", "|", "<", "*", "_", "["):
        text = text.replace(special, f"\\{special}")
    return text
