"""An extension of griffe, which reads docstrings for the page about Python."""

from typing import Any

from docstring_text import as_markdown
from griffe import Extension, Object


class Docstrings(Extension):
    """Makes the docstring of every object Markdown."""

    def on_object(self, *, obj: Object, **others: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)
