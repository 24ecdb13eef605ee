"""Image sets that FlagImage skips are done: told apart, loaded as far as they were measured, and
never planned again."""

import csv
import io
import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import h5py
import pytest
from support.fixtures import Ran, measurements, rows

from cpexport.cellprofiler import pipeline

Copy = Callable[..., Path]
Run = Callable[..., Ran]

LATER = "15MeasureImageOverlap"
MODULE = (
    "MeasureImageOverlap:[module_num:15|svn_version:'Unknown'|variable_revision_number:5|"
    "show_window:False|notes:[]|batch_state:array([], dtype=uint8)|enabled:True|wants_pause:False]"
    "\n    Compare segmented objects, or foreground/background?:Objects\n\n"
)


def skipping(text: str) -> str:
    """A pipeline's text in which FlagImage skips what it flags, and a module comes after it."""
    text = text.replace("Skip image set if flagged?:No", "Skip image set if flagged?:Yes")
    export = next(name for name in ("ExportToSpreadsheet:[", "ExportToDatabase:[") if name in text)
    return text.replace(export, MODULE + export, 1)


def pipeline_of(path: Path, change: Callable[[str], str]) -> None:
    with measurements(path) as run:
        text = run["Experiment"]["Pipeline_Pipeline"]
        place = int(text["index"][0, 1])
        text["data"][place] = change(text["data"][place].decode()).encode()


def add_mark(run: h5py.Group, *without: int) -> None:
    """The marks of the later module, which image sets that were skipped do not have."""
    for mark in ("ModuleError_", "ExecutionTime_"):
        run.copy(f"Image/{mark}14FlagImage", f"Image/{mark}{LATER}")
        index = run["Image"][f"{mark}{LATER}"]["index"]
        kept = [row for row in index[()] if row[0] not in without]
        index.resize((len(kept), 3))
        if kept:
            index[...] = kept


def flag(run: h5py.Group, *numbers: int, feature: str = "Metadata_QCFlag") -> None:
    group = run["Image"][feature]
    for number, start, _ in group["index"][()]:
        if number in numbers:
            group["data"][start] = 1


@pytest.fixture
def batch_file(copy: Copy) -> Path:
    path = copy("11_h5_and_csv", "Batch_data.h5", "Batch_data.h5")
    pipeline_of(path, skipping)
    return path


@pytest.fixture
def hdf5(copy: Copy, batch_file: Path) -> Path:
    """Image sets 1 to 6 as .h5, of which 3 and 5 were skipped."""
    file = copy("11_h5_and_csv", "outputs/batch_1_6/batch_1_6.h5", "outputs/b1/b1.h5")
    pipeline_of(file, skipping)
    with measurements(file) as run:
        add_mark(run, 3, 5)
        flag(run, 3, 5)
    return file.parent


@pytest.fixture
def spreadsheet(copy: Copy, batch_file: Path) -> Path:
    """The same as CSV files."""
    folder = copy("11_h5_and_csv", "outputs/batch_1_6", "outputs/b1")
    (folder / "batch_1_6.h5").unlink()
    rewrite(folder / "Experiment.csv", lambda row: row | {"Value": skipping(row["Value"])})
    rewrite(folder / "Image.csv", lambda row: measured(row, row["ImageNumber"] not in "35"))
    return folder


def measured(row: dict[str, str], whole: bool) -> dict[str, str]:
    marks = {f"ModuleError_{LATER}": "0", f"ExecutionTime_{LATER}": "0.25", "Free_Value": "1.5"}
    more = marks if whole else dict.fromkeys(marks, "")
    return row | more | {"Metadata_QCFlag": "0" if whole else "1"}


def rewrite(path: Path, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
    """Writes the rows of a CSV file once more, as CellProfiler does, each as `change` has it."""
    found = [
        change(row) if row.get("Key", "Pipeline").startswith("Pipeline") else row
        for row in csv.DictReader(io.StringIO(path.read_text(), newline=""))
    ]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(found[0]))
        writer.writeheader()
        writer.writerows(found)


def checked(cpexport: Run, *words: object) -> dict[str, object]:
    ran = cpexport("check", *words, "--format", "json", "--quiet")
    said = json.loads(ran.out)
    keys = ("complete", "skipped", "missing")
    return {key: said[key] for key in keys} | {"status": ran.status}


SKIPPED = {"complete": 4, "skipped": [[3, 3], [5, 5]], "missing": [[7, 24]], "status": 3}


class TestEveryKindOfOutput:
    def test_measurement_files(self, hdf5: Path, cpexport: Run) -> None:
        assert checked(cpexport, hdf5.parent) == SKIPPED

    def test_csv_files(self, spreadsheet: Path, cpexport: Run) -> None:
        assert checked(cpexport, spreadsheet.parent) == SKIPPED

    def test_a_skipped_image_set_of_other_images_is_misplaced(
        self, spreadsheet: Path, cpexport: Run
    ) -> None:
        other = {"FileName_DNA": "other.tif", "MD5Digest_DNA": "0" * 32}
        rewrite(
            spreadsheet / "Image.csv",
            lambda row: (
                row
                | ({k: other[k] for k in other if k in row} if row["ImageNumber"] == "3" else {})
            ),
        )

        said = json.loads(cpexport("check", spreadsheet.parent, "--format", "json", "--quiet").out)

        assert (said["misplaced"], said["skipped"]) == ([[3, 3]], [[5, 5]])

    def test_csv_files_whose_pipeline_only_the_batch_file_has(
        self, spreadsheet: Path, cpexport: Run
    ) -> None:
        (spreadsheet / "Experiment.csv").unlink()

        assert checked(cpexport, spreadsheet.parent) == SKIPPED

    def test_csv_files_without_any_pipeline_tell_nothing(
        self, spreadsheet: Path, batch_file: Path, cpexport: Run
    ) -> None:
        """Image set 3 may have failed at the module after FlagImage, for all that is known."""
        (spreadsheet / "Experiment.csv").unlink()
        batch_file.unlink()

        assert checked(cpexport, spreadsheet)["missing"] == [[3, 3], [5, 5]]

    def test_a_job_all_of_whose_image_sets_were_skipped(
        self, spreadsheet: Path, cpexport: Run
    ) -> None:
        """No image set came to the last module, so that Image.csv has no columns of it."""
        rewrite(
            spreadsheet / "Image.csv",
            lambda row: {k: v for k, v in row.items() if LATER not in k} | {"Metadata_QCFlag": "1"},
        )

        assert checked(cpexport, spreadsheet.parent) == {
            "complete": 0,
            "skipped": [[1, 6]],
            "missing": [[7, 24]],
            "status": 3,
        }

    def test_sqlite_files(self, copy: Copy, cpexport: Run) -> None:
        file = copy("20_sqlite", "separate.db", "outputs/separate.db")
        with closing(sqlite3.connect(file)) as db, db:
            ((text,),) = db.execute("SELECT Pipeline_Pipeline FROM MyExpt_Per_Experiment")
            changed = skipping(bytes(text).decode() if isinstance(text, bytes) else text)
            db.execute("UPDATE MyExpt_Per_Experiment SET Pipeline_Pipeline = ?", (changed,))
            db.execute(f"ALTER TABLE MyExpt_Per_Image ADD COLUMN Image_ExecutionTime_{LATER} float")
            db.execute(
                f"UPDATE MyExpt_Per_Image SET Image_ExecutionTime_{LATER} = 0.5 "
                "WHERE ImageNumber NOT IN (3, 5)"
            )
            db.execute("UPDATE MyExpt_Per_Image SET Image_Metadata_QCFlag = ImageNumber IN (3, 5)")

        assert checked(cpexport, file)["skipped"] == [[3, 3], [5, 5]]

    def test_databases_have_no_rows_of_them_and_it_is_said(self, copy: Copy, cpexport: Run) -> None:
        """As ExportToDatabase comes after FlagImage, and so never runs for them."""
        file = copy("20_sqlite", "separate.db", "outputs/separate.db")
        with closing(sqlite3.connect(file)) as db, db:
            ((text,),) = db.execute("SELECT Pipeline_Pipeline FROM MyExpt_Per_Experiment")
            changed = skipping(bytes(text).decode() if isinstance(text, bytes) else text)
            db.execute("UPDATE MyExpt_Per_Experiment SET Pipeline_Pipeline = ?", (changed,))
            found = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (name,) in found:
                columns = [column for _, column, *_ in db.execute(f"PRAGMA table_info({name})")]
                if "ImageNumber" in columns:
                    db.execute(f"DELETE FROM {name} WHERE ImageNumber IN (3, 5)")
            db.execute("UPDATE MyExpt_Per_Image SET Image_Metadata_QCFlag = 0")
        ran = cpexport("check", file, "--format", "json", "--quiet")
        said = json.loads(ran.out)

        assert said["skipped"] == []
        (note,) = [note for note in said["notes"] if "FlagImage" in note]
        assert note.startswith("no output has the image sets 3,5; FlagImage may have skipped them")

    def test_objects_of_several_types_in_one_file(
        self, copy: Copy, cpexport: Run, tmp_path: Path
    ) -> None:
        """CellProfiler writes none of an image set that was skipped before all types were made."""
        folder = copy("40_variants", "combined_skip/outputs/batch_5_8", "outputs/batch_5_8")
        ran = json.loads(cpexport("check", folder, "--format", "json", "--quiet").out)
        cpexport("load", folder, "--to", f"sqlite:///{tmp_path}/x.sqlite")
        images = rows(
            tmp_path / "x.sqlite", "SELECT ImageNumber, Image_Count_Nuclei FROM Per_Image"
        )
        nuclei = rows(tmp_path / "x.sqlite", "SELECT DISTINCT ImageNumber FROM Per_Nuclei")
        verified = cpexport("verify", folder, "--to", f"sqlite:///{tmp_path}/x.sqlite")

        assert (ran["skipped"], ran["missing"], ran["complete"]) == ([[5, 5]], [], 3)
        assert "Nuclei.csv: no rows of the image sets 5, which FlagImage skipped" in str(ran)
        assert images == [(5, 10), (6, 9), (7, 9), (8, 9)]
        assert nuclei == [(6,), (7,), (8,)]
        assert verified.status == 0, verified.out

    def test_rows_that_all_types_of_a_file_count_are_missing_if_they_are_not_there(
        self, copy: Copy, cpexport: Run
    ) -> None:
        folder = copy("40_variants", "combined_skip/outputs/batch_5_8", "outputs/batch_5_8")
        rewrite(folder / "Image.csv", lambda row: row | {"Count_Cells": "9.0"})
        said = json.loads(cpexport("check", folder, "--format", "json", "--quiet").out)

        assert said["missing"] == [[5, 5]]


class TestOnlyWhereFlagImageSkipped:
    def test_a_flag_without_the_setting_skips_nothing(self, hdf5: Path, cpexport: Run) -> None:
        pipeline_of(hdf5 / "b1.h5", lambda text: text.replace("flagged?:Yes", "flagged?:No"))

        assert checked(cpexport, hdf5.parent)["missing"] == [[3, 3], [5, 5], [7, 24]]

    def test_an_image_set_that_failed_later_is_missing(self, hdf5: Path, cpexport: Run) -> None:
        with measurements(hdf5 / "b1.h5") as run:
            flag_of_3 = run["Image"]["Metadata_QCFlag"]["data"]
            flag_of_3[2] = 0

        said = checked(cpexport, hdf5.parent)

        assert said["skipped"] == [[5, 5]]
        assert said["missing"] == [[3, 3], [7, 24]]

    def test_a_flag_that_was_ignored_skips_nothing(self, hdf5: Path, cpexport: Run) -> None:
        """With "Ignore flag skips on last cycle?" the last image set is measured to the end."""
        with measurements(hdf5 / "b1.h5") as run:
            flag(run, 6)

        assert checked(cpexport, hdf5.parent) == SKIPPED

    def test_of_several_flags_those_that_skip(self) -> None:
        text = (
            "FlagImage:[module_num:2|enabled:True]\n"
            "    Name the flag's category:Metadata\n    Name the flag:Dim\n"
            "    Skip image set if flagged?:No\n"
            "    Name the flag's category:Image\n    Name the flag:Blur\n"
            "    How should measurements be linked?:Flag if all fail\n"
            "    Skip image set if flagged?:Yes\n"
            "FlagImage:[module_num:3|enabled:False]\n"
            "    Name the flag's category:Metadata\n    Name the flag:Off\n"
            "    Skip image set if flagged?:Yes\n"
            "FlagImage:[module_num:4|enabled:True]\n"
            "    Name the flag's category:Metadata\n    Name the flag:Full\n"
            "    Skip image set if flagged?:Yes\n"
            "ExportToSpreadsheet:[module_num:5|enabled:True]\n"
        )
        skips = pipeline.parse(text).skips

        assert [(skip.module, skip.flags, skip.later) for skip in skips] == [
            ("02FlagImage", ("Image_Blur",), ("04FlagImage",)),
            ("04FlagImage", ("Metadata_Full",), ()),
        ]


class TestAfterwards:
    @pytest.fixture(params=["hdf5", "spreadsheet"])
    def folder(self, request: pytest.FixtureRequest) -> Path:
        outputs: Path = request.getfixturevalue(request.param)
        return outputs.parent

    def test_its_row_is_loaded_and_verified_and_the_destination_tells_it(
        self, folder: Path, batch_file: Path, cpexport: Run, tmp_path: Path
    ) -> None:
        to = f"sqlite:///{tmp_path}/x.sqlite"
        load = cpexport("load", folder, "--to", to)
        again = json.loads(cpexport("load", folder, "--to", to, "--format", "json").out)
        verified = cpexport("verify", folder, "--to", to)
        images = rows(
            tmp_path / "x.sqlite",
            "SELECT ImageNumber, Image_Metadata_QCFlag, "
            f"Image_ExecutionTime_{LATER} IS NULL FROM Per_Image",
        )
        lacking = rows(tmp_path / "x.sqlite", "SELECT ImageNumber, State FROM _cpexport_missing")

        assert re.search(r"^skipped +3,5$", load.out, re.MULTILINE)
        assert [row for row in lacking if row[1] == "skipped"] == [(3, "skipped"), (5, "skipped")]
        assert [row for row in lacking if row[1] == "missing"] == [
            (number, "missing") for number in range(7, 25)
        ]
        assert images == [(n, int(n in (3, 5)), int(n in (3, 5))) for n in range(1, 7)]
        assert (again["skipped"], again["missing"]) == ([[3, 3], [5, 5]], [[7, 24]])
        assert (verified.status, "1 verified, 0 different" in verified.out) == (3, True)
        assert re.search(r"^missing +7-8 ", verified.out, re.MULTILINE)
        assert checked(cpexport, "--to", to, "--batch", batch_file) == SKIPPED

    def test_an_empty_field_does_not_make_a_column_of_numbers_text(
        self, spreadsheet: Path, cpexport: Run, tmp_path: Path
    ) -> None:
        cpexport("load", spreadsheet, "--to", f"sqlite:///{tmp_path}/x.sqlite")
        free = "SELECT typeof(Image_Free_Value), count(*) FROM Per_Image GROUP BY 1 ORDER BY 1"

        assert rows(tmp_path / "x.sqlite", free) == [("null", 2), ("real", 4)]

    def test_it_is_not_run_again(self, folder: Path, cpexport: Run) -> None:
        ran = cpexport("check", folder, "--format", "list", "--quiet")

        assert ran.out == "1\t7\t24\n"

    def test_nothing_else_missing_is_whole(
        self, folder: Path, copy: Copy, cpexport: Run, tmp_path: Path
    ) -> None:
        for name in ("batch_7_12", "batch_13_18", "batch_19_24"):
            file = copy("11_h5_and_csv", f"outputs/{name}/{name}.h5", f"outputs/{name}/{name}.h5")
            pipeline_of(file, skipping)
            with measurements(file) as run:
                add_mark(run)
        check = cpexport("check", folder)
        load = cpexport("load", folder, "--to", f"sqlite:///{tmp_path}/x.sqlite")

        assert (check.status, load.status) == (0, 0), (check.out, load.out)
        assert "complete  22  1-2,4,6-24\nskipped   2   3,5\nmissing   0\n" in check.out

    def test_its_group_is_whole(self, hdf5: Path, cpexport: Run) -> None:
        with measurements(hdf5 / "b1.h5") as run:
            text = h5py.special_dtype(vlen=bytes)
            tags = run["Experiment"].create_group("Metadata_GroupingTags")
            tags.create_dataset("data", data=[b'["Metadata_Plate"]'], dtype=text)
            tags.create_dataset("index", data=[[0, 0, 1]])

        assert checked(cpexport, hdf5)["skipped"] == [[3, 3], [5, 5]]
        assert checked(cpexport, hdf5)["complete"] == 4
