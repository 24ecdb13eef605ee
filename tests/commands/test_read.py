"""`cpexport.read` gives what is in the database, as pandas has it; read back by sqlite3."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from support.calls import load, load_runs
from support.fixtures import rows, unpacked

import cpexport
from cpexport.errors import SinkError, UsageError
from cpexport.tables.options import TableOptions

Loaded = Callable[..., Path]
Case = Callable[[str], Path]


@pytest.fixture
def database(loaded: Loaded) -> Path:
    return loaded(unpacked("11_h5_and_csv") / "outputs")


@pytest.fixture
def url(database: Path) -> str:
    return f"sqlite:///{database}"


def known(values: Iterable[object]) -> list[object]:
    """Values with None for all that pandas takes for missing."""
    return [None if pd.isna(value) else value for value in values]


@pytest.mark.parametrize("table", ["Per_Image", "Per_Cells", "Per_SmallNuclei"])
def test_a_table_is_all_its_rows_and_columns_in_order_of_key(
    url: str, database: Path, table: str
) -> None:
    frame = cpexport.read(url, table)

    names = [name for (name,) in rows(database, f"SELECT name FROM pragma_table_info('{table}')")]
    found = rows(database, f"SELECT * FROM {table} ORDER BY 1, 2")
    assert list(frame.columns) == names
    assert len(frame) == len(found) > 0
    for place, name in enumerate(names):
        assert known(frame[name]) == [row[place] for row in found], name


def test_types_are_integers_nullable_where_there_is_null_reals_and_text(
    url: str, database: Path
) -> None:
    images = cpexport.read(url, "Per_Image")
    types = {str(n): str(t) for n, t in images.dtypes.items()}

    assert types["ImageNumber"] == types["Image_Count_Nuclei"] == "int64"
    assert types["Image_Intensity_MeanIntensity_DNA"] == "float64"
    assert types["Image_Metadata_Well"] == "object"
    assert isinstance(images["Image_Metadata_Well"][0], str)


def test_missing_values_are_na_nan_and_none(database: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed.sqlite"
    shutil.copy2(database, changed)
    with sqlite3.connect(changed) as db:
        db.execute("UPDATE Per_Image SET Image_FileName_DNA = NULL WHERE ImageNumber = 2")
        db.execute("UPDATE Per_Image SET Image_Count_Nuclei = NULL WHERE ImageNumber = 2")
        db.execute("UPDATE Per_Image SET Image_Scaling_DNA = NULL WHERE ImageNumber = 2")
    db.close()
    wanted = ["Image_FileName_DNA", "Image_Count_Nuclei", "Image_Scaling_DNA"]

    names, counts, scalings = (
        cpexport.read(f"sqlite:///{changed}", "Per_Image", columns=wanted)[name] for name in wanted
    )

    assert names[1] is None
    assert names.dtype == object
    assert (str(counts.dtype), counts.isna().sum()) == ("Int64", 1)
    assert (str(scalings.dtype), np.isnan(scalings[1])) == ("float64", True)


def test_image_sets_and_columns_are_those_named_in_that_order(url: str, database: Path) -> None:
    columns = ["Cells_AreaShape_Area", "ImageNumber"]
    frame = cpexport.read(url, "Per_Cells", image_sets="3-4,20,90-99", columns=columns)

    query = """SELECT Cells_AreaShape_Area, ImageNumber FROM Per_Cells
        WHERE ImageNumber IN (3, 4, 20) ORDER BY ImageNumber, Cells_Number_Object_Number"""
    assert list(frame.columns) == columns
    assert list(frame.itertuples(index=False, name=None)) == rows(database, query)


def test_image_sets_scattered_over_hundreds_of_ranges(loaded: Loaded, tmp_path: Path) -> None:
    """More than SQLite is asked for at once; the numbers in between are not there."""
    made = loaded(unpacked("11_h5_and_csv") / "outputs")
    wanted = ",".join(str(number) for number in (*range(1, 24, 2), *range(31, 900, 2)))

    frame = cpexport.read(f"sqlite:///{made}", "Per_Image", wanted, ["ImageNumber"])

    assert frame["ImageNumber"].tolist() == list(range(1, 24, 2))


def test_a_table_in_parts_is_one_frame(loaded: Loaded, tmp_path: Path) -> None:
    database = tmp_path / "wide.sqlite"
    shape = TableOptions.parse(None, "mean,median,std", None)
    load([unpacked("60_perf") / "outputs"], f"sqlite:///{database}", shape=shape)
    parts = [n for (n,) in rows(database, "SELECT name FROM sqlite_master") if "Per_Image_" in n]

    frame = cpexport.read(f"sqlite:///{database}", "Per_Image")

    last = str(frame.columns[-1])
    joined = " JOIN ".join(["Per_Image", *(f"{part} USING (ImageNumber)" for part in parts)])
    query = f'SELECT ImageNumber, "{last}" FROM {joined} ORDER BY ImageNumber'
    assert len(parts) > 1
    assert len(frame.columns) > 4000
    assert frame.columns.is_unique
    assert [*zip(frame["ImageNumber"], frame[last], strict=True)] == rows(database, query)


def test_relationships_have_their_kinds_spelled_out(url: str, database: Path) -> None:
    frame = cpexport.read(url, "Per_RelationshipsView", image_sets="7-9")

    query = "SELECT * FROM Per_RelationshipsView WHERE image_number1 BETWEEN 7 AND 9"
    assert sorted(frame.itertuples(index=False, name=None)) == sorted(rows(database, query))
    assert frame["image_number1"].is_monotonic_increasing
    assert list(frame.columns[:2]) == ["module_number", "relationship"]


def test_image_sets_without_objects_are_an_empty_frame_of_the_same_types(url: str) -> None:
    empty, some = (cpexport.read(url, "Per_Cells", image_sets=which) for which in ("15", "1"))

    assert len(empty) == 0 < len(some)
    assert empty.dtypes.equals(some.dtypes)


def test_a_prefix_may_stand_in_the_table_s_name(loaded: Loaded) -> None:
    made = loaded(unpacked("11_h5_and_csv") / "outputs", prefix="MyExpt_")

    one, other = (
        cpexport.read(f"sqlite:///{made}", table, "1", prefix="MyExpt_")
        for table in ("Per_Cells", "MyExpt_Per_Cells")
    )

    assert len(one) > 0
    assert one.equals(other)


def test_of_several_runs_rows_are_of_one_or_of_all(case: Case, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.sqlite"
    home = case("11_h5_and_csv") / "outputs"
    shape = TableOptions.parse(None, None, None, numbered=True)
    load_runs([Path(f"a={home}/batch_1_6"), Path(f"b={home}/batch_7_12")], url, shape=shape)

    one = cpexport.read(url, "Per_Cells", run="b")
    both = cpexport.read(url, "Per_Image", columns=["TableNumber", "ImageNumber"])

    query = "SELECT TableNumber, ImageNumber FROM Per_Image ORDER BY 1, 2"
    assert list(one.columns[:3]) == ["TableNumber", "ImageNumber", "Cells_Number_Object_Number"]
    assert set(one["TableNumber"]) == {2}
    assert [*both.itertuples(index=False, name=None)] == rows(tmp_path / "runs.sqlite", query)
    with pytest.raises(UsageError, match="no run c; existing runs: a, b"):
        cpexport.read(url, "Per_Cells", run="c")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            {"table": "Per_Mitochondria"},
            "no table Per_Mitochondria; existing tables: Per_BigNuclei, ",
        ),
        (
            {"table": "Per_Cells", "columns": ["Area"]},
            "no column Area in Per_Cells; existing columns: Im",
        ),
        (
            {"table": "Per_Cells", "columns": ["Cells_AreaShape_Aera"]},
            "no column Cells_AreaShape_Aera in Per_Cells. Did you mean Cells_AreaShape_Area?",
        ),
        (
            {"table": "Per_Cell"},
            "no table Per_Cell; .*. Did you mean Per_Cells?",
        ),
        (
            {"table": "Per_Cells", "image_sets": "30-40"},
            "no image set of 30-40 in .*, which has 1-24",
        ),
        (
            {"table": "Per_Cells", "image_sets": ""},
            "no image set of an empty list in .*, which has",
        ),
        ({"table": "Per_Cells", "image_sets": "4-1"}, "'4-1' in a list of image sets"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(
    url: str, words: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        cpexport.read(url, **words)

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", ["sqlite:///{}/s.sqlite", "parquet:{}/s"])
def test_tables_of_wells_and_of_the_run_are_read_too(case: Case, tmp_path: Path, kind: str) -> None:
    url = kind.format(tmp_path)
    cpexport.load(case("40_spreadsheet") / "outputs", url, wells="mean", well="Metadata_Well")

    wells = cpexport.read(url, "Per_Well")
    (run,) = cpexport.read(url, "Per_Experiment").to_dict("records")

    images = cpexport.read(url, "Per_Image", columns=["Image_Count_Cells"])
    assert wells["sum_Image_Count_Cells"].sum() == images["Image_Count_Cells"].sum()
    assert "Pipeline_Pipeline" in run
    for table in ("Per_Well", "Per_Experiment"):
        with pytest.raises(UsageError, match=f"{table} has no image sets; leave out image_sets"):
            cpexport.read(url, table, image_sets="1")


def test_batches_are_the_table_in_pieces(url: str) -> None:
    chosen = ["Cells_AreaShape_Area", "ImageNumber"]

    batches = list(cpexport.read_batches(url, "Per_Cells", columns=chosen, image_sets="1-10"))

    whole = pa.Table.from_batches(batches)
    assert whole.column_names == chosen
    frame = cpexport.read(url, "Per_Cells", columns=chosen, image_sets="1-10")
    assert whole.to_pandas().equals(frame)


def test_the_destination_is_closed_when_batches_are_no_longer_wanted(url: str) -> None:
    batches = cpexport.read_batches(url, "Per_Cells")
    next(batches)
    batches.close()

    with pytest.raises(StopIteration):
        next(batches)


def test_a_destination_that_is_not_there_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="does not exist, or is empty; check --to"):
        cpexport.read(f"sqlite:///{tmp_path}/none.sqlite", "Per_Cells")

    assert list(tmp_path.iterdir()) == []


def test_the_command_line_does_not_wait_for_pandas() -> None:
    code = "import sys, cpexport.cli; print({'pandas', 'pyarrow', 'numpy'} & sys.modules.keys())"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout == "set()\n"
    assert cpexport.read.__module__ == "cpexport.api.read"
