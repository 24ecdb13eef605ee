"""The files of `sql/` come with the package, in a checkout and in a wheel."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support.fixtures import Ran

ROOT = Path(__file__).parents[2]
Run = Callable[..., Ran]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("--grants",), "grants.sql"),
        (("--queries", "sqlite"), "queries.sqlite.sql"),
        (("--queries", "mysql"), "queries.mysql.sql"),
    ],
)
def test_a_command_prints_them(cpexport: Run, words: tuple[str, ...], name: str) -> None:
    ran = cpexport("script", *words)

    assert (ran.status, ran.err) == (0, "")
    assert ran.out == (ROOT / "sql" / name).read_text()


def test_the_wheel_has_them(tmp_path: Path) -> None:
    wheel = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed")
    (made,) = wheel.WheelBuilder(str(ROOT)).build(directory=str(tmp_path))

    with zipfile.ZipFile(made) as archive:
        found = {n.rpartition("/")[2] for n in archive.namelist() if n.startswith("cpexport/sql/")}
    assert found == {path.name for path in (ROOT / "sql").iterdir()}
