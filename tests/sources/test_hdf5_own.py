"""Measurement files that lead to other files or places are refused by name, whoever reads them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest
from support.fixtures import Ran, rows

Copy = Callable[..., Path]
Run = Callable[..., Ran]
Change = Callable[[h5py.Group, Path], None]

NOT_WHOLE = 3
AREA, PLATE = "Cells/AreaShape_Area", "Image/Metadata_Plate"


def external_feature(run: h5py.Group, other: Path) -> None:
    del run[AREA]
    run[AREA] = h5py.ExternalLink(other, f"{run.name}/{AREA}")


def external_dataset(run: h5py.Group, other: Path) -> None:
    del run[f"{AREA}/data"]
    run[f"{AREA}/data"] = h5py.ExternalLink(other, f"{run.name}/{AREA}/data")


def external_index(run: h5py.Group, other: Path) -> None:
    del run[f"{PLATE}/index"]
    run[f"{PLATE}/index"] = h5py.ExternalLink(other, f"{run.name}/{PLATE}/index")


def external_objects(run: h5py.Group, other: Path) -> None:
    del run["Cells"]
    run["Cells"] = h5py.ExternalLink(other, f"{run.name}/Cells")


def external_run(run: h5py.Group, other: Path) -> None:
    name = run.name
    runs = run.parent
    del runs[name]
    runs[name] = h5py.ExternalLink(other, name)


def external_relationship(run: h5py.Group, other: Path) -> None:
    module = sorted(run["Relationship"])[0]
    del run["Relationship"][module]
    run["Relationship"][module] = h5py.ExternalLink(other, f"{run.name}/Relationship/{module}")


def external_experiment(run: h5py.Group, other: Path) -> None:
    del run["Experiment/Pipeline_Pipeline"]
    run["Experiment/Pipeline_Pipeline"] = h5py.ExternalLink(
        other, f"{run.name}/Experiment/Pipeline_Pipeline"
    )


def soft_feature(run: h5py.Group, other: Path) -> None:
    del run[AREA]
    run[AREA] = h5py.SoftLink(f"{run.name}/Nuclei/AreaShape_Area")


def virtual(run: h5py.Group, other: Path) -> None:
    length = run[f"{AREA}/data"].shape[0]
    del run[f"{AREA}/data"]
    layout = h5py.VirtualLayout(shape=(length,), dtype="f8")
    layout[:] = h5py.VirtualSource(other, f"{run.name}/{AREA}/data", shape=(length,))
    run[AREA].create_virtual_dataset("data", layout)


def raw(run: h5py.Group, other: Path) -> None:
    length = run[f"{PLATE}/data"].shape[0]
    del run[f"{PLATE}/data"]
    run[PLATE].create_dataset("data", (length,), "S2", external=[(str(other), 0, 2 * length)])


CHANGES = (
    external_feature,
    external_dataset,
    external_index,
    external_objects,
    external_run,
    external_relationship,
    external_experiment,
    soft_feature,
    virtual,
    raw,
)


def lead_elsewhere(path: Path, change: Change, other: Path) -> None:
    """Changes a file so that what it says of a feature is in a copy of it."""
    shutil.copy(path, other)
    with h5py.File(path, "a") as file:
        runs = file["Measurements"]
        change(runs[max(runs)], other)


@pytest.mark.parametrize("change", CHANGES)
def test_a_job_whose_file_leads_elsewhere_is_left_out_by_name(
    change: Change, copy: Copy, cpexport: Run, tmp_path: Path
) -> None:
    good = copy("11_h5_and_csv", "outputs/batch_7_12/batch_7_12.h5", "run/b/batch_7_12.h5")
    path = copy("11_h5_and_csv", "outputs/batch_1_6/batch_1_6.h5", "run/a/batch_1_6.h5")
    lead_elsewhere(path, change, tmp_path / "other.h5")
    load = cpexport("load", tmp_path / "run", "--to", f"sqlite:///{tmp_path}/a.sqlite")
    numbers = rows(tmp_path / "a.sqlite", "SELECT ImageNumber FROM Per_Image ORDER BY 1")

    assert good.is_file()
    assert load.status == NOT_WHOLE, load.err
    assert str(path.parent) in load.out
    assert "CellProfiler never writes" in load.out
    assert numbers == [(number,) for number in range(7, 13)]


@pytest.mark.parametrize("change", [external_run, external_experiment, raw])
def test_a_batch_file_that_leads_elsewhere_is_refused_by_name(
    change: Change, copy: Copy, cpexport: Run, tmp_path: Path
) -> None:
    path = copy("10_ranges", "Batch_data.h5", "run/Batch_data.h5")
    lead_elsewhere(path, change, tmp_path / "other.h5")
    plan = cpexport("plan", "--batch", path)

    assert plan.status == 1
    assert plan.err.startswith(f"cpexport: {path}: ")
    assert "CellProfiler never writes" in plan.err
    assert plan.out == ""
