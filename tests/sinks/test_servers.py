"""Loads into MariaDB and MySQL leave what they leave in SQLite, value by value."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from support.fixtures import Ran, measurements
from support.imported_scripts import imported, in_server, in_sqlite, same, written
from support.on_servers import differences, load, of_server
from support.proxy import proxied
from support.servers import PASSWORD, USER, Database, another
from support.wide_tables import wide_job

from cpexport import read
from cpexport.sinks.mysql.dialect import DIALECT
from cpexport.sinks.registry import open_sink
from cpexport.sinks.sql import ledger_schema, ledger_upgrade, schema
from cpexport.sinks.sql.indexes import query_indexes

Case = Callable[[str], Path]
GOLDEN = Path(__file__).parents[2] / "sql" / "schema.mysql.sql"
HOW = (
    "-- The tables of a small run (tests/data/cases/13_groups). Made by UPDATE_GOLDEN=1 pytest -k "
    "schema.\n"
)

BATCH = "{11_h5_and_csv}/Batch_data.h5"
# Loads by name: each the words of one after the other, with folders of cases in braces.
LOADS: dict[str, list[tuple[str, ...]]] = {
    "newer outputs in place of older ones": [
        ("{10_ranges}/outputs/batch_1_6", "{10_ranges}/outputs/batch_7_12", "--batch", BATCH),
        (
            *("{13_groups}/outputs/P1-A01", "{13_groups}/outputs/P1-A02"),
            *("{11_h5_and_csv}/outputs/batch_1_6", "--batch", BATCH, "--replace"),
        ),
    ],
    "failed jobs": [("{12_failed}/outputs", "{12_failed}/outputs_cli")],
    # The third is incomplete, and left out.
    "CSV files": [
        (
            *("{40_spreadsheet}/outputs/P1-A01-1", "{40_spreadsheet}/outputs/P1-A01-2"),
            *("{40_spreadsheet}/outputs/P1-B02-1", "{40_spreadsheet}/outputs/P2-A01-1"),
        )
    ],
    "tracks": [("{50_track}/overlap_batch/outputs",)],
    "many columns": [("{wide}",)],
    "MySQL / CSV": [("{70_sqlcsv}/csv_separate",)],
    "objects side by side": [
        ("{50_track}/lap_batch/outputs", "--objects", "combined", "--aggregate", "mean,median,std")
    ],
    "a view of objects": [
        ("{40_spreadsheet}/outputs/P1-A01-1", "--objects", "view", "--max-column-length", "40"),
        ("{40_spreadsheet}/outputs/P1-A01-2",),
    ],
    "runs": [
        (
            *("a={10_ranges}/outputs/batch_1_6", "{40_spreadsheet}/outputs/P1-A01-1"),
            "--table-number",
            *("--prefix", "My_", "--wells", "mean,median,std", "--path-map", "/work=Z:\\work"),
        ),
        ("b={10_ranges}/outputs/batch_1_6", "--prefix", "My_"),
    ],
    "images only": [("{10_ranges}/outputs", "--objects", "none")],
}


@pytest.mark.parametrize("name", LOADS)
def test_a_server_holds_what_a_file_does(
    database: Database, case: Case, tmp_path: Path, name: str
) -> None:
    file = tmp_path / f"{database.name}.sqlite"
    for words in LOADS[name]:
        given = [_filled(word, case) for word in words]
        statuses = [load(*given, "--to", to) for to in (f"sqlite:///{file}", database.url())]
        assert statuses[0] == statuses[1]
        assert statuses[0] in (0, 3)

    assert differences(database, file) == []


def _filled(word: str, case: Case) -> str:
    name = word.partition("{")[2].partition("}")[0]
    if name == "wide":
        return str(wide_job())
    return word.replace(f"{{{name}}}", str(case(name))) if name else word


def other_user(database: Database, privileges: str) -> str:
    """The URL for a user who may do only that."""
    database.rows("DROP USER IF EXISTS little@'%'")
    database.rows(f"CREATE USER little@'%' IDENTIFIED BY '{PASSWORD}'")
    database.rows(f"GRANT {privileges} ON {database.name}.* TO little@'%'")
    # By TLS, as MySQL wants it of whoever comes for the first time.
    return database.url("").replace(f"{USER}:", "little:")


def test_a_user_who_may_not_do_all_is_told_so_before_anything_is_made(
    database: Database, case: Case, cpexport: Callable[..., Ran]
) -> None:
    url = other_user(database, "SELECT, INSERT, CREATE")
    ran = cpexport("load", case("10_ranges") / "outputs", "--to", url)
    database.rows("DROP USER little@'%'")

    assert (ran.status, ran.out) == (1, "")
    (line,) = ran.err.splitlines()
    assert "the user lacks UPDATE, DELETE, ALTER" in line
    assert PASSWORD not in line
    assert database.rows("SHOW TABLES") == []


def test_a_server_that_takes_no_changes_is_told_so_before_anything_is_made(
    database: Database, case: Case, cpexport: Callable[..., Ran]
) -> None:
    with database.server.setting("read_only", 1):
        ran = cpexport("load", case("10_ranges") / "outputs", "--to", database.url())

    assert (ran.status, ran.out) == (1, "")
    (line,) = ran.err.splitlines()
    assert "the server accepts no changes: it is read-only" in line
    assert database.rows("SHOW TABLES") == []


def test_a_server_that_cuts_results_for_others_gets_all_rows(
    database: Database, case: Case, cpexport: Callable[..., Ran]
) -> None:
    outputs = case("40_spreadsheet") / "outputs" / "P1-A01-1"
    with database.server.setting("sql_select_limit", 2):
        loaded = cpexport("load", outputs, "--to", database.url())
        again = cpexport("load", outputs, "--to", database.url())
        verified = cpexport("verify", outputs, "--to", database.url())

    assert (loaded.status, again.status, verified.status) == (0, 0, 0), loaded.err + verified.out
    tables = ("Per_Image", "Per_Cells", "Per_Nuclei", "Per_Relationships")
    counts = [database.rows(f"SELECT count(*) FROM {table}")[0][0] for table in tables]
    assert counts == [1, 25, 25, 243]


def test_all_tables_are_of_innodb_whatever_the_server_prefers(
    database: Database, case: Case
) -> None:
    with database.server.setting("default_storage_engine", "MyISAM"):
        outputs = case("10_ranges") / "outputs" / "batch_1_6"
        assert load(outputs, "--wells", "mean", "--to", database.url()) in (0, 3)

    engines = database.rows(
        "SELECT DISTINCT engine FROM information_schema.tables "
        "WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'"
    )
    assert engines == [("InnoDB",)]


@pytest.mark.parametrize("variable", ["require_primary_key", "generate_invisible_primary_key"])
def test_a_server_that_requires_or_makes_keys_holds_the_same(
    databases: Callable[[str], Database], case: Case, tmp_path: Path, variable: str
) -> None:
    """Managed servers often require them, for replication; those that it makes are not seen."""
    database, home, file = databases("mysql"), case("40_spreadsheet"), tmp_path / "screen.sqlite"
    outputs = home / "outputs" / "P1-A01-1"
    written(outputs, tmp_path / "script")
    with database.server.setting(f"sql_{variable}", 1):
        for to in (f"sqlite:///{file}", database.url()):
            assert load(outputs, "--wells", "mean", "--to", to) == 0
        again = databases("mysql")
        imported(again, tmp_path / "script")

    assert differences(database, file) == []
    assert same(in_server(again), in_sqlite(tmp_path / "script" / "cpexport.sqlite"))


def test_a_name_that_servers_cannot_have_is_refused_before_anything_is_made(
    database: Database, copy: Callable[..., Path], cpexport: Callable[..., Ran]
) -> None:
    """They store a character beyond the basic plane of Unicode as a question mark."""
    outputs = copy("11_h5_and_csv", "outputs/batch_1_6")
    (file,) = outputs.glob("*.h5")
    with measurements(file) as groups:
        groups.move("Cells", "Ce\U0001f41flls")
        groups["Image"].move("Count_Cells", "Count_Ce\U0001f41flls")
    ran = cpexport("load", file, "--to", database.url())
    tables = database.rows("SHOW TABLES")
    with measurements(file) as groups:
        groups.move("Ce\U0001f41flls", "Cells")
        groups["Image"].move("Count_Ce\U0001f41flls", "Count_Cells")
        groups["Nuclei"].move("AreaShape_Area", "AreaShape_Ar\U0001f41fea")

    assert (ran.status, tables) == (1, [])
    assert "contains '\U0001f41f'; leave out these objects" in ran.err
    assert load(file, "--to", database.url()) == 0
    ((name,),) = database.rows(
        "SELECT column_name FROM _cpexport_columns WHERE feature = 'AreaShape_Ar\U0001f41fea'"
    )
    assert len(database.rows(f"SELECT {name} FROM Per_Nuclei WHERE {name} > 0")) > 100


def test_a_server_that_stores_names_in_small_letters_is_loaded_and_verified(
    case: Case, tmp_path: Path, cpexport: Callable[..., Ran]
) -> None:
    """As servers do on Windows (MySQL 9, Identifier Case Sensitivity)."""
    outputs = case("40_spreadsheet") / "outputs" / "P1-A01-1"
    words = ("--wells", "mean", "--objects", "view")
    written(outputs, tmp_path / "script")
    with another("mariadb", "--lower-case-table-names=1") as database:
        statuses = [load(outputs, *words, "--to", database.url()) for _ in range(2)]
        verified = cpexport("verify", outputs, "--to", database.url())
        tables = {name for (name,) in database.rows("SHOW TABLES")}
        database.server.rows(f"DROP DATABASE {database.name}")
        database.server.rows(f"CREATE DATABASE {database.name} CHARACTER SET utf8mb4")
        ran = imported(database, tmp_path / "script")
        of_script = cpexport("verify", outputs, "--to", database.url())

    assert (statuses, verified.status) == ([0, 0], 0), verified.out
    assert {"per_image", "per_cells", "per_object", "per_well_avg"} < tables
    assert (ran.returncode, of_script.status) == (0, 0), ran.stderr + of_script.out


def test_a_collision_changes_nothing(
    database: Database, case: Case, cpexport: Callable[..., Ran]
) -> None:
    assert load(case("40_spreadsheet") / "outputs" / "P1-A01-1", "--to", database.url()) == 0
    before = of_server(database)

    ran = cpexport("load", case("50_track") / "lap_batch" / "outputs", "--to", database.url())

    assert (ran.status, ran.out) == (1, "")
    assert "image set 1 has different images in" in ran.err
    assert of_server(database) == before


def test_the_grants_in_sql_are_all_that_is_needed(database: Database, case: Case) -> None:
    text = (Path(__file__).parents[2] / "sql" / "grants.sql").read_text()
    statements = [line for line in text.split(";") if "GRANT" in line and "'loader'" in line]
    (granted,) = re.findall(r"GRANT (.+?)\s+ON", " ".join(statements), re.DOTALL)
    url = other_user(database, " ".join(granted.split()))
    try:
        assert load(case("10_ranges") / "outputs" / "batch_1_6", "--to", url) in (0, 3)
    finally:
        database.rows("DROP USER little@'%'")


def test_where_local_is_off_rows_are_inserted_and_a_note_says_how_to_turn_it_on(
    database: Database, case: Case, tmp_path: Path, cpexport: Callable[..., Ran]
) -> None:
    """By MySQL, and by MariaDB behind something that does not let rows through in bulk."""
    file, outputs = tmp_path / "screen.sqlite", case("40_spreadsheet") / "outputs" / "P1-A01-1"
    load(outputs, "--to", f"sqlite:///{file}")
    with (
        proxied(database.server.port, bulk=False) as proxy,
        database.server.setting("local_infile", 0),
    ):
        ran = cpexport("load", outputs, "--to", database.url(port=proxy.port))

    assert ran.status == 0
    assert "to turn it on: SET GLOBAL local_infile = 1" in ran.err
    assert PASSWORD not in ran.out + ran.err
    assert differences(database, file) == []


def test_mariadb_needs_no_local_at_all(
    databases: Callable[[str], Database],
    case: Case,
    tmp_path: Path,
    cpexport: Callable[..., Ran],
) -> None:
    database, file = databases("mariadb"), tmp_path / "screen.sqlite"
    outputs = case("40_spreadsheet") / "outputs" / "P1-A01-1"
    load(outputs, "--to", f"sqlite:///{file}")
    loads = "SHOW GLOBAL STATUS LIKE 'Com_load'"
    before = database.rows(loads)
    with database.server.setting("local_infile", 0):
        planned = cpexport("load", outputs, "--to", database.url(), "--dry-run")
        ran = cpexport("load", outputs, "--to", database.url())

    assert (planned.status, ran.status) == (0, 0)
    assert "local_infile" not in planned.out + planned.err + ran.out + ran.err
    assert differences(database, file) == []
    assert database.rows(loads) == before


@pytest.mark.parametrize("name", ["newer outputs in place of older ones", "MySQL / CSV", "runs"])
def test_mariadb_that_takes_no_bulk_holds_the_same(
    databases: Callable[[str], Database], case: Case, tmp_path: Path, name: str
) -> None:
    """By LOAD DATA LOCAL then, as into MySQL."""
    database, file = databases("mariadb"), tmp_path / "screen.sqlite"
    with proxied(database.server.port, bulk=False) as proxy:
        for words in LOADS[name]:
            given = [_filled(word, case) for word in words]
            for to in (f"sqlite:///{file}", database.url(port=proxy.port)):
                assert load(*given, "--to", to) in (0, 3)

    assert differences(database, file) == []


def test_an_option_file_says_who_and_where(
    database: Database, case: Case, tmp_path: Path, cpexport: Callable[..., Ran]
) -> None:
    file = tmp_path / "lab.cnf"
    server = database.server
    words = f"user={USER}\npassword={PASSWORD}\nsocket={server.socket}\nport={server.port}\n"
    file.write_text(f"[client]\n{words}")
    to = f"mysql+pymysql:///{database.name}"
    batch = case("10_ranges") / "Batch_data.h5"

    outputs = case("10_ranges") / "outputs"
    loaded = cpexport("load", outputs, "--to", to, "--defaults-file", file, "--format", "json")
    checked = cpexport("check", "--batch", batch, "--to", to, "--defaults-file", "lab.cnf")
    shown = cpexport("properties", "--defaults-file", file, "--to", to)

    assert [(ran.status, ran.err) for ran in (loaded, checked, shown)] == [(0, "")] * 3
    assert json.loads(loaded.out)["destination"] == to
    assert "missing   0" in checked.out
    assert f"db_name = {database.name}" in re.sub(" +", " ", shown.out)
    assert PASSWORD not in loaded.out + checked.out + shown.out
    wrong = cpexport("load", outputs, "--defaults-file", file)
    assert (wrong.status, wrong.out) == (2, "")


def test_frames_are_read_from_a_server_as_from_a_file(
    database: Database, case: Case, tmp_path: Path
) -> None:
    urls = [f"sqlite:///{tmp_path}/screen.sqlite", database.url()]
    for url in urls:
        load(case("70_sqlcsv") / "csv_separate", "--to", url)

    for table in ("Per_Image", "Per_Cells", "Per_RelationshipsView"):
        of_file, of_server = (read(url, table) for url in urls)
        assert len(of_file) > 10
        pd.testing.assert_frame_equal(of_file, of_server)


def columns_of(database: Database) -> list[tuple[object, ...]]:
    return database.rows(
        "SELECT table_name, column_name, data_type, is_nullable, column_key "
        "FROM information_schema.columns WHERE table_schema = DATABASE() "
        # These come with a batch file.
        "AND table_name NOT IN ('_cpexport_planned', '_cpexport_missing') "
        "ORDER BY table_name, ordinal_position"
    )


def test_the_schema_in_sql_is_the_one_that_is_made(database: Database, case: Case) -> None:
    load(case("13_groups") / "outputs", "--to", database.url())
    made = columns_of(database)
    with open_sink(database.url()) as sink:
        layout = sink.layout()
    wanted = [
        *ledger_schema.own_tables(),
        *schema.experiment_tables(),
        schema.experiment_table("", numbered=False),
        *schema.relationship_tables("", numbered=False),
        *map(schema.data_table, layout.tables.values()),
    ]
    statements = [words for table in wanted for words in schema.create(table, DIALECT)]
    # In the quotes of a session that has no mode of its own.
    indexes = [index.statement().replace('"', "`") for index in query_indexes(layout, "")]
    statements += [*indexes, ledger_upgrade.STATEMENT]
    statements.append(schema.relationship_view("", False, DIALECT))
    text = HOW + "".join(f"\n{words};\n" for words in statements)
    text = re.sub(r"[ \t]+\n", "\n", text)
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(text)

    assert GOLDEN.read_text() == text, "if it should have changed: UPDATE_GOLDEN=1 pytest"
    name = database.name
    database.rows(f"DROP DATABASE {name}")
    database.server.rows(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    with database.connect() as plain, plain.cursor() as cursor:
        for words in GOLDEN.read_text().partition("\n")[2].split(";\n"):
            if words.strip():
                cursor.execute(words)
    assert columns_of(database) == made


def test_thousands_of_columns_with_long_names_are_all_there(
    database: Database, copy: Callable[..., Path], tmp_path: Path
) -> None:
    file = copy("11_h5_and_csv", "outputs/batch_1_6/batch_1_6.h5", "wide/batch.h5")
    names = [f"Texture_{'X' * 41}_{number:08}" for number in range(3100)]
    with measurements(file) as run:
        real = run["Nuclei"]["AreaShape_FormFactor"]["data"][()]
        for number, name in enumerate(names):
            run.copy(run["Nuclei"]["AreaShape_FormFactor"], run["Nuclei"], name)
            run["Nuclei"][name]["data"][...] = real / (number + 3)
    sqlite = tmp_path / "screen.sqlite"
    for url in (f"sqlite:///{sqlite}", database.url()):
        assert load(file, "--to", url) == 0

    assert differences(database, sqlite) == []
    parts = [t for (t,) in database.rows("SHOW TABLES") if t.startswith("Per_Nuclei")]
    assert len(parts) >= 5
    assert "Per_Nuclei_all" in parts
    assert len({len(f"Nuclei_{name}") for name in names}) == 1
    with database.connect() as plain, plain.cursor() as cursor:
        cursor.execute("SELECT * FROM Per_Nuclei_all ORDER BY 1, 2")
        place = {column[0]: at for at, column in enumerate(cursor.description)}
        found = cursor.fetchall()
    columns = dict(
        database.rows(
            "SELECT feature, column_name FROM _cpexport_columns WHERE object_name = 'Nuclei'"
        )
    )
    assert max(map(len, columns.values())) == 64
    for number in (0, 1000, 3099):
        values = [row[place[columns[names[number]]]] for row in found]
        assert sorted(values) == sorted((real / (number + 3)).tolist())
