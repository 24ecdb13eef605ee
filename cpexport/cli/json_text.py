"""Formats reports as JSON for `--format json`."""

from typing import Any


def json_text(report: dict[str, Any] | list[dict[str, Any]]) -> str:
    """The report as indented JSON in UTF-8, whatever its texts contain.

    >>> print(json_text({"path": "Größe", "exit_status": 0}))
    {
      "path": "Größe",
      "exit_status": 0
    }
    """
    # Most commands print no JSON, and need not wait for this.
    import json

    text = json.dumps(report, indent=2, ensure_ascii=False)
    # File names that are not UTF-8 reach Python as lone surrogates, which only JSON can escape.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
