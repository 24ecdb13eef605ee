"""Destinations that cannot be used: one clear line, exit status 1, and they stay as they were."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from support.fixtures import Ran, Refused, content, rows, said_well, traces, unchanged

BATCH = "outputs/P1-A01-1"
HOLDER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN EXCLUSIVE")
print(flush=True)
for statement in sys.stdin:
    db.execute(statement)
db.execute("COMMIT")
"""


@pytest.fixture
def batch(copy: Callable[..., Path]) -> Path:
    return copy("40_spreadsheet", BATCH)


def test_a_file_that_is_no_database(refused: Refused, batch: Path, tmp_path: Path) -> None:
    (tmp_path / "to/screen.sqlite").write_text("Well,Dose\nA01,0.5\n" * 100)

    refusal = refused(batch)

    assert said_well(refusal, "to/screen.sqlite", "not a SQLite database")
    assert unchanged(refusal)


def test_a_database_that_is_damaged(
    refused: Refused, batch: Path, copy: Callable[..., Path], tmp_path: Path
) -> None:
    file = copy("20_sqlite", "separate.db", "to/screen.sqlite")
    file.write_bytes(file.read_bytes()[:100] + b"\xff" * 200_000)

    refusal = refused(batch)

    assert said_well(refusal, "to/screen.sqlite", "damaged")
    assert unchanged(refusal)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:///o%d 'x?.sqlite", "write %3F for a ? in the name"),
        ("sqlite:///x.sqlite?", "write %3F for a ? in the name"),
        ("sqlite:///x.sqlite?mode=ro", "write %3F for a ? in the name"),
        ("duckdb:///x?.duckdb", "write %3F for a ? in the name"),
        ("mysql+pymysql://me@127.0.0.1:1/a?b", "not NAME=VALUE"),
        ("mysql+pymysql://me@127.0.0.1:1/a?connect_timeout=", "not NAME=VALUE"),
    ],
)
def test_a_url_of_which_something_would_be_passed_over_is_refused(
    url: str, said: str, cpexport: Callable[..., Ran], batch: Path, tmp_path: Path
) -> None:
    before = traces(tmp_path)
    ran = cpexport("load", batch, "--to", url)

    assert ran.status == 2
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1
    assert traces(tmp_path) == before


@pytest.mark.parametrize(
    ("to", "name"),
    [
        ("sqlite:///o%d 'x%3F.sqlite", "o%d 'x?.sqlite"),
        ("o%d 'x?.sqlite", "o%d 'x?.sqlite"),
        ("o%d 'x?#.duckdb", "o%d 'x?#.duckdb"),
        ("parquet:o%d 'x?", "o%d 'x?"),
    ],
)
def test_odd_characters_in_a_name_are_those_of_the_file(
    to: str, name: str, cpexport: Callable[..., Ran], batch: Path, tmp_path: Path
) -> None:
    ran = cpexport("load", batch, "--to", to, cwd=tmp_path)

    assert ran.status in (0, 3), ran.err
    assert (tmp_path / name).exists()


def test_a_read_only_file(refused: Refused, batch: Path, tmp_path: Path) -> None:
    file = tmp_path / "to/screen.sqlite"
    with closing(sqlite3.connect(file)) as db:
        db.execute("CREATE TABLE Plates (name)")
    file.chmod(0o444)

    refusal = refused(batch)

    assert said_well(refusal, "to/screen.sqlite", "read-only")
    assert unchanged(refusal)


def test_a_read_only_folder(refused: Refused, batch: Path, tmp_path: Path) -> None:
    (tmp_path / "to").chmod(0o555)

    refusal = refused(batch)

    assert said_well(refusal, "to", "read-only")
    assert unchanged(refusal)


def test_a_file_in_a_read_only_folder_where_no_journal_can_be(
    refused: Refused, batch: Path, tmp_path: Path
) -> None:
    file = tmp_path / "to/screen.sqlite"
    with closing(sqlite3.connect(file)) as db:
        db.execute("CREATE TABLE Plates (name)")
    (tmp_path / "to").chmod(0o555)

    refusal = refused(batch)

    assert said_well(refusal, "to", "read-only")
    assert unchanged(refusal)


def test_a_folder_that_is_not_there(refused: Refused, batch: Path) -> None:
    refusal = refused(batch, to="elsewhere/screen.sqlite")

    assert said_well(refusal, "elsewhere", "does not exist", "mkdir -p ")
    assert unchanged(refusal)


def test_a_folder_in_place_of_a_file(refused: Refused, batch: Path) -> None:
    refusal = refused(batch, to="to")

    assert said_well(refusal, "sqlite:///to", "not a file")
    assert unchanged(refusal)


@pytest.mark.parametrize("table", ["Per_Image", "per_image", "Per_Nuclei", "Per_Relationships"])
def test_a_database_that_has_a_table_of_something_else(
    refused: Refused, batch: Path, tmp_path: Path, table: str
) -> None:
    with closing(sqlite3.connect(tmp_path / "to/screen.sqlite")) as db:
        db.execute(f"CREATE TABLE {table} (ImageNumber INTEGER)")

    refusal = refused(batch)

    assert said_well(refusal, "to/screen.sqlite", table, "did not create", "--prefix")
    assert unchanged(refusal)


@pytest.mark.parametrize("table", ["Experiment (id INTEGER)", "experiment_properties (field)"])
def test_a_database_that_has_another_table_of_experiments(
    refused: Refused, batch: Path, tmp_path: Path, table: str
) -> None:
    with closing(sqlite3.connect(tmp_path / "to/screen.sqlite")) as db:
        db.execute(f"CREATE TABLE {table}")

    refusal = refused(batch)

    assert said_well(refusal, "to/screen.sqlite", table.split()[0], "did not create", "rename")
    assert unchanged(refusal)


def test_the_database_that_cellprofiler_itself_made(
    refused: Refused, batch: Path, copy: Callable[..., Path]
) -> None:
    copy("20_sqlite", "separate.db", "to/screen.sqlite")

    refusal = refused(batch, "--prefix", "MyExpt_")

    assert said_well(refusal, "to/screen.sqlite", "did not create")
    assert unchanged(refusal)


@pytest.mark.parametrize("prefix", ["My-", "Plate 1 ", "it's_", "Group", "7_", 'a"b'])
def test_any_prefix_can_begin_the_names_of_tables(
    cpexport: Callable[..., Ran], batch: Path, tmp_path: Path, prefix: str
) -> None:
    ran = cpexport(
        *("load", batch, "--to", "sqlite:///screen.sqlite", "--prefix", prefix, "--quiet")
    )

    assert (ran.status, ran.err) == (0, "")
    names = {name for (name,) in rows(tmp_path / "screen.sqlite", "SELECT name FROM sqlite_master")}
    assert {f"{prefix}Per_Image", f"{prefix}Per_RelationshipsView"} <= names


def test_tables_of_something_else_stay_beside_ours(
    cpexport: Callable[..., Ran], batch: Path, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "screen.sqlite")) as db:
        db.execute("CREATE TABLE Plates AS SELECT 'P1' AS name")

    ran = cpexport("load", batch, "--to", "sqlite:///screen.sqlite")

    assert ran.status == 0
    assert rows(tmp_path / "screen.sqlite", "SELECT * FROM Plates") == [("P1",)]
    assert rows(tmp_path / "screen.sqlite", "SELECT ImageNumber FROM Per_Image") == [(1,)]


def test_a_full_disk_leaves_no_new_file(
    refused: Refused, batch: Path, small_disk: Callable[[int], Path]
) -> None:
    disk = small_disk(100)

    refusal = refused(batch, to=f"{disk.name}/screen.sqlite")

    assert said_well(refusal, "screen.sqlite", "disk is full", "free some space")
    assert unchanged(refusal)


def test_a_full_disk_leaves_what_was_loaded_before(
    refused: Refused,
    case: Callable[[str], Path],
    batch: Path,
    small_disk: Callable[[int], Path],
    cpexport: Callable[..., Ran],
) -> None:
    disk = small_disk(3000)
    to = disk / "screen.sqlite"
    cpexport("load", batch, "--to", f"sqlite:///{to}")
    before = content(to)
    other = case("60_perf") / "outputs"

    refusal = refused(other, "--prefix", "Other_", to=f"{disk.name}/screen.sqlite")

    assert said_well(refusal, "screen.sqlite", "disk is full", "free some space")
    assert unchanged(refusal)
    assert content(to) == before


def test_a_full_disk_for_temporary_files(
    cpexport: Callable[..., Ran],
    case: Callable[[str], Path],
    small_disk: Callable[[int], Path],
    tmp_path: Path,
) -> None:
    disk = small_disk(500)

    ran = cpexport(
        "load",
        case("60_perf") / "outputs",
        "--to",
        "sqlite:///screen.sqlite",
        env={"TMPDIR": str(disk)},
    )

    assert (ran.status, ran.out, len(ran.err.splitlines())) == (1, "", 1)
    assert str(disk) in ran.err
    assert "No space left" in ran.err or "full" in ran.err
    assert "TMPDIR" in ran.err
    assert traces(tmp_path) == {disk.name: ""}


@contextmanager
def holder(database: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that has begun to write a database; it executes what it is sent."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    process.stdout.readline()
    yield process
    process.stdin.close()
    process.wait()
    process.stdout.close()


def test_a_database_that_another_process_writes_all_the_time(
    refused: Refused, cpexport: Callable[..., Ran], batch: Path, tmp_path: Path
) -> None:
    to = tmp_path / "to/screen.sqlite"
    cpexport("load", batch, "--to", f"sqlite:///{to}")
    before = content(to)

    # The tool waits for half a minute.
    with holder(to):
        refusal = refused(batch)
    waiting, _, refusal.ran.err = refusal.ran.err.partition("\n")

    assert waiting.startswith("cpexport: waiting for another program that writes to sqlite:///")
    assert said_well(refusal, "to/screen.sqlite", "locked by another process", "wait")
    assert unchanged(refusal)
    assert content(to) == before


def test_a_database_that_another_process_writes_for_a_while_is_waited_for(
    cpexport: Callable[..., Ran], batch: Path, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "screen.sqlite")) as db:
        db.execute("CREATE TABLE Plates (name)")

    with holder(tmp_path / "screen.sqlite") as other:
        started = start_load(batch, tmp_path)
        wait_until_open(started, tmp_path / "screen.sqlite")
        # After two seconds it says that it waits.
        time.sleep(3)
        assert other.stdin
        other.stdin.write("INSERT INTO Plates VALUES ('P1')\n")
        other.stdin.flush()
    _, err = started.communicate(timeout=60)

    assert started.returncode == 0
    said = "cpexport: waiting for another program that writes to sqlite:///screen.sqlite"
    assert said in err.splitlines()
    assert rows(tmp_path / "screen.sqlite", "SELECT * FROM Plates") == [("P1",)]
    assert rows(tmp_path / "screen.sqlite", "SELECT ImageNumber FROM Per_Image") == [(1,)]


def test_a_database_that_another_process_just_makes_is_never_deleted(
    batch: Path, tmp_path: Path
) -> None:
    with holder(tmp_path / "screen.sqlite") as other:
        started = start_load(batch, tmp_path)
        wait_until_open(started, tmp_path / "screen.sqlite")
        assert other.stdin
        other.stdin.write("CREATE TABLE Per_Image AS SELECT 7 AS ImageNumber\n")
        other.stdin.flush()
    _, err = started.communicate(timeout=60)

    assert started.returncode == 1
    assert "Per_Image that cpexport did not create" in err
    assert rows(tmp_path / "screen.sqlite", "SELECT * FROM Per_Image") == [(7,)]


def start_load(batch: Path, folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "cpexport", "load", str(batch)),
            *("--to", "sqlite:///screen.sqlite"),
        ],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until_open(process: "subprocess.Popen[str]", file: Path) -> None:
    """Until a process has the file open, and a little longer."""
    opened = Path(f"/proc/{process.pid}/fd")
    if not opened.exists():
        pytest.skip("needs /proc to see what a process has open")
    for _ in range(600):
        if any(target(link) == str(file) for link in opened.iterdir()):
            break
        time.sleep(0.05)
    time.sleep(0.5)


def target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""
