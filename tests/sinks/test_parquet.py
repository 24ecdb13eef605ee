"""Folders of Parquet: what readers find in them, and that each folder is one table for all."""

import errno
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pytest
from pyarrow import parquet
from support.calls import load, load_runs, verify
from support.csv_outputs import NEW, OLD, image, nucleus, output
from support.datasets import asked, content, leftovers
from support.fixtures import Ran, copied, measurements, rewritten, rows, traces, unpacked, values_of

import cpexport
from cpexport.derived.wells import Wells
from cpexport.errors import SinkError, UsageError
from cpexport.sinks.registry import open_sink
from cpexport.tables.options import TableOptions

Copy = Callable[..., Path]
FIRST = "outputs/batch_1_6/batch_1_6.h5"
SECOND = "outputs/batch_7_12/batch_7_12.h5"


def polars() -> Any:
    """The reader, where `make clients` runs: wherever it is, the driver of SQLite imports it."""
    return pytest.importorskip("polars", reason="polars is not installed; see make clients")


READERS = {
    "pandas": lambda folder: pa.Table.from_pandas(pd.read_parquet(folder)),
    "polars": lambda folder: polars().read_parquet(folder).to_arrow(),
    "polars by names": lambda folder: (
        polars().scan_parquet(f"{folder}/*.parquet").collect().to_arrow()
    ),
    "duckdb": lambda folder: (
        duckdb.default_connection().sql(f"FROM '{folder}/*.parquet'").to_arrow_table()
    ),
    "pyarrow": lambda folder: parquet.read_table(folder),
    "pyarrow.dataset": lambda folder: ds.dataset(folder).to_table(),
}


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two loads into one folder, and into `screen.sqlite` beside it: the second has more columns,
    and metadata that is no number any more."""
    home = tmp_path_factory.mktemp("grown")
    one = copied(unpacked("11_h5_and_csv") / "outputs/batch_1_6", home)
    other = copied(unpacked("11_h5_and_csv") / "outputs/batch_7_12", home)
    (file,) = other.glob("*.h5")
    rewritten(file, "Image", "Metadata_Site", lambda values: ["A", "007", "1.50", "", "1e3", "b"])
    with measurements(file) as run:
        run.copy("Nuclei/AreaShape_Area", "Nuclei/AreaShape_Later")
    for outputs in (one, unpacked("11_h5_and_csv") / "outputs/batch_19_24", other):
        for to in (f"parquet:{home}/screen", f"sqlite:///{home}/screen.sqlite"):
            load([outputs], to)
    return home


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("table", ["Per_Image", "Per_Nuclei", "Per_Cells", "Per_Relationships"])
def test_any_reader_takes_a_folder_for_the_table_that_sqlite_has(
    grown: Path, reader: str, table: str
) -> None:
    found = READERS[reader](grown / "screen" / table)

    names = [
        n
        for (n,) in rows(grown / "screen.sqlite", f"SELECT name FROM pragma_table_info('{table}')")
    ]
    must = rows(grown / "screen.sqlite", f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4, 5")
    order = [(name, "ascending") for name in names[:5]]
    there = found.sort_by(order).to_pydict()
    assert list(there) == names
    assert len(must) > 5
    for place, name in enumerate(names):
        values = [None if v != v else v for v in there[name]]
        assert values == [row[place] for row in must], name


def test_all_files_of_a_table_have_one_schema(grown: Path) -> None:
    for table in ("Per_Image", "Per_Nuclei", "Per_Relationships"):
        files = list((grown / "screen" / table).glob("*.parquet"))
        schemas = {str(parquet.read_schema(file)) for file in files}
        assert len(schemas) == 1, table
    types = parquet.read_schema(next((grown / "screen/Per_Image").iterdir()))
    assert types.field("Image_Metadata_Site").type == pa.string()
    assert types.field("Image_Count_Nuclei").type == pa.int64()
    assert types.field("ImageNumber").nullable is False


def test_a_load_leaves_one_file_of_a_table_that_fills_no_row_group(grown: Path) -> None:
    for table in ("Per_Image", "Per_Nuclei", "Per_Relationships"):
        (file,) = (grown / "screen" / table).iterdir()
        with parquet.ParquetFile(file) as opened:
            assert opened.num_row_groups == 1
            column = opened.metadata.row_group(0).column(opened.metadata.num_columns - 1)
            assert column.compression == "ZSTD"
    with parquet.ParquetFile(next((grown / "screen/Per_Nuclei").iterdir())) as opened:
        column = opened.metadata.row_group(0).column(
            opened.schema_arrow.get_field_index("Nuclei_AreaShape_Area")
        )
        assert "BYTE_STREAM_SPLIT" in column.encodings


def test_nothing_is_left_over(grown: Path) -> None:
    assert leftovers(grown / "screen") == set()


def test_many_small_batches_are_gathered_to_row_groups_of_useful_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With row groups of 20,000 values, as no example fills one of four million."""
    for module in ("writer", "rewrite", "reader"):
        monkeypatch.setattr(f"cpexport.sinks.parquet.{module}.FULL", 20_000)
    load([unpacked("40_spreadsheet") / "outputs"], f"parquet:{tmp_path}/screen")

    groups = []
    for path in sorted((tmp_path / "screen/Per_Cells").iterdir()):
        with parquet.ParquetFile(path) as file:
            found = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
            groups += [rows * file.metadata.num_columns for rows in found]
    sizes = sorted(groups, reverse=True)
    assert len(sizes) > 1
    assert min(sizes[:-1]) >= 20_000
    frame = cpexport.read(f"parquet:{tmp_path}/screen", "Per_Cells")
    assert frame[["ImageNumber", frame.columns[1]]].duplicated().sum() == 0
    assert frame["ImageNumber"].is_monotonic_increasing
    load([unpacked("40_spreadsheet") / "outputs"], f"sqlite:///{tmp_path}/screen.sqlite")
    assert frame.equals(cpexport.read(f"sqlite:///{tmp_path}/screen.sqlite", "Per_Cells"))


def test_infinities_stay_and_missing_numbers_are_null(copy: Copy, tmp_path: Path) -> None:
    file = copy("11_h5_and_csv", FIRST, "batch/batch.h5")
    odd = [math.inf, -math.inf, math.nan, -0.0, 5e-324, 0.1 + 0.2, 1.7976931348623157e308]
    rewritten(file, "Nuclei", "AreaShape_Area", lambda values: [*odd, *values[7:]])
    to = f"parquet:{tmp_path}/screen"

    load([file.parent], to)

    area = parquet.read_table(tmp_path / "screen/Per_Nuclei")["Nuclei_AreaShape_Area"]
    assert area.null_count == 1
    assert pc.sum(pc.is_nan(area)).as_py() == 0
    assert {math.inf, -math.inf, 5e-324, 0.1 + 0.2} <= set(area.to_pylist())
    found = verify([file.parent], to)
    assert (found.verified, found.differences) == (1, ())


def test_a_newer_output_takes_the_place_of_an_older_one(copy: Copy, tmp_path: Path) -> None:
    file = copy("11_h5_and_csv", FIRST, "old/batch.h5")
    load([file.parent], f"parquet:{tmp_path}/screen")
    again = copy("11_h5_and_csv", FIRST, "again/batch.h5")
    rewritten(again, "Experiment", "Modification_Timestamp", lambda v: [b"2099-01-01T00:00:00"])
    rewritten(again, "Nuclei", "AreaShape_Area", lambda values: [-7.0, *values[1:]])

    load([again.parent], f"parquet:{tmp_path}/screen")

    load([again.parent], f"parquet:{tmp_path}/alone")
    both = [content(tmp_path / name) for name in ("screen", "alone")]
    assert both[0] == both[1]
    assert leftovers(tmp_path / "screen") == set()


def test_of_several_runs_each_is_verified_and_read_by_itself(
    cpexport: Callable[..., Ran], tmp_path: Path
) -> None:
    home = unpacked("11_h5_and_csv") / "outputs"
    runs = (f"a={home}/batch_1_6", f"b={home}/batch_1_6", f"c={home}/batch_7_12")

    ran = cpexport("load", "--table-number", *runs, "--to", "parquet:screen", "--wells", "mean")
    checked = cpexport("verify", *runs, "--to", "parquet:screen", "--format", "json")

    assert (ran.status, checked.status) == (0, 0), ran.err + checked.err
    assert json.loads(checked.out)["differences"] == []
    query = "SELECT TableNumber, count(*) FROM Per_Image GROUP BY 1 ORDER BY 1"
    assert asked(tmp_path / "screen", query) == [(1, 6), (2, 6), (3, 6)]
    wells = "SELECT DISTINCT TableNumber FROM Per_Well_avg ORDER BY 1"
    assert asked(tmp_path / "screen", wells) == [(1,), (2,), (3,)]


@pytest.mark.parametrize("objects", ["combined", "none", "Nuclei"])
def test_the_other_shapes_are_as_in_sqlite(tmp_path: Path, objects: str) -> None:
    outputs, shape = unpacked("11_h5_and_csv") / "outputs", TableOptions.parse(objects, "mean", 40)
    wells = Wells.parse("mean,median,std")
    load([outputs], f"parquet:{tmp_path}/screen", shape=shape, wells=wells)
    load([outputs], f"sqlite:///{tmp_path}/screen.sqlite", shape=shape, wells=wells)

    ours = content(tmp_path / "screen")
    theirs = values_of(tmp_path / "screen.sqlite")
    assert {name for name in theirs if name.startswith("Per_")} <= ours.keys()
    for table in theirs.keys() - {"relationships"}:
        found = parquet.read_table(tmp_path / "screen" / table)
        order = [(name, "ascending") for name in found.column_names[:2]]
        there = found.sort_by(order).to_pydict()
        assert {name: there[name] for name in sorted(there)} == theirs[table], table


CHANGES = {
    "a value": ("Per_Cells", "Cells_AreaShape_Area"),
    "rows too many": ("Per_Cells", ""),
    "a file gone": ("Per_Nuclei", ""),
    "a table gone": ("Per_Cytoplasm", ""),
    "the row of the run": ("Per_Experiment", "CellProfiler_Version"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_verify_names_whatever_was_changed(tmp_path: Path, what: str) -> None:
    outputs = [unpacked("11_h5_and_csv") / "outputs/batch_1_6"]
    to, (table, column) = f"parquet:{tmp_path}/screen", CHANGES[what]
    load(outputs, to)
    (file,) = (tmp_path / "screen" / table).iterdir()
    found = parquet.read_table(file)
    if "gone" in what:
        file.unlink()
        if what == "a table gone":
            file.parent.rmdir()
    elif column:
        place = found.column_names.index(column)
        new = ["4.2.9"] if table == "Per_Experiment" else [-1.0, *found[column].to_pylist()[1:]]
        parquet.write_table(found.set_column(place, found.field(place), [new]), file)
    else:
        parquet.write_table(found.slice(0, 1), file.with_name("mine.parquet"))

    differences = verify(outputs, to).differences

    assert {d.table for d in differences} == {table}
    assert {d.column for d in differences} == {column}


@pytest.mark.parametrize("reader", READERS)
def test_who_reads_a_table_whose_files_are_being_replaced_gets_an_error_and_no_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str
) -> None:
    """The disk fails as the files of two loads become one."""
    home, to = unpacked("11_h5_and_csv") / "outputs", f"parquet:{tmp_path}/screen"
    load([home / "batch_1_6"], to)
    rename = Path.rename

    def failing(path: Path, target: Path) -> Path:
        if target.parent.name == "Per_Cells" and len(list(target.parent.glob("*replacing*"))):
            raise OSError(errno.EIO, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(
        SinkError, match="Input/output error; correct this, and run the command again"
    ):
        load([home / "batch_7_12"], to)
    monkeypatch.undo()

    with pytest.raises(Exception, match=r"(?i)parquet|magic"):
        READERS[reader](tmp_path / "screen/Per_Cells")
    assert verify([home / "batch_1_6", home / "batch_7_12"], to).differences == ()
    query = "SELECT sum(row_count) FROM _cpexport_tables WHERE table_name = 'Per_Cells'"
    ((many,),) = rows(tmp_path / "screen/_cpexport.sqlite", query)
    # Reading changes nothing; the next load puts files in their places.
    load([home / "batch_7_12"], to)
    assert READERS[reader](tmp_path / "screen/Per_Cells").num_rows == many
    assert leftovers(tmp_path / "screen") == set()


def test_what_others_put_into_a_folder_of_a_table_is_not_deleted(tmp_path: Path) -> None:
    home = unpacked("11_h5_and_csv") / "outputs"
    load([home / "batch_1_6"], f"parquet:{tmp_path}/screen")
    mine = tmp_path / "screen/Per_Cells/_notes.txt"
    mine.write_text("look again")

    load([home / "batch_7_12"], f"parquet:{tmp_path}/screen")

    assert mine.read_text() == "look again"


def refusals(tmp_path: Path) -> dict[str, tuple[str, str]]:
    for name in ("full", "closed"):
        (tmp_path / name).mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    return {
        "a folder of something else": (
            "full",
            "contains files that cpexport did not create; name a new",
        ),
        "a file": ("file", "not a folder; name a folder"),
        "no folder above it": ("no/such", "does not exist; create it: mkdir -p "),
        "no name": ("", "--to names no folder; write parquet:FOLDER"),
        "three slashes": ("///screen", "--to names no folder; write parquet:FOLDER"),
    }


@pytest.mark.parametrize(
    "what",
    ["a folder of something else", "a file", "no folder above it", "no name", "three slashes"],
)
def test_what_cannot_be_a_destination_is_refused_in_a_line_and_stays(
    cpexport: Callable[..., Ran], tmp_path: Path, what: str
) -> None:
    to, said = refusals(tmp_path)[what]
    before = traces(tmp_path)

    ran = cpexport("load", unpacked("40_spreadsheet") / "outputs/P1-A01-1", "--to", f"parquet:{to}")

    assert ran.status in (1, 2)
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1
    assert traces(tmp_path) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--objects", "view"), "cannot have views; use --objects separate or combined"),
        (("--prefix", "_hidden"), "for Parquet, it must not"),
        (("--prefix", "a/b"), "for Parquet, it must not"),
        (("--properties", "a.properties"), "--properties needs a SQLite or MySQL"),
    ],
)
def test_what_makes_no_sense_for_parquet_is_refused_before_anything_is_made(
    cpexport: Callable[..., Ran], tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    outputs = unpacked("40_spreadsheet") / "outputs/P1-A01-1"

    ran = cpexport("load", outputs, "--to", "parquet:screen", *words)

    assert ran.status in (1, 2)
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_somebody_put_there_is_left_alone(tmp_path: Path) -> None:
    home = unpacked("11_h5_and_csv") / "outputs"
    load([home / "batch_1_6"], f"parquet:{tmp_path}/screen")
    (tmp_path / "screen/my_per_image").mkdir()
    before = traces(tmp_path)

    with pytest.raises(SinkError, match="has a table my_per_image that cpexport did not create"):
        load([home / "batch_1_6"], f"parquet:{tmp_path}/screen", prefix="my_")

    assert traces(tmp_path) == before


@pytest.mark.parametrize("kibibytes", [40, 200, 400])
def test_a_full_disk_leaves_what_was_there(
    small_disk: Callable[[int], Path], cpexport: Callable[..., Ran], kibibytes: int
) -> None:
    folder = small_disk(kibibytes)
    outputs = unpacked("60_perf") / "outputs"

    ran = cpexport("load", outputs, "--to", f"parquet:{folder}/screen")

    assert ran.status == 1
    assert len(ran.err.splitlines()) == 1
    assert "No space left" in ran.err or "the disk is full" in ran.err
    assert list(folder.iterdir()) == []


def test_files_that_could_not_be_merged_are_named_and_merged_by_the_next_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, url = unpacked("40_spreadsheet") / "outputs", f"parquet:{tmp_path}/screen"
    outputs = [home / "P1-A01-1", home / "P1-A01-2"]

    def full(*of: object, **words: object) -> None:
        if words["all"]:
            raise SinkError(url, "cannot be written: No space left on device", "make room")

    with monkeypatch.context() as patch:
        patch.setattr("cpexport.sinks.parquet.rewrite.compact", full)
        with pytest.raises(SinkError, match="all batches are stored, but small files are not merg"):
            load(outputs, url)
    scattered = len(list((tmp_path / "screen/Per_Cells").iterdir()))
    load(outputs, url)
    merged = traces(tmp_path / "screen")
    load(outputs, url)

    assert scattered == 2
    assert len(list((tmp_path / "screen/Per_Cells").iterdir())) == 1
    assert asked(tmp_path / "screen", "SELECT count(*) FROM Per_Image") == [(2,)]
    assert traces(tmp_path / "screen") == merged


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (OSError(errno.EMFILE, "Failed to open"), "cannot be read: Too many open files"),
        (OSError("Couldn't deserialize thrift"), "was changed by another program"),
    ],
)
def test_only_what_others_did_is_called_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, problem: str
) -> None:
    url = f"parquet:{tmp_path}/screen"
    load([unpacked("40_spreadsheet") / "outputs" / "P1-A01-1"], url)

    def fail(path: Path) -> None:
        raise error

    monkeypatch.setattr("cpexport.sinks.parquet.dataset.parquet.ParquetFile", fail)
    with open_sink(url, writing=False) as sink, pytest.raises(SinkError, match=problem):
        list(sink.read("Cells"))


def test_python_gets_frames_of_it(tmp_path: Path) -> None:
    to = f"parquet:{tmp_path}/screen"
    other = f"sqlite:///{tmp_path}/screen.sqlite"
    for url in (to, other):
        load([unpacked("11_h5_and_csv") / "outputs"], url)

    for table in ("Per_Image", "Per_Cells", "Per_RelationshipsView"):
        for sets in (None, "3-4,20"):
            ours, theirs = (cpexport.read(url, table, sets) for url in (to, other))
            key = list(theirs.columns)
            assert ours.sort_values(key[:8], ignore_index=True).equals(
                theirs.sort_values(key[:8], ignore_index=True)
            ), table
    with pytest.raises(UsageError, match="no table Per_Mitochondria"):
        cpexport.read(to, "Per_Mitochondria")
    assert np.issubdtype(cpexport.read(to, "Per_Cells").dtypes.iloc[0], np.int64)


def test_the_same_load_once_more_writes_nothing(tmp_path: Path) -> None:
    """Also where it looks again at an output that was cut off, whose image sets a newer one has."""
    images = [image(n, f"{n}.tif", "/images", Count_Nuclei=1) for n in (1, 2)]
    nuclei = [nucleus(n, 1, 5.0) for n in (1, 2)]
    cut = output(tmp_path / "cut", images[:1], OLD, Nuclei=nuclei)
    whole = output(tmp_path / "whole", images, NEW, Nuclei=nuclei)
    screen = tmp_path / "screen"
    load([cut, whole], f"parquet:{screen}")
    before = {file: file.read_bytes() for file in screen.rglob("*.*")}

    load([cut, whole], f"parquet:{screen}")

    assert {file: file.read_bytes() for file in screen.rglob("*.*")} == before


def test_of_runs_in_one_folder_a_frame_is_of_one_or_of_all(tmp_path: Path) -> None:
    home, to = unpacked("11_h5_and_csv") / "outputs", f"parquet:{tmp_path}/screen"
    shape = TableOptions.parse(None, None, None, numbered=True)
    load_runs([Path(f"a={home}/batch_1_6"), Path(f"b={home}/batch_1_6")], to, shape=shape)

    assert set(cpexport.read(to, "Per_Cells", run="b")["TableNumber"]) == {2}
    every = cpexport.read(to, "Per_Image", columns=["TableNumber", "ImageNumber"])
    assert every.values.tolist() == [[run, n] for run in (1, 2) for n in range(1, 7)]
