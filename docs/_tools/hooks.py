"""Makes the parts of the site that come from the code; MkDocs calls these functions.

MkDocs puts this folder on the path while it loads this file, so all imports are here.

A line `<!-- made: NAME -->` in a page becomes the part of that name.
"""

import json
import re
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import commands_page
import messages_page
import schema_tables
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
_MADE = re.compile(r"^<!-- made: (\w+)(?: ([\w-]+))? -->$", re.MULTILINE)
# Pages that are files of the repository, with the places that their links have there.
_COPIED = {
    "explanation/architecture.md": "ARCHITECTURE.md",
    "changelog.md": "CHANGELOG.md",
}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Puts this folder on the path again, where griffe looks for what its extension imports."""
    sys.path.insert(0, str(Path(__file__).parent))
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are files of the repository."""
    for place, source in _COPIED.items():
        text = (ROOT / source).read_text("utf-8")
        files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Puts in what is made from the code, and leaves out words for the tests."""
    text = _MADE.sub(lambda match: PARTS[match[1]](match[2] or ""), markdown)
    text = re.sub(r'^( *```\w+ title="[^"]+") shown$', r"\1", text, flags=re.MULTILINE)
    # Links of the repository lead to files that are not on the site.
    return re.sub(r"\]\(docs/([\w/-]+\.md)", r"](../\1", text) if "ARCHITECTURE" in text else text


def python(_: str) -> str:
    """Directives for the names that `import cpexport` offers: functions, reports, errors."""
    package: Any = import_module("cpexport")
    values = [getattr(package, name) for name in getattr(package, "__all__", ["read"])]
    errors = [v for v in values if isinstance(v, type) and issubclass(v, Exception)]
    classes = [v for v in values if isinstance(v, type) and v not in errors]
    functions = [v for v in values if callable(v) and not isinstance(v, type)]
    sections = {"Functions": functions, "Reports and other values": classes, "Errors": errors}
    lines = []
    for title, found in sections.items():
        if found:
            lines += [f"## {title}", *(f"::: {v.__module__}.{v.__qualname__}" for v in found)]
    return "\n\n".join(lines)


def commands(_: str) -> str:
    """Usage, options and examples of each command."""
    return commands_page.page(import_module("cpexport.cli.main").commands, "cpexport")


def messages(_: str) -> str:
    """The tables of messages, by what they are about."""
    return messages_page.tables(ROOT / "cpexport")


def fields(name: str) -> str:
    """The fields of a JSON report, from its schema."""
    path = ROOT / "docs" / "reference" / "schemas" / f"{name}.json"
    return schema_tables.table(json.loads(path.read_text("utf-8")))


PARTS: dict[str, Callable[[str], str]] = {
    "commands": commands,
    "python": python,
    "messages": messages,
    "fields": fields,
}
