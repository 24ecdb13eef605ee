"""Outputs whose names do not tell their format are read, or named; nothing else is opened."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest
from support.calls import load
from support.fixtures import Ran, rows
from support.small_outputs import images, measurements, objects, write

from cpexport.sources.unknown import content_of

Run = Callable[..., Ran]
MATLAB = (b"MATLAB 5.0 MAT-file Platform: posix".ljust(124) + b"\0\1IM").ljust(176, b"\0")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Outputs with a folder of CSV files of the image sets 1 and 2."""
    images(tmp_path / "run/csv/Image.csv", {1: 1, 2: 1})
    objects(tmp_path / "run/csv/Nuclei.csv", {1: 1, 2: 1})
    return tmp_path / "run"


def database(path: Path, number: int = 3) -> Path:
    """A SQLite file as ExportToDatabase writes it, of one image set with one nucleus."""
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path)
    db.executescript(
        "CREATE TABLE MyExpt_Per_Image (ImageNumber INTEGER, Image_Count_Nuclei INTEGER, "
        "Image_FileName_DNA TEXT, Image_ExecutionTime_01LoadData FLOAT);"
        "CREATE TABLE MyExpt_Per_Nuclei (ImageNumber INTEGER, "
        "Nuclei_Number_Object_Number INTEGER, Nuclei_AreaShape_Area FLOAT);"
        f"INSERT INTO MyExpt_Per_Image VALUES ({number}, 1, 'i{number}.tif', 0.5);"
        f"INSERT INTO MyExpt_Per_Nuclei VALUES ({number}, 1, 7);"
    )
    db.commit()
    db.close()
    return path


def loaded(run: Path) -> list[int]:
    """The image sets that a load brings, which names nothing as left out."""
    to = run.parent / "out.sqlite"
    report = load([run], f"sqlite:///{to}")
    assert report.left_out == ()
    return [number for (number,) in rows(to, "SELECT ImageNumber FROM Per_Image ORDER BY 1")]


NAMES = ["DefaultDB", "DefaultDB.sql", "x.mdb", "x.data", "x.db.bak", "My screen.2026", "done"]


@pytest.mark.parametrize("name", NAMES)
def test_a_sqlite_file_is_read_whatever_it_is_called(name: str, run: Path) -> None:
    database(run / "job" / name)

    assert loaded(run) == [1, 2, 3]


@pytest.mark.parametrize(
    "name",
    ["m", "m.hdf", "m.he5", "m.h5.bak", "DefaultOUT.mat", "project.cpproj", "batch.1_6", "M.HDF"],
)
def test_a_measurement_file_is_read_whatever_it_is_called(name: str, run: Path) -> None:
    measurements(run / "job" / name, {3: 0})

    assert loaded(run) == [1, 2, 3]


@pytest.mark.parametrize("write_one", [measurements, lambda path, counts: database(path)])
def test_a_damaged_one_is_named(
    write_one: Callable[[Path, dict[int, int]], Path], run: Path, cpexport: Run
) -> None:
    path = write_one(run / "job/m", {3: 0})
    path.write_bytes(path.read_bytes()[:1000])
    ran = cpexport("load", "run", "--to", "sqlite:///out.sqlite")

    assert ran.status == 3
    assert "run/job" in ran.out


@pytest.mark.parametrize(
    ("name", "what"), [("DefaultDB.txt", "a SQLite file"), ("m.csv", "an HDF5 file")]
)
def test_one_that_is_called_as_a_table_is_named(
    name: str, what: str, run: Path, tmp_path: Path
) -> None:
    path = run / "job" / name
    database(path) if "SQLite" in what else measurements(path, {3: 0})
    report = load([run], f"sqlite:///{tmp_path / 'out.sqlite'}")

    assert [what in left.reason for left in report.left_out] == [True]


def test_a_project_without_measurements_is_not_named(run: Path) -> None:
    with h5py.File(run / "screen.cpproj", "w") as file:
        group = file.create_group("Measurements/2020/Experiment/Pipeline_Pipeline")
        group.create_dataset("data", data=["CellProfiler Pipeline:"], dtype=h5py.string_dtype())
        group.create_dataset("index", data=[(0, 0, 1)])
    with h5py.File(run / "empty.cpproj", "w") as file:
        file.create_group("Measurements")

    assert loaded(run) == [1, 2]


def test_files_of_other_programs_are_not_named(run: Path) -> None:
    """ilastik's projects are HDF5, and maps in .gpkg are SQLite."""
    with h5py.File(run / "classes.ilp", "w") as file:
        file.create_group("PixelClassification")
    sqlite3.connect(run / "map.gpkg").execute("CREATE TABLE tiles (x)")

    assert loaded(run) == [1, 2]


def test_a_batch_file_under_another_name_is_no_output(run: Path, copy: Callable[..., Path]) -> None:
    copy("12_failed", "Batch_data.h5", to="run/Batch_data.h5.bak")
    copy("12_failed", "Batch_data.h5", to="run/older")

    assert loaded(run) == [1, 2]


@pytest.mark.parametrize("suffix", [".tif", ".png", ".npy", ".txt", ".cppipe", ".err"])
def test_pictures_and_texts_are_not_opened(suffix: str, tmp_path: Path) -> None:
    """A file with such a name is not even looked at where it is a measurement file."""
    path = measurements(tmp_path / f"m{suffix}", {1: 0})

    assert content_of(path, suffix) is None
    assert content_of(path, "") is not None


def test_chunks_of_pixels_are_not_opened(run: Path) -> None:
    database(run / "picture.zarr/0/0.0")

    assert loaded(run) == [1, 2]


def test_measurements_in_matlab_are_named(run: Path, cpexport: Run) -> None:
    (run / "job").mkdir()
    (run / "job/DefaultOUT.mat").write_bytes(MATLAB + b"handles\0")
    ran = cpexport("load", "run", "--to", "sqlite:///out.sqlite")

    assert ran.status == 3
    assert "DefaultOUT.mat: CellProfiler's measurements in a MATLAB file" in ran.out


def test_other_matlab_files_are_not(run: Path) -> None:
    """Such as the function that corrects illumination."""
    (run / "job").mkdir()
    (run / "job/Illum.mat").write_bytes(MATLAB + b"Image\0\0\0")
    (run / "csv/DefaultOUT.mat").write_bytes(MATLAB + b"handles\0")

    assert loaded(run) == [1, 2]


@pytest.mark.parametrize(
    "names",
    [
        ["Image.parquet", "Nuclei.parquet"],
        ["Image.xlsx"],
        ["MyExpt_Image.feather", "MyExpt_Cells.feather"],
        ["image.ods", "nuclei.ods"],
        ["Image.csv.bak", "Nuclei.csv.bak"],
    ],
)
class TestJobsInOtherFormats:
    def test_are_named_by_every_command(self, names: list[str], run: Path, cpexport: Run) -> None:
        for name in names:
            write(run / "job" / name, "PAR1")
        to = ("--to", "sqlite:///out.sqlite")
        ran = [
            cpexport("check", "run"),
            cpexport("load", "run", *to, "--dry-run"),
            cpexport("load", "run", *to),
            cpexport("verify", "run", *to),
        ]

        assert [one.status for one in ran] == [3, 3, 3, 3]
        assert all(f"{names[0]}: a table of image sets that is not CSV" in one.out for one in ran)

    def test_are_refused_alone(self, names: list[str], tmp_path: Path, cpexport: Run) -> None:
        for name in names:
            write(tmp_path / "run" / name, "PAR1")
        ran = cpexport("load", "run", "--to", "sqlite:///out.sqlite")

        assert ran.status == 1
        assert f"{names[0]}: a table of image sets that is not CSV" in ran.err

    def test_are_copies_beside_what_is_read(self, names: list[str], run: Path) -> None:
        for name in names:
            write(run / "csv" / name.replace("Cells", "Nuclei"), "PAR1")

        assert loaded(run) == [1, 2]


def test_a_destination_among_the_outputs_is_not_named(run: Path, cpexport: Run) -> None:
    for to in ("parquet:run/tables", "duckdb:///run/x.duckdb", "sqlite:///run/screen.cpexport"):
        assert cpexport("load", "run/csv", "--to", to).status == 0

    assert cpexport("check", "run").status == 0
