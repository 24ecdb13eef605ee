"""Lays out reports: tables in columns, and records where a terminal is too narrow for a table.

Each function takes a `width`, the columns of that terminal; None, for a pipe, a file or a wide
terminal, keeps each row of a table on one line.
"""

import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Final

from cpexport.errors import LeftOut, printable
from cpexport.imagesets import ImageSets

# Characters: in a line of text, of the labels before a list, of a short list of ranges, and the
# least that are left for a value.
_WIDE, _LABEL, _BRIEF, _LEAST = 96, 16, 60, 20
_INDENT: Final = " " * 4


def terminal_width() -> int | None:
    """The columns of the terminal that stdout is; None if it is wide, or no terminal."""
    if not sys.stdout.isatty():
        return None
    columns = shutil.get_terminal_size().columns
    return columns if columns < _WIDE else None


def aligned(rows: Iterable[list[str]], width: int | None = None) -> str:
    """Aligns columns, two blanks apart.

    The last column is not padded; further lines in its cells are indented to its start. In a narrow
    terminal these cells are wrapped.
    """
    table = [[*map(printable, row[:-1]), printable(row[-1], "\n")] for row in rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]) - 1)]
    before = sum(each + 2 for each in widths)
    if width is not None:
        room = max(width - before, _LEAST)
        table = [[*row[:-1], "\n".join(wrapped(row[-1], room))] for row in table]
    below = "\n" + " " * before
    return "\n".join(
        "  ".join(
            [c.ljust(w) for c, w in zip(row, widths, strict=False)] + [row[-1].replace("\n", below)]
        ).rstrip()
        for row in table
    )


def table(
    head: list[str],
    rows: Sequence[list[str]],
    below: Sequence[Sequence[str]] | None = None,
    width: int | None = None,
) -> str:
    """A table with a head, and lines of text indented below each row.

    Where a row is wider than the terminal, each becomes a record, with a line for each cell and an
    empty line before it.
    """
    texts = ["".join(f"\n{_INDENT}{line}" for line in lines) for lines in below or [()] * len(rows)]
    lines = aligned([head, *rows]).split("\n")
    if width is None or max(map(len, lines)) <= width:
        return "\n".join(line + text for line, text in zip(lines, ["", *texts], strict=True))
    records = [aligned(map(list, zip(head, row, strict=True)), width) for row in rows]
    return "\n".join(f"\n{record}{text}" for record, text in zip(records, texts, strict=True))


def left_out(found: Iterable[LeftOut], title: str, width: int | None = None) -> str:
    """A list of what was left out and why, for below a table; empty if nothing was."""
    lines = []
    for left in found:
        path, reason = printable(left.path), printable(left.reason)
        line = f"{path}: {reason}"
        if width is None or len(line) <= width:
            lines.append(line)
        else:
            lines += [path, *(f"{_INDENT}{part}" for part in paragraph(reason, width))]
    return "\n".join(["\n", title, *lines]) if lines else ""


def paragraph(text: str, width: int | None = None) -> list[str]:
    """The lines of a text below a row of a table, without their indent."""
    room = (width or _WIDE) - len(_INDENT)
    # A path is not broken in a narrow terminal, which most paths are too long for.
    return textwrap.wrap(text, room, break_on_hyphens=False, break_long_words=width is None)


def filled(words: Iterable[str], between: str = ", ") -> str:
    """Joins words, and breaks the line before a word that would make it too long."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + len(between) + len(word) <= _WIDE - _LABEL:
            lines[-1] += between + word
        else:
            lines[-1:] = [line + between.rstrip() for line in lines[-1:]]
            lines.append(word)
    return "\n".join(lines)


def wrapped(text: str, room: int) -> list[str]:
    """Breaks a value into lines of at most `room` characters: after commas, else between words.

    >>> wrapped("9 (P1 B02 site 1), 24 (P2 B03 site 2)", 20)
    ['9 (P1 B02 site 1),', '24 (P2 B03 site 2)']
    >>> wrapped("1-8,10-23,25", 8)
    ['1-8,', '10-23,25']
    """
    lines = [""]
    for piece in filter(str.strip, re.findall("[^,]*,? *", text.replace("\n", " "))):
        if len(lines[-1]) + len(piece.rstrip()) <= room:
            lines[-1] += piece
        else:
            parts = textwrap.wrap(piece, room, break_long_words=False, break_on_hyphens=False)
            lines += [*parts[:-1], parts[-1] + piece[len(piece.rstrip()) :]]
    return [line.rstrip() for line in lines if line.strip()]


def brief(image_sets: ImageSets) -> str:
    """The ranges of image sets; only the first ones if there are many."""
    text = str(image_sets)
    if len(text) <= _BRIEF:
        return text
    return f"{text[: text.rindex(',', 0, _BRIEF)]},..."
