"""What some batches of a run lack and others have is named, and counted as missing."""

import json
import re
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from support.calls import load_runs, verify_runs
from support.fixtures import Ran, rows
from support.small_jobs import csv_job, h5_job
from support.small_outputs import experiment, write

from cpexport.imagesets import ImageSets
from cpexport.loading.missing_features import lacking
from cpexport.sources.base import Batch, State
from cpexport.sources.hdf5.source import Hdf5Source
from cpexport.tables.options import TableOptions

Run = Callable[..., Ran]


def nucleus(image: int, **features: float) -> dict[str, object]:
    return {"ImageNumber": image, "ObjectNumber": 1, "AreaShape_Area": 7.5, **features}


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """Of five batches, two have textures, one of those cells; their columns are NULL in others."""
    texture = {f"Texture_{n}": n + 0.5 for n in range(4)}
    home = tmp_path / "outputs"
    for number in (1, 2, 3):
        csv_job(home / f"j{number}", {number: {}}, {"Nuclei": [nucleus(number)]})
    csv_job(home / "j4", {4: {}}, {"Nuclei": [nucleus(4, **texture)]})
    both = {"Nuclei": [nucleus(5, **texture)], "Cells": [nucleus(5)]}
    csv_job(home / "j5", {5: {"Custom_Score": 1.5}}, both)
    return home


def test_a_load_names_what_batches_lack(outputs: Path, tmp_path: Path) -> None:
    report = load_runs([outputs], f"sqlite:///{tmp_path / 's.sqlite'}")
    said = [note for note in report.notes if "lack" in note]

    assert report.is_complete
    assert len(said) == 3
    assert any(
        "3 batches lack 4 features of Nuclei that other batches have: "
        "Texture_0, Texture_1, Texture_2, ..."
        in note
        and "stored as NULL (such as " in note
        for note in said
    )
    assert any("4 batches lack the table of Cells that other batches have" in note for note in said)
    assert any(
        "of Image that other batches have: Count_Cells, Custom_Score" in note for note in said
    )


def test_check_and_json_name_it_too(
    outputs: Path, cpexport: Run, case: Callable[..., Path]
) -> None:
    batch = case("11_h5_and_csv") / "Batch_data.h5"
    checked = cpexport("check", outputs, "--batch", batch, "--format", "json")
    loaded = cpexport("load", outputs, "--to", "sqlite:///s.sqlite", "--format", "json")
    foreseen = cpexport("load", outputs, "--to", "sqlite:///t.sqlite", "--dry-run")

    assert loaded.status == 0
    assert [n for n in json.loads(loaded.out)["notes"] if "lack 4 features of Nuclei" in n]
    assert "lack 4 features of Nuclei" in foreseen.err
    # These pictures are not those of the batch file, so none is complete.
    assert json.loads(checked.out)["notes"] == []


def test_what_is_not_wanted_is_not_missed(outputs: Path, tmp_path: Path) -> None:
    to = f"sqlite:///{tmp_path / 's.sqlite'}"
    report = load_runs([outputs], to, shape=TableOptions.parse("Nuclei", None, None))

    assert not [note for note in report.notes if "Cells that" in note]


def test_equal_batches_are_not_said_to_lack_anything(tmp_path: Path) -> None:
    for number in (1, 2):
        h5_job(tmp_path / "o" / f"j{number}" / "out.h5", {number: {"Custom_Score": 1.5}})
    report = load_runs([tmp_path / "o"], f"sqlite:///{tmp_path / 's.sqlite'}")

    assert not [note for note in report.notes if "lack" in note]


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
@pytest.mark.parametrize("shape", ["separate", "combined", "Nuclei"])
def test_values_that_a_batch_lacks_are_counted_as_missing(
    kind: str, shape: str, outputs: Path, tmp_path: Path
) -> None:
    to = f"{kind}:///{tmp_path / 's'}"
    load_runs([outputs], to, shape=TableOptions.parse(shape, "mean", None))
    found = verify_runs([outputs], to)
    late = csv_job(outputs / "j6", {6: {}}, {"Nuclei": [nucleus(6, Zernike_1=0.5)]})
    load_runs([outputs], to)
    after = verify_runs([outputs], to)

    assert late.exists()
    assert (found.differences, found.not_loaded, found.not_verified) == ((), (), ())
    assert (after.differences, after.not_loaded, after.not_verified) == ((), (), ())


def test_the_ledger_has_how_many_there_are(outputs: Path, tmp_path: Path) -> None:
    file = tmp_path / "s.sqlite"
    load_runs([outputs], f"sqlite:///{file}", shape=TableOptions.parse(None, "mean", None))
    db = sqlite3.connect(file)
    counted = db.execute(
        "SELECT b.path, t.missing_count FROM _cpexport_tables t JOIN _cpexport_batches b "
        "USING (batch_id) WHERE t.table_name = 'Per_Nuclei'"
    ).fetchall()
    nulls = db.execute("SELECT count(*) FROM Per_Nuclei WHERE Nuclei_Texture_0 IS NULL").fetchall()
    db.close()

    assert {Path(path).name: missing for path, missing in counted} == {
        "j1": 4,
        "j2": 4,
        "j3": 4,
        "j4": 0,
        "j5": 0,
    }
    assert nulls == [(3,)]


def test_a_count_that_is_too_large_is_a_difference(outputs: Path, tmp_path: Path) -> None:
    to, file = f"sqlite:///{tmp_path / 's.sqlite'}", tmp_path / "s.sqlite"
    load_runs([outputs], to)
    db = sqlite3.connect(file)
    db.execute("UPDATE _cpexport_tables SET missing_count = 5 WHERE table_name = 'Per_Nuclei'")
    db.commit()
    db.close()

    assert verify_runs([outputs], to).differences


def test_it_takes_as_long_as_there_are_batches(tmp_path: Path) -> None:
    """Thousands of batches with a few kinds of features, each kind shared as a survey shares it."""
    kinds = [
        {"Nuclei": {f"Texture_{n}": pa.float64() for n in range(2000 - less)}} for less in range(3)
    ]
    one = Hdf5Source(tmp_path, tmp_path / "x.h5")
    sets = ImageSets.of([1])
    batches = [
        Batch(one, State.COMPLETE, complete=sets, features=kinds[place % 3])
        for place in range(30_000)
    ]
    began = time.process_time()
    found = lacking(batches)

    assert [each.batches for each in found] == [10_000, 10_000]
    assert time.process_time() - began < 5


EVERY = (
    "IdentifyPrimaryObjects:[module_num:1|enabled:True]\n"
    "    Name the primary objects to be identified:Nuclei",
    "ExportToSpreadsheet:[module_num:2|enabled:True]\n"
    "    Select the measurements to export:No\n"
    "    Export all measurement types?:Yes",
)
CHOSEN = (
    EVERY[0],
    "ExportToSpreadsheet:[module_num:2|enabled:True]\n"
    "    Select the measurements to export:No\n"
    "    Export all measurement types?:No\n"
    "    Data to export:{}\n"
    "    Combine these object measurements with those of the previous object?:No\n"
    "    File name:DATA.csv\n"
    "    Use the object name for the file name?:Yes",
)


class TestATableThatNoOutputHas:
    """`Image.csv` counts Nuclei in image set 1 and none in 2, and no output has Nuclei.csv."""

    @pytest.fixture
    def job(self, tmp_path: Path) -> Path:
        write(
            tmp_path / "run/Image.csv",
            "Count_Nuclei,FileName_DNA,ImageNumber,ModuleError_01IdentifyPrimaryObjects\n"
            "2,i1.tif,1,0\n0,i2.tif,2,0\n",
        )
        return tmp_path / "run"

    @pytest.mark.parametrize(
        "modules",
        [EVERY, (EVERY[0], CHOSEN[1].format("Nuclei"))],
        ids=["all types", "Nuclei among others"],
    )
    def test_is_missing_where_the_pipeline_exports_it(
        self, modules: tuple[str, ...], job: Path, cpexport: Run
    ) -> None:
        experiment(job / "Experiment.csv", *modules)
        ran = cpexport("load", job, "--to", "sqlite:///s.sqlite")

        assert ran.status == 3
        assert "1: the table of Nuclei is missing" in ran.out
        assert rows(job.parent / "s.sqlite", "SELECT ImageNumber FROM Per_Image") == [(2,)]

    @pytest.mark.parametrize(
        "modules",
        [
            (),
            (EVERY[0], CHOSEN[1].format("Cells")),
            (EVERY[1],),
            (*EVERY, EVERY[1]),
            (EVERY[0], EVERY[1].replace("enabled:True", "enabled:False")),
            (EVERY[0], EVERY[1].replace("export:No", "export:Yes")),
        ],
        ids=["no pipeline", "others", "nobody makes it", "twice", "disabled", "chosen columns"],
    )
    def test_is_not_where_nothing_says_that_it_is_exported(
        self, modules: tuple[str, ...], job: Path, tmp_path: Path
    ) -> None:
        if modules:
            experiment(job / "Experiment.csv", *modules)
        report = load_runs([job], f"sqlite:///{tmp_path / 's.sqlite'}")

        assert report.is_complete
        said = "Nuclei were counted, but no output of the run has a table for them"
        assert any(said in detail for detail in report.details)


def test_check_columns_names_every_feature_and_batch(
    outputs: Path, tmp_path: Path, cpexport: Run
) -> None:
    """For outputs, and for what a destination has of them."""
    lines = ["FileName_DNA,Metadata_Site", *(f"{n}.tif,{n}" for n in range(1, 6))]
    (tmp_path / "plan.csv").write_text("\n".join(lines))
    assert cpexport("load", outputs, "--to", "a.sqlite").status == 0
    textures = [f"Texture_{n}" for n in range(4)]
    for words in ((outputs,), ("--to", "a.sqlite", "--plan", "plan.csv")):
        said = json.loads(cpexport("check", *words, "--columns", "--format", "json").out)
        found = [
            (gap["object"], gap["features"], [Path(path).name for path in gap["batches"]])
            for gap in said["columns"]
        ]
        assert found == [
            ("Cells", [], ["j1", "j2", "j3", "j4"]),
            ("Image", ["Count_Cells", "Custom_Score"], ["j1", "j2", "j3", "j4"]),
            ("Nuclei", textures, ["j1", "j2", "j3"]),
        ]
        assert {gap["of"] for gap in said["columns"]} == {5}
    text = cpexport("check", outputs, "--columns").out
    assert re.search(r"Nuclei +4 features +\w+ +3 of 5", text)
    assert ", ".join(textures) in text
    assert "columns" not in json.loads(cpexport("check", outputs, "--format", "json").out)
