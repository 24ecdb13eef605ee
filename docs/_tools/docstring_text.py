"""Docstrings of this project as Markdown: examples as code, arguments as a list."""

import re

_ARGUMENT = re.compile(r"([a-z]\w*(?:, [a-z]\w*)*): (.*)")


def as_markdown(docstring: str) -> str:
    """The docstring with its examples fenced, and paragraphs of `name: text` as lists.

    Sections such as `Raises:` stay as they are, for the reader of docstrings.
    """
    return "\n\n".join(map(_paragraph, docstring.split("\n\n")))


def _paragraph(text: str) -> str:
    lines = text.splitlines()
    if not lines:
        return text
    if lines[0].startswith(">>> "):
        return "\n".join(["```pycon", *lines, "```"])
    # Every line begins an argument or goes on with one.
    if all(_ARGUMENT.fullmatch(line) or line.startswith("    ") for line in lines):
        return "\n".join(map(_item, lines))
    return text


def _item(line: str) -> str:
    argument = _ARGUMENT.fullmatch(line)
    if argument is None:
        return line
    names = ", ".join(f"`{name}`" for name in argument[1].split(", "))
    return f"* {names}: {argument[2]}"
