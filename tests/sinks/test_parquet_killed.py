"""Folders of Parquet whose loads are killed, run side by side, or are read meanwhile."""

import json
import os
import random
import shutil
import signal
import time
from collections import Counter
from pathlib import Path

import duckdb
import pytest
from support.background_loads import SCREEN_BATCHES, SCREEN_IMAGE_SETS, SCREEN_STATUS, Load, screen
from support.datasets import asked, content, leftovers
from support.fixtures import rows, unpacked

pytestmark = pytest.mark.slow

MOMENTS = 6
KIND = "parquet:"


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], float]:
    """The content that an undisturbed load leaves, and how many seconds it takes."""
    to = tmp_path_factory.mktemp("quiet") / "screen"
    began = time.monotonic()
    status, _, err = Load(to, screen(), kind=KIND).end()
    seconds = time.monotonic() - began
    assert (status, err) == (SCREEN_STATUS, "")
    return dict(content(to)), seconds


def whole(to: Path, expected: dict[str, object]) -> bool:
    """Whether one more load ends well, and leaves the content expected and nothing else."""
    status, _, err = Load(to, screen(), kind=KIND).end()
    assert (status, err) == (SCREEN_STATUS, "")
    assert content(to) == expected
    assert leftovers(to) == set()
    assert sorted(path.name for path in to.parent.iterdir()) == [to.name, "tmp"]
    return True


def doubled(to: Path) -> list[tuple[object, ...]]:
    """Objects and images that are there twice, for whoever reads the folders as they are now."""
    found: list[tuple[object, ...]] = []
    for table in to.glob("Per_*"):
        if list(table.glob("*.parquet")) and table.name not in ("Per_Relationships",):
            try:
                names = [row[0] for row in asked(to, f"DESCRIBE {table.name}")][:2]
                if names[0] == "ImageNumber":
                    key = names[0] if table.name == "Per_Image" else ", ".join(names)
                    query = f"SELECT {key} FROM {table.name} GROUP BY ALL HAVING count(*) > 1"
                    found += asked(to, query)
            except duckdb.Error:
                assert list(to.glob("*/cpexport_is_replacing_files_here.parquet"))
    return found


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_killed_at_any_moment_and_run_again_the_content_is_the_same(
    tmp_path: Path, quiet: tuple[dict[str, object], float], moment: int
) -> None:
    expected, seconds = quiet
    to = tmp_path / "screen"
    # Every other time, workers write the files.
    first = Load(to, screen(), kind=KIND, more=("--jobs", str(1 + moment % 2)))

    time.sleep(random.Random(moment).uniform(0, seconds))
    first.send(signal.SIGKILL)

    assert not to.exists() or doubled(to) == []
    assert whole(to, expected)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize(
    ("call", "number"),
    [("fsync", 1), ("fsync", 40), ("rename", 9), ("rename", 60), ("unlink", 9), ("mkdir", 45)],
)
def test_killed_as_it_changes_files_and_run_again_the_content_is_the_same(
    tmp_path: Path, quiet: tuple[dict[str, object], float], call: str, number: int
) -> None:
    expected, _ = quiet
    to = tmp_path / "screen"
    calls = f"/{call}"
    kill = f"inject={calls}:signal=SIGKILL:when={number}"
    trace = ("strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={calls}", "-e", kill)
    status, _, _ = Load(to, screen(), before=trace, kind=KIND).end()

    # There are 149 calls of fsync, 80 of rename, 113 of unlink and 58 of mkdir.
    assert status not in (0, SCREEN_STATUS)
    assert not to.exists() or doubled(to) == []
    assert whole(to, expected)


@pytest.mark.parametrize("loads", [2, 4])
def test_loads_at_once_into_one_folder_load_each_batch_once(
    tmp_path: Path, quiet: tuple[dict[str, object], float], loads: int
) -> None:
    expected, _ = quiet
    to = tmp_path / "screen"

    started = [Load(to, screen(), kind=KIND) for _ in range(loads)]
    ends = [load.end() for load in started]

    assert [(status, err) for status, _, err in ends] == [(SCREEN_STATUS, "")] * loads
    reports = [json.loads(out) for _, out, _ in ends]
    assert sum(report["image_sets"] for report in reports) == SCREEN_IMAGE_SETS
    assert content(to) == expected
    assert rows(to / "_cpexport.sqlite", "SELECT count(*) FROM _cpexport_batches") == [
        (SCREEN_BATCHES,)
    ]
    assert leftovers(to) == set()


def test_who_reads_while_it_is_loaded_sees_whole_batches_or_an_error(tmp_path: Path) -> None:
    """An image set has all its objects or none, and is never there before its objects are."""
    to = tmp_path / "screen"
    outputs = unpacked("40_spreadsheet") / "outputs"
    seen: list[dict[str, Counter[int]]] = []
    load = Load(to, [str(outputs)], kind=KIND)
    while load.runs():
        found = {}
        for table in ("Per_Image", "Per_Cells", "Per_Nuclei"):
            try:
                query = f"SELECT ImageNumber, count(*) FROM '{to}/{table}/*.parquet' GROUP BY 1"
                found[table] = Counter(dict(duckdb.default_connection().sql(query).fetchall()))
            except duckdb.Error:
                continue
        seen.append(found)
    assert load.end()[0] in (0, 3)

    must = {
        table: dict(asked(to, f"SELECT ImageNumber, count(*) FROM {table} GROUP BY 1"))
        for table in ("Per_Image", "Per_Cells", "Per_Nuclei")
    }
    part = [found for found in seen if 0 < len(found.get("Per_Image", ())) < len(must["Per_Image"])]
    assert len(part) > 3
    for found in seen:
        for table, counts in found.items():
            assert counts.items() <= must[table].items()
        images, cells = found.get("Per_Image"), found.get("Per_Cells")
        if images is not None and cells is not None:
            # Cells were read later, so there are as many or more.
            assert images.keys() & must["Per_Cells"].keys() <= cells.keys()
