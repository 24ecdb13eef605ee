"""What the package says to users is plain English: no archaic or private word comes back."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "cpexport"

AVOIDED = re.compile(
    r"\b(anew|besides?|by (itself|themselves)|for want of|hence|lest|mend(ed)?|nobody|none such|"
    r"of which|some such|somebody|take (it|the \w+|them) away|there already|those of|though|told|"
    r"whence|whoever|whom|(is|are|was|were|is not|already) there|made by another|pictures?)\b",
    re.IGNORECASE,
)

# The texts that may have such a word, each with the reason.
ALLOWED = {
    "the image sets that are there": "a value that ledgers store",
    "--same-pictures": "the name of an option",
}

# Statements for a database are not texts for users.
_SQL = re.compile(r"\b(SELECT|INSERT|DELETE FROM|CREATE|UPDATE|REPLACE INTO|DROP)\b")
_MESSAGE = re.compile(r"(?:stop|echo) (.*(?:\\\n.*)*)")


@cache
def texts() -> list[tuple[str, str]]:
    """Where each text is, and the text with `{}` for each value: strings of at least two words that
    are not docstrings or SQL, and the messages of the job scripts."""
    return list(_texts())


def _texts() -> Iterator[tuple[str, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in _nodes(ast.parse(path.read_text("utf-8"))):
            if (text := _text(node)) is not None:
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", text
    for path in sorted(PACKAGE.rglob("*.sh")):
        for message in _MESSAGE.finditer(path.read_text("utf-8")):
            yield str(path.relative_to(PACKAGE)), message[1]


def _nodes(node: ast.AST) -> Iterator[ast.expr]:
    """The strings below a node; docstrings and parts of f-strings do not count."""
    for _, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            whole = not isinstance(node, ast.Expr | ast.JoinedStr)
            if whole and isinstance(child, ast.JoinedStr | ast.Constant):
                yield child
            if isinstance(child, ast.AST):
                yield from _nodes(child)


def _text(node: ast.expr) -> str | None:
    if isinstance(node, ast.JoinedStr):
        values = node.values
        text = "".join(str(v.value) if isinstance(v, ast.Constant) else "{}" for v in values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        text = node.value
    else:
        return None
    is_text = len(re.findall(r"[A-Za-z]{2,}", text)) > 1 and " " in text.strip()
    return text if is_text and not _SQL.search(text) else None


def test_there_are_texts_of_every_kind() -> None:
    found = [text for _, text in texts()]

    assert len(found) > 800
    for text in (
        "{} is not empty; name a new folder with --out",
        "run its image sets again",
        "complete now",
    ):
        assert any(text in other for other in found), text


def test_no_text_has_a_word_that_readers_stumble_over() -> None:
    wrong = []
    for where, text in texts():
        kept = text
        for allowed in ALLOWED:
            kept = kept.replace(allowed, "")
        if word := AVOIDED.search(kept):
            wrong.append(f"{where}: {word[0]!r} in {text!r}")

    assert wrong == []


@pytest.mark.parametrize("allowed", ALLOWED)
def test_every_exception_is_needed(allowed: str) -> None:
    assert any(allowed in text for _, text in texts())
