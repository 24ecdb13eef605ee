"""CSV files that ExportToDatabase wrote for MySQL, with their SETUP.SQL: real ones, and edited."""

import csv
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from contracts.source import SourceContract, tables
from support.calls import load, verify
from support.fixtures import (
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
from support.packed import compress, uncompress

from cpexport.errors import SourceError
from cpexport.imagesets import ImageSets
from cpexport.loading.survey import survey
from cpexport.sources.base import Source
from cpexport.sources.detect import find
from cpexport.sources.mysql_csv.file_names import SqlJob
from cpexport.sources.mysql_csv.source import SqlCsvSource

Case = Callable[[str], Path]
Copy = Callable[..., Path]
Loaded = Callable[..., Path]
Edit = Callable[[Path], object]
SETUP = "SQL_SETUP.SQL"
IMAGES, OBJECT, PAIRS = (f"SQL_1_6_{name}.CSV" for name in ("Image", "Object", "Relationships"))
OBJECTS = ("Cells", "Cytoplasm", "Nuclei")
_FIELD = re.compile(r'"(?:[^"\\]|\\.)*"|[^,]+', re.DOTALL)


def names(folder: Path, table: str) -> list[str]:
    """The columns of a table, by the lines of its CREATE TABLE."""
    text = (folder / SETUP).read_text()
    begin = text.index(f"CREATE TABLE MyExpt_Per_{table} (")
    lines = text[begin : text.index("PRIMARY KEY", begin)].splitlines()[1:]
    return [line.strip(",").split()[0] for line in lines if line.strip(",")]


def fields(path: Path) -> list[list[str]]:
    """The rows of a file, fields as they are written."""
    return [_FIELD.findall(line) for line in path.read_text().splitlines()]


def put(path: Path, table: list[list[str]]) -> None:
    path.write_text("".join(",".join(row) + "\n" for row in table))


def change(folder: Path, table: str, name: str, *written: str) -> None:
    """Writes something into the first rows of a column."""
    path = folder / f"SQL_1_6_{table}.CSV"
    found, place = fields(path), names(folder, table).index(name)
    for row, text in zip(found, written, strict=False):
        row[place] = text
    put(path, found)


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def six(folder: Path) -> Path:
    """The first job of a folder as if it had run six image sets, and no other."""
    for path in folder.glob("*.CSV"):
        if path.name.startswith("SQL_1_"):
            place = 1 if "Relationships" in path.name else 0
            table = [row for row in fields(path) if int(row[place]) <= 6]
            put(folder / re.sub("^SQL_1_[0-9]+", "SQL_1_6", path.name), table)
        path.unlink()
    return folder


@pytest.fixture
def combined(copy: Copy) -> Path:
    """A job on six image sets, with one table of all objects."""
    return six(copy("70_sqlcsv", "csv_per_job", to="job"))


@pytest.fixture
def separate(copy: Copy) -> Path:
    """The same with a table for each object type."""
    return six(copy("70_sqlcsv", "csv_separate", to="separate"))


def held(folder: Path) -> dict[str, dict[str, list[object]]]:
    """The values of all tables of the database that a folder makes."""
    database = folder.parent / "held.sqlite"
    database.unlink(missing_ok=True)
    load([folder], f"sqlite:///{database}")
    return values_of(database)


class SqlCsvContract(SourceContract):
    FORMAT = "sqlcsv"
    RELATIONSHIPS = True
    OBJECTS = OBJECTS

    def source(self, folder: Path) -> Source:
        files = ("Image", "Object", *self.OBJECTS, "Relationships")
        paths = [folder / f"SQL_1_6_{name}.CSV" for name in files]
        there = tuple(p for p in paths if p.is_file() or not folder.exists())
        return SqlCsvSource(folder, there, SqlJob("SQL_", 1, 6))

    def unmark(self, folder: Path, number: int) -> None:
        put(folder / IMAGES, [row for row in fields(folder / IMAGES) if row[0] != str(number)])


class TestCombined(SqlCsvContract):
    @pytest.fixture
    def folder(self, combined: Path) -> Path:
        return combined


class TestCombinedAndCompressed(SqlCsvContract):
    @pytest.fixture
    def folder(self, combined: Path) -> Path:
        compress(combined)
        return combined

    def source(self, folder: Path) -> Source:
        paths = tuple(sorted(folder.glob("SQL_1_6_*.gz")))
        return SqlCsvSource(folder, paths or (folder / f"{IMAGES}.gz",), SqlJob("SQL_", 1, 6))

    def unmark(self, folder: Path, number: int) -> None:
        uncompress(folder)
        super().unmark(folder, number)
        compress(folder)


class TestSeparate(SqlCsvContract):
    @pytest.fixture
    def folder(self, separate: Path) -> Path:
        return separate


def read_by_python(folder: Path, jobs: list[str], table: str) -> dict[str, tuple[str, ...]]:
    """The columns of a table, as texts, by Python's csv."""
    found: list[list[str]] = []
    for job in jobs:
        with (folder / f"SQL_{job}_{table}.CSV").open(newline="") as stream:
            found += csv.reader(stream, escapechar="\\", doublequote=False)
    return dict(zip(names(folder, table), zip(*found, strict=True), strict=True))


def typed(texts: tuple[str, ...], type: str) -> list[object]:
    """Values as SQLite has them in a column of a type."""
    if type == "TEXT":
        return list(texts)
    return [None if text == "NULL" else float(text) for text in texts]


class TestValues:
    @pytest.mark.parametrize(
        ("part", "jobs"), [("csv_per_job", ["1_8", "9_16"]), ("csv_separate", ["1_16"])]
    )
    def test_every_value_is_what_is_written(
        self, case: Case, loaded: Loaded, part: str, jobs: list[str]
    ) -> None:
        folder = case("70_sqlcsv") / part
        database = loaded(folder)
        for name in ("Image", *OBJECTS):
            table = "Object" if name != "Image" and part == "csv_per_job" else name
            texts = read_by_python(folder, jobs, table)
            types = declared(database, f"Per_{name}")
            left_out = {column for column in texts if column not in types}

            assert columns(database, f"Per_{name}") == {
                column: typed(texts[column], type) for column, type in types.items()
            }
            assert {column.split("_")[0] for column in left_out} <= (
                {"Mean", "Median", "StDev"} if name == "Image" else {"ObjectNumber", *OBJECTS}
            )

    @pytest.mark.parametrize("part", ["csv_per_job", "csv_separate"])
    def test_every_value_and_type_is_that_of_the_measurement_files_of_the_same_pictures(
        self, case: Case, copy: Copy, loaded: Loaded, part: str
    ) -> None:
        for job in ("1_8", "9_16"):
            copy("70_cp319", f"batch/outputs/batch_{job}/batch_{job}.h5", f"h5/{job}.h5")
        theirs = copy("70_cp319", "batch/done.txt", "h5/log.txt").parent
        ours, theirs = loaded(case("70_sqlcsv") / part), loaded(theirs)
        for table in ("Per_Image", "Per_Cells", "Per_Cytoplasm", "Per_Nuclei"):
            found, expected = columns(ours, table), columns(theirs, table)
            lacking = expected.keys() - found.keys()

            assert all(name.startswith("Image_ExecutionTime_") for name in lacking)
            assert {
                name: closeness(found[name], expected[name]) for name in found
            } == dict.fromkeys(found, "equal")
            assert declared(ours, table).items() <= declared(theirs, table).items()

    def test_an_image_set_without_objects_is_there(self, case: Case, loaded: Loaded) -> None:
        database = loaded(case("70_sqlcsv") / "csv_per_job")
        query = "SELECT Image_Count_Cells, typeof(Image_Count_Cells) FROM Per_Image WHERE "

        assert rows(database, query + "ImageNumber = 15") == [(0, "integer")]
        assert rows(database, "SELECT * FROM Per_Cells WHERE ImageNumber = 15") == []

    def test_relationships_are_spelled_out(self, case: Case, loaded: Loaded) -> None:
        folder = case("70_sqlcsv") / "csv_per_job"
        written = [
            (7, "Neighbors", "Nuclei", "Nuclei", *map(int, row[1:]))
            for job in ("1_8", "9_16")
            for row in fields(folder / f"SQL_{job}_Relationships.CSV")
        ]
        found = rows(loaded(folder), "SELECT * FROM Per_RelationshipsView")

        assert sorted(found) == sorted(written)
        assert len(found) == 1626

    def test_means_are_left_out_and_that_is_said(self, combined: Path) -> None:
        (batch,) = survey([combined]).batches

        assert "882 columns of means, medians or deviations are not loaded" in batch.notes
        assert len(batch.features["Image"]) == 32
        assert not [f for f in batch.features["Image"] if f.startswith(("Mean_", "StDev_"))]


class TestText:
    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            (r'"say \"hi\""', 'say "hi"'),
            (r'"it\'s"', "it's"),
            (r'"C:\\new\\table"', r"C:\new\table"),
            (r'"\\\\server\\\""', '\\\\server\\"'),
            (r'"one\ntwo\r\nthree\tfour"', "one\ntwo\r\nthree\tfour"),
            (r'"100\%"', "100%"),
            ('"a ""quote"""', 'a "quote"'),
            ('"taxol, 1uM"', "taxol, 1uM"),
            ('"é µ 日本"', "é µ 日本"),
            ('"NULL"', "NULL"),
            ('"nan"', "nan"),
            ('" padded "', " padded "),
            ('""', ""),
            ("NULL", None),
            ('"25.0"', "25.0"),
            ('"007"', "007"),
        ],
    )
    def test_text_is_what_mysql_reads(self, combined: Path, written: str, meant: object) -> None:
        change(combined, "Image", "Image_Metadata_Compound", written)
        found = held(combined)["Per_Image"]["Image_Metadata_Compound"]

        assert found == [meant, "DMSO", "taxol, 1uM", "taxol, 1uM", *['nocodazole "hi"'] * 2]

    def test_a_newline_within_quotes_is_one_too(self, combined: Path) -> None:
        """CellProfiler escapes them; MySQL reads both."""
        replace(combined / IMAGES, '"DMSO"', '"one\ntwo"')
        found = held(combined)["Per_Image"]

        assert found["Image_Metadata_Compound"][:3] == ["one\ntwo", "one\ntwo", "taxol, 1uM"]
        assert found["ImageNumber"] == [1, 2, 3, 4, 5, 6]

    def test_a_column_of_text_stays_text_whatever_is_in_it(self, combined: Path) -> None:
        change(combined, "Image", "Image_Metadata_Dose", *[f'"{n}"' for n in range(6)])
        found = held(combined)["Per_Image"]

        assert found["Image_Metadata_Dose"] == ["0", "1", "2", "3", "4", "5"]

    @pytest.mark.parametrize(
        "column", ["Metadata_Dose__uM_", "Metadata_Well2", "Metadata_$", "Mtdt_VryLngNm"]
    )
    def test_a_column_that_was_renamed_keeps_its_name(self, combined: Path, column: str) -> None:
        """CellProfiler replaces what MySQL does not like in names, and shortens them."""
        before = held(combined)["Per_Image"]
        replace(combined / SETUP, "Image_Metadata_Compound", f"Image_{column}")
        found = held(combined)["Per_Image"]

        assert found[f"Image_{column}"] == before.pop("Image_Metadata_Compound")
        assert found.items() >= before.items()


class TestNumbers:
    @pytest.mark.parametrize(
        ("written", "values"),
        [
            (["25.0", "-3.0", "4", "5", "6", "7"], [25, -3, 4, 5, 6, 7]),
            (
                ["12345678901234567", "1", "1", "1", "1", "NULL"],
                [12345678901234567, *[1] * 4, None],
            ),
            (["0.5", "1", "2.0", "3", "4", "5"], [0.5, 1.0, 2.0, 3.0, 4.0, 5.0]),
        ],
    )
    def test_integers_are_whole_where_all_of_them_are(
        self, combined: Path, written: list[str], values: list[object]
    ) -> None:
        change(combined, "Image", "Image_Metadata_Site", *written)
        found = held(combined)["Per_Image"]["Image_Metadata_Site"]

        assert found == values
        assert [type(value) for value in found] == [type(value) for value in values]

    def test_null_is_nothing(self, combined: Path) -> None:
        change(combined, "Object", "Cells_AreaShape_Area", "NULL", "5", "NULL")
        change(combined, "Image", "Image_Scaling_DNA", "0.1", "NULL")
        found = held(combined)

        assert found["Per_Cells"]["Cells_AreaShape_Area"][:3] == [None, 5.0, None]
        assert found["Per_Image"]["Image_Scaling_DNA"][:2] == [0.1, None]


class TestLayouts:
    def test_both_layouts_say_the_same(self, combined: Path, separate: Path) -> None:
        assert held(combined) == held(separate)

    def test_a_view_of_separate_tables_changes_nothing(self, separate: Path) -> None:
        """It comes after the LOAD DATA, as a statement of its own (write_mysql_table_defs)."""
        before = held(separate)
        view = (
            "\nCREATE VIEW MyExpt_Per_Object AS SELECT MyExpt_Per_Cells.ImageNumber,"
            "Cells_Number_Object_Number AS ObjectNumber,Cells_AreaShape_Area FROM MyExpt_Per_Cells;"
        )
        replace(separate / SETUP, "\nDROP VIEW IF", f"{view}\nDROP VIEW IF")

        assert held(separate) == before

    def test_objects_side_by_side_are_there_where_they_have_a_number(self, combined: Path) -> None:
        """Types with fewer objects are padded with NULL."""
        path, before = combined / "SQL_1_6_Object.CSV", held(combined)
        mine = [i for i, n in enumerate(names(combined, "Object")) if n.startswith("Cells_")]
        table = fields(path)
        for row in table:
            if row[:2] in (["1", "24"], ["1", "25"]):
                for place in mine:
                    row[place] = "NULL"
        put(path, table)
        change(combined, "Image", "Image_Count_Cells", "23.0")
        found = held(combined)

        assert found["Per_Nuclei"] == before["Per_Nuclei"]
        assert found["Per_Cytoplasm"] == before["Per_Cytoplasm"]
        assert found["Per_Cells"] == {
            name: values[:23] + values[25:] for name, values in before["Per_Cells"].items()
        }

    def test_of_two_objects_that_begin_alike_the_longer_name_counts(self, combined: Path) -> None:
        before = held(combined)
        replace(combined / SETUP, "Cytoplasm", "Cells_Rim")
        found = held(combined)

        assert set(found) == {name.replace("Cytoplasm", "Cells_Rim") for name in before}
        assert found["Per_Cells_Rim"] == {
            name.replace("Cytoplasm", "Cells_Rim"): values
            for name, values in before["Per_Cytoplasm"].items()
        }

    @pytest.mark.parametrize("layout", ["combined", "separate"])
    def test_the_number_of_objects_may_have_a_shortened_name(
        self, request: pytest.FixtureRequest, layout: str
    ) -> None:
        folder = request.getfixturevalue(layout)
        before = held(folder)
        replace(
            folder / SETUP, "Cytoplasm_Number_Object_Number integer", "Cytoplasm_NmbrObj integer"
        )

        assert held(folder) == before

    def test_objects_need_not_be_exported(self, separate: Path) -> None:
        """Then there are no tables of them, and no file of pairs is written."""
        text = (separate / SETUP).read_text()
        tables = re.compile(
            r"^CREATE TABLE MyExpt_Per_(Cells|Cytoplasm|Nuclei) \(.*?;$", re.DOTALL | re.MULTILINE
        )
        (separate / SETUP).write_text(tables.sub("", text))
        for name in (*OBJECTS, "Relationships"):
            (separate / f"SQL_1_6_{name}.CSV").unlink()
        (batch,) = survey([separate]).batches

        assert (str(batch.complete), batch.reason) == ("1-6", "")
        assert "Cells were counted, but no output of the run has a table for them" in batch.details

    def test_a_setup_written_on_windows_reads_the_same(self, combined: Path) -> None:
        before = held(combined)
        text = (combined / SETUP).read_bytes()
        (combined / SETUP).write_bytes(text.replace(b"\n", b"\r\n"))

        assert held(combined) == before


class TestJobs:
    def test_several_jobs_in_a_folder_are_loaded_each_once(self, copy: Copy) -> None:
        """Though its SETUP.SQL is that of the last job, and written anew by the next."""
        folder = copy("70_sqlcsv", "csv_per_job", to="run")
        to = f"sqlite:///{folder.parent}/run.sqlite"
        later = folder.parent / "later"
        later.mkdir()
        for path in folder.glob("SQL_9_16_*"):
            path.rename(later / path.name)
        first = load([folder], to)
        for path in later.iterdir():
            path.rename(folder / path.name)
        replace(folder / SETUP, "SQL_17_24_", "SQL_9_16_")
        replace(folder / SETUP, "'2026-", "'2027-")
        second, third = load([folder], to), load([folder], to)

        assert [(r.loaded, r.already) for r in (first, second, third)] == [(1, 0), (1, 1), (0, 2)]
        assert columns(folder.parent / "run.sqlite", "Per_Image")["ImageNumber"] == list(
            range(1, 17)
        )

    def test_when_a_job_began_is_known_of_the_one_that_wrote_the_setup(self, copy: Copy) -> None:
        folder = copy("70_sqlcsv", "csv_per_job")
        replace(folder / SETUP, "SQL_17_24_", "SQL_9_16_")
        found = {b.source.path.name: b.finished for b in survey([folder]).batches}

        assert found == {
            "SQL_1_8_Image.CSV": "",
            "SQL_9_16_Image.CSV": "2026-11-22T12:44:35.420517",
        }

    def test_version_and_pipeline_are_known(self, case: Case) -> None:
        (batch,) = survey([case("70_sqlcsv") / "csv_separate"]).batches
        pipeline = batch.source.inspect().pipeline

        assert batch.version == "3.1.9"
        assert pipeline is not None
        assert [m.name for m in pipeline.modules][-1] == "ExportToDatabase"
        assert ("SQL file prefix", "SQL_") in pipeline.modules[-1].settings

    @pytest.mark.parametrize("said", ["Complete", "Failure"])
    def test_a_done_file_says_how_the_job_ended(self, combined: Path, said: str) -> None:
        for path in combined.glob("done*"):
            path.unlink()
        (combined / "done.txt").write_text(f"{said}\n")
        (batch,) = survey([combined]).batches
        reason = "" if said == "Complete" else "the job reported Failure"

        assert (str(batch.complete), batch.reason) == ("1-6", reason)

    def test_the_row_is_the_sign_and_that_is_said(self, combined: Path) -> None:
        (batch,) = survey([combined]).batches

        assert batch.completion_marker == "row in Image.CSV"
        assert "no ModuleError or ExecutionTime columns: a row counts as measured" in batch.notes

    def test_other_pictures_than_the_batch_files_are_named(self, case: Case, copy: Copy) -> None:
        folder = copy("70_sqlcsv", "csv_combined_f5_l8")
        replace(folder / "SQL_5_8_Image.CSV", "P1_A03_s2_DNA.tif", "P1_A03_s1_DNA.tif")
        plan = case("70_cp319") / "batch" / "Batch_data.h5"
        (batch,) = survey([folder], plan).batches

        assert str(batch.complete) == "5,7-8"
        assert "6: other images than in Batch_data.h5 (in image set 6 FileName_DNA" in batch.reason


def found(folder: Path) -> list[tuple[str, Path]]:
    return sorted((source.format, source.path) for source in find([folder]).sources())


class TestDiscovery:
    @pytest.mark.parametrize("prefix", ["", "run2", "2019_05_", "My_Expt-"])
    def test_any_prefix_will_do(self, combined: Path, prefix: str) -> None:
        before = held(combined)
        for path in list(combined.glob("SQL_*")):
            path.rename(combined / f"{prefix}{path.name.removeprefix('SQL_')}")

        assert found(combined) == [("sqlcsv", combined)]
        assert held(combined) == before

    def test_a_folder_of_several_jobs_has_a_batch_for_each(self, case: Case) -> None:
        folder = case("70_sqlcsv") / "csv_per_job"

        assert found(folder) == [
            ("sqlcsv", folder / "SQL_1_8_Image.CSV"),
            ("sqlcsv", folder / "SQL_9_16_Image.CSV"),
        ]

    def test_spreadsheets_in_the_same_folder_stay_what_they_are(
        self, combined: Path, copy: Copy
    ) -> None:
        copy("10_ranges", "outputs/batch_7_12", to=combined.name)
        (before,) = find([copy("10_ranges", "outputs/batch_7_12", "alone")]).sources()
        sheet, sql = find([combined]).sources()

        assert (sheet.format, sql.format) == ("spreadsheet", "sqlcsv")
        assert [p.name for p in sheet.files] == [p.name for p in before.files]
        assert {p.name.split("_")[0] for p in sql.files} == {"SQL"}
        loaded = held(combined)["Per_Image"]["ImageNumber"]
        assert loaded == list(range(1, 13))

    def test_a_measurement_file_of_the_same_job_is_used(self, combined: Path, copy: Copy) -> None:
        copy("70_cp319", "batch/outputs/batch_1_8/batch_1_8.h5", f"{combined.name}/batch_1_8.h5")
        (batch,) = survey([combined]).batches

        assert batch.source.format == "hdf5"
        assert "the .h5 is used, not the 3 CSV files next to it" in batch.notes

    def test_a_spreadsheet_named_like_them_is_none_of_them(self, copy: Copy) -> None:
        folder = copy("10_ranges", "outputs/batch_1_6")
        for path in list(folder.glob("*.csv")):
            path.rename(folder / f"SQL_1_6_{path.stem}.CSV")

        assert found(folder) == [("spreadsheet", folder)]


def cut(name: str, size: int) -> Edit:
    """Takes bytes from the end of a file."""

    def do(folder: Path) -> None:
        path = folder / name
        path.write_bytes(path.read_bytes()[:-size])

    return do


def up_to(name: str, word: str) -> Edit:
    """Cuts a file before a word."""

    def do(folder: Path) -> None:
        path = folder / name
        text = path.read_text()
        path.write_text(text[: text.index(word)])

    return do


def written(table: str, name: str, *texts: str) -> Edit:
    return lambda folder: change(folder, table, name, *texts)


def in_text(name: str, old: str, new: str) -> Edit:
    return lambda folder: replace(folder / name, old, new)


def without(name: str, *numbers: int) -> Edit:
    """Takes the rows of some image sets."""

    def do(folder: Path) -> None:
        table = [row for row in fields(folder / name) if int(row[0]) not in numbers]
        put(folder / name, table)

    return do


def less(name: str, row: int) -> Edit:
    """Takes the last field of a row."""

    def do(folder: Path) -> None:
        table = fields(folder / name)
        del table[row][-1]
        put(folder / name, table)

    return do


REFUSED: dict[str, tuple[Edit, tuple[str, ...]]] = {
    "no setup": (lambda folder: (folder / SETUP).unlink(), (SETUP, "missing")),
    "empty setup": (in_text(SETUP, "CREATE", ""), (SETUP, "Per_Image")),
    "setup cut in its first table": (up_to(SETUP, "Image_Width_ER"), (SETUP, "Per_Image", "cut")),
    "setup cut in its second table": (
        up_to(SETUP, "\nNuclei_AreaShape_Area"),
        (OBJECT, SETUP, "cut off"),
    ),
    "setup cut before the pairs": (
        up_to(SETUP, "CREATE TABLE MyExpt_Per_RelationshipTypes"),
        (PAIRS, SETUP, "cut off"),
    ),
    "setup of another pipeline": (
        in_text(SETUP, "Image_Width_ER integer,\n", ""),
        (IMAGES, "fields", "SETUP.SQL"),
    ),
    "no image table": (lambda folder: (folder / IMAGES).unlink(), (IMAGES, "missing")),
    "short row": (less(OBJECT, 3), (OBJECT, "line 4", "fields", "SETUP.SQL")),
    "short image row": (less(IMAGES, 3), (IMAGES, "line 4", "fields", "SETUP.SQL")),
    "text among numbers": (
        written("Object", "Cells_Number_Object_Number", "1", "two"),
        (OBJECT, "line 2", "'two'", "Cells_Number_Object_Number"),
    ),
    "text among an image's numbers": (
        written("Image", "Image_Scaling_DNA", "1", "bright"),
        (IMAGES, "'bright'", "Image_Scaling_DNA"),
    ),
    "text as image number": (written("Image", "ImageNumber", "one"), (IMAGES, "'one'")),
    "image set twice": (written("Image", "ImageNumber", "1", "1"), (IMAGES, "1 has two rows")),
    "image set 0": (written("Image", "ImageNumber", "0"), (IMAGES, "image set 0")),
    "object in no image set": (written("Object", "ImageNumber", "NULL"), (OBJECT, "ImageNumber")),
    "object twice": (
        written("Object", "Cells_Number_Object_Number", "1", "1"),
        (OBJECT, "object 1 of image set 1 has two rows"),
    ),
    "number that is none": (
        written("Object", "Cells_Number_Object_Number", "1.5"),
        (OBJECT, "1.5", "number of Cells"),
    ),
    "relationship of no kind": (
        lambda folder: put(folder / PAIRS, [["9", *r[1:]] for r in fields(folder / PAIRS)]),
        (PAIRS, "relationship 9"),
    ),
    "NUL bytes": (in_text(OBJECT, "\n2,1,", "\n\0,1,"), (OBJECT, "NUL")),
    "not UTF-8": (
        lambda folder: (folder / IMAGES).write_bytes(
            (folder / IMAGES).read_bytes().replace(b"DMSO", b"DM\xc4O")
        ),
        (IMAGES, "UTF-8"),
    ),
}


class TestDamage:
    @pytest.mark.parametrize("damage", REFUSED)
    def test_what_is_damaged_is_refused_in_one_line(
        self, refused: Refused, combined: Path, damage: str
    ) -> None:
        do, words = REFUSED[damage]
        do(combined)
        refusal = refused("job")

        assert said_well(refusal, "job", *words)
        assert unchanged(refusal)

    @pytest.mark.parametrize(
        ("do", "complete", "reason"),
        [
            (cut(IMAGES, 40), "1-5", f"6: {IMAGES} is cut off"),
            (cut(OBJECT, 40), "1-5", f"6: {OBJECT} has 16 of 17 Cells, because it is cut off"),
            (cut(PAIRS, 3), "", f"1-6: {PAIRS} is cut off"),
            (without(IMAGES, 5, 6), "1-4", "5-6: not measured (no row in Image.CSV)"),
            (without(IMAGES, 3), "1-2,4-6", "3: not measured (no row in Image.CSV)"),
            (without(OBJECT, 6), "1-5", f"6: {OBJECT} has 0 of 17 Cells"),
            (up_to(IMAGES, "1,25.0"), "", "1-6: not measured (no row in Image.CSV)"),
            (up_to(OBJECT, "1,1,1"), "", f"1,4: {OBJECT} has 0 of 25 Cells"),
            (lambda folder: (folder / OBJECT).unlink(), "", f"1-6: {OBJECT} is missing"),
            (lambda folder: (folder / PAIRS).unlink(), "", f"1-6: {PAIRS} is missing"),
            (written("Image", "Image_Count_Nuclei", "99.0"), "2-6", "has 25 of 99 Nuclei"),
        ],
    )
    def test_an_image_set_whose_rows_are_not_whole_is_left_out_and_named(
        self, combined: Path, do: Edit, complete: str, reason: str
    ) -> None:
        do(combined)
        (batch,) = survey([combined]).batches

        assert str(batch.image_sets) == "1-6"
        assert str(batch.complete) == complete
        assert reason in batch.reason

    def test_a_damaged_job_does_not_keep_the_others_of_its_folder(self, copy: Copy) -> None:
        folder = copy("70_sqlcsv", "csv_per_job")
        with (folder / "SQL_1_8_Object.CSV").open("a") as stream:
            stream.write("9,1\n")
        batches = {b.source.path.name: b for b in survey([folder]).batches}

        assert batches["SQL_1_8_Image.CSV"].reason.startswith("SQL_1_8_Object.CSV: line 175 has 2")
        assert str(batches["SQL_9_16_Image.CSV"].complete) == "9-16"

    @pytest.mark.parametrize("seed", range(30))
    def test_a_flipped_bit_is_told_or_changes_one_value(self, combined: Path, seed: int) -> None:
        """Whatever it hits: an image set is loaded with all its rows, or named."""
        draw = random.Random(seed)
        path = combined / draw.choice([IMAGES, OBJECT, PAIRS, SETUP])
        damaged = bytearray(path.read_bytes())
        damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        before = traces(combined)
        (batch,) = survey([combined]).batches
        if batch.complete != ImageSets.parse("1-6"):
            assert batch.reason
        try:
            read = tables(batch.source, str(batch.complete))
        except SourceError as error:
            named = Path(error.path)
        else:
            named = path
            assert read["Image"]["ImageNumber"].to_pylist() == list(batch.complete)
            for name in set(OBJECTS) & set(read):
                counts = read["Image"][f"Count_{name}"].to_pylist()
                assert read[name].num_rows == sum(map(int, counts))
        assert named in (path, combined / PAIRS)
        assert traces(combined) == before


FLAG = (
    "FlagImage:[module_num:2|enabled:True]\n"
    "    Name the flag's category:Metadata\n    Name the flag:QCFlag\n"
    "    Skip image set if flagged?:{}\n"
)


def said_of_run(folder: Path, more: str = "", **measured: str) -> None:
    """Adds modules before the export in SETUP.SQL's pipeline, and columns to Per_Experiment."""
    text = (folder / SETUP).read_text()
    begin = re.search(r"INSERT INTO MyExpt_Per_Experiment \((.*?)\) VALUES \(X'([0-9A-F]+)'", text)
    assert begin is not None
    export = "ExportToDatabase:["
    pipeline = bytes.fromhex(begin[2]).decode().replace(export, more + export)
    columns, values = ",".join([*measured, begin[1]]), ",".join([*measured.values(), ""])
    new = f"INSERT INTO MyExpt_Per_Experiment ({columns}) VALUES ({values}"
    new += f"X'{pipeline.encode().hex().upper()}'"
    (folder / SETUP).write_text(text[: begin.start()] + new + text[begin.end() :])


def flagged(folder: Path, *numbers: int) -> None:
    """Adds FlagImage's column to Per_Image and Image.CSV, first after the number."""
    replace(
        folder / SETUP,
        "CREATE TABLE MyExpt_Per_Image (\nImageNumber INTEGER,\n",
        "CREATE TABLE MyExpt_Per_Image (\nImageNumber INTEGER,\nImage_Metadata_QCFlag integer,\n",
    )
    table = fields(folder / IMAGES)
    put(
        folder / IMAGES,
        [[row[0], str(int(int(row[0]) in numbers)), *row[1:]] for row in table],
    )


class TestWhatTheRunSays:
    def test_image_sets_that_flagimage_skipped_are_done(self, separate: Path) -> None:
        said_of_run(separate, FLAG.format("Yes"))
        flagged(separate, 2, 5)
        (batch,) = survey([separate]).batches
        database = separate.parent / "x.sqlite"
        report = load([separate], f"sqlite:///{database}")

        assert (str(batch.skipped), str(batch.complete)) == ("2,5", "1-6")
        assert str(report.skipped) == "2,5"
        query = "SELECT ImageNumber FROM Per_Image WHERE Image_Metadata_QCFlag = 1"
        assert rows(database, query) == [(2,), (5,)]

    def test_a_flag_that_does_not_skip_skips_nothing(self, separate: Path) -> None:
        said_of_run(separate, FLAG.format("No"))
        flagged(separate, 2, 5)
        (batch,) = survey([separate]).batches

        assert (str(batch.skipped), str(batch.complete)) == ("", "1-6")

    def test_what_was_measured_of_the_run_is_in_per_experiment(self, separate: Path) -> None:
        said_of_run(separate, Zfactor_Cells="-0.1234567890123456", EC50_Cells="null", B="'1e-05'")
        database = separate.parent / "x.sqlite"
        load([separate], f"sqlite:///{database}")
        verified = verify([separate], f"sqlite:///{database}")

        assert rows(database, "SELECT Zfactor_Cells, B FROM Per_Experiment") == [
            (-0.1234567890123456, 1e-05)
        ]
        query = "SELECT feature, value FROM _cpexport_measured ORDER BY feature"
        assert rows(database, query) == [("B", 1e-05), ("Zfactor_Cells", -0.1234567890123456)]
        assert verified.differences == ()
