"""What administrators change in a database stays, or is refused with the statement that helps."""

import csv
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from support.calls import load, verify
from support.fixtures import unpacked
from support.servers import PASSWORD, USER, Database

import cpexport
from cpexport.errors import ChangedError, SinkError


def job(folder: Path, name: str, column: str = "", value: str = "", well: str = "") -> Path:
    """A copy of a job's output; with a new column of images with one value, or another well."""
    copy = Path(shutil.copytree(unpacked("40_spreadsheet") / "outputs" / name, folder / name))
    path = copy / "Image.csv"
    with path.open(newline="") as file:
        head, *lines = csv.reader(file)
    if column:
        head.append(column)
        lines = [[*line, value] for line in lines]
    if well:
        place = head.index("Metadata_Well")
        lines = [[*line[:place], well, *line[place + 1 :]] for line in lines]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *lines])
    return copy


def test_types_columns_indexes_and_partitions_stay(database: Database, tmp_path: Path) -> None:
    first = job(tmp_path / "1", "P1-A01-1", "Metadata_Code", "5")
    load([first], database.url())
    for change in (
        "Per_Image MODIFY Image_FileName_DNA VARCHAR(90), ADD COLUMN note VARCHAR(9) DEFAULT 'x', "
        "ADD INDEX theirs (Image_FileName_DNA)",
        "Per_Cells CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
        "Per_Nuclei PARTITION BY RANGE (ImageNumber) (PARTITION p VALUES LESS THAN MAXVALUE)",
    ):
        database.rows(f"ALTER TABLE {change}")
    database.rows("UPDATE Per_Image SET note = 'kept'")
    # The column becomes text, so that the table is copied.
    second = job(tmp_path / "2", "P1-A01-2", "Metadata_Code", "high")
    load([first, second], database.url())

    found = database.rows("SELECT Image_Metadata_Code, note FROM Per_Image ORDER BY ImageNumber")
    assert found == [("5", "kept"), ("high", "x")]
    ((_, image),) = database.rows("SHOW CREATE TABLE Per_Image")
    assert all(words in image for words in ("varchar(90)", "`theirs`", "`Per_IPlateWell`"))
    assert "PARTITION" in str(database.rows("SHOW CREATE TABLE Per_Nuclei"))
    assert verify([first, second], database.url()).exit_status == 0


@pytest.mark.parametrize(
    ("change", "well"),
    [
        ("Per_Nuclei MODIFY Nuclei_AreaShape_Area FLOAT", ""),
        # Servers round without a word what an INT cannot hold.
        ("Per_Nuclei MODIFY Nuclei_AreaShape_Area INT", ""),
        ("", "a well of too many letters"),
    ],
)
def test_a_change_that_spoils_values_is_refused_with_the_statement_that_repairs_it(
    database: Database, tmp_path: Path, change: str, well: str
) -> None:
    outputs = [job(tmp_path / "1", "P1-A01-1")]
    load(outputs, database.url())
    database.rows(f"ALTER TABLE {change or 'Per_Image MODIFY Image_Metadata_Well VARCHAR(9)'}")
    outputs.append(job(tmp_path / "2", "P1-A01-2", well=well))
    with pytest.raises(ChangedError, match="run ALTER TABLE") as refused:
        load(outputs, database.url())
    statement = re.search("ALTER TABLE.*", str(refused.value))

    assert database.rows("SELECT count(*) FROM Per_Image") == [(1,)]
    assert statement is not None
    database.rows(statement[0])
    load(outputs, database.url())
    assert verify(outputs, database.url()).exit_status == 0


def test_what_stops_a_load_is_named_and_nothing_of_it_gets_lost(
    database: Database, tmp_path: Path
) -> None:
    first = job(tmp_path / "1", "P1-A01-1", "Metadata_Code", "5")
    with_column = job(tmp_path / "2", "P1-A01-2", "Custom_New", "7")
    with_text = job(tmp_path / "3", "P1-A02-1", "Metadata_Code", "high")
    load([first], database.url())
    for change, outputs, named, repair in (
        # A table that is copied would leave its foreign keys behind.
        (
            "Per_Cells ADD CONSTRAINT of_image FOREIGN KEY (ImageNumber) REFERENCES "
            "Per_Image (ImageNumber)",
            [first, with_text],
            "foreign key of another table: Per_Cells.of_image",
            "Per_Cells DROP FOREIGN KEY of_image",
        ),
        (
            "Per_Image ADD COLUMN image_custom_new VARCHAR(9) DEFAULT 'theirs'",
            [first, with_column],
            "RENAME COLUMN image_custom_new TO NEW_NAME",
            "Per_Image RENAME COLUMN image_custom_new TO note",
        ),
        (
            "Per_Image ADD UNIQUE one_only (Image_Metadata_Plate)",
            [first, with_column],
            "DROP INDEX `one_only` ON `Per_Image`",
            "Per_Image DROP INDEX one_only",
        ),
        (
            "Per_Nuclei PARTITION BY RANGE (ImageNumber) (PARTITION p VALUES LESS THAN (2))",
            [first, with_column],
            "add a partition",
            "Per_Nuclei ADD PARTITION (PARTITION q VALUES LESS THAN MAXVALUE)",
        ),
    ):
        database.rows(f"ALTER TABLE {change}")
        with pytest.raises(ChangedError, match=re.escape(named)):
            load(outputs, database.url())
        assert database.rows("SELECT count(*) FROM Per_Image") == [(1,)]
        assert database.rows("SELECT 1 FROM _cpexport_settings WHERE name = 'changing'") == []
        database.rows(f"ALTER TABLE {repair}")
    load([first, with_column, with_text], database.url())

    assert database.rows("SELECT DISTINCT note FROM Per_Image") == [("theirs",)]
    assert verify([first, with_column, with_text], database.url()).exit_status == 0


def test_objects_may_refer_to_their_images_by_a_foreign_key(
    database: Database, tmp_path: Path
) -> None:
    first, second = job(tmp_path / "1", "P1-A01-1"), job(tmp_path / "2", "P1-A01-2")
    load([first], database.url())
    database.rows("ALTER TABLE Per_Cells ADD FOREIGN KEY (ImageNumber) REFERENCES Per_Image")
    load([first, second], database.url())
    cpexport.remove(database.url(), image_sets="1")

    assert database.rows("SELECT DISTINCT ImageNumber FROM Per_Cells") == [(2,)]


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_columns_and_indexes_of_others_in_files_stay_or_are_named(
    kind: str, tmp_path: Path
) -> None:
    file = tmp_path / f"x.{kind}"
    first = job(tmp_path / "1", "P1-A01-1", "Metadata_Code", "5")
    with_column = job(tmp_path / "2", "P1-A01-2", "Custom_New", "7")
    with_text = job(tmp_path / "3", "P1-A02-1", "Metadata_Code", "high")

    def run(*statements: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(file) if kind == "sqlite" else duckdb.connect(file)) as db:
            for statement in statements:
                found = db.execute(statement).fetchall()
            return found

    load([first], f"{kind}:///{file}")
    for change, outputs, named, repair in (
        (
            "ALTER TABLE Per_Image ADD COLUMN image_custom_new TEXT DEFAULT 'theirs'",
            [first, with_column],
            "RENAME COLUMN image_custom_new TO NEW_NAME",
            "ALTER TABLE Per_Image RENAME COLUMN image_custom_new TO note",
        ),
        (
            "CREATE UNIQUE INDEX one_only ON Per_Image (Image_Metadata_Plate)",
            [first, with_column],
            "drop the unique index",
            "DROP INDEX one_only",
        ),
        (
            "ALTER TABLE Per_Image ADD COLUMN twice INT AS (2 * Image_Metadata_Site)",
            [first, with_text],
            "which computes twice",
            "ALTER TABLE Per_Image DROP COLUMN twice",
        )
        if kind == "sqlite"
        else (
            "ALTER TABLE Per_Nuclei ALTER COLUMN Nuclei_AreaShape_Area TYPE FLOAT",
            [first, with_column],
            "is FLOAT now, which changes values",
            'ALTER TABLE Per_Nuclei ALTER COLUMN "Nuclei_AreaShape_Area" TYPE DOUBLE',
        ),
    ):
        run(change)
        with pytest.raises(SinkError, match=re.escape(named)):
            load(outputs, f"{kind}:///{file}")
        assert run(repair, "SELECT count(*) FROM Per_Image") == [(1,)]
    run("CREATE INDEX theirs ON Per_Image (Image_FileName_DNA)")
    # The column becomes text, so that the table is copied.
    load([first, with_column, with_text], f"{kind}:///{file}")

    assert run("SELECT DISTINCT note FROM Per_Image") == [("theirs",)]
    indexes = {"sqlite": "name FROM sqlite_master", "duckdb": "index_name FROM duckdb_indexes()"}
    assert ("theirs",) in run(f"SELECT {indexes[kind]}")
    assert verify([first, with_column, with_text], f"{kind}:///{file}").exit_status == 0


def test_a_well_that_is_longer_than_an_index_can_hold_is_stored_whole(
    database: Database, tmp_path: Path
) -> None:
    outputs = [job(tmp_path / "1", "P1-A01-1")]
    load(outputs, database.url())
    outputs.append(job(tmp_path / "2", "P1-A01-2", well="w" * 300))
    load(outputs, database.url())

    assert database.rows("SELECT max(length(Image_Metadata_Well)) FROM Per_Image") == [(300,)]
    assert "Per_IPlateWell" in str(database.rows("SHOW INDEX FROM Per_Image"))
    assert verify(outputs, database.url()).exit_status == 0


def test_a_backup_under_another_name_is_whole_and_its_properties_follow(
    database: Database, databases: Callable[[str], Database], tmp_path: Path
) -> None:
    outputs = [job(tmp_path / "1", "P1-A01-1")]
    named = "SELECT DISTINCT value FROM Experiment_Properties WHERE field = 'db_name'"
    load(outputs, database.url())
    restored = databases(database.server.kind)
    database.server.restore(restored.name, database.server.dump(database.name))
    assert verify(outputs, restored.url()).exit_status == 0
    assert restored.rows(named) == [(database.name,)]
    load(outputs, restored.url())
    assert restored.rows(named) == [(restored.name,)]
    outputs.append(job(tmp_path / "2", "P1-A01-2"))
    load(outputs, restored.url())

    assert verify(outputs, restored.url()).exit_status == 0
    assert restored.rows("SELECT count(*) FROM Per_Image") == [(2,)]
    assert database.rows("SELECT count(*) FROM Per_Image") == [(1,)]


def test_views_outlive_the_account_that_made_them(database: Database, tmp_path: Path) -> None:
    first, second = job(tmp_path / "1", "P1-A01-1"), job(tmp_path / "2", "P1-A01-2")
    database.rows("DROP USER IF EXISTS importer@'%'")
    database.rows(f"CREATE USER importer@'%' IDENTIFIED BY '{PASSWORD}'")
    database.rows(f"GRANT ALL ON {database.name}.* TO importer@'%'")
    load([first], database.url("").replace(f"{USER}:", "importer:"))
    database.rows("DROP USER importer@'%'")

    pairs = database.rows("SELECT count(*) FROM Per_RelationshipsView")
    assert pairs[0][0] > 0
    assert database.rows("SELECT count(*) FROM _cpexport_current") == [(1,)]
    assert verify([first], database.url()).exit_status == 0

    # As in a backup that was restored by someone else, or made by an earlier version.
    database.rows("CREATE OR REPLACE VIEW _cpexport_current AS SELECT batch_id FROM _cpexport_sets")
    database.rows("DROP VIEW Per_RelationshipsView")
    load([first, second], database.url())

    shown = "SELECT security_type FROM information_schema.views WHERE table_schema = DATABASE()"
    assert {kind for (kind,) in database.rows(shown)} == {"INVOKER"}
    assert database.rows("SELECT sum(owned) FROM _cpexport_current") == [(2,)]
    assert database.rows("SELECT count(*) FROM Per_RelationshipsView") > pairs
