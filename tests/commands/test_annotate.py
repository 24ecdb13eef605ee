"""`cpexport annotate` adds what is in the wells: a table and a view that later loads keep."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.csv_outputs import image, output
from support.datasets import asked
from support.fixtures import Ran, rows, unpacked
from support.servers import Database

import cpexport
from cpexport.derived.plate_layouts import read_layouts
from cpexport.errors import SinkError, SourceError, UsageError
from cpexport.sinks.registry import open_sink

Run = Callable[..., Ran]
JOBS = ("P1-A01-1", "P1-A01-2", "P1-A02-1", "P2-A01-1")
LAYOUT = (
    "Plate,Well,Compound,Dose (uM),Code\nP1,A1,DMSO,,001\nP1,a02,taxol,1.5,002\nP9,A1,x,2,003\n"
)


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    for name in JOBS:
        shutil.copytree(unpacked("40_spreadsheet") / "outputs" / name, tmp_path / "run" / name)
    return tmp_path / "run"


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    (tmp_path / "layout.csv").write_text(LAYOUT)
    return tmp_path / "layout.csv"


def stored(to: str) -> list[tuple[object, ...]]:
    with open_sink(to, writing=False) as sink:
        columns = sink.derived_tables()["Per_Well_Treatment"]
        return sorted(sink.read_derived_table("Per_Well_Treatment", columns), key=repr)


@pytest.mark.parametrize(
    "kind", ["sqlite:///{}/x.sqlite", "duckdb:///{}/x.duckdb", "parquet:{}/x", "mariadb"]
)
def test_wells_are_matched_however_they_are_spelled_and_loads_keep_them(
    outputs: Path, layout: Path, tmp_path: Path, kind: str, databases: Callable[[str], Database]
) -> None:
    database = databases(kind) if kind == "mariadb" else None
    to = database.url() if database else kind.format(tmp_path)
    cpexport.load([outputs / name for name in JOBS[:2]], to)
    report = cpexport.annotate(layout, to)
    before = stored(to)
    cpexport.load(outputs, to)
    after = stored(to)
    again = cpexport.annotate(layout, to)

    assert (report.columns, report.wells) == (("Compound", "Dose_uM", "Code"), 1)
    assert report.not_there == {"P1": ("A02",), "P9": ("A01",)}
    assert (report.without, report.exit_status) == ({}, 3)
    assert before == [
        ("P1", "A01", "P1", "A01", "DMSO", None, "001"),
        ("P1", "A02", None, None, "taxol", 1.5, "002"),
        ("P9", "A01", None, None, "x", 2.0, "003"),
    ]
    assert after[1] == ("P1", "A02", "P1", "A02", "taxol", 1.5, "002")
    assert (again.wells, again.not_there, again.without) == (2, {"P9": ("A01",)}, {"P2": ("A01",)})
    query = "SELECT ImageNumber, Image_Metadata_Well, Compound FROM Per_Image_Treatment ORDER BY 1"
    expected = [(1, "A01", "DMSO"), (2, "A01", "DMSO"), (3, "A02", "taxol"), (13, "A01", None)]
    if database:
        assert database.rows(query) == expected
    elif "sqlite" in kind:
        assert rows(tmp_path / "x.sqlite", query) == expected
    elif "parquet" in kind:
        assert (report.view, asked(tmp_path / "x", "SELECT count(*) FROM Per_Well_Treatment")) == (
            "",
            [(3,)],
        )


def test_a_layout_without_plates_is_that_of_every_plate_and_can_be_corrected(
    outputs: Path, tmp_path: Path
) -> None:
    to, file = tmp_path / "x.sqlite", tmp_path / "layout.tsv"
    cpexport.load(outputs, to)
    file.write_text("\ufeffrow\tcolumn\tcompound\nA\t1\tDMSO\nA\t2\ttaxol\n", "utf-8")
    first = cpexport.annotate(file, to)
    (tmp_path / "p2.csv").write_text("Assay_Plate_Barcode;Well;compound\nP2;A01;other\n")
    cpexport.annotate(tmp_path / "p2.csv", to)
    file.write_text("Well,compound\nA1,water\n")
    cpexport.annotate(file, to)
    query = "SELECT ImageNumber, compound FROM Per_Image_Treatment ORDER BY 1"
    mixed = rows(to, query)
    last = cpexport.annotate(file, to, forget=True)

    assert (first.wells, first.not_there, first.without) == (3, {}, {})
    assert mixed == [(1, "water"), (2, "water"), (3, "taxol"), (13, "other")]
    assert rows(to, query) == [(1, "water"), (2, "water"), (3, None), (13, "water")]
    assert last.without == {"P1": ("A02",)}


def test_platemaps_of_the_gallery(outputs: Path, tmp_path: Path) -> None:
    home = tmp_path / "2020_Batch1"
    (home / "platemap").mkdir(parents=True)
    text = "Assay_Plate_Barcode,Plate_Map_Name\nP1,H-1\nP2,H-2\n"
    (home / "barcode_platemap.csv").write_text(text)
    map_of = "plate_map_name\twell_position\tbroad_sample\tmmoles_per_liter\n{0}\ta1\t{1}\t0.5\n"
    (home / "platemap" / "H-1.txt").write_text(map_of.format("H-1", "BRD-1"))
    (home / "platemap" / "H-2.txt").write_text(map_of.format("H-2", ""))
    to = tmp_path / "x.sqlite"
    cpexport.load(outputs, to)
    report = cpexport.annotate(home, to)

    assert report.columns == ("plate_map_name", "broad_sample", "mmoles_per_liter")
    assert report.without == {"P1": ("A02",)}
    assert rows(to, "SELECT ImageNumber, broad_sample FROM Per_Image_Treatment") == [
        (1, "BRD-1"), (2, "BRD-1"), (3, None), (13, None),
    ]  # fmt: skip
    (home / "platemap" / "H-2.txt").unlink()
    with pytest.raises(SourceError, match=r"H-2\.txt: does not exist; put the platemap that"):
        cpexport.annotate(home / "barcode_platemap.csv", to)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("Plate,Well\n", "has no rows"),
        ("Plate,Compound\nP1,x\n", "has no column of wells; its columns are Plate, Compound"),
        ("Well,a\nA1,1\nA01,2\n", "line 3: well A01 has two rows with different values"),
        ("Well,a\nA1,1\n,2\n", "no well in line 3"),
        ("Well,a,A\nA1,1,2\n", "has two columns a"),
        ("Well,a\nA1\n", "line 2 has 1 cell, the header 2"),
        ("PK\x03\x04", "is an Excel workbook"),
    ],
)
def test_what_is_no_layout_is_refused_by_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "layout.csv").write_text(text)
    with pytest.raises(SourceError) as refused:
        read_layouts([tmp_path / "layout.csv"])

    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("text", "wells"),
    [
        ("Metadata_Plate,Metadata_Well,x\nP,b2,1\n", {("P", "B02"): {"x": "1"}}),
        ("WellRow,WellCol,x\n0,0,1\n1,2,2\n", {("", "A01"): {"x": "1"}, ("", "B03"): {"x": "2"}}),
        ("well_position;x y\nAF48;\n\n 17 ;z\n", {("", "AF48"): {}, ("", "17"): {"x y": "z"}}),
        ('Well,x\nA1,"a, b"\nA1,"a, b"\n', {("", "A01"): {"x": "a, b"}}),
    ],
)
def test_wells_of_all_customs(
    tmp_path: Path, text: str, wells: dict[tuple[str, str], dict[str, str]]
) -> None:
    for place, encoding in enumerate(("utf-8-sig", "utf-16")):
        (tmp_path / f"{place}.csv").write_text(text, encoding)

        assert read_layouts([tmp_path / f"{place}.csv"]).wells == wells


def test_names_that_clash_and_destinations_without_wells_are_refused(
    outputs: Path, tmp_path: Path
) -> None:
    to = tmp_path / "x.sqlite"
    cpexport.load(outputs, to)
    for header, message in (("a b,a_b", "a_b needs the name a_b"), ("ImageNumber,b", "is taken")):
        (tmp_path / "layout.csv").write_text(f"Well,{header}\nA1,1,2\n")
        with pytest.raises(UsageError, match=re.escape(message)):
            cpexport.annotate(tmp_path / "layout.csv", to)
    cpexport.load(output(tmp_path / "job", [image(1, "1.tif")]), tmp_path / "y.sqlite")
    with pytest.raises(SinkError, match="no metadata of its image sets name wells"):
        cpexport.annotate(tmp_path / "layout.csv", tmp_path / "y.sqlite")


def test_analyst_and_report_use_it(outputs: Path, layout: Path, tmp_path: Path) -> None:
    to = tmp_path / "x.sqlite"
    cpexport.load(outputs, to)
    cpexport.annotate(layout, to)
    cpexport.load(outputs, to, properties=tmp_path / "x.properties")
    fields = dict(
        line.split(" = ", 1)
        for line in (tmp_path / "x.properties").read_text().splitlines()
        if " = " in line
    )
    cpexport.report(
        to=to, out=tmp_path / "r.html", positive="Compound=taxol", negative="Compound=DMSO"
    )
    page = (tmp_path / "r.html").read_text()
    (text,) = re.findall(r'id="report-data">(.*?)</script>', page)
    found = {one["t"]: one for one in json.loads(text)["treatments"]}

    assert rows(to, fields["group_SQL_Compound"]) == [
        (1, "DMSO"), (2, "DMSO"), (3, "taxol"), (13, None),
    ]  # fmt: skip
    assert rows(to, fields["filter_SQL_Compound_DMSO"]) == [(1,), (2,)]
    assert not any(name.startswith("filter_SQL_Dose") for name in fields)
    assert (found["Compound"]["v"], found["Compound"]["w"]) == (["DMSO", "taxol"], [0, 1, None])
    assert found["Dose_uM"]["v"] == ["1.5"]
    assert "Wells by Compound" in page
    with pytest.raises(UsageError, match="no image feature or column of a layout is Compoun,"):
        cpexport.report(to=to, out=tmp_path / "r.html", positive="Compoun=a", negative="A01")


def test_it_says_which_wells_do_not_match(
    outputs: Path, layout: Path, tmp_path: Path, cpexport: Run
) -> None:
    cpexport("load", outputs, "--to", "x.sqlite", "--quiet")
    ran = cpexport("annotate", layout, "--to", "x.sqlite")
    asked_json = cpexport("annotate", layout, "--to", "x.sqlite", "--format", "json")
    removed = cpexport("remove", "--to", "x.sqlite", "--plate", "P2", "--yes", "--quiet")
    fine = cpexport("annotate", layout, "--to", "x.sqlite", "--missing-ok")

    assert (ran.status, ran.err, removed.status, fine.status) == (3, "", 0, 0)
    assert "In the layout, but in no image set:\nP9  1 well: A01" in ran.out
    assert "In image sets, but not in the layout:\nP2  1 well: A01" in ran.out
    assert json.loads(asked_json.out)["without"] == {"P2": ["A01"]}
    assert "not in the layout" not in fine.out


def test_codes_with_many_digits_stay_as_they_are(outputs: Path, tmp_path: Path) -> None:
    codes, to = ("12345678901234567890", "12345678901234567891"), tmp_path / "x.sqlite"
    cpexport.load([outputs / name for name in JOBS[:3]], to)
    for plate, value in zip(("P1", "P2", "P1"), (*codes, "1.5"), strict=True):
        layout = tmp_path / "codes.csv"
        well = "A02" if value == "1.5" else "A01"
        layout.write_text(f"Plate,Well,Barcode\n{plate},{well},{value}\n")
        cpexport.annotate(layout, to)

    found = rows(to, "SELECT Barcode FROM Per_Well_Treatment")
    assert {code for (code,) in found} == {*codes, "1.5"}


@pytest.mark.parametrize(
    ("cell", "why"),
    [('"a\nb"', "line break or control character"), (200_000 * "x", "field larger than")],
)
def test_cells_that_no_filter_can_hold_are_refused(
    outputs: Path, tmp_path: Path, cell: str, why: str
) -> None:
    to, layout = tmp_path / "x.sqlite", tmp_path / "layout.csv"
    cpexport.load(outputs / JOBS[0], to)
    layout.write_text(f"Plate,Well,Compound\nP1,A01,{cell}\n")

    with pytest.raises(SourceError, match=why):
        cpexport.annotate(layout, to)


def test_numbers_of_a_file_with_semicolons_have_decimal_commas(tmp_path: Path) -> None:
    path = tmp_path / "layout.csv"
    path.write_text("Well;Dose;Pair;Step\nA1;1,5;a,b;1\nA2;;2,5;2\nA3;,25;;3\nA4;2;1,5;4\n")
    wells = {well: row for (_, well), row in read_layouts([path]).wells.items()}

    assert [row.get("Dose", "") for row in wells.values()] == ["1.5", "", ".25", "2"]
    assert [row.get("Pair", "") for row in wells.values()] == ["a,b", "2,5", "", "1,5"]
    assert [row.get("Step", "") for row in wells.values()] == ["1", "2", "3", "4"]


def test_more_columns_than_fit_are_refused_in_one_line(
    outputs: Path, tmp_path: Path, cpexport: Run
) -> None:
    names = [f"c{number}" for number in range(3000)]
    text = f"Well,{','.join(names)}\nA1,{','.join('1' for _ in names)}\n"
    (tmp_path / "layout.csv").write_text(text)
    assert cpexport("load", outputs / JOBS[0], "--to", "x.sqlite").status == 0
    ran = cpexport("annotate", "--to", "x.sqlite", "layout.csv")

    said = "Per_Well_Treatment would have 3,004 columns, and 2,000 fit"
    assert (ran.status, said in ran.err, len(ran.err) < 300) == (1, True, True)
