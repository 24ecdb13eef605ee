"""`cpexport export` writes a table into one file for spreadsheets and other programs."""

import csv
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pyarrow as pa
import pytest
from pyarrow import parquet
from support.fixtures import Ran, rows, unpacked

import cpexport
from cpexport.errors import UsageError
from cpexport.files import row_files, xlsx

Run = Callable[..., Ran]
JOBS = ("P1-A01-1", "P1-A02-1", "P2-A01-1")
NAMES = ["Metadata_Plate", "Metadata_Well", "Count_*"]
SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of three wells with tables of wells, and the same as two runs."""
    home = tmp_path_factory.mktemp("screen")
    for name in JOBS:
        shutil.copytree(unpacked("40_spreadsheet") / "outputs" / name, home / "run" / name)
    cpexport.load(home / "run", home / "x.sqlite", wells="mean")
    runs = [f"a={home / 'run'}", f"b={home / 'run' / JOBS[0]}"]
    cpexport.load(runs, home / "runs.duckdb", table_number=True)
    return home


def sheet(path: Path) -> list[list[str | float | None]]:
    """The cells of a workbook, as its XML has them."""
    with zipfile.ZipFile(path) as book:
        assert book.testzip() is None
        for name in book.namelist():
            ElementTree.fromstring(book.read(name))
        root = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
    return [[_value(cell) for cell in row] for row in root.iter(f"{SHEET}row")]


def _value(cell: ElementTree.Element) -> str | float | None:
    if cell.get("t") == "inlineStr":
        return "".join(cell.itertext())
    found = cell.find(f"{SHEET}v")
    return None if found is None else float(found.text or "")


def test_the_three_kinds_have_the_same_rows(screen: Path, tmp_path: Path) -> None:
    for ending in row_files.ENDINGS:
        done = cpexport.export(
            "Per_Image", screen / "x.sqlite", tmp_path / f"t{ending}", columns=NAMES
        )
        assert (done.rows, done.columns) == (3, 8)
    table = parquet.read_table(tmp_path / "t.parquet")
    with (tmp_path / "t.csv").open(newline="") as file:
        header, *lines = csv.reader(file)
    head, *cells = sheet(tmp_path / "t.xlsx")
    expected = rows(
        screen / "x.sqlite",
        "SELECT ImageNumber, Image_Metadata_Plate, Image_Metadata_Well, Image_Count_Nuclei "
        "FROM Per_Image ORDER BY 1",
    )
    place = [table.column_names.index(name) for name in ("ImageNumber", "Image_Count_Nuclei")]

    assert header == head == table.column_names
    assert [line[place[0]] for line in lines] == [str(row[0]) for row in expected]
    assert [[cell[i] for i in place] for cell in cells] == [[row[0], row[3]] for row in expected]
    assert table["Image_Metadata_Well"].to_pylist() == [row[2] for row in expected]


@pytest.mark.parametrize(
    ("table", "where", "query"),
    [
        ("Per_Nuclei", {"plate": "P1"}, "Per_Nuclei WHERE ImageNumber IN (1, 3)"),
        ("Per_Nuclei", "well=a1-A1", "Per_Nuclei WHERE ImageNumber IN (1, 13)"),
        ("Per_Nuclei", ["plate=P1", "well=A02"], "Per_Nuclei WHERE ImageNumber = 3"),
        ("Per_Image", "Metadata_Plate=P2", "Per_Image WHERE ImageNumber = 13"),
        ("Per_Well", "plate=P1", "Per_Well WHERE Image_Metadata_Plate = 'P1'"),
        ("Per_Well_avg", (), "Per_Well_avg"),
        ("Per_RelationshipsView", "plate=P2", "Per_Relationships WHERE image_number1 = 13"),
    ],
)
def test_rows_of_plates_and_wells(
    screen: Path, tmp_path: Path, table: str, where: dict[str, str], query: str
) -> None:
    done = cpexport.export(table, screen / "x.sqlite", tmp_path / "t.csv", where=where)

    assert [(done.rows,)] == rows(screen / "x.sqlite", f"SELECT count(*) FROM {query}")
    assert done.rows > 0


def test_runs_with_the_same_numbers_are_told_apart(screen: Path, tmp_path: Path) -> None:
    to = screen / "runs.duckdb"
    both = cpexport.export("Per_Cells", to, tmp_path / "a.parquet", where="well=A01")
    one = cpexport.export("Per_Cells", to, tmp_path / "b.parquet", where="well = A02")
    of_b = cpexport.export("Per_Cells", to, tmp_path / "c.parquet", run="b")
    keys = parquet.read_table(tmp_path / "a.parquet").select(["TableNumber", "ImageNumber"])

    assert {tuple(row.values()) for row in keys.to_pylist()} == {(1, 1), (1, 13), (2, 1)}
    assert {*parquet.read_table(tmp_path / "b.parquet")["TableNumber"].to_pylist()} == {1}
    assert (both.rows, of_b.rows, one.rows > 0) == (80, 25, True)


@pytest.mark.parametrize(
    ("table", "out", "words", "message"),
    [
        ("Per_Nucle", "t.csv", {}, "no table Per_Nucle; existing tables: "),
        ("Per_Nuclei", "t.xls", {}, "must end in .csv, .xlsx, .parquet. Did you mean .xlsx?"),
        ("Per_Nuclei", "t.csv", {"columns": "Area_*"}, "no column of Per_Nuclei is Area_*"),
        ("Per_Nuclei", "t.csv", {"where": "plate"}, "takes NAME=VALUE, such as plate=P1"),
        ("Per_Nuclei", "t.csv", {"where": "well_=A01"}, "no column of Per_Image. Did you"),
        ("Per_Nuclei", "t.csv", {"where": "plate=P7"}, "no image set has plate=P7"),
        ("Per_Image", "t.csv", {"where": "plate=P7"}, "no image set has plate=P7"),
        ("Per_Experiment", "t.csv", {"where": "plate=P1"}, "has no image sets and no Image_Met"),
    ],
)
def test_what_does_not_exist_is_named_and_nothing_is_written(
    screen: Path, tmp_path: Path, table: str, out: str, words: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError) as refused:
        cpexport.export(table, screen / "x.sqlite", tmp_path / out, **words)  # type: ignore[arg-type]

    assert message in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_stays_unless_it_may_be_replaced(
    screen: Path, tmp_path: Path, cpexport: Run
) -> None:
    (tmp_path / "t.csv").write_text("mine")
    words = ("export", "Per_Well", "--to", screen / "x.sqlite", "--out", "t.csv")
    refused = cpexport(*words)
    kept = (tmp_path / "t.csv").read_text()
    done = cpexport(*words, "--overwrite", "--where", "plate=P2")

    assert (refused.status, kept) == (2, "mine")
    assert "--out t.csv: exists; name another file, or add --overwrite" in refused.err
    assert (done.status, done.err) == (0, "")
    assert done.out == "t.csv: Per_Well, 1 row, 13 columns\n"


def test_excel_gets_every_text_and_number_or_a_line_that_says_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["a<&>\"'", " b ", "_x0041_", "\x07\n\t", "\u00b5\U0001f52c", None]
    numbers = [0.1, float("nan"), float("inf"), -1e300, 1.0, None]
    big = [1, 10**15, 123456789012345678, -5, 0, None]
    columns = {"text": texts, "real": numbers, "int": big}
    batch = pa.RecordBatch.from_pydict(columns)
    with row_files.row_file(tmp_path / "t.xlsx", "A/B" * 20, batch.schema) as file:
        file.write(batch)
    _, *cells = sheet(tmp_path / "t.xlsx")

    assert [row[0] for row in cells] == [
        *texts[:2], "_x005F_x0041_", "\ufffd\n\t", texts[4], None,
    ]  # fmt: skip
    assert [row[1] for row in cells] == [0.1, None, "inf", -1e300, 1.0, None]
    assert [row[2] for row in cells] == [1, str(10**15), "123456789012345678", -5, 0, None]
    with pytest.raises(UsageError, match="16,385 columns, and a sheet of Excel has 16,384"):
        xlsx.Workbook(tmp_path / "w.xlsx", "Per_Cells", ["x"] * 16_385)
    monkeypatch.setattr(xlsx, "ROWS", 6)
    with (
        pytest.raises(UsageError, match="more than 5 rows, the most of a sheet of Excel; choose"),
        row_files.row_file(tmp_path / "t.xlsx", "Per_Cells", batch.schema) as file,
    ):
        file.write(batch)
    long = pa.RecordBatch.from_pydict({"text": ["x" * 32_768]})
    with (
        pytest.raises(UsageError, match="row 2 has a text of 32,768 characters"),
        row_files.row_file(tmp_path / "t.xlsx", "Per_Cells", long.schema) as file,
    ):
        file.write(long)
    assert len(sheet(tmp_path / "t.xlsx")) == 7
    assert [path.name for path in tmp_path.iterdir()] == ["t.xlsx"]


@pytest.mark.parametrize(
    ("to", "reason"),
    [
        ("parquet:{}/x", "folders have no views; cpexport check --to or report --to names"),
        ("sqlite:///{}/x.sqlite", "no load had a batch file, or a list with --plan"),
    ],
)
def test_why_there_is_no_view_of_missing_image_sets(tmp_path: Path, to: str, reason: str) -> None:
    shutil.copytree(unpacked("40_spreadsheet") / "outputs" / JOBS[0], tmp_path / "run" / JOBS[0])
    cpexport.load(tmp_path / "run", to.format(tmp_path), missing_ok=True)
    with pytest.raises(UsageError, match=f"has no _cpexport_missing: {reason}"):
        cpexport.export("_cpexport_missing", to.format(tmp_path), tmp_path / "m.csv")


def test_tables_of_the_ledger_take_conditions_on_their_own_columns(tmp_path: Path) -> None:
    shutil.copytree(unpacked("40_spreadsheet") / "outputs" / JOBS[0], tmp_path / "run" / JOBS[0])
    lines = ["Metadata_Plate,Metadata_Well,Metadata_Site", "P1,A01,1", "P1,A02,1", "P2,A02,1"]
    (tmp_path / "all.csv").write_text("\n".join(lines))
    to, out = tmp_path / "x.sqlite", tmp_path / "m.csv"
    cpexport.load(tmp_path / "run", to, plan=tmp_path / "all.csv")
    done = cpexport.export("_cpexport_missing", to, out, where=["plate=P1", "well=a2"])
    pairs = cpexport.export("Per_Relationships", to, tmp_path / "pairs.csv")

    assert (done.rows, out.read_text().splitlines()[1]) == (1, '2,"P1","A02","site 1","missing"')
    assert pairs.rows > 0
    for path, where, problem in (
        (tmp_path / "n.csv", "plate=P9", "no row of _cpexport_missing has plate=P9"),
        (tmp_path / "n.csv", "plat=P1", "no column of _cpexport_missing. Did you mean Plate"),
        (tmp_path / "no" / "n.csv", "plate=P1", "the folder .*no does not exist"),
    ):
        with pytest.raises(UsageError, match=problem):
            cpexport.export("_cpexport_missing", to, path, where=where)
        assert not path.exists()


def test_chosen_columns_of_wells_keep_plate_and_well(screen: Path, tmp_path: Path) -> None:
    out = tmp_path / "wells.csv"

    cpexport.export("Per_Well_avg", screen / "x.sqlite", out, columns="Cells_AreaShape_Area")

    names = ["avg_Cells_AreaShape_Area", "Image_Metadata_Plate", "Image_Metadata_Well"]
    assert next(csv.reader(out.read_text().splitlines())) == names


def test_a_value_that_no_image_set_has_is_refused_with_those_that_exist(
    screen: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="no image set has plate=P9; existing values, such as P1"):
        cpexport.export("Per_Image", screen / "x.sqlite", tmp_path / "p.csv", where="plate=P9")


def test_tables_of_wells_that_are_not_made_yet(screen: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--wells mean adds tables of wells"):
        cpexport.export("Per_Well", screen / "runs.duckdb", tmp_path / "w.csv")
