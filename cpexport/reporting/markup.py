"""Makes HTML elements; all text is escaped, so that no name in an output can change the page."""

import html
import re
from collections.abc import Iterable
from typing import Final

_VOID: Final = frozenset({"meta", "br", "link"})
# Characters that reorder text (Unicode UAX 9), or that HTML does not allow.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def escaped(text: object) -> Html:
    """A value as text on a page. Text that is HTML already stays as it is.

    >>> escaped("<script>"), escaped(Html("<b>"))
    ('&lt;script&gt;', '<b>')
    """
    return text if isinstance(text, Html) else Html(html.escape(clean(str(text))))


def clean(text: str) -> str:
    """Replaces characters that have no place on a page; lone surrogates stand for bytes that are
    not UTF-8."""
    return _UNFIT.sub("\ufffd", text.encode("utf-8", "replace").decode("utf-8"))


def element(name: str, /, *content: object, **attributes: object) -> Html:
    """An element with its content. An attribute of None is left out, one of True has no value;
    underscores in names become hyphens, and one at the end is dropped (`class_`).

    >>> element("p", "a < b", class_="note", hidden=True)
    '<p class="note" hidden>a &lt; b</p>'
    """
    words = [name]
    for key, value in attributes.items():
        key = key.rstrip("_").replace("_", "-")
        if value is True:
            words.append(key)
        elif value is not None and value is not False:
            words.append(f'{key}="{escaped(value)}"')
    start = f"<{' '.join(words)}>"
    return Html(start if name in _VOID else f"{start}{joined(content)}</{name}>")


def joined(content: Iterable[object], between: str = "") -> Html:
    """Pieces of content, one after the other."""
    return Html(between.join(map(escaped, content)))


def table(
    titles: Iterable[object],
    rows: Iterable[Iterable[object]],
    caption: str = "",
    class_: str | None = None,
) -> Html:
    """A table, which scrolls if it is too wide; the first cell of a row is its heading."""
    head = element("tr", *(element("th", title, scope="col") for title in titles))
    body = []
    for first, *others in rows:
        cells = (element("td", cell) for cell in others)
        body.append(element("tr", element("th", first, scope="row"), *cells))
    return element(
        "div",
        element(
            "table",
            element("caption", caption) if caption else "",
            element("thead", head),
            element("tbody", *body),
        ),
        class_="scroll" + (f" {class_}" if class_ else ""),
        tabindex="0",
        role="region",
        aria_label=caption or None,
    )


def number(value: float, whole: bool = False) -> str:
    """A number for people: whole ones with commas, others with four digits; `-` for no value.

    >>> number(1234567, whole=True), number(12.34567), number(float("nan"))
    ('1,234,567', '12.35', '-')
    """
    if value != value:
        return "-"
    if whole or (float(value).is_integer() and abs(value) < 1e6):
        return f"{value:,.0f}"
    return f"{value:.4g}"


def percent(part: float) -> str:
    """A part as a percentage with its sign.

    >>> percent(-0.184), percent(0.5)
    ('-18\xa0%', '+50\xa0%')
    """
    if part != part:
        return "-"
    return "0\u00a0%" if abs(part) < 0.005 else f"{part * 100:+.0f}\u00a0%"
