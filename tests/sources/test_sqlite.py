"""SQLite files as ExportToDatabase leaves them, in all its layouts, and as jobs and people do."""

import json
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from support.calls import load
from support.fixtures import (
    Ran,
    Refused,
    closeness,
    columns,
    declared,
    rows,
    said_well,
    traces,
    unchanged,
    values_of,
)

from cpexport.errors import RunningError, SourceError
from cpexport.imagesets import ImageSets
from cpexport.loading.survey import survey
from cpexport.sources.base import State
from cpexport.sources.detect import find
from cpexport.sources.sqlite import rows as databaserows
from cpexport.sources.sqlite.source import DatabaseSource

Case = Callable[[str], Path]
Copy = Callable[..., Path]
Loaded = Callable[..., Path]

ALL = ImageSets.parse("1-24")
OBJECTS = ("BigNuclei", "Cells", "Cytoplasm", "Nuclei", "SmallNuclei")
# The layouts were written by runs of their own, which took their own time.
_TIMES = "Image_ExecutionTime_"

# Takes a lock as CellProfiler does, says so, and ends when it is told to.
_WRITER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
for statement in sys.argv[2:]:
    db.execute(statement)
print("ready", flush=True)
sys.stdin.readline()
"""
_BEGIN = ("BEGIN IMMEDIATE", "DELETE FROM MyExpt_Per_Image WHERE ImageNumber = 24")


@pytest.fixture
def file(copy: Copy) -> Path:
    """A job's file, one table for each object type, in a folder of its own."""
    return copy("20_sqlite", "separate.db", to="run/job/screen.db")


def change(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


@contextmanager
def writer(file: Path, *statements: str) -> Iterator["subprocess.Popen[str]"]:
    """Another process that has run the statements and is still there."""
    words = [sys.executable, "-c", _WRITER, str(file), *statements]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def sources(*outputs: Path) -> list[tuple[str, Path]]:
    return [(source.format, source.path) for source in find(outputs).sources()]


def read(file: Path) -> None:
    """All that a load reads of a file."""
    source = DatabaseSource(file, file)
    evidence = source.inspect()
    with source.open() as opened:
        assert opened.identities
        for _ in opened.read(evidence.present, {}):
            pass


def without_times(database: Path) -> dict[str, dict[str, list[object]]]:
    return {
        table: {name: values for name, values in found.items() if not name.startswith(_TIMES)}
        for table, found in values_of(database).items()
    }


class TestValues:
    @pytest.mark.parametrize("name", ["Image", *OBJECTS])
    def test_every_value_is_bit_for_bit_the_one_in_the_file(
        self, case: Case, loaded: Loaded, name: str
    ) -> None:
        file = case("20_sqlite") / "separate.db"
        ours, theirs = columns(loaded(file), f"Per_{name}"), columns(file, f"MyExpt_Per_{name}")

        assert ours == {c: v for c, v in theirs.items() if c in ours}
        assert list(ours) == [c for c in theirs if not c.startswith(("Mean_", "Median_", "StDev_"))]

    @pytest.mark.parametrize("name", ["Image", *OBJECTS])
    def test_it_gives_what_the_h5_of_the_same_pictures_gives(
        self, case: Case, loaded: Loaded, name: str
    ) -> None:
        """But for the last bit: CellProfiler writes values of objects as decimal text."""
        table = f"Per_{name}"
        files = loaded(case("20_sqlite") / "separate.db"), loaded(case("11_h5_and_csv") / "outputs")
        (ours, theirs) = (columns(file, table) for file in files)
        close = {c: closeness(ours[c], theirs[c]) for c in ours if not c.startswith(_TIMES)}

        types = [declared(file, table) for file in files]
        # What a name promises of its values, a shortened one does not.
        short = {c: "REAL" for c in types[0] if c.endswith("NumObjectsPerBn")}

        assert types[0] == types[1] | short
        assert set(close.values()) <= {"equal", *(["one ulp"] if name != "Image" else [])}

    @pytest.mark.parametrize("layout", ["combined", "view"])
    def test_all_layouts_give_the_same(self, case: Case, loaded: Loaded, layout: str) -> None:
        separate, other = (
            without_times(loaded(case("20_sqlite") / f"{name}.db")) for name in ("separate", layout)
        )

        assert other == separate

    def test_a_file_without_prefix_and_with_some_object_types_gives_those(
        self, case: Case, loaded: Loaded
    ) -> None:
        ours, whole = (
            without_times(loaded(case("20_sqlite") / f"{name}.db"))
            for name in ("noprefix", "separate")
        )

        assert set(ours) == {"Per_Image", "Per_Cells", "Per_Nuclei", "relationships"}
        assert ours["relationships"] == {"pairs": []}
        for table in ("Per_Cells", "Per_Nuclei"):
            assert ours[table] == {name: whole[table][name] for name in ours[table]}
            assert len(ours[table]) > 50

    def test_relationships_are_the_pairs_in_the_file(self, case: Case, loaded: Loaded) -> None:
        file = case("20_sqlite") / "separate.db"
        query = "SELECT * FROM {}Per_RelationshipsView ORDER BY 1, 2, 3, 4, 5, 6, 7, 8"

        assert rows(loaded(file), query.format("")) == rows(file, query.format("MyExpt_")) != []

    def test_reading_in_many_portions_gives_the_same(
        self, case: Case, loaded: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A shared file has the rows of a whole screen, of which memory holds a part at a time."""
        file = case("20_sqlite") / "combined.db"
        monkeypatch.setattr(databaserows, "_VALUES", 10_000)
        source = DatabaseSource(file, file)
        with source.open() as opened:
            parts = [name for name, _ in opened.read(ALL, {})]
        load([file], f"sqlite:///{tmp_path}/portions.sqlite")

        assert parts.count("Nuclei") > 12
        assert values_of(tmp_path / "portions.sqlite") == values_of(loaded(file))

    def test_numbers_and_text_keep_what_they_are_whatever_the_column_is_declared_as(
        self, file: Path, tmp_path: Path
    ) -> None:
        """SQLite's columns hold any type; CellProfiler writes real numbers into integer ones."""
        change(
            file,
            "ALTER TABLE MyExpt_Per_Image ADD Image_Metadata_Mixed integer",
            "ALTER TABLE MyExpt_Per_Image ADD Image_Thumbnail_DNA longblob",
            "UPDATE MyExpt_Per_Image SET Image_Metadata_Mixed = ImageNumber, "
            "Image_Thumbnail_DNA = 'iVBOR' || ImageNumber",
            "UPDATE MyExpt_Per_Image SET Image_Metadata_Mixed = 0.1 WHERE ImageNumber = 2",
            "UPDATE MyExpt_Per_Image SET Image_Metadata_Mixed = 'DMSO' WHERE ImageNumber = 3",
            "UPDATE MyExpt_Per_Image SET Image_Metadata_Mixed = NULL WHERE ImageNumber = 4",
            "UPDATE MyExpt_Per_Nuclei SET Nuclei_Neighbors_NumberOfNeighbors_Expanded = 1.5",
            "UPDATE MyExpt_Per_Nuclei SET Nuclei_AreaShape_Area = 9e999 WHERE ImageNumber = 1",
        )
        database = tmp_path / "out.sqlite"
        load([file], f"sqlite:///{database}")
        image, nuclei = (columns(database, f"Per_{name}") for name in ("Image", "Nuclei"))

        mixed = image["Image_Metadata_Mixed"]

        assert [mixed[0], *mixed[2:5]] == ["1", "DMSO", None, "5"]
        assert float(str(mixed[1])) == 0.1
        assert image["Image_Thumbnail_DNA"][:2] == ["iVBOR1", "iVBOR2"]
        assert nuclei["Nuclei_AreaShape_Area"][0] is None
        assert set(nuclei["Nuclei_Neighbors_NumberOfNeighbors_Expanded"]) == {1.5}

    def test_what_is_not_loaded_is_said(self, case: Case) -> None:
        (batch,) = survey([case("20_sqlite") / "longnames.db"]).batches
        aggregates, shortened = batch.notes

        assert aggregates.startswith("819 columns of MyExpt_Per_Image are not loaded")
        assert shortened.startswith("43 column names have 64 characters, the job's limit")
        assert len(batch.features["NucleiSegmentedFromTheDNAChannel"]) == 160


class TestWhatIsFound:
    def test_a_folder_with_one_is_the_batch_and_of_several_each(
        self, file: Path, copy: Copy
    ) -> None:
        run = file.parent.parent
        for suffix in ("sqlite", "SQLite3", "db3"):
            copy("20_sqlite", "noprefix.db", to=f"run/many/screen.{suffix}")

        assert sources(run) == [
            ("database", run / "job"),
            *(("database", run / "many" / f"screen.{s}") for s in ("SQLite3", "db3", "sqlite")),
        ]

    def test_a_destination_of_cpexport_is_never_one(
        self, file: Path, cpexport: Callable[..., Ran]
    ) -> None:
        to = f"sqlite:///{file.parent}/all.db"
        first, second = (cpexport("load", file.parent, "--to", to) for _ in range(2))

        assert (first.status, second.status) == (0, 0)
        assert "0 loaded, 1 already loaded" in second.out
        assert sources(file.parent) == [("database", file.parent)]

    def test_other_files_are_not(self, file: Path) -> None:
        """Of SQLite, of Windows, and destinations about to be made."""
        change(file.parent / "lims.sqlite", "CREATE TABLE Plates (name)")
        (file.parent / "Thumbs.db").write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") * 100)
        (file.parent / "new.sqlite").touch()
        shutil.copy(file, file.parent / "screen.db-wal.old")

        assert sources(file.parent) == [("database", file.parent)]

    def test_beside_an_h5_or_csv_it_is_not_used_and_that_is_said(
        self, copy: Copy, cpexport: Callable[..., Ran]
    ) -> None:
        folder = copy("11_h5_and_csv", "outputs/batch_1_6")
        copy("20_sqlite", "separate.db", to="batch_1_6/screen.db")
        (with_h5,) = survey([folder]).batches
        (folder / "batch_1_6.h5").unlink()
        (with_csv,) = survey([folder]).batches
        (folder / "Image.csv").write_bytes(b"ImageNumber,\xff\n")
        (damaged,) = survey([folder]).batches

        assert "the .h5 is used, not the 8 CSV and SQLite files next to it" in with_h5.notes
        assert with_csv.source.format == "spreadsheet"
        assert "a folder of CSV files is used, not the 1 SQLite file next to it" in with_csv.notes
        assert damaged.reason.endswith(
            "or move it out of OUTPUTS to use the SQLite file next to it"
        )


class TestJobsThatFailed:
    def test_a_shared_file_has_all_and_the_folder_of_a_job_without_tables_is_named(
        self, case: Case, cpexport: Callable[..., Ran]
    ) -> None:
        ran = cpexport("check", case("20_sqlite") / "shared", "--format", "json")
        said = json.loads(ran.out)
        batches = {Path(batch["path"]).name: batch for batch in said["batches"]}
        own = batches["batch_1_8_own_folder"]

        assert (said["complete"], said["missing"]) == (24, [])
        assert batches["screen.db"]["state"] == "complete"
        assert batches["screen.db"]["evidence"] == "ExecutionTime_12FlagImage"
        assert own["state"] == "failed"
        assert own["reason"] == (
            "the job reported Failure; screen.db is empty: the job found no tables to write to, "
            "or could not create them (CreateBatchFiles creates them only in its own output "
            "folder)"
        )
        assert batches["screen_after_create.db"]["reason"].endswith("has tables but no rows")

    def test_tables_without_rows_are_a_job_that_failed_at_once(self, case: Case) -> None:
        (batch,) = survey([case("20_sqlite") / "failed"]).batches

        assert (batch.state, batch.reason) == (
            State.FAILED,
            "the job reported Failure; props.db has tables but no rows; "
            "the job failed at its first image set",
        )

    def test_a_file_without_tables_is_named_as_an_empty_one(self, file: Path) -> None:
        file.unlink()
        change(file, "CREATE TABLE gone (x)", "DROP TABLE gone")
        (file.parent / "done.txt").write_text("Failure\n")
        (batch,) = survey([file.parent]).batches

        assert "screen.db has no tables: the job found no tables" in batch.reason

    def test_failure_takes_no_image_set_away(self, file: Path) -> None:
        (file.parent / "done.txt").write_text("Failure\n")
        (batch,) = survey([file.parent]).batches

        assert (batch.state, batch.complete) == (State.FAILED, ALL)

    @pytest.mark.parametrize("layout", ["separate", "combined"])
    def test_an_image_set_that_lacks_an_object_is_not_complete(
        self, copy: Copy, layout: str
    ) -> None:
        file = copy("20_sqlite", f"{layout}.db")
        table, key = {
            "separate": ("MyExpt_Per_Nuclei", "Nuclei_Number_Object_Number"),
            "combined": ("MyExpt_Per_Object", "ObjectNumber"),
        }[layout]
        change(file, f"DELETE FROM {table} WHERE ImageNumber = 7 AND {key} = 1")
        (batch,) = survey([file]).batches

        assert batch.complete == ALL - ImageSets.parse("7")
        assert f"7: {table} has 22 of 23 " in batch.reason

    def test_masked_objects_that_are_retained_are_the_nth_rows(
        self, case: Case, loaded: Loaded
    ) -> None:
        file = case("maskobjects")
        theirs = rows(
            file / "m_separate.db",
            "SELECT ImageNumber, MaskedCells_Parent_Cells FROM MyExpt_Per_MaskedCells "
            "ORDER BY ImageNumber, rowid",
        )
        ours = rows(
            loaded(file),
            "SELECT ImageNumber, MaskedCells_Number_Object_Number, MaskedCells_Parent_Cells "
            "FROM Per_MaskedCells ORDER BY 1, 2",
        )
        (batch,) = survey([file]).batches

        assert str(batch.complete) == "1-4"
        assert [(image, parent) for image, _, parent in ours] == theirs
        assert [number for image, number, _ in ours if image == 1] == [1, 2, 3, 4, 5]

    @pytest.mark.parametrize("layout", ["separate", "combined"])
    def test_those_without_a_number_follow_those_with_one(
        self, copy: Copy, tmp_path: Path, layout: str
    ) -> None:
        file = copy("20_sqlite", f"{layout}.db")
        table = {"separate": "MyExpt_Per_Cells", "combined": "MyExpt_Per_Object"}[layout]
        number, area = "Cells_Number_Object_Number", "Cells_AreaShape_Area"
        before = f"SELECT {number}, {area} FROM {table} WHERE ImageNumber = 3 AND {number} > 0"
        expected = sorted(rows(file, before))
        change(file, f"UPDATE {table} SET {number} = NULL WHERE ImageNumber = 3 AND {number} > 4")
        load([file], f"sqlite:///{tmp_path}/a.sqlite")
        found = rows(
            tmp_path / "a.sqlite",
            f"SELECT {number}, {area} FROM Per_Cells WHERE ImageNumber = 3 ORDER BY 1",
        )

        assert len(expected) > 5
        assert found == expected

    def test_without_numbers_and_out_of_order_they_are_not_made_up(self, copy: Copy) -> None:
        file = copy("20_sqlite", "separate.db")
        number = "Cells_Number_Object_Number"
        change(file, f"UPDATE MyExpt_Per_Cells SET {number} = NULL WHERE {number} = 2")
        (batch,) = survey([file]).batches

        assert "MyExpt_Per_Cells has " in batch.reason
        assert not batch.complete & ImageSets.parse("1-4")

    def test_rows_of_objects_without_their_image_are_not_complete(self, file: Path) -> None:
        change(file, "DELETE FROM MyExpt_Per_Image WHERE ImageNumber = 7")
        (batch,) = survey([file]).batches

        assert (batch.image_sets, batch.complete) == (ALL, ALL - ImageSets.parse("7"))
        assert "7: MyExpt_Per_Nuclei has rows of it, but MyExpt_Per_Image has none" in batch.reason

    def test_without_columns_of_modules_a_row_counts(self, case: Case, copy: Copy) -> None:
        """As CellProfiler 3 wrote them."""
        file = copy("20_sqlite", "noprefix.db")
        names = [c for c in declared(file, "Per_Image") if c.startswith(_TIMES)]
        change(file, *(f'ALTER TABLE Per_Image DROP COLUMN "{name}"' for name in names))
        (batch,) = survey([file]).batches

        assert (batch.complete, batch.completion_marker) == (ALL, "row in Per_Image")
        assert "no ExecutionTime_ columns: a row counts as measured" in batch.notes

    def test_tracks_are_written_when_their_group_is_done_and_not_complete_before(
        self, file: Path
    ) -> None:
        change(
            file,
            "ALTER TABLE MyExpt_Per_Nuclei ADD Nuclei_TrackObjects_Label_50 integer",
            "UPDATE MyExpt_Per_Nuclei SET Nuclei_TrackObjects_Label_50 = 1 WHERE ImageNumber < 20",
        )
        (batch,) = survey([file]).batches

        assert batch.complete == ImageSets.parse("1-19")
        assert "20-24: TrackObjects has not written to MyExpt_Per_Nuclei" in batch.reason

    def test_of_two_runs_in_one_file_one_must_be_empty(self, file: Path) -> None:
        change(file, "CREATE TABLE Other_Per_Image AS SELECT * FROM MyExpt_Per_Image")
        (two,) = survey([file]).batches
        change(file, "DELETE FROM Other_Per_Image")
        (one,) = survey([file]).batches

        assert (two.state, one.complete) == (State.UNREADABLE, ALL)
        assert "several runs in one file (MyExpt_Per_Image, Other_Per_Image)" in two.reason


class TestJobsThatRun:
    @pytest.mark.parametrize("statements", [_BEGIN, ("BEGIN EXCLUSIVE",)])
    def test_a_file_with_a_transaction_open_is_running(
        self, file: Path, statements: tuple[str, ...]
    ) -> None:
        with writer(file, *statements):
            before = traces(file.parent)
            (batch,) = survey([file.parent]).batches

            assert (batch.state, batch.complete) == (State.RUNNING, ImageSets())
            assert batch.reason == "screen.db: a job is writing it; wait until the job has ended"
            assert traces(file.parent) == before

    def test_of_a_job_killed_before_it_changed_the_file_all_else_is_there(self, file: Path) -> None:
        with writer(file, *_BEGIN):
            pass
        before = traces(file.parent)
        (batch,) = survey([file.parent]).batches
        read(file)

        assert batch.complete == ALL
        assert traces(file.parent) == before
        assert sorted(before) == ["screen.db", "screen.db-journal"]

    def test_of_a_job_killed_while_it_changed_the_file_nothing_is_read(self, file: Path) -> None:
        with writer(file, "PRAGMA cache_size = 1", *_BEGIN, "DELETE FROM MyExpt_Per_Nuclei"):
            pass
        before = traces(file.parent)
        (batch,) = survey([file.parent]).batches

        assert batch.state == State.RUNNING
        assert "a -journal file exists" in batch.reason
        assert "if no job is running, open it once with sqlite3" in batch.reason
        assert traces(file.parent) == before

        change(file, "DELETE FROM Experiment WHERE 0")
        assert survey([file.parent]).batches[0].complete == ALL

    def test_reading_never_keeps_a_job_from_writing(self, file: Path) -> None:
        """CellProfiler waits five seconds for a lock, and then the job fails."""
        source = DatabaseSource(file, file)
        source.inspect()
        with source.open() as opened:
            reading = opened.read(ALL, {})
            next(reading)
            with writer(file, *_BEGIN, "COMMIT"):
                pass
            found = dict(reading)

        assert found["Nuclei"].num_rows == 546
        assert rows(file, "SELECT count(*) FROM MyExpt_Per_Image") == [(23,)]

    def test_rows_that_a_job_changes_while_they_are_read_are_no_damage(self, file: Path) -> None:
        with DatabaseSource(file, file).open() as opened:
            reading = opened.read(ALL, {})
            next(reading)
            change(file, "DELETE FROM MyExpt_Per_Nuclei WHERE ImageNumber = 24")

            with pytest.raises(RunningError, match="wrote to it while cpexport read it"):
                list(reading)

    def test_a_file_that_a_person_put_into_wal_mode_is_read_without_files_beside_it(
        self, file: Path
    ) -> None:
        change(file, "PRAGMA journal_mode = WAL")
        (batch,) = survey([file.parent]).batches
        read(file)

        assert batch.complete == ALL
        assert [path.name for path in file.parent.iterdir()] == ["screen.db"]

    def test_what_is_only_in_a_wal_file_is_not_overlooked(self, file: Path) -> None:
        with (
            writer(file, "PRAGMA journal_mode = WAL", "DELETE FROM Experiment"),
            pytest.raises(RunningError, match="-wal file"),
        ):
            read(file)


class TestDamage:
    @pytest.mark.parametrize(
        ("damage", "says"),
        [
            (lambda content: content[:2_000_000], "cut off: 2000000 of 3289088 bytes"),
            (lambda content: content[:50], "damaged: not a whole SQLite database"),
            (lambda content: content[:100] + b"\xff" * 200_000, "cut off"),
            (lambda content: content[:8192] + bytes(len(content) - 8192), "damaged"),
        ],
        ids=["cut", "header", "filled", "zeroed"],
    )
    def test_it_is_one_line_that_names_the_file(
        self, refused: Refused, copy: Copy, damage: Callable[[bytes], bytes], says: str
    ) -> None:
        file = copy("20_sqlite", "separate.db", to="outputs/job/screen.db")
        file.write_bytes(damage(file.read_bytes()))
        refusal = refused("outputs")

        assert said_well(refusal, "outputs/job", says)
        assert unchanged(refusal)

    def test_a_value_that_is_no_number_is_named(self, refused: Refused, copy: Copy) -> None:
        file = copy("20_sqlite", "separate.db", to="outputs/job/screen.db")
        change(file, "UPDATE MyExpt_Per_Nuclei SET Nuclei_AreaShape_Area = 'x' WHERE rowid = 9")
        refusal = refused("outputs")

        assert said_well(
            refusal,
            file.name,
            "text in the numeric column Nuclei_AreaShape_Area",
            "restore the file that CellProfiler wrote",
        )

    def test_an_object_that_is_there_twice_is_named(self, file: Path) -> None:
        change(
            file,
            "CREATE TABLE copied AS SELECT * FROM MyExpt_Per_Nuclei",
            "INSERT INTO copied SELECT * FROM copied WHERE ImageNumber = 3",
            "DROP TABLE MyExpt_Per_Nuclei",
            "ALTER TABLE copied RENAME TO MyExpt_Per_Nuclei",
            "ALTER TABLE MyExpt_Per_Nuclei RENAME COLUMN Nuclei_Number_Object_Number TO n",
            "ALTER TABLE MyExpt_Per_Nuclei ADD Nuclei_Number_Object_Number INTEGER",
            "UPDATE MyExpt_Per_Nuclei SET Nuclei_Number_Object_Number = n",
        )

        with pytest.raises(SourceError, match="object 1 of image set 3 has two rows"):
            read(file)

    @pytest.mark.parametrize("seed", range(60))
    def test_flipped_bytes_are_damage_or_other_values_but_never_a_crash(
        self, case: Case, tmp_path: Path, seed: int
    ) -> None:
        chance = random.Random(seed)
        content = bytearray((case("20_sqlite") / "noprefix.db").read_bytes())
        span = 40_000 if seed % 2 else len(content)
        for _ in range(chance.choice([1, 5, 50])):
            content[chance.randrange(span)] = chance.randrange(256)
        file = tmp_path / "screen.db"
        file.write_bytes(content)
        try:
            read(file)
        except SourceError as error:
            said = str(error)
        else:
            said = ""

        assert said == "" or said.startswith(f"{file}: ")
        assert [path.name for path in tmp_path.iterdir()] == ["screen.db"]
