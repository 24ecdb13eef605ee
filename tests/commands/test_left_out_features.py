"""`--leave-out` keeps features out of the tables, and out of all that is made of them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.calls import load_runs, verify_runs
from support.fixtures import Ran, declared
from support.small_jobs import csv_job

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
