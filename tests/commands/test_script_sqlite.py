"""Scripts for SQLite, run by its own shell."""

import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.fixtures import rewritten, rows, unpacked
from support.imported_scripts import (
    CASES,
    in_sqlite,
    of_case,
    same,
    shell,
    three_batches,
    written,
)

from cpexport.sql_script.manifest import SQLITE, ScriptOptions
from cpexport.tables.options import TableOptions

FORM = ScriptOptions(SQLITE)

pytestmark = pytest.mark.skipif(shutil.which("sqlite3") is None, reason="there is no sqlite3 shell")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a script, of three batches of six image sets. Read-only by agreement."""
    out = tmp_path_factory.mktemp("made") / "out"
    written(three_batches(), out, FORM)
    return out


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copytree(made, tmp_path / "a folder"))


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "imported.sqlite"


@pytest.mark.parametrize("name", CASES)
def test_the_shell_makes_the_same_file(tmp_path: Path, to: Path, name: str) -> None:
    """Value by value, doubles to the last bit; run twice, nothing is there twice."""
    of_case(name, tmp_path / "out", FORM)
    expected = in_sqlite(tmp_path / "out" / "cpexport.sqlite")
    for loaded in (len(list((tmp_path / "out" / "data").glob("*Image.csv"))), 0):
        ran = shell(to, tmp_path / "out")
        assert (ran.returncode, ran.stderr) == (0, "")
        assert f"cpexport: {loaded} of " in ran.stdout
        assert same(in_sqlite(to), expected)


def a_line_less(file: Path) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:5] + lines[6:]))


def a_line_twice(file: Path) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:6], *lines[5:]]))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-3])


def a_digit_changed(file: Path) -> None:
    data = file.read_bytes()
    at = data.rindex(b"1")
    file.write_bytes(data[:at] + b"2" + data[at + 1 :])


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def missing(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize(
    "damage", [cut, a_line_less, a_line_twice, a_digit_changed, emptied, missing]
)
@pytest.mark.parametrize("what", ["Image", "Cells", "Sets"])
def test_a_damaged_file_stops_the_script_and_nothing_of_its_batch_is_there(
    folder: Path, made: Path, to: Path, damage: Callable[[Path], None], what: str
) -> None:
    file = folder / "data" / f"7_12_{what}.csv"
    damage(file)
    ran = shell(to, folder)

    assert ran.returncode != 0
    assert file.name in ran.stderr
    for query in (
        "SELECT ImageNumber FROM Per_Image ORDER BY 1",
        "SELECT number FROM _cpexport_sets ORDER BY 1",
        "SELECT DISTINCT ImageNumber FROM Per_Cells ORDER BY 1",
    ):
        assert rows(to, query) == [(n,) for n in range(1, 7)]
    shutil.copy(made / "data" / file.name, file)
    assert shell(to, folder).returncode == 0
    assert same(in_sqlite(to), in_sqlite(folder / "cpexport.sqlite"))


def test_newer_outputs_replace_older_ones(
    tmp_path: Path, to: Path, copy: Callable[..., Path]
) -> None:
    for name in ("batch_1_6", "batch_7_12"):
        outputs = copy("11_h5_and_csv", f"outputs/{name}", f"outputs/{name}").parent
    out = tmp_path / "out"
    written(outputs, out, FORM)
    assert shell(to, out).returncode == 0
    newer = shutil.copytree(outputs / "batch_7_12", outputs / "again")
    (file,) = newer.glob("*.h5")
    rewritten(file, "Cells", "AreaShape_Area", lambda values: [2 * value for value in values])
    written(outputs, out, FORM)

    assert shell(to, out).returncode == 0
    assert same(in_sqlite(to), in_sqlite(out / "cpexport.sqlite"))


def test_image_sets_of_others_are_not_replaced(
    tmp_path: Path, to: Path, copy: Callable[..., Path]
) -> None:
    first = tmp_path / "first"
    written(unpacked("11_h5_and_csv") / "outputs" / "batch_1_6", first, FORM)
    shell(to, first)
    other = copy("11_h5_and_csv", "outputs/batch_1_6", "elsewhere")
    (file,) = other.glob("*.h5")
    rewritten(file, "Cells", "AreaShape_Area", lambda values: [2 * value for value in values])
    written(other, tmp_path / "other", FORM)
    ran = shell(to, tmp_path / "other")

    assert ran.returncode != 0
    assert "the database has image sets 1-6 from other outputs" in ran.stderr
    assert same(in_sqlite(to), in_sqlite(first / "cpexport.sqlite"))


@pytest.mark.parametrize("name", ["Per_Cells", "Experiment", "Experiment_Properties"])
def test_tables_of_others_are_refused(folder: Path, to: Path, name: str) -> None:
    with sqlite3.connect(to) as db:
        db.execute(f"CREATE TABLE {name} (ImageNumber INTEGER, mine TEXT)")
    db.close()
    ran = shell(to, folder)

    assert ran.returncode != 0
    assert f"the database has a table {name} that cpexport did not create" in ran.stderr
    assert rows(to, "SELECT name FROM sqlite_master") == [(name,)]


def test_the_ledger_says_when_a_batch_was_imported(folder: Path, to: Path) -> None:
    """Not when the script was written; and it stays when the script runs again."""
    with sqlite3.connect(folder / "cpexport.sqlite") as db:
        db.execute("UPDATE _cpexport_batches SET loaded_utc = '2001-01-01T00:00:00+00:00'")
    db.close()
    written(three_batches(), folder, FORM)
    shell(to, folder)
    query = "SELECT loaded_utc FROM _cpexport_batches"
    times = rows(to, query)
    shell(to, folder)

    assert rows(to, query) == times
    for (time,) in times:
        age = datetime.now(UTC) - datetime.fromisoformat(time)
        assert timedelta(seconds=-1) <= age < timedelta(minutes=5)


def test_runs_are_kept_apart(tmp_path: Path, to: Path) -> None:
    home = unpacked("40_spreadsheet") / "outputs"
    arguments = [Path(f"one={home / 'P1-A01-1'}"), Path(f"two={home / 'P1-A01-2'}")]
    written(arguments, tmp_path / "out", FORM, shape=TableOptions(numbered=True))
    for _ in range(2):
        assert shell(to, tmp_path / "out").returncode == 0
        assert same(in_sqlite(to), in_sqlite(tmp_path / "out" / "cpexport.sqlite"))


def test_names_of_any_kind_are_no_harm(tmp_path: Path, to: Path, copy: Callable[..., Path]) -> None:
    strange = 'it\'s "a" `folder`; DROP TABLE x -- é😀\\'
    outputs = copy("11_h5_and_csv", "outputs/batch_1_6", f"{strange}/outputs")
    (file,) = outputs.glob("*.h5")
    texts = [strange, "\\N", "\\\\N", "", 'a,b\tc"d', "é😀"]
    rewritten(file, "Image", "Metadata_Plate", lambda values: texts[: len(values)])
    out = tmp_path / strange / "out"
    written(outputs, out, FORM)

    assert shell(to, out).returncode == 0
    assert same(in_sqlite(to), in_sqlite(out / "cpexport.sqlite"))
    assert rows(to, "SELECT Image_Metadata_Plate FROM Per_Image ORDER BY 1") == sorted(
        (text,) for text in texts
    )
