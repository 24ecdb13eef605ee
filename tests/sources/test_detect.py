"""Batches are found below folders of any layout, each of them once, and nothing else is."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.fixtures import Ran

from cpexport.errors import SourceError
from cpexport.sources.detect import find

Copy = Callable[..., Path]


def found(*outputs: Path) -> list[tuple[str, Path]]:
    """The batches below some folders: format and path, in order of path."""
    sources = find(outputs).sources()
    return sorted((source.format, source.path) for source in sources)


@pytest.fixture
def h5(copy: Copy) -> Callable[[str], Path]:
    """`h5("run/a.h5")` is a measurement file of a job there."""
    return lambda to: copy("13_groups", "outputs/P1-A01/P1-A01.h5", to=to)


@pytest.fixture
def csv(copy: Copy) -> Callable[..., Path]:
    """`csv("run/a")` is a folder with the CSV files of a job."""
    return lambda to, prefix="": renamed(copy("10_ranges", "outputs/batch_1_6", to=to), prefix)


def renamed(folder: Path, prefix: str) -> Path:
    (folder / "done.txt").unlink()
    (folder / "log.txt").unlink()
    for path in folder.glob("*.csv"):
        path.rename(folder / f"{prefix}{path.name}")
    return folder


class TestLayouts:
    def test_a_folder_for_each_job_is_the_batch(
        self, h5: Callable[[str], Path], csv: Callable[[str], Path], tmp_path: Path
    ) -> None:
        """However deep."""
        one, other = h5("run/a/deep/er/m.h5").parent, csv("run/b/c")

        assert found(tmp_path / "run") == [("hdf5", one), ("spreadsheet", other)]

    def test_of_many_files_in_one_folder_each_is_a_batch(
        self, h5: Callable[[str], Path], tmp_path: Path
    ) -> None:
        files = [h5(f"run/{name}") for name in ("1_10.h5", "11_20.hdf5", "B.H5")]

        assert found(tmp_path / "run") == sorted(("hdf5", file) for file in files)

    def test_a_file_beside_folders_is_a_batch_as_they_are(
        self, h5: Callable[[str], Path], tmp_path: Path
    ) -> None:
        above, below = h5("run/a.h5"), h5("run/b/b.h5")

        assert found(tmp_path / "run") == [("hdf5", above.parent), ("hdf5", below.parent)]

    def test_a_file_can_be_named_itself(self, h5: Callable[[str], Path], tmp_path: Path) -> None:
        file, _ = h5("run/a.h5"), h5("run/b.h5")

        assert found(file) == [("hdf5", file)]

    def test_a_folder_can_be_named_that_is_a_batch(self, csv: Callable[[str], Path]) -> None:
        folder = csv("run/a")

        assert found(folder) == [("spreadsheet", folder)]

    def test_what_is_named_twice_is_found_once(
        self, h5: Callable[[str], Path], csv: Callable[[str], Path], tmp_path: Path
    ) -> None:
        run = tmp_path / "run"
        file, _ = h5("run/a/a.h5"), csv("run/b")
        once = found(run)

        assert len(once) == 2
        assert found(run, run) == once
        assert found(run, run / "a", run / "b") == once
        assert len(found(run / "a", run / ".." / "run")) == 2
        assert found(run, file) == once
        assert len(found(file, run)) == 2

    def test_links_are_followed_and_found_once(
        self, h5: Callable[[str], Path], tmp_path: Path
    ) -> None:
        folder = h5("disk/a/a.h5").parent
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "link").symlink_to(folder)
        (tmp_path / "run" / "again").symlink_to(folder)

        assert found(tmp_path / "run") == [("hdf5", tmp_path / "run" / "again")]

    def test_a_link_to_a_folder_above_ends(self, h5: Callable[[str], Path], tmp_path: Path) -> None:
        folder = h5("run/a/a.h5").parent
        (folder / "up").symlink_to(tmp_path / "run")

        assert found(tmp_path / "run") == [("hdf5", folder)]

    def test_a_link_to_a_file_is_the_file(self, h5: Callable[[str], Path], tmp_path: Path) -> None:
        file = h5("disk/a.h5")
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "link.h5").symlink_to(file)

        assert found(tmp_path / "run") == [("hdf5", tmp_path / "run")]

    def test_what_does_not_exist_is_an_error_that_names_it(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="nowhere: does not exist"):
            find([tmp_path / "nowhere"])


class TestSeveralKindsInOneFolder:
    def test_csv_beside_an_h5_is_the_same_job_and_that_is_said(
        self, copy: Copy, cpexport: Callable[..., Ran]
    ) -> None:
        folder = copy("11_h5_and_csv", "outputs/batch_1_6")
        batch = copy("11_h5_and_csv", "Batch_data.h5")
        ran = cpexport("check", folder, "--batch", batch, "--format", "json")
        (said,) = json.loads(ran.out)["batches"]

        assert found(folder) == [("hdf5", folder)]
        assert said["notes"] == ["the .h5 is used, not the 7 CSV files next to it"]
        assert "the .h5 is used, not the 7 CSV files next to it" in ran.err

    def test_each_prefix_is_a_batch(self, csv: Callable[..., Path], tmp_path: Path) -> None:
        folder = csv("run", "A_")
        csv("other", "B_")
        for path in (tmp_path / "other").iterdir():
            shutil.copy(path, folder)
        sources = {source.path.name: source for source in find([folder]).sources()}

        assert set(sources) == {"A_Image.csv", "B_Image.csv"}
        for name, source in sources.items():
            assert len(source.files) == 7
            assert {file.name[:2] for file in source.files} == {name[:2]}

    def test_a_prefix_that_begins_another_does_not_take_its_files(
        self, csv: Callable[..., Path], tmp_path: Path
    ) -> None:
        folder = csv("run", "")
        csv("other", "My")
        csv("third", "MyExpt_")
        for path in (*(tmp_path / "other").iterdir(), *(tmp_path / "third").iterdir()):
            shutil.copy(path, folder)
        sources = {source.path.name: source for source in find([folder]).sources()}

        assert set(sources) == {"Image.csv", "MyImage.csv", "MyExpt_Image.csv"}
        assert [len(source.files) for source in sources.values()] == [7, 7, 7]

    def test_one_prefix_alone_is_the_folders_batch(self, csv: Callable[..., Path]) -> None:
        folder = csv("run", "MyExpt_")

        assert found(folder) == [("spreadsheet", folder)]

    def test_object_types_whose_names_end_in_image_are_no_prefix(
        self, csv: Callable[..., Path]
    ) -> None:
        """`CellsInImage.csv` has an ObjectNumber, so its rows are objects."""
        folder = csv("run")
        shutil.copy(folder / "Nuclei.csv", folder / "CellsInImage.csv")
        (source,) = find([folder]).sources()

        assert source.path == folder
        assert len(source.files) == 8


class TestWhatIsNoBatch:
    def test_the_batch_file_is_not_but_is_found(
        self, copy: Copy, h5: Callable[[str], Path]
    ) -> None:
        batch = copy("13_groups", "Batch_data.h5", to="run/Batch_data.h5")
        job = h5("run/a/a.h5").parent
        below = find([batch.parent])

        assert below.batch_files == (batch,)
        assert found(batch.parent) == [("hdf5", job)]

    def test_a_batch_file_beside_a_jobs_file_does_not_count_as_one(
        self, copy: Copy, h5: Callable[[str], Path]
    ) -> None:
        batch = copy("13_groups", "Batch_data.h5", to="run/Batch_data.h5")
        h5("run/a.h5")

        assert found(batch.parent) == [("hdf5", batch.parent)]

    def test_cellprofilers_temporary_files_are_not(
        self, copy: Copy, h5: Callable[[str], Path], tmp_path: Path
    ) -> None:
        """A whole measurement file by that name is the copy that a job works on."""
        job = h5("run/a/a.h5").parent
        h5("run/a/tmp/Cpmeasurements3d1flclo.hdf5")
        h5("run/a/Cpmeasurementsabc.hdf5")

        assert found(tmp_path / "run") == [("hdf5", job)]

    def test_a_job_that_left_nothing_else_is_still_named(
        self, h5: Callable[[str], Path], tmp_path: Path
    ) -> None:
        """Its temporary folder is not the job's, the one above is."""
        h5("run/a/tmp/Cpmeasurements3d1flclo.hdf5")
        (tmp_path / "run" / "b").mkdir()
        (tmp_path / "run" / "b" / "done.txt").write_text("Failure\n")

        assert found(tmp_path / "run") == [
            ("none", tmp_path / "run" / "a"),
            ("none", tmp_path / "run" / "b"),
        ]

    def test_other_files_of_people_are_not(self, tmp_path: Path) -> None:
        run = tmp_path / "run"
        (run / "empty").mkdir(parents=True)
        (run / "log.txt").write_text("Image,Number\n1,2\n")
        (run / "plates.csv").write_text("Plate,Compound\r\nP1,DMSO\r\n")
        (run / "notes.txt").write_text("all done\n")
        (run / "image.tif").write_bytes(b"II*\0")

        assert found(run) == []

    def test_a_list_for_loaddata_beside_the_csv_files_is_not_read_as_one(
        self, csv: Callable[..., Path]
    ) -> None:
        folder = csv("run")
        (folder / "load_data.csv").write_text("Image_FileName_DNA,Metadata_Well\r\na.tif,A01\r\n")
        (source,) = find([folder]).sources()

        assert source.inspect().tables == {
            "BigNuclei",
            "Cells",
            "Cytoplasm",
            "Nuclei",
            "SmallNuclei",
        }
