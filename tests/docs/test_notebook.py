"""The notebook in `examples/` shows what its cells print."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.fixtures import extract
from support.notebooks import EXAMPLES, executed

NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.name)
def test_every_cell_prints_what_it_shows(file: Path, tmp_path: Path) -> None:
    extract(EXAMPLES / "screen.tar.xz", tmp_path)
    notebook: dict[str, Any] = json.loads(file.read_text("utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]

    assert len(code) >= 5
    assert executed(notebook, tmp_path) == notebook


def test_there_is_one() -> None:
    assert [file.name for file in NOTEBOOKS] == ["screen.ipynb"]
