"""What people may only read can be read: destinations of each kind, and nothing of them changes."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.calls import dry_run, verify
from support.fixtures import Ran, traces, unpacked
from support.servers import PASSWORD, USER, Database

from cpexport import read as cpexport_read
from cpexport.commands.check_destination import check_destination
from cpexport.commands.info import info
from cpexport.derived.cpa_properties import properties

CASE = "40_spreadsheet"
GRANTS = Path(__file__).parents[2] / "sql" / "grants.sql"
Run = Callable[..., Ran]

URLS = {
    "sqlite": "sqlite:///{}/screen.sqlite",
    "duckdb": "duckdb:///{}/screen.duckdb",
    "parquet": "parquet:{}/screen",
    "delta": "delta:{}/screen",
}


@pytest.fixture(params=URLS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "shared"
    made.mkdir()
    yield made
    for path in [made, *made.rglob("*")]:
        path.chmod(0o700)


def outputs() -> Path:
    return unpacked(CASE) / "outputs" / "P1-A01-1"


def read_by_all(url: str) -> tuple[str, int]:
    """What all that only reads finds: the image sets that are missing, and how many cells."""
    batch_file = unpacked(CASE) / "Batch_data.h5"
    checked = check_destination(url, batch_file)
    verified = verify([outputs()], url)
    (dry,) = dry_run([outputs()], url)
    assert (verified.differences, verified.is_complete, dry.already) == ((), True, 1)
    assert info(url, columns=["Cells_AreaShape_Area"]).batches == 1
    # CellProfiler Analyst reads no other kinds.
    if url.startswith(("sqlite:", "mysql")):
        assert properties(url, Path.cwd()).plates == ("P1",)
    return str(checked.missing), len(cpexport_read(url, "Per_Cells"))


def test_files_that_nobody_may_write_are_read(cpexport: Run, folder: Path, kind: str) -> None:
    url = URLS[kind].format(folder)
    assert cpexport("load", outputs(), "--to", url).status == 0
    before = traces(folder)
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o500 if path.is_dir() else 0o400)

    found = read_by_all(url)
    refused = cpexport("load", outputs(), "--to", url)

    assert found == ("2-24", 25)
    assert traces(folder) == before
    assert refused.status == 1
    assert "read-only" in refused.err


def test_a_disk_that_is_mounted_read_only_is_read(
    cpexport: Run, small_disk: Callable[[int], Path], kind: str
) -> None:
    disk = small_disk(20_000)
    url = URLS[kind].format(disk)
    assert cpexport("load", outputs(), "--to", url).status == 0
    before = traces(disk)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)

    assert read_by_all(url) == ("2-24", 25)
    assert traces(disk) == before


def test_a_file_whose_last_writer_was_cut_off_needs_a_copy_that_can_be_written(
    cpexport: Run, small_disk: Callable[[int], Path]
) -> None:
    disk = small_disk(20_000)
    assert cpexport("load", outputs(), "--to", f"sqlite:///{disk}/x.sqlite").status == 0
    cut_off = (
        "import os, sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None); "
        "db.execute('PRAGMA cache_size = 1'); db.execute(f'PRAGMA journal_mode = {sys.argv[2]}'); "
        "db.execute('BEGIN'); "
        "db.execute('CREATE TABLE x AS SELECT c.* FROM Per_Cells c, Per_Nuclei'); "
        "db.execute('COMMIT') if sys.argv[2] == 'wal' else None; os._exit(9)"
    )
    for mode, end in (("wal", "-wal"), ("delete", "-journal")):
        file = disk / mode / "x.sqlite"
        file.parent.mkdir()
        shutil.copy(disk / "x.sqlite", file)
        assert subprocess.run([sys.executable, "-c", cut_off, file, mode], check=False).returncode
        file.with_name("x.sqlite-shm").unlink(missing_ok=True)
        assert file.with_name(f"x.sqlite{end}").exists()
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)

    for mode in ("wal", "delete"):
        asked = cpexport("info", "--to", f"sqlite:///{disk / mode}/x.sqlite")
        assert (asked.status, "copy both files" in asked.err) == (1, True), asked.err
        copy = shutil.copytree(disk / mode, disk.parent / f"copy-{mode}")
        assert cpexport("info", "--to", f"sqlite:///{copy}/x.sqlite").status == 0


def test_a_folder_of_a_load_that_was_cut_off_is_read_as_it_will_be(
    cpexport: Run, folder: Path
) -> None:
    url = f"parquet:{folder}/screen"
    cut_off = (
        "import os, sys; from pathlib import Path; from cpexport.commands.load import load; "
        "from cpexport.loading.request import LoadRequest; "
        "from cpexport.sinks.parquet.dataset import Folder; publish = Folder.publish; "
        "Folder.publish = lambda f, **end: "
        "os._exit(9) if f.unsettled and f._pending()[0] else publish(f, **end); "
        "load(LoadRequest((Path(sys.argv[1]),), sys.argv[2]))"
    )
    command = [sys.executable, "-c", cut_off, str(outputs()), url]
    assert subprocess.run(command, check=False).returncode == 9
    before = traces(folder)

    verified = cpexport("verify", outputs(), "--to", url)

    assert verified.status == 3, verified.out
    assert "the last load did not finish; run cpexport load" in verified.out
    assert traces(folder) == before
    assert not list(folder.glob("**/_cpexport*/*.parquet"))


@pytest.fixture
def reader(database: Database) -> Iterator[str]:
    """The URL for a user with the grants of a reader in sql/grants.sql."""
    text = GRANTS.read_text()
    (granted,) = re.findall(r"GRANT ([^;]+?)\s+ON screens\.\* TO 'reader'", text)
    database.rows("DROP USER IF EXISTS reader@'%'")
    database.rows(f"CREATE USER reader@'%' IDENTIFIED BY '{PASSWORD}'")
    database.rows(f"GRANT {granted} ON {database.name}.* TO reader@'%'")
    yield database.url("").replace(f"{USER}:", "reader:")
    database.rows("DROP USER reader@'%'")


def test_the_documented_reader_reads_a_server(
    database: Database, reader: str, cpexport: Run, tmp_path: Path
) -> None:
    assert cpexport("load", outputs(), "--to", database.url()).status == 0

    assert read_by_all(reader) == ("2-24", 25)
    database.rows(f"REVOKE SHOW VIEW ON {database.name}.* FROM reader@'%'")
    assert read_by_all(reader) == ("2-24", 25)
    for command, file in (("properties", "screen.properties"), ("report", "screen.html")):
        made = cpexport(command, "--to", reader, "--out", tmp_path / file)
        assert (made.status, (tmp_path / file).exists()) == (0, True), made.err
    refused = cpexport("load", outputs(), "--to", reader)
    assert (refused.status, "the user lacks INSERT" in refused.err) == (1, True)


def test_a_server_that_takes_no_changes_is_read(
    database: Database, reader: str, cpexport: Run
) -> None:
    assert cpexport("load", outputs(), "--to", database.url()).status == 0

    name = "read_only" if database.server.kind == "mariadb" else "super_read_only"
    with database.server.setting(name, 1):
        found = [read_by_all(url) for url in (reader, database.url())]
        refused = cpexport("load", outputs(), "--to", database.url())
    database.rows("SET GLOBAL read_only = 0")

    assert found == [("2-24", 25)] * 2
    assert "the server accepts no changes: it is read-only" in refused.err


def test_a_user_who_may_not_even_read_is_told_so(database: Database, cpexport: Run) -> None:
    assert cpexport("load", outputs(), "--to", database.url()).status == 0
    database.rows("DROP USER IF EXISTS nobody@'%'")
    database.rows(f"CREATE USER nobody@'%' IDENTIFIED BY '{PASSWORD}'")
    database.rows(f"GRANT SHOW VIEW ON {database.name}.* TO nobody@'%'")
    ran = cpexport("verify", outputs(), "--to", database.url("").replace(f"{USER}:", "nobody:"))
    database.rows("DROP USER nobody@'%'")

    assert ran.status == 1
    assert "the user lacks a privilege (1142: SELECT command denied" in ran.err
