"""The README.txt and grants.sql of a script's folder: they say what is true."""

import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from support.fixtures import traces, unpacked
from support.imported_scripts import imported, shell, written
from support.servers import Database

import cpexport.sql_script as package
from cpexport.sql_script import stops
from cpexport.sql_script.manifest import ANALYST, MYSQL, SQLITE, ScriptOptions

ROOT = Path(__file__).parents[2]
LISTED = {MYSQL: stops.OF_SERVERS, SQLITE: stops.OF_SQLITE}
# The third is incomplete, and left out.
JOBS = ("P1-A01-1", "P1-A01-2", "P1-B02-1", "P2-A01-1")
FORMS = [ScriptOptions(), ScriptOptions(SQLITE), ScriptOptions(old_names=True)]


def counts(folder: Path) -> dict[str, int]:
    """The rows by table that the README promises."""
    text = (folder / "README.txt").read_text()
    found = re.findall(r"^    (\w*Per_\w+) +(\d+)$", text, re.MULTILINE)
    return {table: int(count) for table, count in found}


@pytest.fixture(scope="module")
def readmes(tmp_path_factory: pytest.TempPathFactory) -> dict[ScriptOptions, Path]:
    """A folder of each form with the same outputs. Read-only by agreement."""
    folder = tmp_path_factory.mktemp("readmes")
    made = {form: folder / f"{form.kind}{form.old_names}" for form in FORMS}
    for form, out in made.items():
        written([unpacked("40_spreadsheet") / "outputs" / job for job in JOBS], out, form)
    return made


@pytest.mark.parametrize("kind", [MYSQL, SQLITE])
def test_each_message_of_a_script_is_explained(
    readmes: dict[ScriptOptions, Path], kind: str
) -> None:
    modules = (Path(package.__file__).parent / kind).glob("*.py")
    names = {name for path in modules for name in re.findall(r"stops\.([A-Z_]+)", path.read_text())}
    used = {getattr(stops, name) for name in names}
    text = " ".join((readmes[ScriptOptions(kind)] / "README.txt").read_text().split())

    assert used == set(LISTED[kind])
    for stop in used:
        assert f"{stop.shown} {' '.join(stop.advice.split())}" in text


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_it_is_filled_and_names_what_is_in_the_folder(
    readmes: dict[ScriptOptions, Path], form: ScriptOptions
) -> None:
    folder = readmes[form]
    text = (folder / "README.txt").read_text()
    csv = [path for path in folder.rglob("*") if path.suffix.lower() == ".csv"]

    assert not re.search(r"[${}]|None", text)
    assert all(len(line) <= 110 for line in text.splitlines())
    assert f"{len(csv)} CSV files" in text
    assert f"< {form.script}" in text
    grants = folder / "grants.sql"
    assert grants.exists() == (form.kind == MYSQL) == ("grants.sql" in text)
    if grants.exists():
        assert grants.read_text() == (ROOT / "sql" / "grants.sql").read_text()
    names = {path.name for path in folder.iterdir()} - {"README.txt"}
    assert all(name in text or re.fullmatch(r"SQL_.+\.CSV", name) for name in names)


def test_a_server_has_the_rows_that_it_promises(
    database: Database, readmes: dict[ScriptOptions, Path]
) -> None:
    folder = readmes[ScriptOptions()]
    ran = imported(database, folder)

    assert ran.returncode == 0, ran.stderr
    text = (folder / "README.txt").read_text()
    first, again = re.findall(r"^    (cpexport: .* imported, the others .*)$", text, re.MULTILINE)
    assert ran.stdout.splitlines()[-1] == first
    assert imported(database, folder).stdout.splitlines()[-1] == again
    promised = counts(folder)
    assert promised["Per_Image"] == 3
    for table, count in promised.items():
        assert database.rows(f"SELECT COUNT(*) FROM `{table}`") == [(count,)]
    assert len(database.rows("SELECT * FROM _cpexport_current")) == 3


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="there is no sqlite3 shell")
def test_a_file_has_the_rows_that_it_promises(
    readmes: dict[ScriptOptions, Path], tmp_path: Path
) -> None:
    folder, to = readmes[ScriptOptions(SQLITE)], tmp_path / "imported.sqlite"
    assert shell(to, folder).returncode == 0

    promised = counts(folder)
    assert promised["Per_Image"] == 3
    with closing(sqlite3.connect(to)) as db:
        for table, count in promised.items():
            assert db.execute(f'SELECT count(*) FROM "{table}"').fetchone() == (count,)
        assert len(db.execute("SELECT * FROM _cpexport_current").fetchall()) == 3


@pytest.mark.parametrize("what", ["missing", "local"])
def test_errors_of_clients_have_the_numbers_that_it_lists(
    database: Database, readmes: dict[ScriptOptions, Path], tmp_path: Path, what: str
) -> None:
    folder = Path(shutil.copytree(readmes[ScriptOptions()], tmp_path / "out"))
    next((folder / "data").glob("*Image.csv")).unlink()
    ran = imported(database, folder, *(["--local-infile=0"] if what == "local" else []))
    number = re.search(r"^ERROR (\d+)", ran.stderr, re.MULTILINE)
    listed = re.findall(r"^ERROR ([\d, or]+):", (folder / "README.txt").read_text(), re.MULTILINE)

    assert number
    of_case = {"missing": "not found", "local": "local"}[what]
    assert of_case in ran.stderr.lower()
    assert number[1] in re.findall(r"\d+", " ".join(listed))


def test_it_is_written_again_only_when_it_changes(
    tmp_path: Path, copy: Callable[..., Path]
) -> None:
    outputs = copy("10_ranges", "outputs")
    late = (outputs / "batch_19_24").rename(tmp_path / "late")
    out = tmp_path / "out"
    written(outputs, out)
    before = traces(out)
    written(outputs, out)
    assert traces(out) == before

    late.rename(outputs / "batch_19_24")
    written(outputs, out)
    assert "4 of 4 batches imported" in (out / "README.txt").read_text()
    assert counts(out)["Per_Image"] == 24


def test_what_people_have_written_is_left(tmp_path: Path, copy: Callable[..., Path]) -> None:
    outputs = copy("10_ranges", "outputs")
    late = (outputs / "batch_19_24").rename(tmp_path / "late")
    out = tmp_path / "out"
    written(outputs, out)
    (out / "README.txt").write_text("Ask me before you run this.")
    (out / "grants.sql").write_text("GRANT SELECT ON plates.* TO 'me'@'%';")
    late.rename(outputs / "batch_19_24")
    assert written(outputs, out).written

    assert (out / "README.txt").read_text() == "Ask me before you run this."
    assert (out / "grants.sql").read_text() == "GRANT SELECT ON plates.* TO 'me'@'%';"


def test_cellprofiler_analyst_gets_none(tmp_path: Path) -> None:
    """Nobody runs a script there."""
    written(unpacked("10_ranges") / "outputs", tmp_path / "out", ScriptOptions(ANALYST))

    assert not {"README.txt", "grants.sql"} & {path.name for path in (tmp_path / "out").iterdir()}
