"""What went wrong with a job is told by what it left: real outputs, damaged one way each."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest
from support.fixtures import Ran, measurements

Copy = Callable[..., Path]
Run = Callable[..., Ran]
Check = Callable[..., dict[str, str]]
WRITER = "import h5py, sys; f = h5py.File(sys.argv[1], 'r+'); print(flush=True); sys.stdin.read()"


@pytest.fixture
def check(cpexport: Run, case: Callable[[str], Path]) -> Check:
    """`check(folder, "10_ranges")` is what is said of the one batch in a folder."""

    def run(folder: Path, of: str, part: str = "Batch_data.h5") -> dict[str, str]:
        ran = cpexport("check", folder, "--batch", case(of) / part, "--format", "json")
        said = json.loads(ran.out)
        batch: dict[str, str]
        (batch,) = said["batches"]
        assert batch["path"] == str(folder)
        return batch

    return run


def strike(run: h5py.Group, feature: str, number: int) -> None:
    """Removes an image set from an image feature's index."""
    index = run["Image"][feature]["index"]
    rows = index[()][index[:, 0] != number]
    index.resize(rows.shape)
    index[...] = rows


def exit_status(path: Path, said: bytes | None) -> None:
    with measurements(path) as run:
        if said is None:
            del run["Experiment"]["Exit_Status"]
        else:
            feature = run["Experiment"]["Exit_Status"]
            feature["data"][int(feature["index"][0, 1])] = said


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


class TestMeasurementFiles:
    def test_an_image_set_without_its_last_modules_mark_is_not_done(
        self, copy: Copy, check: Check
    ) -> None:
        folder = copy("11_h5_and_csv", "outputs/batch_1_6")
        with measurements(folder / "batch_1_6.h5") as run:
            strike(run, "ModuleError_14FlagImage", 3)
        said = check(folder, "11_h5_and_csv")

        assert (said["complete"], said["state"]) == ("1-2,4-6", "partial")
        assert said["reason"] == "3: not measured (no ModuleError_14FlagImage)"

    def test_a_mark_of_an_earlier_module_tells_nothing(self, copy: Copy, check: Check) -> None:
        folder = copy("11_h5_and_csv", "outputs/batch_1_6")
        with measurements(folder / "batch_1_6.h5") as run:
            strike(run, "ModuleError_13ClassifyObjects", 3)

        assert check(folder, "11_h5_and_csv")["complete"] == "1-6"

    def test_an_image_set_that_a_module_raised_on_is_not_done(
        self, copy: Copy, check: Check
    ) -> None:
        """1 as the GUI's workers write it; jobs from the command line stop instead."""
        folder = copy("11_h5_and_csv", "outputs/batch_1_6")
        with measurements(folder / "batch_1_6.h5") as run:
            run["Image"]["ModuleError_14FlagImage"]["data"][1] = 1

        assert check(folder, "11_h5_and_csv")["complete"] == "1,3-6"

    def test_a_failure_takes_nothing_away_that_is_complete(self, copy: Copy, check: Check) -> None:
        folder = copy("12_failed", "outputs/batch_1_4")
        exit_status(folder / "measurements.h5", b"Failure")
        said = check(folder, "12_failed")

        assert (said["complete"], said["state"], said["reason"]) == (
            "1-4",
            "failed",
            "the job reported Failure",
        )

    def test_in_a_grouped_run_a_failure_takes_the_whole_group(
        self, copy: Copy, check: Check
    ) -> None:
        """Modules that run after a group need all of it, and may be what failed."""
        folder = copy("13_groups", "outputs/P1-A02")
        exit_status(folder / "P1-A02.h5", b"Failure")
        said = check(folder, "13_groups")

        assert (said["image_sets"], said["complete"], said["state"]) == ("3-4", "", "failed")
        assert "3-4" in said["reason"]
        assert "Metadata_Well=A02" in said["reason"]

    def test_of_several_groups_a_job_that_never_ended_loses_its_last_one(
        self, copy: Copy, check: Check
    ) -> None:
        """2 | 3 4 | 5: the job had gone on to 5, so what runs after 3 and 4 had run."""
        folder = copy("02_loaddata_grouped", "run_cut")
        exit_status(folder / "out.h5", None)
        said = check(folder, "02_loaddata_grouped")

        assert (said["complete"], said["state"]) == ("2-4", "failed")
        assert "Metadata_Well=A03" in said["reason"]

    def test_a_missing_image_set_takes_its_group_with_it(self, copy: Copy, check: Check) -> None:
        folder = copy("13_groups", "outputs/P1-A02")
        with measurements(folder / "P1-A02.h5") as run:
            strike(run, "ModuleError_15FlagImage", 4)
        said = check(folder, "13_groups")

        assert (said["complete"], said["state"]) == ("", "partial")
        assert "4: not measured" in said["reason"]
        assert "Metadata_Well=A02" in said["reason"]

    def test_half_a_movie_is_nothing(self, copy: Copy, check: Check) -> None:
        """TrackObjects goes back over the whole group; image sets 5 to 8 were never in the job."""
        folder = copy("50_track", "lap_batch/outputs/M1")
        with measurements(folder / "M1.h5") as run:
            index = run["Image"]["ImageNumber"]["index"]
            index[...] = [[n if n < 5 else -1, a, b] for n, a, b in index[()]]
        said = check(folder, "50_track", "lap_batch/Batch_data.h5")

        assert (said["image_sets"], said["complete"]) == ("1-4", "")
        assert "5-8" in said["reason"]

    def test_a_locked_file_is_a_job_that_runs(self, copy: Copy, check: Check) -> None:
        folder = copy("13_groups", "outputs/P1-A02")
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, folder / "P1-A02.h5"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            running = check(folder, "13_groups")
        ended = check(folder, "13_groups")

        assert (running["state"], running["complete"]) == ("running", "")
        assert "still writing" in running["reason"]
        assert (ended["state"], ended["complete"]) == ("complete", "3-4")

    def test_a_temporary_file_alone_is_a_job_that_never_finished(
        self, copy: Copy, check: Check
    ) -> None:
        name = "Cpmeasurementsd50en8w0.hdf5"
        part = f"outputs_cli/batch_13_16_kill9/tmp/{name}"
        folder = copy("12_failed", part, to=f"batch_13_16/{name}").parent
        said = check(folder, "12_failed")

        assert (said["image_sets"], said["complete"], said["state"]) == ("", "", "failed")
        assert "never finished" in said["reason"]


class TestCsvFolders:
    @pytest.fixture
    def folder(self, copy: Copy) -> Path:
        return copy("10_ranges", "outputs/batch_13_18")

    def test_rows_of_objects_that_are_missing_are_counted(self, folder: Path, check: Check) -> None:
        nuclei = lines(folder / "Nuclei.csv")
        had = sum(line.startswith(b"18,") for line in nuclei)
        (folder / "Nuclei.csv").write_bytes(b"".join(nuclei[:-5]))
        said = check(folder, "10_ranges")

        assert (said["complete"], said["state"]) == ("13-17", "partial")
        assert said["reason"] == f"18: Nuclei.csv has {had - 5} of {had} rows"

    def test_a_file_that_is_cut_in_a_line_says_so(self, folder: Path, check: Check) -> None:
        nuclei = (folder / "Nuclei.csv").read_bytes()
        (folder / "Nuclei.csv").write_bytes(nuclei[:-100])
        said = check(folder, "10_ranges")

        assert said["complete"] == "13-17"
        assert "18: Nuclei.csv has" in said["reason"]
        assert "cut off" in said["reason"]

    def test_a_table_that_the_other_jobs_have_is_missing(
        self, copy: Copy, cpexport: Run, case: Callable[[str], Path]
    ) -> None:
        outputs = copy("10_ranges", "outputs")
        (outputs / "batch_13_18" / "Cells.csv").unlink()
        batch = case("10_ranges") / "Batch_data.h5"
        said = json.loads(cpexport("check", outputs, "--batch", batch, "--format", "json").out)
        (cut,) = [b for b in said["batches"] if b["state"] != "complete"]

        assert Path(cut["path"]).name == "batch_13_18"
        assert "the table of Cells is missing" in cut["reason"]
        # One of the six has no cells, so that it lacks nothing.
        assert said["missing"] == [[13, 14], [16, 18]]

    @pytest.mark.parametrize("ends", [0, 30], ids=["between lines", "in a line"])
    def test_image_sets_that_image_csv_lost_are_told_by_their_objects(
        self, folder: Path, check: Check, ends: int
    ) -> None:
        image = lines(folder / "Image.csv")
        (folder / "Image.csv").write_bytes(b"".join(image[:-2]) + image[-2][:ends])
        said = check(folder, "10_ranges")

        assert (said["image_sets"], said["complete"]) == ("13-18", "13-16")
        assert "17-18" in said["reason"]
        assert "Image.csv" in said["reason"]

    def test_without_image_csv_nothing_can_be_told(self, folder: Path, check: Check) -> None:
        (folder / "Image.csv").unlink()
        said = check(folder, "10_ranges")

        assert (said["complete"], said["state"]) == ("", "unreadable")
        assert "Image.csv is missing" in said["reason"]

    def test_a_failure_takes_nothing_away_that_is_complete(
        self, folder: Path, check: Check
    ) -> None:
        (folder / "done.txt").write_text("Failure")
        said = check(folder, "10_ranges")

        assert (said["complete"], said["state"]) == ("13-18", "failed")
        assert said["reason"] == "the job reported Failure"

    def test_without_a_done_file_a_whole_folder_is_complete(
        self, folder: Path, check: Check
    ) -> None:
        (folder / "done.txt").unlink()

        assert check(folder, "10_ranges")["state"] == "complete"

    def test_an_image_set_whose_row_is_empty_after_its_pictures_was_not_measured(
        self, folder: Path, check: Check
    ) -> None:
        """What --always-continue leaves of a module that raised: the row, and no mark in it."""
        with (folder / "Image.csv").open(newline="") as stream:
            header, *rows = csv.reader(stream)
        rows[2][header.index("ModuleError_14FlagImage")] = ""
        with (folder / "Image.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows([header, *rows])
        said = check(folder, "10_ranges")

        assert (said["complete"], said["state"]) == ("13-14,16-18", "partial")
        assert said["reason"] == "15: not measured (no ModuleError_14FlagImage)"

    def test_a_skipped_image_set_of_which_nothing_but_its_row_is_there_was_not_measured(
        self, copy: Copy, check: Check
    ) -> None:
        """Of chosen columns only the flag tells; the reason does not deny the row."""
        folder = copy("40_variants", "chosen_continue/outputs/batch_5_8")
        said = check(folder, "40_variants", "chosen_continue/Batch_data.h5")

        assert (said["image_sets"], said["complete"]) == ("5-8", "5,7-8")
        assert "6: not measured" in said["reason"]
        assert "no row" not in said["reason"]


def test_runs_of_different_pipelines_do_not_miss_each_others_tables(
    copy: Copy, cpexport: Run, tmp_path: Path
) -> None:
    """`means` exports relationships, `tab_prefix` none: nothing of either is missing."""
    for variant in ("means", "tab_prefix"):
        copy("40_variants", f"{variant}/outputs/batch_1_4", f"both/{variant}")
    batch_file = copy("40_variants", "tab_prefix/Batch_data.h5", "Batch_data.h5")
    ran = cpexport("check", tmp_path / "both", "--batch", batch_file, "--format", "json")
    found = [(batch["state"], batch["complete"]) for batch in json.loads(ran.out)["batches"]]

    assert found == [("complete", "1-4"), ("complete", "1-4")]
