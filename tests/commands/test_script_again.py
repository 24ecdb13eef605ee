"""Scripts written again when there is more, and run on a server that holds what was before."""

import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
from support.fixtures import rewritten
from support.imported_scripts import imported, in_server, in_sqlite, same, written
from support.servers import Database


def whole(database: Database, folder: Path) -> bool:
    return same(in_server(database), in_sqlite(folder / "cpexport.sqlite"))


def two_batches(copy: Callable[..., Path]) -> Path:
    for name in ("batch_1_6", "batch_7_12"):
        outputs = copy("11_h5_and_csv", f"outputs/{name}", f"outputs/{name}").parent
    return Path(outputs)


def doubled(values: list[float]) -> list[float]:
    return [2 * value for value in values]


def test_newer_outputs_replace_older_ones_in_a_database_too(
    database: Database, tmp_path: Path, copy: Callable[..., Path]
) -> None:
    outputs = two_batches(copy)
    out = tmp_path / "out"
    written(outputs, out)
    assert imported(database, out).returncode == 0
    before = {path.name: path.stat().st_ino for path in (out / "data").iterdir()}

    newer = shutil.copytree(outputs / "batch_7_12", outputs / "again")
    for csv in newer.glob("*.csv"):
        csv.unlink()
    (file,) = newer.glob("*.h5")
    rewritten(file, "Cells", "AreaShape_Area", doubled)
    done = written(outputs, out)

    assert 0 < done.written < done.files
    assert imported(database, out).returncode == 0
    assert whole(database, out)
    after = {path.name: path.stat().st_ino for path in (out / "data").iterdir()}
    kept = [name for name in before if not name.startswith("7_12")]
    assert [before[name] for name in kept] == [after[name] for name in kept]


def test_batches_that_come_later_are_added_and_groups_renumbered(
    database: Database, tmp_path: Path, copy: Callable[..., Path]
) -> None:
    """Groups are numbered over the whole run, so those of batches before change."""
    outputs, late = copy("13_groups", "outputs"), tmp_path / "late"
    late.mkdir()
    first, *_ = sorted(outputs.iterdir())
    shutil.move(first, late / first.name)
    out = tmp_path / "out"
    written(outputs, out)
    assert imported(database, out).returncode == 0
    shutil.move(late / first.name, first)
    done = written(outputs, out)

    assert 0 < done.written < done.files
    assert imported(database, out).returncode == 0
    assert whole(database, out)


def test_columns_that_come_later_are_added(
    database: Database, tmp_path: Path, copy: Callable[..., Path]
) -> None:
    outputs = two_batches(copy)
    for csv in outputs.glob("*/*.csv"):
        csv.unlink()
    (file,) = (outputs / "batch_1_6").glob("*.h5")
    late = tmp_path / "late.h5"
    shutil.move(file, late)
    out = tmp_path / "out"
    written(outputs, out)
    assert imported(database, out).returncode == 0
    with h5py.File(late, "r+") as opened:
        runs = opened["Measurements"]
        cells = runs[sorted(runs)[-1]]["Cells"]
        cells.copy("AreaShape_Area", "Later_Measured")
    shutil.move(late, file)
    written(outputs, out)

    assert imported(database, out).returncode == 0
    assert whole(database, out)
    assert database.rows("SELECT COUNT(Cells_Later_Measured) > 0 FROM Per_Cells") == [(1,)]
