"""`Cpmeasurements*.hdf5`: what CellProfiler keeps as it runs, left behind or kept on purpose."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.fixtures import Ran, rows

Copy = Callable[..., Path]
Run = Callable[..., Ran]

NAME = "Cpmeasurementsab12cd.hdf5"


@pytest.fixture
def measured(copy: Copy) -> Path:
    """The measurements of a job under the name of a temporary file, in a folder of their own."""
    part = "outputs/batch_1_6/batch_1_6.h5"
    return copy("11_h5_and_csv", part, to=f"kept/{NAME}")


def images(database: Path) -> int:
    return int(str(rows(database, "SELECT count(*) FROM Per_Image")[0][0]))


@pytest.mark.parametrize("named", [True, False])
def test_one_that_was_kept_is_loaded(
    named: bool, measured: Path, cpexport: Run, tmp_path: Path
) -> None:
    load = cpexport(
        "load", measured if named else measured.parent, "--to", f"sqlite:///{tmp_path}/a.sqlite"
    )

    assert load.status == 0, load.err
    assert images(tmp_path / "a.sqlite") == 6


def test_one_named_by_hand_in_a_job_is_loaded_too(
    measured: Path, cpexport: Run, tmp_path: Path
) -> None:
    file = measured.parent / "tmp" / NAME
    file.parent.mkdir()
    measured.rename(file)
    load = cpexport("load", file, "--to", f"sqlite:///{tmp_path}/a.sqlite")

    assert load.status == 0, load.err
    assert images(tmp_path / "a.sqlite") == 6


def test_one_alone_in_a_job_is_named_as_what_it_left(
    measured: Path, copy: Copy, cpexport: Run
) -> None:
    file = measured.parent / "job" / "tmp" / NAME
    file.parent.mkdir(parents=True)
    measured.rename(file)
    batch_file = copy("11_h5_and_csv", "Batch_data.h5", to="Batch_data.h5")
    words = ("check", measured.parent, "--batch", batch_file, "--format", "json")
    (batch,) = json.loads(cpexport(*words).out)["batches"]

    assert batch["complete"] == ""
    assert f"no .h5 and no CSV, only CellProfiler's own temporary file ({NAME})" in batch["reason"]


def test_one_beside_what_a_job_left_is_named(
    measured: Path, copy: Copy, cpexport: Run, tmp_path: Path
) -> None:
    job = copy("11_h5_and_csv", "outputs/batch_1_6/batch_1_6.h5", to="run/job/batch.h5").parent
    (job / "tmp").mkdir()
    shutil.copy(measured, job / "tmp" / NAME)
    load = cpexport("load", job, "--to", f"sqlite:///{tmp_path}/a.sqlite")

    assert load.status == 0
    assert f"{job}/tmp/{NAME}: left over from a killed job" in load.err
    assert images(tmp_path / "a.sqlite") == 6
