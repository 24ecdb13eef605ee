"""What counts as a batch file: real ones of CellProfiler's windows, renamed, copied and damaged."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.fixtures import Ran, columns, rows

from cpexport.cellprofiler.batch_file import is_batch_file, read_batch_file
from cpexport.cellprofiler.hdf5.measurement_file import MeasurementFile

Copy = Callable[..., Path]
Case = Callable[[str], Path]
Run = Callable[..., Ran]

NOT_WHOLE = 3


def group(file: h5py.File) -> h5py.Group:
    """The last run of measurements in a file."""
    runs = file["Measurements"]
    return runs[max(runs)]


def with_more_pipelines(path: Path, number: int) -> Path:
    """The file as CellProfiler's windows leave it: the user's pipeline once more for each edit."""
    with h5py.File(path, "a") as file:
        feature = group(file)["Experiment/Pipeline_Pipeline"]
        (row,) = feature["index"][:]
        before = list(feature["data"][:])
        values = [before[0]] * number + [before[row[1]]]
        del feature["data"], feature["index"]
        feature.create_dataset("data", data=values, dtype=h5py.string_dtype())
        feature.create_dataset("index", data=np.array([[0, number, number + 1]]))
    return path


VERSION_2 = "2014-07-23T17:45:00 6c2d896"


def as_older(path: Path, target: Path, version: str = VERSION_2) -> Path:
    """A file as CellProfiler 2 and 3 write it: every text escaped (measurements.py, wrap_string).
    2.1.1 has a time for a version."""
    shutil.copy(path, target)
    with h5py.File(target, "a") as file:
        run = group(file)
        for name in ("Experiment", "Image"):
            for feature in run[name].values():
                texts = feature["data"]
                if h5py.check_string_dtype(texts.dtype):
                    for place, text in enumerate(texts.asstr()[:]):
                        texts[place] = text.encode("unicode_escape")
        run["Experiment/CellProfiler_Version/data"][0] = version.encode()
    return target


def missing(ran: Ran) -> str:
    return json.dumps(json.loads(ran.out)["missing"])


@pytest.fixture
def screen(copy: Copy) -> Path:
    """A run with its batch file and two of its jobs, each an .h5 with CSV beside it."""
    home = copy("11_h5_and_csv", "Batch_data.h5", "run/Batch_data.h5").parent
    for job in ("batch_1_6", "batch_7_12"):
        copy("11_h5_and_csv", f"outputs/{job}", f"run/outputs/{job}")
    return home


class TestWhatABatchFileIs:
    def test_one_made_in_the_windows_is_one(self, case: Case) -> None:
        found = read_batch_file(case("gui_batch_file") / "Batch_data.h5")

        assert str(found.planned) == "1-3"
        assert found.pipeline.modules[0].name == "LoadData"
        assert found.version == "4.2.8.1"

    @pytest.mark.parametrize("number", [1, 2, 3, 40])
    def test_however_often_the_pipeline_was_edited(
        self, number: int, copy: Copy, cpexport: Run
    ) -> None:
        path = with_more_pipelines(copy("10_ranges", "Batch_data.h5", "run/x.h5"), number)
        with MeasurementFile(path) as file:
            found = is_batch_file(file)

        assert found

    def test_one_of_version_2_is_one_and_its_texts_are_as_people_wrote_them(
        self, case: Case, tmp_path: Path
    ) -> None:
        ours = case("10_ranges") / "Batch_data.h5"
        path = with_more_pipelines(as_older(ours, tmp_path / "old.h5"), 2)
        with h5py.File(path, "r") as file:
            raw = group(file)["Experiment/Pipeline_Pipeline/data"].asstr()[0]
        with MeasurementFile(path) as file:
            found = is_batch_file(file)
        old, new = read_batch_file(path), read_batch_file(ours)

        assert "\n" not in raw
        assert found
        assert old.pipeline == new.pipeline
        assert old.path_mappings == new.path_mappings
        assert list(old.identities.texts()) == list(new.identities.texts())

    @pytest.mark.parametrize(
        ("name", "file"),
        [
            ("11_h5_and_csv", "outputs/batch_1_6/batch_1_6.h5"),
            ("12_failed", "outputs/batch_1_4/measurements.h5"),
            ("12_failed", "outputs/batch_13_16_kill9_early/measurements.h5"),
            ("13_groups", "outputs/P1-A02/P1-A02.h5"),
            ("90_cp5", "ranges/outputs/batch_1_6/batch_1_6.h5"),
            ("90_cp5", "failed/outputs/none/none.h5"),
        ],
    )
    def test_what_a_job_left_is_none(self, case: Case, name: str, file: str) -> None:
        path = case(name) / file
        with MeasurementFile(path) as opened:
            found = is_batch_file(opened)

        assert path.is_file()
        assert not found


@pytest.mark.parametrize("version", [VERSION_2, "2.2.0", "3.0.0rc1"])
def test_what_a_job_of_an_older_version_left_is_loaded_alike(
    version: str, case: Case, loaded: Callable[..., Path], tmp_path: Path
) -> None:
    ours = case("13_groups") / "outputs" / "P1-A02" / "P1-A02.h5"
    (tmp_path / "old").mkdir()
    path = as_older(ours, tmp_path / "old" / "P1-A02.h5", version)
    old, new = loaded(path), loaded(ours)
    pipelines = "SELECT Pipeline_Pipeline FROM Per_Experiment"

    for table in ("Per_Image", "Per_Nuclei"):
        assert columns(old, table) == columns(new, table)
    assert rows(old, pipelines) == rows(new, pipelines)


class TestBesideJobs:
    def test_jobs_beside_one_made_in_the_windows_are_loaded(
        self, screen: Path, cpexport: Run, tmp_path: Path
    ) -> None:
        with_more_pipelines(screen / "Batch_data.h5", 3)
        check = cpexport("check", screen, "--format", "json")
        load = cpexport("load", screen, "--to", f"sqlite:///{tmp_path}/a.sqlite")
        one = cpexport(
            "load", screen / "outputs" / "batch_1_6", "--to", f"sqlite:///{tmp_path}/b.sqlite"
        )
        plan = cpexport("plan", "--batch", screen / "Batch_data.h5", "--format", "array")

        assert (check.status, missing(check)) == (NOT_WHOLE, "[[13, 24]]")
        assert load.status == NOT_WHOLE, load.err
        assert "missing" in load.out
        assert rows(tmp_path / "a.sqlite", "SELECT count(*) FROM Per_Image") == [(12,)]
        assert one.status in (0, NOT_WHOLE), one.err
        assert rows(tmp_path / "b.sqlite", "SELECT count(*) FROM Per_Image") == [(6,)]
        assert plan.out.strip() == "1-24"

    def test_a_renamed_one_is_found_by_what_it_holds(self, screen: Path, cpexport: Run) -> None:
        (screen / "Batch_data.h5").rename(screen / "plate1_batch.h5")
        check = cpexport("check", screen, "--format", "json")

        assert (check.status, missing(check)) == (NOT_WHOLE, "[[13, 24]]")
        assert [b["state"] for b in json.loads(check.out)["batches"]] == ["complete"] * 2

    def test_one_beside_csv_files_does_not_hide_them(
        self, copy: Copy, cpexport: Run, tmp_path: Path
    ) -> None:
        job = copy("10_ranges", "outputs/batch_1_6", "run/batch_1_6")
        copy("10_ranges", "Batch_data.h5", "run/batch_1_6/my batch.h5")
        load = cpexport("load", job, "--to", f"sqlite:///{tmp_path}/a.sqlite")

        assert load.status == NOT_WHOLE, load.err
        assert "7-8 (P1 B01 sites 1-2)" in load.out
        assert rows(tmp_path / "a.sqlite", "SELECT count(*) FROM Per_Image") == [(6,)]

    def test_copies_in_the_folders_of_jobs_are_one(self, screen: Path, cpexport: Run) -> None:
        for job in ("batch_1_6", "batch_7_12"):
            shutil.copy(screen / "Batch_data.h5", screen / "outputs" / job / "Batch_data.h5")
        shutil.copy(screen / "Batch_data.h5", screen / "outputs" / "batch_1_6" / "copy.h5")
        check = cpexport("check", screen, "--format", "json")

        assert (check.status, missing(check)) == (NOT_WHOLE, "[[13, 24]]")
        assert [b["state"] for b in json.loads(check.out)["batches"]] == ["complete"] * 2
        assert "a different batch file" not in check.err

    def test_two_that_differ_are_refused_by_name(
        self, screen: Path, copy: Copy, cpexport: Run
    ) -> None:
        copy("40_spreadsheet", "Batch_data.h5", "run/outputs/Batch_data.h5")
        check = cpexport("check", screen)

        assert check.status == 2
        assert f"{screen}/Batch_data.h5" in check.err
        assert f"{screen}/outputs/Batch_data.h5" in check.err
        assert "--batch" in check.err

    def test_another_one_by_another_name_is_named(
        self, screen: Path, copy: Copy, cpexport: Run
    ) -> None:
        copy("40_spreadsheet", "Batch_data.h5", "run/old_batch.h5")
        check = cpexport("check", screen, "--format", "json")

        assert (check.status, missing(check)) == (NOT_WHOLE, "[[13, 24]]")
        assert f"{screen}/old_batch.h5: a different batch file" in check.err

    def test_one_given_by_its_new_name_is_used(self, screen: Path, cpexport: Run) -> None:
        (screen / "Batch_data.h5").rename(screen / "plate1_batch.h5")
        check = cpexport("check", screen, "--batch", screen / "plate1_batch.h5", "--format", "json")

        assert (check.status, missing(check)) == (NOT_WHOLE, "[[13, 24]]")
        assert len(json.loads(check.out)["batches"]) == 2
        assert "a different batch file" not in check.err

    def test_alone_it_is_no_output(self, screen: Path, cpexport: Run, tmp_path: Path) -> None:
        path = screen / "Batch_data.h5"
        load = cpexport("load", path, "--to", f"sqlite:///{tmp_path}/a.sqlite")

        assert load.status == 1
        assert f"{path}: is a batch file, not the output of a job; name it with --batch" in load.err
        assert not (tmp_path / "a.sqlite").exists()


class TestWithMeasurementsInside:
    """A job can be told to write its measurements into a file of that name."""

    def test_it_is_the_output_of_a_job(self, screen: Path, cpexport: Run, tmp_path: Path) -> None:
        job = screen / "outputs" / "batch_1_6"
        (job / "batch_1_6.h5").rename(job / "Batch_data.h5")
        load = cpexport("load", screen, "--to", f"sqlite:///{tmp_path}/a.sqlite")

        assert load.status == NOT_WHOLE, load.err
        assert "13-14 (P2 A01 sites 1-2)" in load.out
        assert rows(tmp_path / "a.sqlite", "SELECT count(*) FROM Per_Image") == [(12,)]

    def test_named_by_batch_it_is_the_plan_which_is_said(self, screen: Path, cpexport: Run) -> None:
        job = screen / "outputs" / "batch_1_6" / "batch_1_6.h5"
        check = cpexport("check", screen / "outputs", "--batch", job, "--format", "json")

        assert json.loads(check.out)["planned"] == 6
        assert json.loads(check.out)["unexpected"] == [[7, 12]]
        assert f"{job}: contains measurements of a job" in check.err


class TestOneThatCannotBeRead:
    @pytest.mark.parametrize("kind", ["cut", "empty", "text", "foreign", "pointer"])
    @pytest.mark.parametrize("beside", [False, True])
    def test_it_costs_nothing_else(
        self, kind: str, beside: bool, screen: Path, cpexport: Run, tmp_path: Path
    ) -> None:
        path = screen / "Batch_data.h5"
        content = {
            "cut": path.read_bytes()[:-1000],
            "empty": b"",
            "text": b"nothing\n",
            "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        }
        path.unlink()
        if kind == "foreign":
            with h5py.File(path, "w") as file:
                file["numbers"] = [1, 2, 3]
        else:
            path.write_bytes(content[kind])
        outputs = screen / "outputs" if beside else screen
        load = cpexport("load", outputs, "--to", f"sqlite:///{tmp_path}/a.sqlite")
        check = cpexport("check", outputs)

        assert load.status == NOT_WHOLE, load.err
        assert f"{path}" in load.out
        assert "not a batch file" in load.out
        assert rows(tmp_path / "a.sqlite", "SELECT count(*) FROM Per_Image") == [(12,)]
        assert check.status == 1
        assert f"{path}: not a batch file" in check.err

    def test_csv_files_beside_it_are_loaded(
        self, copy: Copy, cpexport: Run, tmp_path: Path
    ) -> None:
        job = copy("10_ranges", "outputs/batch_1_6", "run/batch_1_6")
        (job / "Batch_data.h5").write_bytes(b"nothing")
        load = cpexport("load", job, "--to", f"sqlite:///{tmp_path}/a.sqlite")

        assert load.status == NOT_WHOLE, load.err
        assert "Batch_data.h5" in load.out
        assert rows(tmp_path / "a.sqlite", "SELECT count(*) FROM Per_Image") == [(6,)]
