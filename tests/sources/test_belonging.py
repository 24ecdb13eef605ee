"""Tables in other folders, or under other prefixes, are loaded with the job whose they are."""

import bz2
import gzip
import json
import lzma
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support.calls import load
from support.fixtures import Ran, content, rows
from support.small_outputs import experiment, images, measurements, objects, write

from cpexport.commands.load_report import LoadReport
from cpexport.errors import SourceError
from cpexport.loading.inspection import look_at
from cpexport.loading.survey import survey
from cpexport.sources.detect import find


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


def loaded(*outputs: Path) -> tuple[LoadReport, Path]:
    """What a load of outputs says, and the database."""
    database = outputs[0].parent / f"{len(list(outputs[0].parent.iterdir()))}.sqlite"
    return load(outputs, f"sqlite:///{database}"), database


def left_out(report: LoadReport) -> dict[str, str]:
    return {Path(left.path).name: left.reason for left in report.left_out}


def numbers(database: Path, table: str) -> list[tuple[object, ...]]:
    query = f"SELECT ImageNumber, count(*) FROM {table} GROUP BY 1 ORDER BY 1"
    return rows(database, query)


class TestFoldersNamedForMetadata:
    """Experiment.csv and done.txt stay above."""

    @pytest.fixture
    def tagged(self, run: Path) -> Path:
        experiment(run / "b1" / "Experiment.csv", version="9.9")
        write(run / "b1" / "done.txt", "Complete\n")
        images(run / "b1" / "P1" / "A01" / "Image.csv", {1: 1, 2: 2})
        objects(run / "b1" / "P1" / "A01" / "Nuclei.csv", {1: 1, 2: 2})
        images(run / "b1" / "P2" / "A01" / "Image.csv", {3: 1})
        objects(run / "b1" / "P2" / "A01" / "Nuclei.csv", {3: 1})
        return run

    def test_all_tables_below_one_job_are_one_batch(self, tagged: Path) -> None:
        report, database = loaded(tagged)

        assert report.loaded == 1
        assert report.is_complete
        assert numbers(database, "Per_Nuclei") == [(1, 1), (2, 2), (3, 1)]
        assert rows(database, "SELECT CellProfiler_Version FROM Per_Experiment") == [("9.9",)]

    def test_an_object_table_that_is_missing_in_one_folder_is_missed(self, tagged: Path) -> None:
        (tagged / "b1" / "P2" / "A01" / "Nuclei.csv").unlink()
        (batch,) = survey([tagged]).batches

        assert str(batch.complete) == "1-2"
        assert "Nuclei.csv has 0 of 1 rows" in batch.reason

    def test_a_measurement_file_above_is_used_and_nothing_is_there_twice(
        self, tagged: Path
    ) -> None:
        measurements(tagged / "b1" / "b1.h5", {1: 1, 2: 2, 3: 1})
        (batch,) = survey([tagged]).batches

        assert batch.source.format == "hdf5"
        assert str(batch.complete) == "1-3"
        assert "the .h5 is used, not the 5 CSV files next to it" in batch.notes

    def test_without_a_sign_of_one_job_each_folder_is_a_batch_that_shares_what_is_said(
        self, tagged: Path
    ) -> None:
        """Several jobs may have written into them, and would make one batch without end."""
        (tagged / "b1" / "done.txt").unlink()
        report, database = loaded(tagged)

        assert report.loaded == 2
        assert report.is_complete
        assert rows(database, "SELECT CellProfiler_Version FROM Per_Experiment") == [("9.9",)]

    def test_a_job_with_its_own_signs_stays_one(self, tagged: Path) -> None:
        experiment(tagged / "b1" / "P2" / "A01" / "Experiment.csv")
        sources = find([tagged]).sources()

        assert [source.path for source in sources] == [
            tagged / "b1",
            tagged / "b1" / "P2" / "A01",
        ]

    def test_an_experiment_csv_above_folders_of_jobs_is_no_batch(self, run: Path) -> None:
        experiment(run / "Experiment.csv")
        images(run / "b1" / "Image.csv", {1: 0})
        experiment(run / "b1" / "Experiment.csv")

        assert [source.path for source in find([run]).sources()] == [run / "b1"]

    def test_an_experiment_csv_without_prefix_is_that_of_all_prefixes(self, run: Path) -> None:
        experiment(run / "Experiment.csv", version="9.9")
        for plate, number in (("P1_", 1), ("P2_", 2)):
            images(run / f"{plate}Image.csv", {number: 1})
            objects(run / f"{plate}Nuclei.csv", {number: 1})
        report, database = loaded(run)

        assert report.is_complete
        assert numbers(database, "Per_Nuclei") == [(1, 1), (2, 1)]
        assert rows(database, "SELECT CellProfiler_Version FROM Per_Experiment") == [("9.9",)]


def test_image_sets_that_only_a_csv_beside_the_h5_has_are_named(run: Path) -> None:
    measurements(run / "b1.h5", {1: 0})
    images(run / "Image.csv", {1: 0, 2: 0})
    report, database = loaded(run)

    assert left_out(report)["Image.csv"].startswith("lists image sets 2, which b1.h5 does not have")
    assert numbers(database, "Per_Image") == [(1, 1)]


class TestSqlTablesElsewhere:
    """Files of "MySQL / CSV" say by their names whose they are."""

    @pytest.fixture
    def jobs(self, copy: Callable[..., Path]) -> Path:
        return copy("70_sqlcsv", "csv_per_job", "run")

    def test_they_are_loaded_with_their_job(self, jobs: Path) -> None:
        _, before = loaded(jobs)
        (jobs / "Objects").mkdir()
        for path in list(jobs.glob("SQL_*_Object.CSV")):
            path.rename(jobs / "Objects" / path.name)
        report, after = loaded(jobs)

        assert report.is_complete
        assert report.rows["Per_Nuclei"] > 0
        assert content(after) == content(before)

    def test_one_without_its_job_is_named(self, jobs: Path) -> None:
        (jobs / "Objects").mkdir()
        (jobs / "SQL_1_8_Object.CSV").rename(jobs / "Objects" / "SQL_1_7_Object.CSV")
        report, _ = loaded(jobs)

        assert "its Image.CSV and SETUP.SQL are missing" in left_out(report)["SQL_1_7_Object.CSV"]
        assert not report.is_complete


class TestObjectsElsewhere:
    def test_in_a_folder_below(self, run: Path) -> None:
        for number in (1, 2):
            images(run / f"b{number}" / "Image.csv", {number: number})
            objects(run / f"b{number}" / "Objects" / "Nuclei.csv", {number: number})
        report, database = loaded(run)

        assert report.is_complete
        assert report.loaded == 2
        assert numbers(database, "Per_Nuclei") == [(1, 1), (2, 2)]

    def test_in_a_folder_beside_by_their_prefix(self, run: Path) -> None:
        for number in (1, 2):
            images(run / "Logs" / f"p0{number}_Image.csv", {number: number}, "Worms")
            objects(run / "Worms_Data" / f"p0{number}_Worms.csv", {number: number})
        report, database = loaded(run)

        assert report.is_complete
        assert numbers(database, "Per_Worms") == [(1, 1), (2, 2)]

    def test_those_of_another_number_of_objects_are_named(self, run: Path) -> None:
        images(run / "Image.csv", {1: 2})
        objects(run / "old" / "Nuclei.csv", {1: 3})
        report, database = loaded(run)

        assert left_out(report)["Nuclei.csv"].startswith(
            "3 rows of image set 1, where Image.csv counts 2"
        )
        assert not report.is_complete
        assert numbers(database, "Per_Image") == [(1, 1)]

    def test_those_of_other_image_sets_are_named(self, run: Path) -> None:
        images(run / "Image.csv", {1: 2})
        objects(run / "old" / "Nuclei.csv", {1: 2, 7: 1})
        report, _ = loaded(run)

        assert "image set 7, which is not in Image.csv" in left_out(report)["Nuclei.csv"]

    def test_those_of_a_job_that_ran_beside_are_not_taken_from_it(self, run: Path) -> None:
        """It was stopped before it wrote its Image.csv."""
        images(run / "b1" / "Image.csv", {1: 1})
        objects(run / "b2" / "Nuclei.csv", {1: 1})
        write(run / "b2" / "done.txt", "Failure\n")
        report, database = loaded(run)

        assert "Image.csv is missing next to Nuclei.csv" in left_out(report)["b2"]
        assert numbers(database, "Per_Image") == [(1, 1)]

    def test_a_job_that_has_such_a_table_gets_no_second_one(self, run: Path) -> None:
        images(run / "b1" / "Image.csv", {1: 1})
        objects(run / "b1" / "Nuclei.csv", {1: 1})
        objects(run / "b2" / "Nuclei.csv", {1: 1})
        report, database = loaded(run)

        assert "Image.csv is missing next to Nuclei.csv" in left_out(report)["b2"]
        assert numbers(database, "Per_Nuclei") == [(1, 1)]

    def test_of_jobs_in_reach_the_one_that_fits_has_it(self, run: Path) -> None:
        for number in (1, 2):
            images(run / f"b{number}" / "Image.csv", {number: number})
        objects(run / "Objects" / "Nuclei.csv", {2: 2})
        report, database = loaded(run)

        assert numbers(database, "Per_Nuclei") == [(2, 2)]
        assert report.missing == survey([run / "b1"]).batches[0].image_sets

    def test_the_same_again_loads_nothing_and_names_the_same(self, run: Path) -> None:
        images(run / "Image.csv", {1: 2})
        objects(run / "old" / "Nuclei.csv", {1: 3})
        first, database = loaded(run)
        again = load([run], f"sqlite:///{database}")

        assert (again.loaded, again.already) == (0, 1)
        assert again.left_out == first.left_out


class TestAnotherPrefix:
    def test_the_only_image_table_it_can_belong_to_has_it(self, run: Path) -> None:
        images(run / "runB_Image.csv", {1: 2})
        objects(run / "runD_Nuclei.csv", {1: 2})
        report, database = loaded(run)

        assert report.is_complete
        assert numbers(database, "Per_Nuclei") == [(1, 2)]

    def test_one_that_fits_none_is_named(self, run: Path) -> None:
        images(run / "runB_Image.csv", {1: 2})
        objects(run / "runD_Nuclei.csv", {1: 1})
        report, _ = loaded(run)

        assert "1 rows of image set 1" in left_out(report)["runD_Nuclei.csv"]
        assert not report.is_complete

    def test_two_that_fit_are_both_named(self, run: Path) -> None:
        images(run / "runB_Image.csv", {1: 2})
        objects(run / "runC_Nuclei.csv", {1: 2})
        objects(run / "runD_Nuclei.csv", {1: 2}, area=9)
        report, _ = loaded(run)

        assert left_out(report).keys() == {"runC_Nuclei.csv", "runD_Nuclei.csv"}

    def test_of_two_prefixes_the_one_that_fits_has_it(self, run: Path) -> None:
        images(run / "A_Image.csv", {1: 1})
        images(run / "B_Image.csv", {2: 2})
        objects(run / "runD_Nuclei.csv", {2: 2})
        _, database = loaded(run)

        assert numbers(database, "Per_Nuclei") == [(2, 2)]


class TestFilesNamedThemselves:
    @pytest.fixture
    def two(self, run: Path) -> Path:
        for prefix in "AB":
            images(run / f"{prefix}_Image.csv", {1: 2}, picture=prefix)
            objects(run / f"{prefix}_Nuclei.csv", {1: 2})
        return run

    def test_an_image_csv_brings_the_tables_of_its_prefix(self, two: Path) -> None:
        report, database = loaded(two / "A_Image.csv")

        assert report.is_complete
        assert numbers(database, "Per_Nuclei") == [(1, 2)]
        assert rows(database, "SELECT Image_FileName_DNA FROM Per_Image") == [("A1.tif",)]

    def test_halves_of_a_folder_are_runs(self, two: Path, cpexport: Callable[..., Ran]) -> None:
        named = [f"{prefix}={two / f'{prefix}_Image.csv'}" for prefix in "AB"]
        ran = cpexport("load", "--table-number", *named, "--to", "sqlite:///T")

        assert ran.status == 0
        query = "SELECT TableNumber, ImageNumber, ObjectNumber FROM Per_Nuclei"
        query = query.replace("ObjectNumber", "Nuclei_Number_Object_Number")
        assert rows(two.parent / "T", f"{query} ORDER BY 1, 3") == [
            (1, 1, 1),
            (1, 1, 2),
            (2, 1, 1),
            (2, 1, 2),
        ]

    def test_all_files_of_a_prefix_are_the_same(self, two: Path) -> None:
        """As a shell makes of `run/A_*`."""
        report, database = loaded(two / "A_Image.csv", two / "A_Nuclei.csv")

        assert report.is_complete
        assert numbers(database, "Per_Nuclei") == [(1, 2)]

    @pytest.mark.parametrize(
        ("name", "text", "says"),
        [
            ("Nuclei.csv", "ImageNumber,ObjectNumber,AreaShape_Area\n1,1,5\n", "has no image sets"),
            ("Experiment.csv", "Key,Value\na,b\n", "describes how a run was made"),
            (
                "Object relationships.csv",
                "Module,Module Number,Relationship,First Object Name\n",
                "has pairs of objects",
            ),
            ("Image.csv", "column_name,category\nGroup_Number,ID\n", "has no column ImageNumber"),
            ("Image.csv", "", "is empty"),
            ("Image.csv", "ImageNumber,FileName_DNA", "is cut off in its header"),
            ("._Image.csv", "\0\5\26\7\0\2\0\0Mac OS X", "a hidden file"),
        ],
    )
    def test_one_that_is_no_batch_says_why(
        self, name: str, text: str, says: str, run: Path, cpexport: Callable[..., Ran]
    ) -> None:
        ran = cpexport("load", write(run / name, text), "--to", "sqlite:///T")

        assert ran.status == 1
        assert f"{run / name}: {says}" in ran.err
        assert "again" not in ran.err
        assert ran.err.count("\n") == 1

    def test_measurements_are_told_by_content(self, run: Path) -> None:
        """A temporary file that somebody kept, or one without a suffix."""
        for name in ("Cpmeasurementsab12cd.hdf5", "measured"):
            file = measurements(run / name, {1: 0})

            assert [s.format for s in find([file]).sources()] == ["hdf5"]

    def test_a_fifo_is_not_read(self, run: Path, cpexport: Callable[..., Ran]) -> None:
        run.mkdir()
        os.mkfifo(run / "Image.csv")
        ran = cpexport("load", run / "Image.csv", "--to", "sqlite:///T")

        assert ran.status == 1
        assert "not a regular file" in ran.err


class TestWhatIsLeftOut:
    """A table that may be CellProfiler's is named, in every report, and what is left is loaded."""

    @pytest.fixture
    def job(self, run: Path) -> Path:
        images(run / "Image.csv", {1: 2, 2: 1})
        objects(run / "Nuclei.csv", {1: 2, 2: 1})
        return run

    def only_nuclei(self, job: Path, name: str) -> str:
        """Checks that nothing but Nuclei was loaded; why the file of this name was not."""
        report, database = loaded(job)
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'Per_*'"
        made = {name for (name,) in rows(database, query)}

        assert {str(n) for n in made if "Relation" not in str(n)} <= {
            "Per_Image",
            "Per_Nuclei",
            "Per_Experiment",
        }
        assert numbers(database, "Per_Nuclei") == [(1, 2), (2, 1)]
        assert not report.missing
        assert not report.is_complete
        return left_out(report)[name]

    @pytest.mark.parametrize(
        "name", ["Nuclei (1).csv", "Nuclei - Copy.csv", "Kopie von Nuclei.csv", "1Nuclei.csv"]
    )
    def test_a_copy_under_a_name_that_no_object_type_has(self, name: str, job: Path) -> None:
        objects(job / name, {1: 2, 2: 1})

        assert "is not a valid name of an object type" in self.only_nuclei(job, name)

    def test_a_table_whose_first_column_has_no_name(self, job: Path) -> None:
        """It only numbers the rows, as pandas writes its index."""
        objects(job / "merged.csv", {1: 1}, first=",")

        assert "its first column only numbers the rows" in self.only_nuclei(job, "merged.csv")

    def test_a_table_merged_of_others(self, job: Path) -> None:
        text = "ImageNumber,ObjectNumber,Nuclei_AreaShape_Area\n1,1,5\n"
        write(job / "merged.csv", text)

        assert "merged from others" in self.only_nuclei(job, "merged.csv")

    def test_a_table_of_an_earlier_run_with_other_image_sets(self, job: Path) -> None:
        objects(job / "OldNuclei.csv", {1: 1, 7: 1})

        assert "image set 7" in self.only_nuclei(job, "OldNuclei.csv")

    def test_a_table_that_the_pipeline_would_count(self, job: Path) -> None:
        experiment(job / "Experiment.csv", "LoadData:[module_num:1|enabled:True]")
        objects(job / "Nuclei_filtered.csv", {1: 1})

        assert "Image.csv counts no Nuclei_filtered" in self.only_nuclei(job, "Nuclei_filtered.csv")

    def test_a_second_table_of_image_sets(self, job: Path) -> None:
        images(job / "Image (1).csv", {1: 2, 2: 1})

        assert "rows of image sets" in self.only_nuclei(job, "Image (1).csv")

    @pytest.mark.parametrize("suffix", ["bz2", "xz", "zip"])
    def test_a_table_compressed_by_another_program_than_gzip(self, suffix: str, job: Path) -> None:
        cells = objects(job / "Cells.csv", {1: 2})
        content = cells.read_bytes()
        cells.unlink()
        packed = job / f"Cells.csv.{suffix}"
        if suffix == "zip":
            with zipfile.ZipFile(packed, "w") as archive:
                archive.writestr("Cells.csv", content)
        else:
            by: dict[str, Callable[[bytes], bytes]] = {
                "bz2": bz2.compress,
                "xz": lzma.compress,
            }
            packed.write_bytes(by[suffix](content))

        assert "decompress it" in self.only_nuclei(job, packed.name)

    def test_it_is_in_every_report_with_exit_status_3(
        self, job: Path, cpexport: Callable[..., Ran]
    ) -> None:
        objects(job / "Nuclei (1).csv", {1: 2, 2: 1})
        path = str(job / "Nuclei (1).csv")
        load_ = cpexport("load", job, "--to", "sqlite:///T", "--format", "json")
        verify = cpexport("verify", job, "--to", "sqlite:///T")
        dry = cpexport("load", job, "--to", "sqlite:///U", "--dry-run")

        assert (load_.status, verify.status) == (3, 3)
        (left,) = json.loads(load_.out)["batches"]["left_out"]
        assert left["path"] == path
        assert path in verify.out
        assert path in dry.out

    def test_check_names_it(
        self, job: Path, cpexport: Callable[..., Ran], batch_file: Path
    ) -> None:
        objects(job / "Nuclei (1).csv", {1: 2, 2: 1})
        text = cpexport("check", job, "--batch", batch_file)
        found = cpexport("check", job, "--batch", batch_file, "--format", "json")

        assert (text.status, found.status) == (3, 3)
        assert f"Left out:\n{job / 'Nuclei (1).csv'}: " in text.out
        assert [left["path"] for left in json.loads(found.out)["left_out"]] == [
            str(job / "Nuclei (1).csv")
        ]

    @pytest.fixture
    def batch_file(self, copy: Callable[..., Path]) -> Path:
        return copy("10_ranges", "Batch_data.h5", "Batch_data.h5")


class TestWhatIsNobodys:
    """Files that are plainly not CellProfiler's cost nothing, and nothing is said of them."""

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("var_Image.csv", "column_name,category\nGroup_Number,ID\n"),
            ("load_data.csv", "Image_FileName_DNA,Metadata_Well\na.tif,A01\n"),
            ("platemap.txt", "Plate\tWell\tCompound\nP1\tA01\tDMSO\n"),
            ("notes Image.txt", "nothing in it"),
            ("._Image.csv", "\0\5\26\7\0\2\0\0Mac OS X"),
            ("~$Image.csv", "\5owner"),
            ("._Batch_data.h5", "\0\5\26\7\0\2\0\0Mac OS X"),
            ("._b1.h5", "\0\5\26\7\0\2\0\0Mac OS X"),
            ("metadata.csv.gz", "not compressed\nat all"),
            ("empty.txt", ""),
        ],
    )
    def test_beside_a_job_and_alone(self, name: str, text: str, run: Path) -> None:
        if name.endswith(".gz"):
            run.mkdir()
            (run / name).write_bytes(gzip.compress(b"Plate,Well\r\nP1,A01\r\n"))
        else:
            write(run / name, text)
        alone = survey([run])
        images(run / "b1" / "Image.csv", {1: 1})
        objects(run / "b1" / "Nuclei.csv", {1: 1})
        (run / name).rename(run / "b1" / name)
        report, _ = loaded(run)

        assert (alone.batches, alone.left_out, alone.plan) == ((), (), None)
        assert report.is_complete
        assert report.left_out == ()


def test_a_folder_whose_name_is_not_utf_8_is_named_and_the_rest_is_loaded(
    run: Path, cpexport: Callable[..., Ran]
) -> None:
    images(run / "b1" / "Image.csv", {1: 0})
    images(run / "b\udcff" / "Image.csv", {2: 0})
    write(run / "b\udcfe" / "notes.txt", "x")
    ran = cpexport("load", run, "--to", "sqlite:///T")

    assert ran.status == 3
    assert f"{run}/b\\udcff: its name is not UTF-8" in ran.out
    assert "udcfe" not in ran.out
    assert numbers(run.parent / "T", "Per_Image") == [(1, 1)]


def test_a_line_without_end_is_not_read_whole(run: Path) -> None:
    images(run / "b1" / "Image.csv", {1: 0})
    for name in ("b1/Nuclei_Image.csv", "b2/Image.csv", "b3/Cells.csv"):
        (run / name).parent.mkdir(exist_ok=True)
        with (run / name).open("wb") as file:
            file.truncate(1 << 40)

    sources = {source.path: look_at(source) for source in find([run]).sources()}

    assert not isinstance(sources.pop(run / "b1" / "Image.csv"), SourceError)
    assert sources.keys() == {run / "b1" / "Nuclei_Image.csv", run / "b2", run / "b3"}
    assert all("NUL bytes" in str(error) for error in sources.values())
