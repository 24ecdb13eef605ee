"""Which CSV files a job's tables are read from, whatever people called them or left beside them."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from support.fixtures import Ran, rows
from support.small_outputs import experiment, images, measurements, objects, write

RELATED = (
    "Module,Module Number,Relationship,First Object Name,First Image Number,First Object Number,"
    "Second Object Name,Second Image Number,Second Object Number\n"
    "RelateObjects,9,Parent,Nuclei,1,1,Nuclei,1,"
)
CHOSEN = (
    "ExportToSpreadsheet:[module_num:3|enabled:True]\n"
    "    Select the measurements to export:Yes\n"
    "    Name the objects:SmallNuclei"
)
Loads = Callable[..., Ran]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def load(run: Path, cpexport: Callable[..., Ran]) -> Loads:
    return lambda *words: cpexport("load", run, "--to", "sqlite:///T", *words)


def loaded(run: Path, table: str = "Per_Nuclei") -> list[tuple[object, ...]]:
    """Image sets, and how many rows each has."""
    query = f"SELECT ImageNumber, count(*) FROM {table} GROUP BY 1 ORDER BY 1"
    return rows(run.parent / "T", query)


def tables(run: Path) -> set[object]:
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'Per_*'"
    found = {name for (name,) in rows(run.parent / "T", query)}
    return found - {"Per_Image", "Per_Experiment", "Per_Relationships", "Per_RelationshipTypes"}


def database(path: Path, image_sets: list[int]) -> None:
    """A file of ExportToDatabase with these image sets, without objects."""
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE TABLE MyExpt_Per_Image (ImageNumber INTEGER, Image_FileName_DNA TEXT, "
        "Image_Count_Nuclei INTEGER, Image_ModuleError_01LoadData INTEGER)"
    )
    connection.executemany(
        "INSERT INTO MyExpt_Per_Image VALUES (?, ?, 0, 0)", [(n, f"i{n}.tif") for n in image_sets]
    )
    connection.commit()
    connection.close()


RENAMED = [
    "MyExpt_Nuclei.csv",
    "Nuclei_run1.csv",
    "nuclei.csv",
    "NUCLEI.csv",
    "Nuclei (1).csv",
    "OldNuclei.csv",
    "run1_Nuclei_final.csv",
    "Nuclei-2.txt",
]


class TestRenamedTables:
    """`Image.csv` counts Nuclei; a file of another name has their rows."""

    @pytest.mark.parametrize("name", RENAMED)
    def test_it_is_the_counted_type(self, name: str, run: Path, load: Loads) -> None:
        images(run / "Image.csv", {1: 2, 2: 3})
        objects(run / name, {1: 2, 2: 3})

        assert load().status == 0
        assert tables(run) == {"Per_Nuclei"}
        assert loaded(run) == [(1, 2), (2, 3)]

    @pytest.mark.parametrize("name", RENAMED)
    def test_rows_that_it_lacks_are_missing(self, name: str, run: Path, load: Loads) -> None:
        images(run / "Image.csv", {1: 2, 2: 3})
        objects(run / name, {1: 2, 2: 1})
        ran = load()

        assert ran.status == 3
        assert f"2: {name} has 1 of 3 rows" in ran.out
        assert loaded(run) == [(1, 2)]

    def test_an_empty_one_makes_its_image_sets_missing(self, run: Path, load: Loads) -> None:
        images(run / "Image.csv", {1: 2, 2: 0})
        write(run / "MyExpt_Nuclei.csv", "")
        ran = load()

        assert ran.status == 3
        assert "1: MyExpt_Nuclei.csv is empty" in ran.out
        assert loaded(run, "Per_Image") == [(2, 1)]

    def test_the_longest_type_in_the_name_counts(self, run: Path, load: Loads) -> None:
        write(
            run / "Image.csv",
            "Count_BigNuclei,Count_Nuclei,ImageNumber,ModuleError_01LoadData\n1,2,1,0\n",
        )
        objects(run / "a_BigNuclei.csv", {1: 1})
        objects(run / "a_Nuclei.csv", {1: 2})

        assert load().status == 0
        assert (loaded(run), loaded(run, "Per_BigNuclei")) == ([(1, 2)], [(1, 1)])

    def test_a_name_of_two_types_is_none(self, run: Path, load: Loads) -> None:
        write(
            run / "Image.csv",
            "Count_Cells,Count_Nuclei,ImageNumber,ModuleError_01LoadData\n2,2,1,0\n",
        )
        objects(run / "Nuclei_Cells.csv", {1: 2})
        ran = load()

        assert ran.status == 3
        assert "Image.csv counts no Nuclei_Cells; rename it after its object type" in ran.out
        assert tables(run) == set()

    def test_one_without_a_counted_type_is_named(self, run: Path, load: Loads) -> None:
        images(run / "Image.csv", {1: 2})
        objects(run / "Nuclei.csv", {1: 2})
        objects(run / "Cells.csv", {1: 1})
        ran = load()

        assert ran.status == 3
        assert "Cells.csv: Image.csv counts no Cells" in ran.out
        assert tables(run) == {"Per_Nuclei"}

    @pytest.mark.parametrize("said", [True, False], ids=["by the pipeline", "by the columns"])
    def test_a_type_that_a_person_left_uncounted_is_loaded_and_told(
        self, said: bool, run: Path, load: Loads
    ) -> None:
        write(run / "Image.csv", "Count_Nuclei,FileName_DNA,ImageNumber\n2,i1.tif,1\n")
        name = "SmallNuclei" if said else "Cells"
        if said:
            experiment(run / "Experiment.csv", CHOSEN)
        objects(run / "Nuclei.csv", {1: 2})
        objects(run / f"{name}.csv", {1: 1})
        ran = load()

        assert ran.status == 0
        assert (
            f"{name}.csv: Image.csv counts no {name}, so cpexport cannot tell whether rows"
            in ran.err
        )
        assert loaded(run, f"Per_{name}") == [(1, 1)]

    def test_without_any_count_one_note_says_so_before_the_load_too(
        self, run: Path, load: Loads
    ) -> None:
        write(run / "Image.csv", "FileName_DNA,ImageNumber\ni1.tif,1\n")
        objects(run / "Cells.csv", {1: 2})
        objects(run / "Nuclei.csv", {1: 2})
        said = (
            "Cells.csv, Nuclei.csv: Image.csv counts no Cells, Nuclei, "
            "so cpexport cannot tell whether rows"
        )
        foreseen, ran = load("--dry-run"), load()

        assert (foreseen.status, ran.status) == (0, 0)
        assert [foreseen.err.count(said), ran.err.count(said)] == [1, 1]


class TestSeveralFilesOfOneType:
    PARTS = (
        ("A01_Nuclei.csv", "A02_Nuclei.csv"),
        ("A01/Nuclei.csv", "A02/Nuclei.csv"),
        ("Nuclei.csv", "Nuclei_2.csv"),
        ("Objects/A01/Nuclei.csv", "Objects/A02/Nuclei.csv"),
    )

    @pytest.mark.parametrize("names", PARTS)
    def test_parts_by_image_set_are_one_table(
        self, names: tuple[str, str], run: Path, load: Loads
    ) -> None:
        images(run / "Image.csv", {1: 2, 2: 3, 3: 0})
        objects(run / names[0], {1: 2})
        objects(run / names[1], {2: 3})

        assert load().status == 0
        assert tables(run) == {"Per_Nuclei"}
        assert loaded(run) == [(1, 2), (2, 3)]

    @pytest.mark.parametrize("names", PARTS)
    def test_a_part_that_lacks_rows_is_named(
        self, names: tuple[str, str], run: Path, load: Loads
    ) -> None:
        images(run / "Image.csv", {1: 2, 2: 3})
        objects(run / names[0], {1: 2})
        objects(run / names[1], {2: 2})
        ran = load()

        assert ran.status == 3
        assert names[1] in ran.out
        assert "Image.csv is missing" not in ran.out

    @pytest.mark.parametrize(
        "names",
        [("X/Nuclei.csv", "Y/Nuclei.csv"), ("a_Nuclei.csv", "b_Nuclei.csv")],
    )
    def test_two_with_the_same_image_sets_are_both_named(
        self, names: tuple[str, str], run: Path, load: Loads
    ) -> None:
        images(run / "Image.csv", {1: 2})
        objects(run / names[0], {1: 2})
        objects(run / names[1], {1: 2}, area=9)
        ran = load()

        assert ran.status == 3
        assert f"{run / names[0]}: {names[1]} also has rows of Nuclei in image set 1" in ran.out
        assert f"{run / names[1]}: {names[0]} also has rows of Nuclei in image set 1" in ran.out
        assert tables(run) == set()

    def test_two_that_are_called_as_the_table_cost_the_batch(self, run: Path, load: Loads) -> None:
        images(run / "b1/Image.csv", {1: 0})
        images(run / "b2/Image.csv", {2: 2})
        objects(run / "b2/Nuclei.csv", {2: 2})
        objects(run / "b2/Nuclei.txt", {2: 2}, area=9)
        ran = load()

        assert ran.status == 3
        assert "Nuclei.csv: has rows of image set 2, and so has Nuclei.txt; keep the one" in ran.out
        assert loaded(run, "Per_Image") == [(1, 1)]

    def test_of_two_that_are_the_same_one_is_read_and_the_other_named(
        self, run: Path, load: Loads
    ) -> None:
        images(run / "Image.csv", {1: 2})
        images(run / "Image.txt", {1: 2})
        objects(run / "X/Nuclei.csv", {1: 2})
        objects(run / "Y/Nuclei.csv", {1: 2})
        ran = load()

        assert ran.status == 3
        assert "Image.txt: rows of image sets, but Image.csv is the table of this job" in ran.out
        assert "Y/Nuclei.csv: a copy of X/Nuclei.csv; move it out of OUTPUTS" in ran.out
        assert loaded(run) == [(1, 2)]

    def test_equal_files_without_rows_are_no_copies(self, run: Path, load: Loads) -> None:
        experiment(run / "Experiment.csv")
        write(run / "done.txt", "Complete\n")
        for number, count in {1: 0, 2: 0, 3: 2}.items():
            images(run / f"A{number}/Image.csv", {number: count})
            objects(run / f"A{number}/Nuclei.csv", {number: count})

        assert load().status == 0
        assert loaded(run) == [(3, 2)]

    def test_two_tables_of_image_sets_are_both_named(self, run: Path, load: Loads) -> None:
        images(run / "Image.csv", {1: 2})
        images(run / "Image.txt", {1: 2, 2: 0})
        ran = load()

        assert ran.status == 1
        assert "Image.csv: image set 1 has a row here and in Image.txt; keep the one" in ran.err

    def test_two_that_say_how_the_job_ran_are_both_named(self, run: Path, load: Loads) -> None:
        images(run / "Image.csv", {1: 0})
        experiment(run / "A_Experiment.csv")
        experiment(run / "B_Experiment.csv", version="3.1.9")
        ran = load()

        assert ran.status == 1
        assert (
            "A_Experiment.csv: describes how the job ran, and so does B_Experiment.csv" in ran.err
        )

    def test_pairs_come_from_the_file_that_cellprofiler_names(self, run: Path, load: Loads) -> None:
        images(run / "Image.csv", {1: 2})
        objects(run / "Nuclei.csv", {1: 2})
        write(run / "Object relationships.csv", f"{RELATED}2\n")
        write(run / "Object relationships (1).csv", f"{RELATED}1\n")
        ran = load()

        assert ran.status == 3
        assert (
            "Object relationships.csv has the pairs of objects; move it out of OUTPUTS" in ran.out
        )
        pairs = "SELECT object_number1, object_number2 FROM Per_Relationships"
        assert rows(run.parent / "T", pairs) == [(1, 2)]

    def test_of_two_other_names_of_pairs_none_is_taken(self, run: Path, load: Loads) -> None:
        images(run / "Image.csv", {1: 2})
        objects(run / "Nuclei.csv", {1: 2})
        write(run / "pairs_a.csv", f"{RELATED}2\n")
        write(run / "pairs_b.csv", f"{RELATED}1\n")
        ran = load()

        assert ran.status == 1
        assert "pairs_a.csv: has pairs of objects, and so has pairs_b.csv; keep" in ran.err


class TestOtherFormatsBeside:
    def test_image_sets_that_only_the_sqlite_file_has_are_named(
        self, run: Path, load: Loads
    ) -> None:
        images(run / "Image.csv", {1: 0})
        database(run / "X.db", [1, 2])
        ran = load()

        assert ran.status == 3
        assert "X.db: lists image sets 2, which Image.csv does not have" in ran.out

    def test_those_of_all_batches_of_a_folder_count(self, run: Path, load: Loads) -> None:
        images(run / "A_Image.csv", {1: 0})
        images(run / "B_Image.csv", {2: 0})
        database(run / "X.db", [1, 2])

        assert load().status == 0
        assert loaded(run, "Per_Image") == [(1, 1), (2, 1)]

    def test_beside_an_h5_too(self, run: Path, load: Loads) -> None:
        measurements(run / "b1.h5", {1: 0})
        database(run / "X.db", [1, 2])
        ran = load()

        assert ran.status == 3
        assert "X.db: lists image sets 2, which b1.h5 does not have" in ran.out

    def test_beside_mysql_csv_too(self, run: Path, load: Loads, copy: Callable[..., Path]) -> None:
        copy("70_sqlcsv", "csv_per_job", "run")
        database(run / "X.db", [1, 99])
        ran = load()

        assert ran.status == 3
        assert "X.db: lists image sets 99, which SQL_1_8_Image.CSV does not have" in ran.out

    @pytest.mark.parametrize(
        "name", ["Nuclei.xlsx", "MyExpt_nuclei.parquet", "Nuclei.csv.bak", "Nuclei.gz"]
    )
    def test_a_table_in_another_format_is_named(self, name: str, run: Path, load: Loads) -> None:
        images(run / "Image.csv", {1: 2})
        write(run / name, "PK")
        ran = load()

        assert ran.status == 3
        assert (
            f"{name}: Image.csv counts Nuclei, but cpexport reads only CSV; save it as" in ran.out
        )

    def test_it_is_not_where_its_csv_is_there(self, run: Path, load: Loads) -> None:
        images(run / "Image.csv", {1: 2})
        objects(run / "Nuclei.csv", {1: 2})
        write(run / "Nuclei.xlsx", "PK")

        assert load().status == 0
