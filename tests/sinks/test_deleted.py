"""A destination that is deleted during a load is named, and the next load makes it again."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.calls import load
from support.fixtures import unpacked
from support.servers import Database

from cpexport.errors import SinkError
from cpexport.loading.progress import Progress, ProgressEvent

OUTPUTS = [unpacked("40_spreadsheet") / "outputs" / f"P1-A01-{site}" for site in (1, 2)]
URLS = {
    "sqlite": "sqlite:///{}/screen",
    "duckdb": "duckdb:///{}/screen",
    "parquet": "parquet:{}/screen",
    "delta": "delta:{}/screen",
}


def after(batches: int, do: Callable[[], object]) -> Progress:
    """Does something once, when a load has written so many batches."""

    def progress(event: ProgressEvent) -> None:
        if (event.what, event.batches) == ("loaded", batches):
            do()

    return progress


def refused(url: str, batches: int, delete: Callable[[], object]) -> bool:
    with pytest.raises(SinkError, match="was deleted or replaced while cpexport wrote to it; run"):
        load(OUTPUTS, url, progress=after(batches, delete))
    return True


@pytest.mark.parametrize("batches", [1, 2])
@pytest.mark.parametrize("kind", URLS)
def test_files_that_are_deleted_are_named_and_not_made_half(
    tmp_path: Path, kind: str, batches: int
) -> None:
    to = tmp_path / "to"
    to.mkdir()
    url = URLS[kind].format(to)

    def delete() -> None:
        shutil.rmtree(to)
        to.mkdir()

    assert refused(url, batches, delete)
    assert list(to.iterdir()) == []
    assert load(OUTPUTS, url).image_sets == 2


def test_a_file_in_its_place_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "screen.sqlite"

    def replace() -> None:
        file.rename(tmp_path / "moved")
        file.write_text("of others")

    assert refused(f"sqlite:///{file}", 1, replace)
    assert file.read_text() == "of others"


@pytest.mark.parametrize("batches", [1, 2])
def test_a_database_that_is_dropped_is_named(database: Database, batches: int) -> None:
    def drop() -> None:
        database.server.rows(f"DROP DATABASE {database.name}")
        database.server.rows(f"CREATE DATABASE {database.name} CHARACTER SET utf8mb4")

    assert refused(database.url(), batches, drop)
    assert database.rows("SHOW TABLES") == []
    assert load(OUTPUTS, database.url()).image_sets == 2
