"""What CellProfiler 5 writes is loaded as what 4.2 writes: its .h5, CSV and SQLite files."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import h5py
import pytest
from support.calls import load, verify
from support.fixtures import columns, rows

from cpexport.imagesets import ImageSets
from cpexport.jobs.templates import runner
from cpexport.loading.survey import survey

Case = Callable[[str], Path]
Copy = Callable[..., Path]
Loaded = Callable[..., Path]


def in_file(path: Path, feature: str, number: int) -> list[object]:
    """The values of an image set in a measurement file, by h5py alone."""
    with h5py.File(path, "r") as file:
        runs = file["Measurements"]
        group = runs[max(runs)][feature]
        (slices,) = [row[1:] for row in group["index"][:].tolist() if row[0] == number]
        values = group["data"][slice(*slices)]
    return [v.decode() if isinstance(v, bytes) else v for v in values.tolist()]


def test_measurement_files_are_loaded_to_the_value(case: Case, loaded: Loaded) -> None:
    home = case("90_cp5") / "ranges"
    path = home / "outputs" / "batch_1_6" / "batch_1_6.h5"
    database = loaded(home / "outputs")
    for feature in ("AreaShape_Area", "Intensity_MeanIntensity_DNA", "Parent_Nuclei"):
        ours = rows(database, f"SELECT Cells_{feature} FROM Per_Cells WHERE ImageNumber = 3")
        assert [value for (value,) in ours] == in_file(path, f"Cells/{feature}", 3)
    ((place,),) = rows(database, "SELECT Image_PathName_DNA FROM Per_Image WHERE ImageNumber = 3")

    assert [place] == in_file(path, "Image/PathName_DNA", 3)
    assert str(place).startswith("///")
    assert rows(database, "SELECT count(*) FROM Per_Image") == [(12,)]


def test_csv_files_give_the_same_as_the_measurement_files(
    case: Case, loaded: Loaded, tmp_path: Path
) -> None:
    outputs = case("90_cp5") / "ranges" / "outputs"
    for job in outputs.iterdir():
        ignored = shutil.ignore_patterns("*.h5")
        shutil.copytree(job, tmp_path / "csv" / job.name, ignore=ignored)
    load([tmp_path / "csv"], f"sqlite:///{tmp_path}/csv.sqlite")
    theirs, ours = (
        columns(loaded(outputs), "Per_Nuclei"),
        columns(tmp_path / "csv.sqlite", "Per_Nuclei"),
    )

    assert len(ours) > 20
    assert {name: ours[name] for name in theirs if name in ours} == theirs


def test_names_and_types_texts_of_image_sets_are_texts(case: Case, loaded: Loaded) -> None:
    home = case("90_cp5") / "groups_nat"
    path = home / "outputs" / "g1" / "g1.h5"
    database = loaded(home / "outputs")
    numbers = [number for (number,) in rows(database, "SELECT ImageNumber FROM Per_Image")]
    texts = dict(rows(database, "SELECT ImageNumber, Image_ImageSet_ImageSet FROM Per_Image"))

    assert numbers
    for number in numbers:
        assert [texts[number]] == in_file(path, "Image/ImageSet_ImageSet", int(str(number)))


def test_its_own_database_gives_what_its_measurement_file_gives(case: Case, tmp_path: Path) -> None:
    home = case("90_cp5") / "sqlite"
    load([home / "cp.db"], f"sqlite:///{tmp_path}/db.sqlite")
    load([home / "out.h5"], f"sqlite:///{tmp_path}/h5.sqlite")
    theirs = columns(tmp_path / "db.sqlite", "Per_Nuclei")
    ours = columns(tmp_path / "h5.sqlite", "Per_Nuclei")
    number, area = "Nuclei_Number_Object_Number", "Nuclei_AreaShape_Area"

    assert len(theirs[area]) > 100
    assert [ours[number], ours[area]] == [theirs[number], theirs[area]]


def test_what_failed_jobs_left_is_judged_alike(case: Case) -> None:
    home = case("90_cp5") / "failed"
    batches = {b.source.path.name: b for b in survey([home / "outputs"]).batches}
    states = {name: batch.state for name, batch in batches.items()}

    assert states == {
        "beyond": "complete",
        "cont": "partial",
        "none": "failed",
        "stop": "failed",
    }
    assert batches["none"].complete == ImageSets()


@pytest.mark.parametrize("version", [4, 5])
def test_the_runner_keeps_measurements_by_the_command_line_of_either(
    version: int, tmp_path: Path
) -> None:
    """A command line as CellProfiler's, whose run only writes the file that it is told to."""
    read = {
        4: "def parse_args(args):\n    return parser.parse_known_args(args[1:])\n",
        5: "def parse_args():\n    return parser.parse_args()\n",
    }[version]
    call = {4: "parse_args(args)[0]", 5: "parse_args()"}[version]
    (tmp_path / "cellprofiler").mkdir()
    (tmp_path / "cellprofiler" / "__main__.py").write_text(
        "import argparse\nfrom cellprofiler_core.pipeline import Pipeline\n"
        "parser = argparse.ArgumentParser()\n"
        "parser.add_argument('-c', action='store_true')\n"
        "parser.add_argument('-o', dest='output_directory')\n"
        f"{read}"
        f"def main(args=None):\n    options = {call}\n"
        "    Pipeline().run(measurements_filename=None)\n    return 0\n"
    )
    (tmp_path / "cellprofiler_core").mkdir()
    (tmp_path / "cellprofiler_core" / "pipeline.py").write_text(
        "class Pipeline:\n"
        "    def run(self, measurements_filename):\n"
        "        open(measurements_filename, 'w').write('measured')\n"
        "        return self\n"
        "    def has_feature(self, *names):\n        return True\n"
        "    def get_experiment_measurement(self, name):\n        return 'Complete'\n"
    )
    script = tmp_path / "run_batch.py"
    script.write_text(runner())
    words: list[str | Path] = [sys.executable, script, "-c", "-o", tmp_path / "out"]

    def run(*more: str | Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*words, *more], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    named, usual, wrong = run(tmp_path / "kept.h5"), run(), run("--nothing")

    assert (named.returncode, usual.returncode) == (0, 0), named.stderr + usual.stderr
    assert (tmp_path / "kept.h5").read_text() == "measured"
    assert (tmp_path / "out" / "measurements.h5").read_text() == "measured"
    assert version == 4 or wrong.returncode == 2


def test_children_are_one_kind_of_relationship_with_those_of_version_4(
    case: Case, loaded: Loaded
) -> None:
    home = case("90_cp5") / "ranges" / "outputs"
    database = loaded(home)
    kinds = {kind for (kind,) in rows(database, "SELECT relationship FROM Per_RelationshipTypes")}
    with h5py.File(home / "batch_1_6" / "batch_1_6.h5", "r") as file:
        runs = file["Measurements"]
        relationships = runs[max(runs)]["Relationship"]
        said = {kind for module in relationships.values() for kind in module}

    assert "Children" in said
    assert kinds == said - {"Children"} | {"Child"}
    assert verify([home], f"sqlite:///{database}").differences == ()


def test_verify_takes_children_as_version_0_1_0_kept_them(
    case: Case, loaded: Loaded, tmp_path: Path
) -> None:
    home = case("90_cp5") / "ranges" / "outputs"
    old = tmp_path / "old.sqlite"
    shutil.copy(loaded(home), old)
    with closing(sqlite3.connect(old)) as db, db:
        db.execute(
            "UPDATE Per_RelationshipTypes SET relationship = 'Children' "
            "WHERE relationship = 'Child'"
        )

    assert verify([home], f"sqlite:///{old}").differences == ()
