"""What differs between outputs and a destination is found and named, and nothing else is."""

import json
import math
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from support.calls import load, load_runs, verify, verify_runs
from support.fixtures import Ran, rewritten, rows, traces, unpacked
from support.reruns import LATER, rerun
from support.wide_tables import widen

from cpexport.commands.verify_report import VerifyReport
from cpexport.derived.wells import Wells
from cpexport.errors import ChangedError, SinkError, UsageError
from cpexport.loading.workers import THREAD, processes
from cpexport.tables.options import TableOptions
from cpexport.tables.path_map import PathMap

Copy = Callable[..., Path]
Case = Callable[[str], Path]
Run = Callable[..., Ran]

TRACK = "50_track/lap_batch"
CASES = [
    "10_ranges/outputs",
    "11_h5_and_csv/outputs",
    "12_failed/outputs",
    "13_groups/outputs",
    "20_sqlite/separate.db",
    "40_spreadsheet/outputs",
    TRACK,
    "60_perf/outputs",
    "70_cp319/batch",
    "70_sqlcsv/csv_per_job",
]
SHAPES = {
    "combined": TableOptions.parse("combined", "mean,median,std", 30),
    "aggregate": TableOptions.parse(None, "mean", None),
    "view": TableOptions.parse("view", None, None),
    "none": TableOptions.parse("none", "std", None),
    "only": TableOptions.parse("Nuclei", None, None),
}


def outputs(name: str) -> Path:
    home, _, part = name.partition("/")
    return unpacked(home) / part


def same(found: VerifyReport) -> bool:
    assert found.differences == ()
    assert (found.different, found.not_verified) == (0, ())
    assert found.verified > 0
    return True


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run with tracks, loaded."""
    database = tmp_path_factory.mktemp("verify") / "track.sqlite"
    load([outputs(TRACK)], f"sqlite:///{database}")
    return database


@pytest.fixture
def damaged(fresh: Path, tmp_path: Path) -> Callable[..., VerifyReport]:
    """Verifies a copy of it after some statements."""

    def run(*statements: str) -> VerifyReport:
        database = tmp_path / "copy.sqlite"
        shutil.copy(fresh, database)
        change(database, *statements)
        return verify([outputs(TRACK)], f"sqlite:///{database}")

    return run


def change(database: Path, *statements: str) -> None:
    with closing(sqlite3.connect(database)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


class TestTheSame:
    @pytest.mark.parametrize("name", CASES)
    def test_what_was_just_loaded_is_the_same(self, name: str, tmp_path: Path) -> None:
        to = f"sqlite:///{tmp_path / 'screen.sqlite'}"
        report = load([outputs(name)], to, prefix="My_")

        found = verify([outputs(name)], to, prefix="My_")

        assert same(found)
        said = [(unseen.path, unseen.reason) for unseen in found.not_loaded]
        assert said == [(left.path, left.reason) for left in report.left_out]
        assert [str(gone.image_sets) for gone in found.missing.values()] == [str(report.missing)]
        assert found.is_complete == report.is_complete
        assert found.verified == report.loaded
        there = {table: tally.rows for table, tally in found.tables.items()}
        assert there == dict(report.rows) | {
            table: n for table, n in there.items() if table not in report.rows
        }

    @pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
    @pytest.mark.parametrize("name", ["13_groups/outputs", TRACK])
    def test_whatever_the_tables_look_like(
        self, name: str, shape: TableOptions, tmp_path: Path
    ) -> None:
        to = f"sqlite:///{tmp_path / 'screen.sqlite'}"
        load([outputs(name)], to, shape=shape)

        assert same(verify([outputs(name)], to))

    def test_with_paths_as_desks_see_them(self, tmp_path: Path) -> None:
        to = f"sqlite:///{tmp_path / 'screen.sqlite'}"
        load([outputs(TRACK)], to, paths=PathMap((("/cluster", "/mnt/lab"),)))
        seen = "SELECT DISTINCT substr(Image_PathName_DNA, 1, 8) FROM Per_Image"

        assert rows(tmp_path / "screen.sqlite", seen) == [("/mnt/lab",)]
        assert same(verify([outputs(TRACK)], to))

    def test_runs_each_by_itself(self, tmp_path: Path) -> None:
        to = f"sqlite:///{tmp_path / 'screens.sqlite'}"
        named = [Path(f"one={outputs(TRACK)}"), Path(f"two={outputs('13_groups/outputs')}")]
        load_runs(named, to, shape=TableOptions(numbered=True))

        assert same(verify_runs(named, to))
        left = verify_runs(named[1:], to)
        assert left.differences == ()
        assert [unseen.path for unseen in left.not_verified] == ["run one"]

        change(tmp_path / "screens.sqlite", "UPDATE Per_Nuclei SET TableNumber = 7 WHERE rowid = 3")
        differ = verify_runs(named, to).differences
        assert {(one.run, one.table, one.column) for one in differ} >= {
            ("one", "Per_Nuclei", ""),
            ("", "Per_Nuclei", "TableNumber"),
        }

    def test_after_columns_have_become_wider(self, copy: Copy, tmp_path: Path) -> None:
        first = copy("11_h5_and_csv", "outputs/batch_1_6/batch_1_6.h5", "outputs/one/batch.h5")
        second = copy("11_h5_and_csv", "outputs/batch_7_12/batch_7_12.h5", "later/two/batch.h5")
        rewritten(first, "Image", "Metadata_Site", lambda values: [math.nan, 1.5, 2, 3, 4, 5])
        rewritten(second, "Image", "Metadata_Site", lambda values: [b"left"] * len(values))
        to = f"sqlite:///{tmp_path / 'screen.sqlite'}"
        load([first], to)
        load([second], to)

        assert same(verify([first, second], to))

    def test_tables_in_parts(self, copy: Copy, tmp_path: Path) -> None:
        for number in (1, 2):
            widen(copy("40_spreadsheet", f"outputs/P1-A01-{number}"), "Image.csv", 4100)
        folder = tmp_path
        to = f"sqlite:///{tmp_path / 'screen.sqlite'}"
        load([folder], to)

        assert "Per_Image_part3" in verify([folder], to).tables
        assert same(verify([folder], to))

        for damage in (
            "UPDATE Per_Image_part2 SET Image_Texture_Wide_3000 = 0 WHERE ImageNumber = 1",
            "DELETE FROM Per_Image_part3 WHERE ImageNumber = 2",
        ):
            change(tmp_path / "screen.sqlite", damage)
            found = verify([folder], to).differences
            assert damage.split()[1 if "UPDATE" in damage else 2] in {one.table for one in found}

    def test_what_a_newer_output_replaced_is_not_missed(self, copy: Copy, tmp_path: Path) -> None:
        old = copy("11_h5_and_csv", "outputs/batch_1_6/batch_1_6.h5", "outputs/old/batch.h5")
        to = f"sqlite:///{tmp_path / 'screen.sqlite'}"
        load([old], to)
        rerun(copy, "outputs/new/batch.h5", LATER)
        load([tmp_path / "outputs"], to)

        assert same(verify([tmp_path / "outputs"], to))

    def test_the_batch_file_it_was_loaded_with_is_asked_for(
        self, case: Case, copy: Copy, tmp_path: Path
    ) -> None:
        to = f"sqlite:///{tmp_path / 'screen.sqlite'}"
        here = copy("13_groups", "outputs", "elsewhere/outputs")
        batch = case("13_groups") / "Batch_data.h5"
        load([here], to, batch_file=batch)

        assert same(verify([here], to, batch_file=batch))
        without = verify([here], to)
        assert without.differences == ()
        assert ["--batch" in unseen.reason for unseen in without.not_verified] == [True]

    def test_a_negative_zero_is_zero_as_in_sqlite(self, copy: Copy, tmp_path: Path) -> None:
        file = copy("11_h5_and_csv", "outputs/batch_1_6/batch_1_6.h5", "outputs/batch.h5")
        rewritten(file, "Nuclei", "AreaShape_Area", lambda values: [-0.0, *values[1:]])
        to = f"sqlite:///{tmp_path / 'screen.sqlite'}"
        load([file], to)
        ((zero,),) = rows(
            tmp_path / "screen.sqlite", "SELECT min(Nuclei_AreaShape_Area) FROM Per_Nuclei"
        )

        assert math.copysign(1, float(str(zero))) == 1
        assert same(verify([file], to))


AREA = "Nuclei_AreaShape_Area"
ONE = "WHERE ImageNumber = 3 AND Nuclei_Number_Object_Number = 2"
SWAP = (
    "UPDATE Per_Image SET ImageNumber = {} WHERE ImageNumber = {}".format(*pair)
    for pair in ((-1, 2), (2, 3), (3, -1))
)
# What is done, and the table and column that must be named; None: any column.
DAMAGES: dict[str, tuple[tuple[str, ...], str, str | None]] = {
    "an image set deleted": (("DELETE FROM Per_Image WHERE ImageNumber = 3",), "Per_Image", ""),
    "an object deleted": ((f"DELETE FROM Per_Nuclei {ONE}",), "Per_Nuclei", ""),
    "the last bit of a real number": (
        (f"UPDATE Per_Nuclei SET {{last_bit}} {ONE}",),
        "Per_Nuclei",
        "Nuclei_Location_Center_X",
    ),
    "an integer one more": (
        ("UPDATE Per_Image SET Image_Count_Nuclei = Image_Count_Nuclei + 1 WHERE ImageNumber = 3",),
        "Per_Image",
        "Image_Count_Nuclei",
    ),
    "a text": (
        ("UPDATE Per_Image SET Image_FileName_DNA = 'x' || Image_FileName_DNA WHERE rowid = 3",),
        "Per_Image",
        "Image_FileName_DNA",
    ),
    "NULL for a value": ((f"UPDATE Per_Nuclei SET {AREA} = NULL {ONE}",), "Per_Nuclei", AREA),
    "text for a number": ((f"UPDATE Per_Nuclei SET {AREA} = 'a' {ONE}",), "Per_Nuclei", AREA),
    "infinity": ((f"UPDATE Per_Nuclei SET {AREA} = 9e999 {ONE}",), "Per_Nuclei", AREA),
    "a value for NULL": (
        ("UPDATE Per_Nuclei SET {null} = 3.5 WHERE rowid = (SELECT min(rowid) FROM "
         "Per_Nuclei WHERE {null} IS NULL)",),
        "Per_Nuclei",
        "{null}",
    ),
    "0 for NULL": (
        ("UPDATE Per_Nuclei SET {null} = 0 WHERE rowid = (SELECT min(rowid) FROM "
         "Per_Nuclei WHERE {null} IS NULL)",),
        "Per_Nuclei",
        "{null}",
    ),
    "image sets swapped": (tuple(SWAP), "Per_Image", None),
    "a batch doubled": (
        ("INSERT INTO Per_Image SELECT ImageNumber + 100, {image} FROM Per_Image "
         "WHERE ImageNumber <= 8",),
        "Per_Image",
        "",
    ),
    "an object too many": (
        (f"INSERT INTO Per_Nuclei SELECT ImageNumber, 99, {{nuclei}} FROM Per_Nuclei {ONE}",),
        "Per_Nuclei",
        "",
    ),
    "a batch deleted": (
        ("DELETE FROM Per_Image WHERE ImageNumber <= 8",
         "DELETE FROM Per_Nuclei WHERE ImageNumber <= 8"),
        "Per_Nuclei",
        "",
    ),
    "a pair deleted": (
        ("DELETE FROM Per_Relationships WHERE rowid = 5",), "Per_Relationships", ""
    ),
    "a pair too many": (
        ("INSERT INTO Per_Relationships SELECT relationship_type_id, 1, 98, 2, 99 "
         "FROM Per_Relationships LIMIT 1",),
        "Per_Relationships",
        "",
    ),
    "a pair of no kind": (
        ("INSERT INTO Per_Relationships VALUES (77, 1, 1, 2, 1)",), "Per_Relationships", ""
    ),
    "a pair of no image set": (
        ("INSERT INTO Per_Relationships SELECT relationship_type_id, NULL, 1, NULL, 1 "
         "FROM Per_Relationships LIMIT 1",),
        "Per_Relationships",
        "",
    ),
    "a pair changed": (
        ("UPDATE Per_Relationships SET object_number2 = 99 WHERE rowid = 5",),
        "Per_Relationships",
        "",
    ),
    "a kind of pairs renamed": (
        ("UPDATE Per_RelationshipTypes SET relationship = 'Child'",), "Per_Relationships", ""
    ),
    "a column dropped": ((f"ALTER TABLE Per_Nuclei DROP COLUMN {AREA}",), "Per_Nuclei", AREA),
    "a key renamed": (
        ("ALTER TABLE Per_Nuclei RENAME COLUMN ImageNumber TO Number",), "Per_Nuclei", "ImageNumber"
    ),
    "a table dropped": (("DROP TABLE Per_Nuclei",), "Per_Nuclei", ""),
    "pairs dropped": (("DROP TABLE Per_Relationships",), "Per_Relationships", ""),
    "the view dropped": (("DROP VIEW Per_RelationshipsView",), "Per_RelationshipsView", ""),
    "a group's place": (
        ("UPDATE Per_Image SET Image_Group_Index = 7 WHERE ImageNumber = 3",),
        "Per_Image",
        "Image_Group_Index",
    ),
    "a column forgotten": (
        (f"DELETE FROM _cpexport_columns WHERE column_name = '{AREA}'",),
        "Per_Nuclei",
        "AreaShape_Area",
    ),
    "an image set forgotten": (
        ("DELETE FROM _cpexport_sets WHERE number = 3",), "Per_Image", ""
    ),
    "an image set made up": (
        ("INSERT INTO _cpexport_sets SELECT prefix, table_number, 99, batch_id, identity "
         "FROM _cpexport_sets WHERE number = 3",),
        "_cpexport_sets",
        "batch_id",
    ),
    "an image set given to another batch": (
        ("UPDATE _cpexport_sets SET batch_id = 3 - batch_id WHERE number = 3",),
        "_cpexport_sets",
        "batch_id",
    ),
    "an image set given to no batch": (
        ("UPDATE _cpexport_sets SET batch_id = 9 WHERE number = 3",), "Per_Image", ""
    ),
    "a batch forgotten": (
        ("DELETE FROM _cpexport_batches WHERE batch_id = 1",), "Per_Image", ""
    ),
    "what a batch is": (
        ("UPDATE _cpexport_batches SET pipeline_sha256 = 'x' WHERE batch_id = 1",),
        "_cpexport_batches",
        "pipeline_sha256",
    ),
    "rows counted": (
        ("UPDATE _cpexport_tables SET row_count = row_count + 1 WHERE table_name = 'Per_Nuclei' "
         "AND batch_id = 1",),
        "_cpexport_tables",
        "Per_Nuclei",
    ),
    "missing values counted": (
        ("UPDATE _cpexport_tables SET missing_count = missing_count + 1 "
         "WHERE table_name = 'Per_Nuclei' AND batch_id = 1",),
        "_cpexport_tables",
        "Per_Nuclei",
    ),
    "a picture's name": (
        ("UPDATE _cpexport_sets SET identity = replace(identity, '.tif', '.png')",),
        "_cpexport_sets",
        "identity",
    ),
    "the pipeline": (
        ("UPDATE Per_Experiment SET Pipeline_Pipeline = Pipeline_Pipeline || x'0a'",),
        "Per_Experiment",
        "Pipeline_Pipeline",
    ),
    "a time": (
        ("UPDATE Per_Experiment SET Modification_Timestamp = '2001-01-01T00:00:00'",),
        "Per_Experiment",
        "Modification_Timestamp",
    ),
    "no row of the run": (("DELETE FROM Per_Experiment",), "Per_Experiment", ""),
}  # fmt: skip


def completed(fresh: Path, text: str) -> str:
    """A statement with what depends on the data filled in."""
    if "{" not in text:
        return text
    with closing(sqlite3.connect(fresh)) as db:
        names = {
            table: [c for (c,) in db.execute(f"SELECT name FROM pragma_table_info('{table}')")]
            for table in ("Per_Image", "Per_Nuclei")
        }
        ((value,),) = db.execute(f"SELECT Nuclei_Location_Center_X FROM Per_Nuclei {ONE}")
        null = next(
            c
            for c in names["Per_Nuclei"]
            if db.execute(f'SELECT count(*) - count("{c}") FROM Per_Nuclei').fetchone()[0] > 0
        )
    return text.format(
        null=null,
        last_bit=f"Nuclei_Location_Center_X = {math.nextafter(value, math.inf)!r}",
        image=", ".join(f'"{c}"' for c in names["Per_Image"][1:]),
        nuclei=", ".join(f'"{c}"' for c in names["Per_Nuclei"][2:]),
    )


class TestDamage:
    @pytest.mark.parametrize("what", DAMAGES)
    def test_it_is_found_and_named(
        self, what: str, fresh: Path, damaged: Callable[..., VerifyReport]
    ) -> None:
        statements, table, column = DAMAGES[what]

        found = damaged(*(completed(fresh, statement) for statement in statements))

        named = {(one.table, one.column) for one in found.differences}
        if column is None:
            assert table in {name for name, _ in named}
        else:
            assert (table, completed(fresh, column)) in named
        assert len(named) <= 40

    def test_a_value_is_named_with_batch_image_set_and_what_it_must_be(
        self, fresh: Path, damaged: Callable[..., VerifyReport]
    ) -> None:
        ((area,),) = rows(fresh, f"SELECT {AREA} FROM Per_Nuclei {ONE}")

        found = damaged(f"UPDATE Per_Nuclei SET {AREA} = {AREA} + 1 {ONE}")

        (one,) = found.differences
        assert (one.table, one.column, one.image_sets) == ("Per_Nuclei", AREA, (3,))
        assert Path(one.batch).is_relative_to(outputs(TRACK))
        assert f"object 2 of image set 3 must be {area} and is {float(str(area)) + 1}" in one.what
        assert (found.verified, found.different) == (1, 1)

    def test_a_batch_made_up_is_not_verified(self, damaged: Callable[..., VerifyReport]) -> None:
        names = "prefix, table_number, 'nowhere', format, 'x', 'y', image_sets, complete, refused"
        rest = "group_tags, state, reason, finished, modified_ns, cellprofiler, pipeline_sha256"
        found = damaged(
            f"INSERT INTO _cpexport_batches SELECT 9, {names}, {rest}, loaded_utc, cpexport "
            "FROM _cpexport_batches WHERE batch_id = 1"
        )

        assert [unseen.path for unseen in found.not_verified] == ["nowhere"]

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE _cpexport_sets SET identity = '{' WHERE number = 3",
            "UPDATE _cpexport_batches SET image_sets = 'none'",
            "UPDATE _cpexport_columns SET type = 'complex'",
            "UPDATE _cpexport_tables SET infinite_columns = ''",
        ],
    )
    def test_a_ledger_that_cannot_be_read_is_said_so(
        self, statement: str, damaged: Callable[..., VerifyReport]
    ) -> None:
        with pytest.raises(ChangedError, match="ledger was changed by another program"):
            damaged(statement)

    @settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_whatever_cell_is_changed(
        self, data: st.DataObject, fresh: Path, damaged: Callable[..., VerifyReport]
    ) -> None:
        """A cell in each of four tables: each of these tables is named."""
        pairs = data.draw(st.sampled_from(["Per_Relationships", "Per_RelationshipTypes"]))
        tables = ["Per_Image", "Per_Nuclei", pairs, "Per_Experiment"]
        with closing(sqlite3.connect(fresh)) as db:
            statements = [changed_cell(data, db, table) for table in tables]
        try:
            result = damaged(*statements)
        except sqlite3.IntegrityError:
            assume(False)

        named = {one.table[:15] for one in result.differences}
        assert {table.removesuffix("Types")[:15] for table in tables} <= named, statements


def changed_cell(data: st.DataObject, db: sqlite3.Connection, table: str) -> str:
    """A statement that gives a cell of a table another value."""
    found = db.execute(f'SELECT name, type FROM pragma_table_info("{table}")').fetchall()
    column, type = data.draw(st.sampled_from(found), "column")
    numbers = [n for (n,) in db.execute(f'SELECT rowid FROM "{table}"')]
    row = data.draw(st.sampled_from(numbers), "row")
    ((old,),) = db.execute(f'SELECT "{column}" FROM "{table}" WHERE rowid = {row}')
    new = data.draw(others(old, type), "new value")
    assume(new != old)
    if new is None:
        value = "NULL"
    elif isinstance(new, bytes):
        value = f"x'{new.hex()}'"
    else:
        value = "'" + new.replace("'", "''") + "'" if isinstance(new, str) else repr(new)
    return f'UPDATE "{table}" SET "{column}" = {value} WHERE rowid = {row}'


def others(old: Any, type: str) -> st.SearchStrategy[Any]:
    """Values that a cell may have instead, as SQLite gives them back."""
    texts = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=5)
    if type == "INTEGER":
        near = st.sampled_from([(old or 0) + 1, (old or 0) - 1])
        return st.one_of(near, st.integers(-(2**63), 2**63 - 1), st.none())
    if type in ("REAL", "FLOAT"):
        near = st.sampled_from([math.nextafter(old or 0.0, to) for to in (-math.inf, math.inf)])
        return st.one_of(
            near,
            st.floats(allow_nan=False, allow_infinity=False),
            st.none(),
            texts.map(lambda text: f"x{text}"),
        )
    if type == "BLOB":
        return st.binary(max_size=9)
    return st.one_of(texts, st.just(f"{old} "), st.none())


class TestWhatIsNotThere:
    def test_a_backup_from_before_the_second_batch_lacks_it(
        self, copy: Copy, cpexport: Run, tmp_path: Path
    ) -> None:
        copy("50_track", "lap_batch", "outputs")
        one, two = (tmp_path / "outputs" / "outputs" / name for name in ("M1", "M2"))
        load([one], f"sqlite:///{tmp_path / 'old.sqlite'}")

        ran = cpexport("verify", "outputs", "--to", "sqlite:///old.sqlite", "--format", "json")

        said = json.loads(ran.out)
        assert ran.status == 3
        assert said["batches"]["verified"] == 1
        assert [two.name in unseen["path"] for unseen in said["batches"]["not_loaded"]] == [True]
        assert said["differences"] == []

    def test_outputs_of_one_batch_leave_the_other_unverified(self, fresh: Path) -> None:
        first, plan = outputs(TRACK) / "outputs" / "M1", outputs(TRACK) / "Batch_data.h5"

        found = verify([first], f"sqlite:///{fresh}", batch_file=plan)

        assert found.differences == ()
        assert found.verified == 1
        assert ["not among OUTPUTS" in unseen.reason for unseen in found.not_verified] == [True]

    def test_a_batch_that_workers_cannot_read_is_named_and_the_others_are_verified(
        self, copy: Copy, tmp_path: Path
    ) -> None:
        run = copy("40_spreadsheet", "outputs")
        to = f"sqlite:///{tmp_path / 'screen.sqlite'}"
        load([run], to)
        cells = run / "P1-A01-1" / "Cells.csv"
        cells.write_bytes(cells.read_bytes()[:-40])

        alone, found = (verify([run], to, workers=workers) for workers in (THREAD, processes(2)))

        assert found.verified > 0
        assert replace(found, seconds=0) == replace(alone, seconds=0)

    def test_outputs_changed_since_are_named(self, copy: Copy, tmp_path: Path) -> None:
        file = copy("11_h5_and_csv", "outputs/batch_1_6/batch_1_6.h5", "outputs/batch.h5")
        to = f"sqlite:///{tmp_path / 'screen.sqlite'}"
        load([file], to)
        rewritten(file, "Nuclei", "AreaShape_Area", lambda values: [-7.0, *values[1:]])

        found = verify([file], to)

        assert ["different content" in unseen.reason for unseen in found.not_loaded] == [True]
        assert ["changed since" in unseen.reason for unseen in found.not_verified] == [True]
        assert found.verified == 0


class TestCommand:
    def test_nothing_is_changed(self, fresh: Path, cpexport: Run, tmp_path: Path) -> None:
        shutil.copy(fresh, tmp_path / "screen.sqlite")
        before = (tmp_path / "screen.sqlite").stat()
        trace = traces(tmp_path)

        ran = cpexport("verify", outputs(TRACK), "--to", "sqlite:///screen.sqlite")

        assert ran.status == 0
        assert "2 verified, 0 different" in ran.out
        assert traces(tmp_path) == trace
        assert (tmp_path / "screen.sqlite").stat().st_mtime_ns == before.st_mtime_ns

    def test_a_difference_is_a_failure_in_table_and_json(
        self, fresh: Path, cpexport: Run, tmp_path: Path
    ) -> None:
        shutil.copy(fresh, tmp_path / "screen.sqlite")
        change(tmp_path / "screen.sqlite", f"UPDATE Per_Nuclei SET {AREA} = 1.5")
        words = ["verify", outputs(TRACK), "--to", "sqlite:///screen.sqlite"]

        table, as_json = cpexport(*words), cpexport(*words, "--format", "json")

        assert (table.status, as_json.status) == (1, 1)
        assert AREA in table.out
        said = json.loads(as_json.out)
        assert said["batches"]["different"] == 2
        first = said["differences"][0]
        assert first.keys() == {"batch", "table", "column", "image_sets", "count", "what"}
        assert (first["table"], first["column"], first["count"]) == ("Per_Nuclei", AREA, 8)

    @pytest.mark.parametrize("to", ["nowhere.sqlite", "empty.sqlite"])
    def test_no_database_is_made(self, to: str, cpexport: Run, tmp_path: Path) -> None:
        (tmp_path / "empty.sqlite").touch()

        ran = cpexport("verify", outputs(TRACK), "--to", f"sqlite:///{to}")

        assert ran.status == 1
        assert ran.err.count("\n") == 1
        assert f"sqlite:///{to}: does not exist, or is empty; check --to" in ran.err
        assert list(tmp_path.iterdir()) == [tmp_path / "empty.sqlite"]
        assert (tmp_path / "empty.sqlite").stat().st_size == 0

    def test_wrong_words(self, fresh: Path, cpexport: Run) -> None:
        assert cpexport("verify", outputs(TRACK)).status == 2
        assert cpexport("verify", "--to", f"sqlite:///{fresh}").status == 2
        with pytest.raises(SinkError, match="under the prefix X_"):
            verify([outputs(TRACK)], f"sqlite:///{fresh}", prefix="X_")

    def test_a_run_that_is_not_there(self, tmp_path: Path) -> None:
        to = f"sqlite:///{tmp_path / 'screens.sqlite'}"
        load_runs([Path(f"one={outputs(TRACK)}")], to, shape=TableOptions(numbered=True))

        with pytest.raises(UsageError, match="no run two; existing runs: one"):
            verify_runs([Path(f"two={outputs(TRACK)}")], to)


class TestComputed:
    """What loads make from all batches, and views."""

    @pytest.mark.parametrize(
        ("statement", "table", "said"),
        [
            ("DELETE FROM Experiment", "Experiment", "must have one row"),
            (
                "UPDATE Experiment_Properties SET value = 'x' WHERE field = 'plate_id' "
                "AND object_name = 'Cells'",
                "Experiment_Properties",
                "plate_id of Cells must be .* and is 'x'",
            ),
            (
                "DELETE FROM Experiment_Properties WHERE object_name = 'Nuclei'",
                "Experiment_Properties",
                "the fields of Nuclei are missing",
            ),
            ("DROP TABLE Per_Well_avg", "Per_Well_avg", "is missing"),
            ("DELETE FROM Per_Well_avg", "Per_Well_avg", "0 rows for 1 well"),
            ("DROP VIEW Nuclei", "Nuclei", "is missing"),
            ("CREATE VIEW v AS SELECT 1", "", ""),
        ],
    )
    def test_what_is_changed_is_named(
        self, tmp_path: Path, statement: str, table: str, said: str
    ) -> None:
        home, file = outputs("40_spreadsheet/outputs/P1-A01-1"), tmp_path / "screen.sqlite"
        load([home], f"sqlite:///{file}", wells=Wells(("mean",)))
        with closing(sqlite3.connect(file)) as db, db:
            db.execute(statement)

        found = verify([home], f"sqlite:///{file}").differences

        assert {one.table for one in found} == ({table} if table else set())
        assert all(re.search(said, found[0].what) for one in found[:1])

    def test_wells_of_other_batches_are_said_to_be(self, tmp_path: Path) -> None:
        home, file = outputs("40_spreadsheet/outputs/P1-A01-1"), tmp_path / "screen.sqlite"
        load([home], f"sqlite:///{file}", wells=Wells(("mean",)))
        with closing(sqlite3.connect(file)) as db, db:
            words = (
                'UPDATE _cpexport_settings SET value = replace(value, \'"of": "\', \'"of": "0\')'
            )
            db.execute(words)

        found = verify([home], f"sqlite:///{file}").differences
        said = "does not include all loaded batches; run cpexport load"
        assert [(one.table, one.what) for one in found] == [
            ("Per_Well", said),
            ("Per_Well_avg", said),
        ]
