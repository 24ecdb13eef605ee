"""Scripts for MariaDB and MySQL, run by their own clients on real servers."""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import pytest
from support.fixtures import rewritten, rows, unpacked
from support.imported_scripts import (
    CASES,
    imported,
    in_server,
    in_sqlite,
    of_case,
    same,
    three_batches,
    written,
)
from support.servers import PASSWORD, Database

from cpexport.sql_script.mysql.requirements import RIGHTS
from cpexport.tables.options import TableOptions

BATCH = "7_12"
"""The second of three batches of the case that is damaged."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a script, of three batches of six image sets. Read-only by agreement."""
    out = tmp_path_factory.mktemp("made") / "out"
    written(three_batches(), out)
    return out


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copytree(made, tmp_path / "a folder"))


def image_sets(database: Database, folder: Path) -> list[int]:
    """Those that are there, if they are in the ledger and in all tables alike."""
    there = database.rows("SELECT ImageNumber FROM Per_Image ORDER BY 1")
    assert database.rows("SELECT number FROM _cpexport_sets ORDER BY 1") == there
    for table in ("Per_Cells", "Per_Nuclei"):
        query = f"SELECT ImageNumber, COUNT(*) FROM {table} GROUP BY 1 ORDER BY 1"
        wanted = [row for row in rows(folder / "cpexport.sqlite", query) if row[:1] in there]
        assert database.rows(query) == wanted
    return [number for (number,) in there]


def whole(database: Database, folder: Path) -> bool:
    return same(in_server(database), in_sqlite(folder / "cpexport.sqlite"))


@pytest.mark.parametrize("name", CASES)
def test_the_server_holds_the_same_as_sqlite(database: Database, tmp_path: Path, name: str) -> None:
    """Value by value, doubles to the last bit; run twice, nothing is there twice."""
    done = of_case(name, tmp_path / "out")
    expected = in_sqlite(tmp_path / "out" / "cpexport.sqlite")
    for loaded in (len(list((tmp_path / "out" / "data").glob("*Image.csv"))), 0):
        ran = imported(database, tmp_path / "out")
        assert (ran.returncode, "ERROR" in ran.stderr) == (0, False), ran.stderr
        assert f"cpexport: {loaded} of " in ran.stdout
        assert same(in_server(database), expected)
    assert done.files > 0


def lines_of(file: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    file.write_bytes(b"".join(change(file.read_bytes().splitlines(keepends=True))))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-60])


def last_number_cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-5] + b",E\n")


def a_line_less(file: Path) -> None:
    lines_of(file, lambda lines: lines[:5] + lines[6:])


def a_line_twice(file: Path) -> None:
    lines_of(file, lambda lines: [*lines[:5], lines[5], *lines[5:]])


def a_line_twice_in_place_of_another(file: Path) -> None:
    lines_of(file, lambda lines: [*lines[:5], lines[6], *lines[6:]])


def a_digit_changed(file: Path) -> None:
    def change(lines: list[bytes]) -> list[bytes]:
        line = lines[3]
        at = next(i for i in range(len(line) - 20, 0, -1) if line[i : i + 1] in b"123456")
        return [*lines[:3], line[:at] + b"7" + line[at + 1 :], *lines[4:]]

    lines_of(file, change)


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def one_of_another_batch(file: Path) -> None:
    shutil.copy(file.with_name(file.name.replace(BATCH, "13_18")), file)


def missing(file: Path) -> None:
    file.unlink()


DAMAGES = [
    cut,
    last_number_cut,
    a_line_less,
    a_line_twice,
    a_line_twice_in_place_of_another,
    a_digit_changed,
    emptied,
    one_of_another_batch,
    missing,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_stops_the_script_and_nothing_of_its_batch_is_there(
    database: Database, folder: Path, made: Path, damage: Callable[[Path], None]
) -> None:
    file = folder / "data" / f"{BATCH}_Cells.csv"
    damage(file)
    ran = imported(database, folder)

    assert ran.returncode != 0
    assert "ERROR" in ran.stderr
    assert file.name in ran.stderr
    assert image_sets(database, folder) == [1, 2, 3, 4, 5, 6]
    shutil.copy(made / "data" / file.name, file)
    assert imported(database, folder).returncode == 0
    assert whole(database, folder)


@pytest.mark.parametrize("what", ["Image", "Sets", "Nuclei"])
def test_so_does_a_digit_in_any_file(database: Database, folder: Path, what: str) -> None:
    def change(lines: list[bytes]) -> list[bytes]:
        return [*lines[:-1], lines[-1].replace(b"1", b"2", 1)]

    lines_of(folder / "data" / f"{BATCH}_{what}.csv", change)

    assert imported(database, folder).returncode != 0
    assert image_sets(database, folder) == [1, 2, 3, 4, 5, 6]


def errors(ran: "subprocess.CompletedProcess[str]") -> list[str]:
    """The errors that a client shows; MariaDB's shows the statements, too."""
    return [line for line in ran.stderr.splitlines() if line.startswith("ERROR")]


@pytest.mark.parametrize("damage", [cut, a_line_less, a_digit_changed, missing])
def test_under_force_a_damaged_batch_is_left_out_and_the_others_are_there(
    database: Database, folder: Path, made: Path, damage: Callable[[Path], None]
) -> None:
    file = folder / "data" / f"{BATCH}_Cells.csv"
    damage(file)
    # A client that sends comments, too, skips them all the same.
    ran = imported(database, folder, "--force", *(["--comments"] if damage is cut else []))

    # Of a file that is not there, the client says so first.
    lines = errors(ran)
    assert len(lines) == 1 + (damage is missing)
    assert all(file.name in line for line in lines)
    # What the server says of each table whose values it has counted comes before.
    _, *counted, head, last = ran.stdout.splitlines()
    assert {line.split("\t", 1)[1] for line in counted} == {"analyze\tstatus\tOK"}
    assert (head, last) == (
        "done",
        "cpexport: 1 of 3 batches left out, 2 loaded, 0 already loaded",
    )
    assert image_sets(database, folder) == [*range(1, 7), *range(13, 19)]
    shutil.copy(made / "data" / file.name, file)
    assert imported(database, folder).returncode == 0
    assert whole(database, folder)


def test_values_that_the_table_would_change_are_refused(database: Database, folder: Path) -> None:
    """A table of the right columns that holds a row of the batch already, unknown to the ledger."""
    imported(database, folder)
    database.rows("DELETE FROM _cpexport_batches WHERE image_sets = '7-12'")
    database.rows("DELETE FROM _cpexport_sets WHERE number BETWEEN 7 AND 12")
    ran = imported(database, folder)

    assert ran.returncode != 0
    assert f"{BATCH}_Image.csv was not stored exactly" in ran.stderr


def message(ran: "subprocess.CompletedProcess[str]") -> str:
    """What the script says for itself where it has stopped the client."""
    assert ran.returncode != 0
    (line,) = (line for line in ran.stderr.splitlines() if line.startswith("ERROR 1054"))
    return line.partition("'cpexport: ")[2].rpartition("' in ")[0]


def test_without_local_infile_of_the_server_it_changes_nothing(
    database: Database, folder: Path
) -> None:
    with database.server.setting("local_infile", 0):
        ran = imported(database, folder)

    assert message(ran).endswith("an administrator can turn it on: SET GLOBAL local_infile = 1")
    assert database.rows("SHOW TABLES") == []


def test_without_local_infile_of_the_client_it_stops(database: Database, folder: Path) -> None:
    assert imported(database, folder, "--local-infile=0").returncode != 0
    assert database.rows("SHOW TABLES") == []


def test_in_another_folder_it_stops_before_it_makes_a_table(
    database: Database, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    with (folder / "import.sql").open() as stream:
        ran = without_database(database, stream, tmp_path / "elsewhere", database.name)

    assert ran.returncode != 0
    assert "import.sql' not found" in ran.stderr
    assert database.rows("SHOW TABLES") == []


def test_without_a_database_it_stops(database: Database, folder: Path) -> None:
    with (folder / "import.sql").open() as stream:
        ran = without_database(database, stream, folder)

    assert message(ran) == "no database is named; call mysql with the name of the database"


def without_database(
    database: Database, script: IO[str], folder: Path, *words: str
) -> "subprocess.CompletedProcess[str]":
    """Runs a script in a folder with the words of a command line, and no database but in them."""
    command = database.server.client("--local-infile=1", *words)
    return subprocess.run(
        command, cwd=folder, stdin=script, capture_output=True, text=True, check=False
    )


LEFT_OUT = ["done", "cpexport: 3 of 3 batches left out, 0 loaded, 0 already loaded"]


@pytest.mark.parametrize("cause", ["server", "client", "folder", "database", "reader", "foreign"])
def test_under_force_nothing_is_done_after_a_first_check_that_failed(
    database: Database, folder: Path, user: str, cause: str
) -> None:
    """What comes out is the reason, and not a line for what was not tried."""
    words = ["--force", database.name]
    tables: list[tuple[str, ...]] = []
    if cause == "database":
        words.pop()
    elif cause == "client":
        words.append("--local-infile=0")
    elif cause == "reader":
        words.append(f"--user={user}")
        database.rows(f"GRANT SELECT ON {database.name}.* TO {user}@'%'")
    elif cause == "foreign":
        tables = [("Per_Image",)]
        database.rows("CREATE TABLE Per_Image (ImageNumber INT PRIMARY KEY, mine TEXT)")
    elsewhere = folder / "data" if cause == "folder" else folder
    on = int(cause != "server")
    with database.server.setting("local_infile", on), (folder / "import.sql").open() as stream:
        ran = without_database(database, stream, elsewhere, *words)

    *before, last = errors(ran)
    assert "Unknown column 'cpexport: " in last
    # The client says first that it did not send the file.
    assert len(before) == (cause in ("client", "folder")), ran.stderr
    assert ran.stdout.splitlines() == LEFT_OUT
    assert database.rows("SHOW TABLES") == tables


ODD = {
    "sql_select_limit": 1,
    "max_join_size": 1,
    "sql_safe_updates": 1,
    "sql_mode": "ANSI,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH",
    "foreign_key_checks": 0,
    "time_zone": "+05:30",
    "default_storage_engine": "MyISAM",
}
"""What servers can set for their sessions."""
LIMITS: dict[str, dict[str, object]] = {
    "mariadb": {"max_statement_time": 0.01, "tx_read_only": 1, "sql_if_exists": 1},
    "mysql": {"max_execution_time": 1, "transaction_read_only": 1},
}


def test_what_a_server_sets_for_others_changes_nothing(database: Database, folder: Path) -> None:
    with ExitStack() as set_there:
        for name, value in {**ODD, **LIMITS[database.server.kind]}.items():
            set_there.enter_context(database.server.setting(name, value))
        ran = imported(database, folder)

    assert "cpexport: 3 of 3 batches imported" in ran.stdout, ran.stderr
    assert whole(database, folder)


def test_a_session_that_does_not_keep_what_is_set_stops_it(
    database: Database, folder: Path
) -> None:
    """As with a proxy that keeps a statement to itself."""
    script = folder / "import.sql"
    text = script.read_text()
    script.write_text(text.replace("sql_select_limit = 18446744073709551615", "sql_warnings = 0"))

    with database.server.setting("sql_select_limit", 5):
        ran = imported(database, folder)

    assert message(ran) == "the session does not keep what the script sets: sql_select_limit"
    assert database.rows("SHOW TABLES") == []


@pytest.fixture
def user(database: Database) -> Iterator[str]:
    """A user without any right yet."""
    name = f"least_{database.name}"
    database.rows(f"CREATE USER {name}@'%' IDENTIFIED BY '{PASSWORD}'")
    yield name
    database.rows(f"DROP USER {name}@'%'")


def test_rights_that_are_missing_are_named_before_anything_is_changed(
    database: Database, folder: Path, user: str
) -> None:
    rights = [r for r in RIGHTS if r != "REFERENCES" or database.server.kind == "mysql"]
    for lacking in [*([right] for right in rights), rights[1:]]:
        given = ", ".join(right for right in RIGHTS if right not in lacking)
        database.rows(f"GRANT {given} ON {database.name}.* TO {user}@'%'")
        ran = imported(database, folder, f"--user={user}")
        database.rows(f"REVOKE ALL ON {database.name}.* FROM {user}@'%'")

        listed = ", ".join(lacking)
        assert (
            message(ran)
            == f"user {user}@% lacks these rights: {listed}; grants.sql grants them"[:170]
        )
        assert database.rows("SHOW TABLES") == []


def test_rights_count_wherever_they_are_from(database: Database, folder: Path, user: str) -> None:
    """On all databases, by a pattern, by a role, or some from each."""
    server, name = database.server, database.name
    some, rest = ", ".join(RIGHTS[:4]), ", ".join(RIGHTS[4:])
    role = f"role_{name}"
    place = "FOR" if server.kind == "mariadb" else "TO"
    pattern = name.replace("_", "\\_")
    for given in (
        [f"GRANT {some}, {rest} ON *.* TO {user}@'%'"],
        [f"GRANT {some}, {rest} ON `{pattern[:-1]}%`.* TO {user}@'%'"],
        [f"GRANT {some} ON *.* TO {user}@'%'", f"GRANT {rest} ON {name}.* TO {user}@'%'"],
        [
            f"GRANT {some} ON {name}.* TO {user}@'%'",
            f"CREATE ROLE {role}",
            f"GRANT {rest} ON {name}.* TO {role}",
            f"GRANT {role} TO {user}@'%'",
            f"SET DEFAULT ROLE {role} {place} {user}@'%'",
        ],
    ):
        for statement in given:
            database.rows(statement)
        ran = imported(database, folder, f"--user={user}")
        assert (ran.returncode, "ERROR" in ran.stderr) == (0, False), ran.stderr
        database.rows(f"REVOKE ALL, GRANT OPTION FROM {user}@'%'")
    database.rows(f"DROP ROLE {role}")


def test_what_a_role_lacks_the_server_says(database: Database, folder: Path, user: str) -> None:
    """The script cannot tell what a role gives, and so stops at the first denial."""
    role = f"role_{database.name}"
    place = "FOR" if database.server.kind == "mariadb" else "TO"
    for statement in (
        f"CREATE ROLE {role}",
        f"GRANT SELECT ON {database.name}.* TO {role}",
        f"GRANT {role} TO {user}@'%'",
        f"SET DEFAULT ROLE {role} {place} {user}@'%'",
    ):
        database.rows(statement)
    ran = imported(database, folder, f"--user={user}")
    database.rows(f"DROP ROLE {role}")

    assert ran.returncode != 0
    assert "ERROR 1044 (42000)" in ran.stderr
    assert database.rows("SHOW TABLES") == []


def test_a_client_killed_anywhere_and_run_again_leaves_the_same(
    database: Database, folder: Path
) -> None:
    command = database.server.client("--local-infile=1", database.name)
    for seconds in (0.3, 0.6, 0.9, 1.2, 1.6, 2.0):
        with (folder / "import.sql").open() as stream:
            client = subprocess.Popen(
                command,
                cwd=folder,
                stdin=stream,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        time.sleep(seconds)
        client.send_signal(signal.SIGKILL)
        client.wait()

    for _ in range(20):
        # The server may take a moment to see that who held the lock is gone.
        if imported(database, folder).returncode == 0:
            break
    assert whole(database, folder)


@pytest.mark.parametrize("name", ["Per_Cells", "Experiment", "Experiment_Properties"])
def test_tables_of_others_are_refused_before_anything_is_changed(
    database: Database, folder: Path, name: str
) -> None:
    database.rows(f"CREATE TABLE {name} (ImageNumber INT PRIMARY KEY, mine TEXT)")
    ran = imported(database, folder)

    assert message(ran) == f"the database has a table {name} that cpexport did not create"
    assert database.rows("SHOW TABLES") == [(name,)]


def test_tables_that_are_not_of_innodb_are_refused(database: Database, folder: Path) -> None:
    imported(database, folder)
    database.rows("ALTER TABLE Per_Cells ENGINE = MyISAM")
    ran = imported(database, folder)

    assert ran.returncode != 0
    assert "Per_Cells is not an InnoDB table" in ran.stderr


def test_image_sets_of_others_are_not_replaced(
    database: Database, tmp_path: Path, copy: Callable[..., Path]
) -> None:
    """The same image set numbers from another place, with another content."""
    first = tmp_path / "first"
    written(unpacked("11_h5_and_csv") / "outputs" / "batch_1_6", first)
    imported(database, first)
    other = copy("11_h5_and_csv", "outputs/batch_1_6", "elsewhere")
    (file,) = other.glob("*.h5")
    rewritten(file, "Cells", "AreaShape_Area", lambda values: [2 * value for value in values])
    written(other, tmp_path / "other")
    ran = imported(database, tmp_path / "other")

    assert ran.returncode != 0
    assert "the database has image sets 1-6 from other outputs" in ran.stderr
    assert whole(database, first)


def test_runs_are_kept_apart(database: Database, tmp_path: Path) -> None:
    home = unpacked("40_spreadsheet") / "outputs"
    arguments = [Path(f"one={home / 'P1-A01-1'}"), Path(f"two={home / 'P1-A01-2'}")]
    out = tmp_path / "out"
    written(arguments, out, shape=TableOptions(numbered=True))
    for _ in range(2):
        assert imported(database, out).returncode == 0
        assert whole(database, out)


def test_names_of_any_kind_are_no_harm(
    database: Database, tmp_path: Path, copy: Callable[..., Path]
) -> None:
    strange = 'it\'s "a" `folder`; DROP TABLE x -- é😀\\'
    outputs = copy("11_h5_and_csv", "outputs/batch_1_6", f"{strange}/outputs")
    for csv in outputs.glob("*.csv"):
        csv.unlink()
    (file,) = outputs.glob("*.h5")
    texts = [strange, "\\N", "NULL", "", "a,b\tc", "é😀"]
    rewritten(file, "Image", "Metadata_Plate", lambda values: texts[: len(values)])
    out = tmp_path / strange / "out"
    written(outputs, out)

    assert imported(database, out).returncode == 0
    assert whole(database, out)
    assert strange in {t for (t,) in database.rows("SELECT Image_Metadata_Plate FROM Per_Image")}


def test_a_view_shows_the_parts_of_a_table_as_one(database: Database, tmp_path: Path) -> None:
    of_case("parts", tmp_path / "out")
    imported(database, tmp_path / "out")
    query = "SELECT COUNT(*), COUNT(DISTINCT table_name) FROM information_schema.columns "
    query += "WHERE table_schema = DATABASE() AND table_name "
    ((columns, parts),) = database.rows(query + "REGEXP '^Per_Object(_part.)?$'")
    ((shown, _),) = database.rows(query + "= 'Per_Object_all'")

    assert parts > 1
    # Keys are there once.
    assert shown == columns - 2 * (parts - 1)
    last = database.rows(f"SELECT * FROM Per_Object_part{parts} ORDER BY 1, 2 LIMIT 3")
    width = len(last[0]) - 2
    view = database.rows("SELECT * FROM Per_Object_all ORDER BY 1, 2 LIMIT 3")
    assert [row[-width:] for row in view] == [row[2:] for row in last]


def test_a_script_works_with_the_privileges_in_grants(database: Database, folder: Path) -> None:
    grants = (Path(__file__).parents[2] / "sql" / "grants.sql").read_text()
    server = database.server
    name = f"least_{database.name}"
    server.rows(f"CREATE USER {name}@'%' IDENTIFIED BY 'canary-of-the-tests'")
    try:
        for statement in grants.split(";"):
            lines = [line for line in statement.splitlines() if not line.startswith("--")]
            words = " ".join(lines).strip()
            if "'loader'" in words and words.startswith("GRANT"):
                server.rows(
                    words.replace("'loader'", f"'{name}'").replace("screens", database.name)
                )
        for _ in range(2):
            ran = imported(database, folder, f"--user={name}")
            assert (ran.returncode, "ERROR" in ran.stderr) == (0, False), ran.stderr
        assert whole(database, folder)
    finally:
        server.rows(f"DROP USER {name}@'%'")
