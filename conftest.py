"""Examples in the docstrings of `cpexport.api` run in a folder with the small run `screen/`."""

import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent


@pytest.fixture(autouse=True)
def _example(request: pytest.FixtureRequest) -> None:
    """A new folder with the small run of `examples/` for each of these docstrings."""
    if not isinstance(request.node, pytest.DoctestItem):
        return
    if request.node.path.is_relative_to(ROOT / "cpexport" / "api"):
        folder: Path = request.getfixturevalue("tmp_path")
        patch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
        with tarfile.open(ROOT / "examples" / "screen.tar.xz") as tar:
            tar.extraction_filter = getattr(tarfile, "data_filter", None)
            tar.extractall(folder)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.chdir(folder)
