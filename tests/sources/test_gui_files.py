"""Measurement files that CellProfiler's own windows made, with several workers.

Its runner (CellProfiler 4.2.8, analysis/_runner.py) keeps a `ProcessingStatus` for each image set,
never writes Exit_Status, and merges what workers send as they are done: in no order. Workers write
1 as the ModuleError of a module that raised; an image set that was skipped then is `Done` as well.
Such a file is made here of a job's, value for value.
"""

import json
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import h5py
import numpy as np
import pytest
from support.calls import load
from support.fixtures import Ran, measurements, rows, tables

Copy = Callable[..., Path]
Loaded = Callable[..., Path]
Run = Callable[..., Ran]

STATES = ("Unprocessed", "InProcess", "FinishedWaitingMeasurements", "Done")
# What LoadData knows before any worker has begun.
PLACES = ("Metadata_Plate", "Metadata_Well", "Metadata_Site")
LISTED = ("ImageNumber", "FileName_", "PathName_", "URL_", "Group_", *PLACES)
SUPERSEDED = {"f": -1.0, "i": -1}


def by_the_gui(file: Path, skipped: Collection[int] = (), unfinished: Collection[int] = ()) -> None:
    """Rewrites a job's file as the GUI lays it out.

    The first module raised in the `skipped` image sets. Workers had begun with the `unfinished`
    ones when the run was stopped.
    """
    with measurements(file) as run:
        numbers = sorted(run["Image/ImageNumber/index"][:, 0].tolist())
        # As two workers are done: 2, 1, 4, 3, ...
        order = [n for pair in zip(numbers[::2], numbers[1::2], strict=True) for n in pair[::-1]]
        del run["Experiment/Exit_Status"]
        for name in set(run) - {"Experiment", "Relationship"}:
            for feature in run[name]:
                group = run[name][feature]
                listed = name == "Image" and feature.startswith(LISTED)
                if feature == "ModuleError_01LoadData":
                    mark(group, skipped)
                    keep = [n for n in order if n not in unfinished]
                elif listed:
                    keep = order
                else:
                    keep = [n for n in order if n not in {*skipped, *unfinished}]
                shuffle(group, keep)
        status = run["Image"].create_group("ProcessingStatus")
        values: list[str] = []
        index = []
        for number in order:
            mine = STATES[:2] if number in unfinished else STATES
            values += mine
            index.append([number, len(values) - 1, len(values)])
        status.create_dataset("data", data=values, dtype=h5py.special_dtype(vlen=str))
        status.create_dataset("index", data=np.array(index, np.int64))
        for leaf in leaves(run["Relationship"]):
            gone = {*skipped, *unfinished}
            there = [n not in gone for n in leaf["ImageNumber_First"][()].tolist()]
            for part in list(leaf):
                kept = leaf[part][()][there]
                del leaf[part]
                leaf.create_dataset(part, data=kept)


def mark(group: h5py.Group, raised: Collection[int]) -> None:
    for number, start, _ in group["index"][()].tolist():
        if number in raised:
            group["data"][start] = 1


def shuffle(group: h5py.Group, order: Iterable[int]) -> None:
    """Values in this order of image sets, each with a value before it that is valid no more."""
    where = {number: (start, stop) for number, start, stop in group["index"][()].tolist()}
    data = group["data"][()]
    values, index = [], []
    for number in order:
        if number in where:
            start, stop = where[number]
            if len(data):
                values.append("superseded" if data.dtype == object else SUPERSEDED[data.dtype.kind])
            index.append([number, len(values), len(values) + stop - start])
            values += data[start:stop].tolist()
    text = data.dtype == object
    del group["data"], group["index"]
    kind = h5py.special_dtype(vlen=bytes) if text else data.dtype
    kept = [v.encode() if isinstance(v, str) else v for v in values]
    group.create_dataset("data", data=np.array(kept, object) if text else kept, dtype=kind)
    group.create_dataset("index", data=np.array(index, np.int64).reshape(-1, 3))


def leaves(group: h5py.Group) -> list[h5py.Group]:
    found: list[str] = []
    group.visit(lambda name, found=found: found.append(name))
    return [group[name] for name in found if name.count("/") == 3]


@pytest.fixture
def folder(copy: Copy) -> Path:
    """Image sets 7 to 12 and 19 to 24, as jobs left them: only their .h5."""
    for first, last in ((7, 12), (19, 24)):
        name = f"batch_{first}_{last}"
        copy("11_h5_and_csv", f"outputs/{name}/{name}.h5", f"gui/{name}/run.h5")
    return copy("11_h5_and_csv", "Batch_data.h5", "gui/Batch_data.h5").parent


def files(folder: Path) -> list[Path]:
    return [folder / "batch_7_12" / "run.h5", folder / "batch_19_24" / "run.h5"]


def answer(ran: Ran) -> list[dict[str, str]]:
    """What `check` says of each batch, in order of image sets."""
    batches: list[dict[str, str]] = json.loads(ran.out)["batches"]
    return sorted(batches, key=lambda batch: batch["path"], reverse=True)


def test_a_file_is_as_the_gui_lays_it_out(folder: Path) -> None:
    by_the_gui(files(folder)[0], skipped=[12])
    with measurements(files(folder)[0]) as run:
        index = run["Image/Count_Nuclei/index"][:, 0].tolist()

        assert index == [8, 7, 10, 9, 11]
        assert len(run["Image/ProcessingStatus/data"]) == 24
        assert len(run["Image/FileName_DNA/data"]) == 12
        assert run["Image/ModuleError_01LoadData/index"].shape == (6, 3)
        assert "Exit_Status" not in run["Experiment"]


def test_when_all_are_done_and_measured_it_is_complete(folder: Path, cpexport: Run) -> None:
    for file in files(folder):
        by_the_gui(file)
    batches = answer(cpexport("check", folder, "--format", "json"))

    assert [batch["complete"] for batch in batches] == ["7-12", "19-24"]
    assert [batch["state"] for batch in batches] == ["complete", "complete"]


def test_without_status_the_same_file_is_of_a_job_that_died(folder: Path, cpexport: Run) -> None:
    file = files(folder)[0]
    by_the_gui(file)
    with measurements(file) as run:
        del run["Image/ProcessingStatus"]
    ran = cpexport("check", file, "--batch", folder / "Batch_data.h5")

    assert "failed" in ran.out
    assert "the job never finished" in ran.out


def test_image_sets_that_were_skipped_are_missing_though_they_are_done(
    folder: Path, cpexport: Run
) -> None:
    by_the_gui(files(folder)[0], skipped=[12])
    by_the_gui(files(folder)[1], skipped=[21])
    ran = cpexport("check", folder, "--format", "json")
    batches = answer(ran)

    assert [batch["complete"] for batch in batches] == ["7-11", "19-20,22-24"]
    assert [batch["state"] for batch in batches] == ["partial", "partial"]
    assert "12: not measured (no ModuleError_14FlagImage)" in batches[0]["reason"]
    assert ran.status == 3


def test_what_was_not_done_when_the_run_was_stopped_is_missing(folder: Path, cpexport: Run) -> None:
    by_the_gui(files(folder)[0], unfinished=[11, 12])
    ran = cpexport("check", files(folder)[0], "--batch", folder / "Batch_data.h5")

    assert "7-10" in ran.out
    assert "failed" in ran.out


def test_values_land_on_their_image_sets(
    folder: Path, tmp_path: Path, loaded: Loaded, case: Callable[[str], Path]
) -> None:
    """Just those of the same image sets in the jobs' own files, and none that was superseded."""
    by_the_gui(files(folder)[0], skipped=[12])
    by_the_gui(files(folder)[1], skipped=[21])
    ours = tmp_path / "ours"
    load([folder], f"sqlite:///{ours}")
    own = loaded(case("11_h5_and_csv") / "outputs")
    wanted = "ImageNumber IN (7, 8, 9, 10, 11, 19, 20, 22, 23, 24)"
    names = [name for name in tables(own) if name.startswith("Per_") and "Relat" not in name]
    names.remove("Per_Experiment")
    assert len(names) == 6
    for name in names:
        # Groups are numbered over all that is loaded.
        columns = [c for c in tables(own)[name] if not c.startswith("Image_Group_")]
        query = f"SELECT {', '.join(columns)} FROM {name}"
        found = rows(ours, f"{query} ORDER BY 1, 2")

        assert found == rows(own, f"{query} WHERE {wanted} ORDER BY 1, 2")
        assert found or name == "Per_SmallNuclei"
    pairs = "SELECT * FROM Per_RelationshipsView {} ORDER BY 1, 2, 3, 4, 5, 6, 7, 8"
    these = f"WHERE {wanted.replace('ImageNumber', 'image_number1')}"
    assert rows(ours, pairs.format("")) == rows(own, pairs.format(these)) != []
    assert rows(ours, "SELECT DISTINCT Image_ProcessingStatus FROM Per_Image") == [("Done",)]
