"""`--leave-out` keeps features out of the tables, and out of all that is made of them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.calls import load_runs, verify_runs
from support.fixtures import Ran, declared, rows, unpacked
from support.small_jobs import csv_job

import cpexport
from cpexport import read
from cpexport.tables.options import TableOptions

Run = Callable[..., Ran]


def nucleus(image: int, **features: float) -> dict[str, object]:
    return {"ImageNumber": image, "ObjectNumber": 1, "AreaShape_Area": 7.5, **features}


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """Of two batches, one has textures."""
    home = tmp_path / "outputs"
    csv_job(home / "j1", {1: {"Intensity_Mean_DNA": 0.5}}, {"Nuclei": [nucleus(1)]})
    textures = {"Texture_A": 1.5, "Texture_B": 2.5}
    csv_job(home / "j2", {2: {"Intensity_Mean_DNA": 0.5}}, {"Nuclei": [nucleus(2, **textures)]})
    return home


@pytest.mark.parametrize(
    ("to", "layout"),
    [("sqlite:///{}", "view"), ("duckdb:///{}", "combined"), ("parquet:{}", "separate")],
)
def test_they_get_no_columns_and_nothing_misses_them(
    outputs: Path, tmp_path: Path, to: str, layout: str
) -> None:
    url = to.format(tmp_path / "made")
    without = ["Nuclei_Texture_*", "Image_Intensity_Mean_DNA", "Image_FileName_*"]
    shape = TableOptions.parse(layout, "mean", None, leave_out=without)
    load_runs([outputs / "j1"], url, shape=shape)
    report = load_runs([outputs], url)

    assert report.is_complete
    assert [note for note in report.notes if "lack" in note] == []
    images = read(url, "Per_Image")
    assert "Mean_Nuclei_AreaShape_Area" in images
    assert "Image_FileName_DNA" in images
    assert [name for name in images if "Texture" in name or "Intensity" in name] == []
    objects = read(url, "Per_Object" if layout == "combined" else "Per_Nuclei")
    assert objects["Nuclei_AreaShape_Area"].tolist() == [7.5, 7.5]
    assert [name for name in objects if "Texture" in name] == []
    verified = verify_runs([outputs], url)
    assert (verified.verified, verified.differences) == (2, ())


def test_a_file_names_them_and_a_destination_keeps_its_own(
    outputs: Path, tmp_path: Path, cpexport: Run
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("Nuclei_Texture_A\n\nImage_Intensity_*\n")
    to = ("--to", tmp_path / "s.sqlite")

    assert cpexport("load", outputs, *to, "--leave-out", f"@{names}").status == 0
    assert "Nuclei_Texture_B" in declared(tmp_path / "s.sqlite", "Per_Nuclei")
    assert "Nuclei_Texture_A" not in declared(tmp_path / "s.sqlite", "Per_Nuclei")
    other = cpexport("load", outputs, *to, "--leave-out", "Nuclei_*")
    assert other.status == 1
    assert "was created with --leave-out Image_Intensity_*,Nuclei_Texture_A" in other.err
    missing = cpexport("load", outputs, *to, "--leave-out", f"@{tmp_path / 'no'}")
    assert missing.status == 2
    assert "cannot be read: No such file or directory" in missing.err


def test_chosen_features_get_columns_and_what_joins_tables_stays(
    outputs: Path, tmp_path: Path, cpexport: Run
) -> None:
    to = ("--to", "x.sqlite")
    parent = nucleus(1, Parent_Cells=1, Location_Center_X=2.5, Texture_A=1.5)
    csv_job(outputs / "j3", {3: {"Count_Nuclei": 1}}, {"Nuclei": [{**parent, "ImageNumber": 3}]})
    first = cpexport("load", outputs / "j1", *to, "--features", "Area*,Nuclei_Texture_B", "--quiet")
    again = cpexport("load", outputs, *to, "--format", "json")
    other = cpexport("load", outputs, *to, "--features", "Texture_*")
    without = cpexport("load", outputs, "--to", "y.sqlite", "--without-features", "Texture_*")
    columns = declared(tmp_path / "x.sqlite", "Per_Nuclei")

    assert (first.status, again.status, without.status) == (0, 0, 0)
    assert {*columns} == {
        *("ImageNumber", "Nuclei_Number_Object_Number", "Nuclei_AreaShape_Area"),
        *("Nuclei_Texture_B", "Nuclei_Parent_Cells", "Nuclei_Location_Center_X"),
    }
    assert "Image_Count_Nuclei" in declared(tmp_path / "x.sqlite", "Per_Image")
    assert "Image_Intensity_Mean_DNA" not in declared(tmp_path / "x.sqlite", "Per_Image")
    assert "was created with --features Area*,Nuclei_Texture_B, but --features Text" in other.err
    made = declared(tmp_path / "y.sqlite", "Per_Nuclei")
    assert [name for name in made if "Texture" in name] == []
    assert verify_runs([outputs], f"sqlite:///{tmp_path}/x.sqlite").differences == ()


def test_relationships_stay_whatever_is_chosen(tmp_path: Path) -> None:
    job = unpacked("40_spreadsheet") / "outputs" / "P1-A01-1"
    pairs = []
    for name, words in (("a", {}), ("b", {"features": "Texture_*"}), ("c", {"leave_out": "*"})):
        cpexport.load(job, tmp_path / f"{name}.sqlite", **words)  # type: ignore[arg-type]
        pairs.append(rows(tmp_path / f"{name}.sqlite", "SELECT count(*) FROM Per_Relationships"))

    assert pairs[0] == pairs[1] == pairs[2] != [(0,)]


@pytest.mark.parametrize("option", ["--leave-out", "--features"])
def test_a_misspelled_name_is_refused_by_the_first_load(
    outputs: Path, tmp_path: Path, cpexport: Run, option: str
) -> None:
    words = ("load", outputs, "--to", tmp_path / "a.sqlite", option)
    ran = cpexport(*words, "Nuclei_AreaShape_Aera")
    runs = cpexport(*words, "Nuclei_AreaShape_Aera", "--table-number")
    noted = "Nuclei_AreaShape_Area,Nuclei_Zernikes_*"
    tried = [
        cpexport(*words, noted, *more)
        for more in (["--dry-run"], ["--table-number", "--dry-run"], [])
    ]
    numbered = cpexport(*words[:3], tmp_path / "b.sqlite", option, noted, "--table-number")

    assert {ran.status, runs.status} == {2}
    assert "no feature has such a name. Did you mean Nuclei_AreaShape_Area?" in ran.err
    for right in (*tried, numbered):
        note = f"note: {option} Nuclei_Zernikes_*: matches no feature of these outputs"
        assert (right.status, right.err.count(note)) == (0, 1)
