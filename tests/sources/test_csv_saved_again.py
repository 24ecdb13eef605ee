"""CSV files as other programs leave them: read exactly as before, or refused by what is wrong."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.calls import load
from support.fixtures import Ran, rows

from cpexport.errors import SourceError
from cpexport.files import memory
from cpexport.sources.spreadsheet import csv_bytes
from cpexport.sources.spreadsheet.csv_bytes import whole_lines

IMAGE = [
    ["Count_Nuclei", "FileName_DNA", "ImageNumber", "Intensity_Mean_DNA", "Metadata_Well"],
    ["2", "a.tif", "1", "0.5", "A01"],
    ["1", "b.tif", "2", "0.0077363243", "A02"],
]
NUCLEI = [
    ["ImageNumber", "ObjectNumber", "AreaShape_Area", "Number_Object_Number"],
    ["1", "1", "1234.5", "1"],
    ["1", "2", "nan", "2"],
    ["2", "1", "1e-05", "1"],
]
IMAGES_READ = [(1, 2, "a.tif", 0.5, "A01"), (2, 1, "b.tif", 0.0077363243, "A02")]
NUCLEI_READ = [(1, 1, 1234.5), (1, 2, None), (2, 1, 1e-05)]
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:30\nsize 79218\n"
Table = list[list[str]]
Write = Callable[[Table], bytes]


def text(table: Table, delimiter: str = ",", end: str = "\r\n", quoting: int = 0) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end)
    if quoting:
        writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows(table)
    return out.getvalue()


def is_number(field: str) -> bool:
    try:
        return float(field) == float(field)
    except ValueError:
        return False


def commas(table: Table) -> Table:
    """Numbers as Excel has them where decimals have commas."""
    return [[f.replace(".", ",").upper() if is_number(f) else f for f in row] for row in table]


def in_front(table: Table, name: str, begin: str) -> Table:
    """With a column that numbers the rows."""
    header, *others = table
    return [[name, *header]] + [[f"{begin}{i}", *row] for i, row in enumerate(others)]


def save(folder: Path, image: bytes, nuclei: bytes) -> Path:
    folder.mkdir()
    (folder / "Image.csv").write_bytes(image)
    (folder / "Nuclei.csv").write_bytes(nuclei)
    return folder


READ: dict[str, Write] = {
    "Excel, decimal commas": lambda t: text(commas(t), ";").encode(),
    "Excel, decimal commas, byte order mark": lambda t: text(commas(t), ";").encode("utf-8-sig"),
    "Excel, decimal points": lambda t: text(t, ";").encode(),
    "Excel, empty columns": lambda t: text([[*r, "", ""] for r in commas(t)], ";").encode(),
    "tabs": lambda t: text(t, "\t").encode(),
    "bars": lambda t: text(t, "|").encode(),
    "git, LF": lambda t: text(t, end="\n").encode(),
    "Windows text mode, CR CR LF": lambda t: text(t, end="\r\r\n").encode(),
    "Excel, empty rows": lambda t: (text(t, ";") + ";;;\r\n" * 3).encode(),
    "a row that was emptied": lambda t: text([*t[:2], ["", ""], *t[2:]]).encode(),
    "sep= in front": lambda t: b"sep=;\r\n" + text(commas(t), ";").encode(),
    "byte order mark and sep= in front": lambda t: ("SEP=,\n" + text(t)).encode("utf-8-sig"),
    "all quoted": lambda t: text(t, quoting=1).encode(),
    "pandas, with an index": lambda t: text(in_front(t, "", ""), end="\n").encode(),
    "pandas, twice": lambda t: text(in_front(t, "Unnamed: 0", ""), end="\n").encode(),
    "pandas, integers as real numbers": lambda t: text(
        [t[0], *([f"{f}.0" if f.isdigit() else f for f in row] for row in t[1:])], end="\n"
    ).encode(),
    "R, with row names and NA": lambda t: (
        text(in_front(t, "", ""), end="\n", quoting=1).replace('"nan"', "NA").encode()
    ),
    "KNIME, with row ids": lambda t: text(in_front(t, "row ID", "Row")).encode(),
}


@pytest.mark.parametrize("program", READ)
def test_a_file_saved_again_has_the_same_values(tmp_path: Path, program: str) -> None:
    write = READ[program]
    folder = save(tmp_path / "job", write(IMAGE), write(NUCLEI))

    load([folder], f"sqlite:///{tmp_path}/screen.sqlite")

    assert rows(tmp_path / "screen.sqlite", "SELECT * FROM Per_Image") == IMAGES_READ
    assert rows(tmp_path / "screen.sqlite", "SELECT * FROM Per_Nuclei") == NUCLEI_READ


RELATED = [
    [
        *("Module", "Module Number", "Relationship", "First Object Name", "First Image Number"),
        *("First Object Number", "Second Object Name", "Second Image Number"),
        "Second Object Number",
    ],
    ["RelateObjects", "9", "Parent", "Nuclei", "1", "1", "Nuclei", "1", "2"],
]
EXPERIMENT = [["Key", "Value"], ["CellProfiler_Version", "4.2.8"], ["Run_Timestamp", "2026"]]


@pytest.mark.parametrize("program", READ)
def test_relationships_and_the_experiment_may_be_saved_again_too(
    tmp_path: Path, program: str
) -> None:
    folder = save(tmp_path / "job", plain(IMAGE), plain(NUCLEI))
    for name, table in (("Object relationships", RELATED), ("Experiment", EXPERIMENT)):
        (folder / f"{name}.csv").write_bytes(READ[program](table))

    load([folder], f"sqlite:///{tmp_path}/screen.sqlite")

    pairs = "SELECT object_number1, object_number2 FROM Per_Relationships"
    assert rows(tmp_path / "screen.sqlite", pairs) == [(1, 2)]
    version = rows(tmp_path / "screen.sqlite", "SELECT CellProfiler_Version FROM Per_Experiment")
    assert version == [("4.2.8",)]


@pytest.mark.parametrize("write", [lambda t: text(t).encode("utf-16"), lambda t: POINTER])
def test_relationships_that_are_no_text_are_not_passed_over(tmp_path: Path, write: Write) -> None:
    folder = save(tmp_path / "job", plain(IMAGE), plain(NUCLEI))
    (folder / "Object relationships.csv").write_bytes(write(RELATED))

    with pytest.raises(SourceError, match=r"Object relationships\.csv: is (UTF-16|a git-lfs)"):
        load([folder], f"sqlite:///{tmp_path}/screen.sqlite")


def test_a_column_that_only_numbers_the_rows_is_named(tmp_path: Path) -> None:
    folder = save(tmp_path / "job", text(in_front(IMAGE, "", "")).encode(), text(NUCLEI).encode())

    report = load([folder], f"sqlite:///{tmp_path}/screen.sqlite")

    assert any("Image.csv: a column without a name" in note for note in report.notes)


def with_field(table: Table, row: int, column: str, field: str) -> Table:
    changed = [list(r) for r in table]
    changed[row][changed[0].index(column)] = field
    return changed


def plain(table: Table) -> bytes:
    return text(table).encode()


def semicolons(table: Table) -> bytes:
    return text(commas(table), ";").encode()


AREA, MEAN = "AreaShape_Area", "Intensity_Mean_DNA"
ORIGINAL = "restore the file that CellProfiler wrote"
AGAIN = "run its image sets again"
# Image.csv, Nuclei.csv, and what must be said: which file, what is wrong, what to do.
REFUSED: dict[str, tuple[bytes, bytes, tuple[str, ...]]] = {
    "empty": (b"", plain(NUCLEI), ("Image.csv", "empty", AGAIN)),
    "cut in its header": (plain(IMAGE)[:30], plain(NUCLEI), ("Image.csv", "cut off", AGAIN)),
    "no ImageNumber": (
        plain(IMAGE).replace(b"ImageNumber", b"Number"),
        plain(NUCLEI),
        ("Image.csv", "no column ImageNumber", "select ImageNumber in ExportToSpreadsheet"),
    ),
    "UTF-16": (
        text(IMAGE, "\t").encode("utf-16"),
        plain(NUCLEI),
        ("Image.csv", "UTF-16", "save it as CSV UTF-8"),
    ),
    "UTF-16 without a mark": (
        text(IMAGE).encode("utf-16-be"),
        plain(NUCLEI),
        ("Image.csv", "UTF-16", "save it as CSV UTF-8"),
    ),
    "UTF-16 objects": (plain(IMAGE), text(NUCLEI).encode("utf-16"), ("Nuclei.csv", "UTF-16")),
    "old Mac": (
        text(IMAGE, end="\r").encode(),
        plain(NUCLEI),
        ("Image.csv", "end in CR alone", "save it"),
    ),
    "old Mac objects": (
        plain(IMAGE),
        text(NUCLEI, end="\r").encode(),
        ("Nuclei.csv", "end in CR alone", "save it"),
    ),
    "git-lfs pointer": (POINTER, POINTER, ("Image.csv", "git-lfs pointer", "lfs pull")),
    "git-lfs pointer of objects": (
        plain(IMAGE),
        POINTER,
        ("Nuclei.csv", "git-lfs pointer", "lfs pull"),
    ),
    "git-annex pointer": (
        b"/annex/objects/MD5E-s9--a.csv\n",
        plain(NUCLEI),
        ("Image.csv", "git-annex pointer", "annex get Image.csv"),
    ),
    "a web page": (b"<!DOCTYPE html>\n<html>\n", plain(NUCLEI), ("Image.csv", "web page")),
    "a workbook": (b"PK\x03\x04\x14\n\0", plain(NUCLEI), ("Image.csv", "workbook", "save it")),
    "compressed": (b"\x1f\x8b\x08\0\n", plain(NUCLEI), ("Image.csv", "gzip", "decompress it")),
    "not UTF-8": (
        text(with_field(IMAGE, 1, "Metadata_Well", "板")).encode("gbk"),
        plain(NUCLEI),
        ("Image.csv", "not UTF-8", "save it as UTF-8"),
    ),
    "German thousands": (
        semicolons(IMAGE),
        text(with_field(commas(NUCLEI), 1, AREA, "1.234,5"), ";").encode(),
        ("Nuclei.csv", "'1.234,5'", AREA, ORIGINAL),
    ),
    "English thousands": (
        plain(IMAGE),
        plain(with_field(NUCLEI, 1, AREA, "1,234.5")),
        ("Nuclei.csv", "'1,234.5'", AREA, ORIGINAL),
    ),
    "a comma that may be of thousands": (
        text(IMAGE, ";").encode(),
        text(with_field(NUCLEI, 1, AREA, "1,234"), ";").encode(),
        ("Nuclei.csv", "'1,234'", AREA, ORIGINAL),
    ),
    "a date for a number": (
        semicolons(IMAGE),
        text(with_field(commas(NUCLEI), 1, AREA, "05. Mai"), ";").encode(),
        ("Nuclei.csv", "'05. Mai'", AREA, ORIGINAL),
    ),
    "a barcode that Excel shortened": (
        text(
            with_field(
                with_field(commas(IMAGE), 1, "Metadata_Well", "2,02405E+16"),
                2,
                "Metadata_Well",
                "5",
            ),
            ";",
        ).encode(),
        semicolons(NUCLEI),
        ("Image.csv", "2,02405E+16", "Metadata_Well", "a spreadsheet program has shortened"),
    ),
    "True": (
        plain(with_field(IMAGE, 1, MEAN, "True")),
        plain(NUCLEI),
        ("Image.csv", "'True'", MEAN, ORIGINAL),
    ),
    "an object number that is not whole": (
        plain(IMAGE),
        plain(with_field(NUCLEI, 2, "ObjectNumber", "1.5")),
        ("Nuclei.csv", "not whole", "ObjectNumber", ORIGINAL),
    ),
    "a column without a name": (
        plain(with_field(IMAGE, 0, MEAN, "")),
        plain(NUCLEI),
        ("Image.csv", "column 4 has values but no feature name"),
    ),
    "a quotation mark too many": (
        plain(IMAGE).replace(b"b.tif", b'"b.tif'),
        plain(NUCLEI),
        ("Image.csv", "quotation mark", ORIGINAL),
    ),
    "put together, with headers": (
        plain(IMAGE) + plain(IMAGE),
        plain(NUCLEI),
        ("Image.csv", "line 4", "header occurs again", "several files"),
    ),
    "put together, other pictures": (
        plain(IMAGE) + plain(with_field(IMAGE, 1, "FileName_DNA", "c.tif")[1:]),
        plain(NUCLEI),
        ("Image.csv", "image set 1", "'a.tif' and 'c.tif'", "several runs", "--table-number"),
    ),
    "several plates, by TableNumber": (
        plain([["TableNumber", *IMAGE[0]]] + [[n, *r] for n in "45" for r in IMAGE[1:]]),
        plain(NUCLEI),
        ("Image.csv", "several runs", "TableNumber 4, 5", "split it", "--table-number"),
    ),
    "several plates, by a name": (
        plain([[*IMAGE[0], "Metadata_Plate"]] + [[*r, n] for n in "PQ" for r in IMAGE[1:]]),
        plain(NUCLEI),
        ("Image.csv", "several runs", "Metadata_Plate P, Q", "split it", "--table-number"),
    ),
    "one column twice, with other values": (
        plain([[*r, r[-1] if i != 1 else "B09"] for i, r in enumerate(IMAGE)]),
        plain(NUCLEI),
        ("Image.csv", "Metadata_Well", "twice", "A01, B09", "delete one of the two columns"),
    ),
    "too many digits": (
        plain(IMAGE),
        plain(with_field(NUCLEI, 1, AREA, "9007199254740993")),
        ("Nuclei.csv", "9007199254740993", AREA, "too many digits"),
    ),
    "too large": (
        plain(IMAGE),
        plain(with_field(NUCLEI, 1, AREA, "1e400")),
        ("Nuclei.csv", "1e400", AREA, "too large for a real number", ORIGINAL),
    ),
    "too large, with a decimal comma": (
        semicolons(IMAGE),
        text(with_field(commas(NUCLEI), 1, AREA, "-1,5E+309"), ";").encode(),
        ("Nuclei.csv", "-1,5E+309", AREA, "too large for a real number", ORIGINAL),
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_read_exactly_is_refused_by_its_own_reason(
    tmp_path: Path, what: str
) -> None:
    image, nuclei, says = REFUSED[what]
    folder = save(tmp_path / "job", image, nuclei)

    with pytest.raises(SourceError) as refused:
        load([folder], f"sqlite:///{tmp_path}/screen.sqlite")

    sentence = str(refused.value)
    assert [word for word in says if word not in sentence] == []
    assert (AGAIN in sentence) == (AGAIN in says)


def test_an_empty_row_within_a_text_is_part_of_it(tmp_path: Path) -> None:
    odd = "A\n;;\n01"
    image = text(with_field(IMAGE, 1, "Metadata_Well", odd), ";", end="\n").encode()
    folder = save(tmp_path / "job", image + b";;;;\n", plain(NUCLEI))

    load([folder], f"sqlite:///{tmp_path}/screen.sqlite")

    wells = "SELECT Image_Metadata_Well FROM Per_Image ORDER BY ImageNumber"
    assert rows(tmp_path / "screen.sqlite", wells) == [(odd,), ("A02",)]


def test_objects_without_their_image_csv_are_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "job").mkdir()
    (tmp_path / "job/Nuclei.csv").write_bytes(plain(NUCLEI))

    with pytest.raises(SourceError, match=r"Image\.csv is missing next to Nuclei\.csv"):
        load([tmp_path / "job"], f"sqlite:///{tmp_path}/screen.sqlite")


def test_a_file_of_objects_by_itself_is_said_to_be_so(tmp_path: Path) -> None:
    folder = save(tmp_path / "job", plain(IMAGE), plain(NUCLEI))

    with pytest.raises(SourceError, match=r"has no image sets, which are in the Image\.csv"):
        load([folder / "Nuclei.csv"], f"sqlite:///{tmp_path}/screen.sqlite")


@pytest.mark.parametrize("name", ["job.h5", "job.sqlite"])
def test_a_pointer_is_named_whatever_the_file_was_to_be(
    cpexport: Callable[..., Ran], tmp_path: Path, name: str
) -> None:
    good = save(tmp_path / "good", plain(IMAGE), plain(NUCLEI))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / name).write_bytes(POINTER)

    ran = cpexport("load", good, "bad", "--to", "sqlite:///s.sqlite", "--format", "json")

    assert ran.status == 3
    (left_out,) = json.loads(ran.out)["batches"]["left_out"]
    assert "git-lfs pointer" in left_out["reason"]
    assert "run: git -C bad lfs pull" in left_out["reason"]
    assert rows(tmp_path / "s.sqlite", "SELECT ImageNumber FROM Per_Image") == [(1,), (2,)]


def sparse(path: Path) -> None:
    with path.open("ab") as stream:
        stream.truncate(10_000_000_000)


def without_line_ends(path: Path) -> None:
    with path.open("ab") as stream:
        for _ in range(100):
            stream.write(b"x" * (1 << 20))


@pytest.mark.parametrize(
    ("grow", "says"), [(sparse, "NUL bytes"), (without_line_ends, "a line longer than")]
)
def test_a_file_that_goes_on_without_lines_is_read_only_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grow: Callable[[Path], None], says: str
) -> None:
    """On a machine with room for all of it."""
    monkeypatch.setattr(memory, "available", lambda: 1 << 50)
    monkeypatch.setattr(csv_bytes, "_SMALL", 1 << 20)
    path = tmp_path / "Nuclei.csv"
    path.write_bytes(plain(NUCLEI))
    grow(path)

    with pytest.raises(SourceError, match=says):
        whole_lines(path)


def test_a_file_that_does_not_fit_in_memory_costs_its_batch(
    cpexport: Callable[..., Ran], tmp_path: Path
) -> None:
    save(tmp_path / "good", plain(IMAGE), plain(NUCLEI))
    other = [[*r[:2], str(int(r[2]) + 2), *r[3:]] if i else r for i, r in enumerate(IMAGE)]
    bad = save(tmp_path / "bad", plain(other), plain(NUCLEI))
    with (bad / "Nuclei.csv").open("ab") as stream:
        stream.truncate(1 << 43)

    ran = cpexport("load", "good", "bad", "--to", "sqlite:///s.sqlite", "--format", "json")

    assert ran.status == 3
    (left_out,) = json.loads(ran.out)["batches"]["left_out"]
    assert "Nuclei.csv: does not fit in memory (8796.1 GB)" in left_out["reason"]
    assert rows(tmp_path / "s.sqlite", "SELECT ImageNumber FROM Per_Image") == [(1,), (2,)]


def digits(content: bytes) -> bytes:
    """A real number of the first object as a long integer."""
    header, *fields = content.split(b",")
    place = next(i for i, field in enumerate(fields) if field.count(b".") == 1)
    fields[place] = b"9007199254740993"
    return b",".join([header, *fields])


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("SQL_5_8_Image.CSV", lambda c: POINTER, ("git-lfs pointer", "lfs pull")),
        ("SQL_5_8_Object.CSV", lambda c: POINTER, ("git-lfs pointer", "lfs pull")),
        ("SQL_SETUP.SQL", lambda c: POINTER, ("git-lfs pointer", "lfs pull")),
        ("SQL_5_8_Image.CSV", lambda c: c.decode().encode("utf-16"), ("UTF-16", "save it")),
        ("SQL_5_8_Object.CSV", lambda c: c.replace(b"\n", b"\r"), ("end in CR alone", "save it")),
        ("SQL_5_8_Object.CSV", lambda c: c.replace(b",", b";"), ("line 1 has 1 fields", ORIGINAL)),
        ("SQL_5_8_Object.CSV", digits, ("9007199254740993 has too many digits",)),
    ],
)
def test_files_of_mysql_csv_are_refused_by_the_same_reasons(
    copy: Callable[..., Path],
    tmp_path: Path,
    name: str,
    change: Callable[[bytes], bytes],
    says: tuple[str, ...],
) -> None:
    folder = copy("70_sqlcsv", "csv_combined_f5_l8")
    (folder / name).write_bytes(change((folder / name).read_bytes()))

    with pytest.raises(SourceError) as refused:
        load([folder], f"sqlite:///{tmp_path}/screen.sqlite")

    assert [word for word in (name, *says) if word not in str(refused.value)] == []
    assert AGAIN not in str(refused.value)


def dotted(table: Table) -> Table:
    """With points in place of the underscores and spaces in the names of columns."""
    return [[name.replace("_", ".").replace(" ", ".") for name in table[0]], *table[1:]]


def read(database: Path) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """All rows of image sets and of nuclei."""
    images, nuclei = (rows(database, f"SELECT * FROM Per_{name}") for name in ("Image", "Nuclei"))
    return images, nuclei


class TestPointsInNames:
    def test_are_read_as_underscores_and_told(self, tmp_path: Path) -> None:
        folder = save(tmp_path / "job", plain(dotted(IMAGE)), plain(dotted(NUCLEI)))
        (folder / "Object relationships.csv").write_bytes(plain(dotted(RELATED)))
        report = load([folder], f"sqlite:///{tmp_path}/screen.sqlite")
        names = "Image.csv, Nuclei.csv, Object relationships.csv"

        assert any(f"{names}: points in column names" in note for note in report.notes)
        assert read(tmp_path / "screen.sqlite") == (IMAGES_READ, NUCLEI_READ)
        pairs = "SELECT object_number1, object_number2 FROM Per_Relationships"
        assert rows(tmp_path / "screen.sqlite", pairs) == [(1, 2)]

    def test_do_not_hide_that_rows_are_missing(self, tmp_path: Path) -> None:
        folder = save(tmp_path / "job", plain(dotted(IMAGE)), plain(dotted(NUCLEI[:-1])))
        report = load([folder], f"sqlite:///{tmp_path}/screen.sqlite")

        assert any("Nuclei.csv has 0 of 1 rows" in left.reason for left in report.left_out)

    def test_under_a_line_of_object_types_too(self, tmp_path: Path) -> None:
        over = ["Image", "Nuclei", "Nuclei", "Nuclei"]
        folder = save(tmp_path / "job", plain(IMAGE), plain([over, *dotted(NUCLEI)]))
        load([folder], f"sqlite:///{tmp_path}/screen.sqlite")

        assert read(tmp_path / "screen.sqlite") == (IMAGES_READ, NUCLEI_READ)

    @pytest.mark.parametrize(
        "names",
        [
            ["Count_Nuclei", "FileName.DNA", "ImageNumber", "Intensity.Mean.DNA", "Metadata.Well"],
            ["CountNuclei", "FileNameDNA", "ImageNumber", "IntensityMean", "Metadata.Well"],
            ["Count.Nuclei", "FileName.DNA", "ImageNumber", "Conc..uM.", "Metadata.Well"],
        ],
        ids=["some underscores", "one name", "other characters"],
    )
    def test_stay_where_nothing_tells_that_all_were_underscores(
        self, names: list[str], tmp_path: Path
    ) -> None:
        folder = save(tmp_path / "job", plain([names, *IMAGE[1:]]), plain(NUCLEI))
        report = load([folder], f"sqlite:///{tmp_path}/screen.sqlite")

        assert not any("points in column names" in note for note in report.notes)
        assert rows(tmp_path / "screen.sqlite", 'SELECT "Image_Metadata.Well" FROM Per_Image')
