"""Files of any kind and name below OUTPUTS cost at most their batch, and end no command."""

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from support.fixtures import Ran, rows
from support.small_jobs import csv_job

from cpexport import check, load
from cpexport.cellprofiler.experiment import without_passwords
from cpexport.cellprofiler.features import LONGEST_TEXT
from cpexport.files.opening import open_regular, read_small
from cpexport.imagesets import ImageSets
from cpexport.sources.spreadsheet.csv_file import open_csv

Change = Callable[[Path], object]
NUCLEI = {"Nuclei": [{"ImageNumber": 1, "ObjectNumber": 1, "AreaShape_Area": 2.5}]}
_SETUP = """\
CREATE TABLE Per_Image (
ImageNumber INTEGER,
Image_FileName_DNA VARCHAR(8),
Image_Group_Index INTEGER,
PRIMARY KEY (ImageNumber));
"""


def huge(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(1 << 40)


def only(folder: Path, **files: str) -> None:
    for path in folder.iterdir():
        path.unlink()
    for name, text in files.items():
        (folder / name).write_text(text)


def only_traces(folder: Path) -> None:
    only(folder, **{"job_done.txt": "Complete"})
    os.mkfifo(folder / "a.properties")
    (folder / "b.properties").symlink_to("/dev/zero")


def in_place_of(name: str, make: Change) -> Change:
    def change(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return change


def field(name: str, feature: str, text: str) -> Change:
    """Puts a text into a field of the first row of a file."""

    def change(folder: Path) -> None:
        header, row, *rest = (folder / name).read_text().split("\n")
        fields = row.split(",")
        fields[header.split(",").index(feature)] = text
        (folder / name).write_text("\n".join([header, ",".join(fields), *rest]))

    return change


def before(path: Path, text: str) -> None:
    path.write_text(text + path.read_text(), encoding="utf-8")


def wide(path: Path) -> None:
    names = ",".join(f"A_{n}" for n in range(100_001))
    path.write_text(f"ImageNumber,ObjectNumber,{names}\n1,1{',1' * 100_001}\n")


CASES: dict[str, tuple[Change, str]] = {
    "pipe": (in_place_of("Nuclei.csv", os.mkfifo), "Nuclei.csv: is not a regular file"),
    "device": (
        in_place_of("Nuclei.csv", lambda path: path.symlink_to("/dev/zero")),
        "Nuclei.csv: is not a regular file",
    ),
    "notes": (lambda folder: os.mkfifo(folder / "notes"), ""),
    "link": (
        in_place_of("Nuclei.csv", lambda path: path.symlink_to("/etc/passwd")),
        "Nuclei.csv: has no column ImageNumber in its header; ",
    ),
    "sparse": (in_place_of("Nuclei.csv", huge), "Nuclei.csv"),
    "columns": (
        lambda folder: wide(folder / "Nuclei.csv"),
        "Nuclei.csv: has 100,003 columns; at most 100,000 can be loaded",
    ),
    "text": (
        field("Image.csv", "FileName_DNA", "x" * (LONGEST_TEXT + 1)),
        "has a text of 16 MB; at most 16 MB can be loaded",
    ),
    "digits": (field("Nuclei.csv", "AreaShape_Area", "9" * 5000), "999 has too many digits"),
    "no object": (field("Nuclei.csv", "ObjectNumber", ""), "a row has no ObjectNumber"),
    "two marks": (
        lambda folder: before(folder / "Image.csv", "\ufeff" * 2),
        "Image.csv: begins with two byte order marks",
    ),
    "object": (field("Nuclei.csv", "ObjectNumber", "9" * 15), "Nuclei has object 999999999999999"),
    "plan": (lambda folder: (folder / "plan.json").write_text("[" * 99_999), "plan.json: cannot"),
    "large plan": (lambda folder: huge(folder / "plan.json"), "it is larger than 256 MB"),
    "stamp": (lambda folder: huge(folder / "batch_file.sha256"), "it is larger than 64 MB"),
    "batch file": (lambda folder: os.mkfifo(folder / "Batch_data.h5"), "is not a regular file"),
    "properties": (
        only_traces,
        "the job reported Complete; it left no .h5",
    ),
    "name": (
        lambda folder: only(
            folder, **{"SQL_1_999999999_Image.CSV": "1,a,3", "SQL_SETUP.SQL": _SETUP}
        ),
        "named as if it ran image set 999999999",
    ),
    "setup": (
        lambda folder: only(
            folder,
            **{
                "SQL_1_2_Image.CSV": "1,a,3\n",
                "SQL_SETUP.SQL": f"{'CREATE TABLE Per_Image ('}\n" * 99_999
                + "INSERT INTO Per_RelationshipTypes (a) VALUES(1"
                + ") VALUES(" * 99_999,
            },
        ),
        "SQL_SETUP.SQL: has no table Per_Image",
    ),
    "digits in a name": (
        lambda folder: (folder / f"SQL_1_{'9' * 200}_Image.CSV").write_text("1,2,3\n"),
        "SQL_1_9",
    ),
    "names": (
        lambda folder: [
            (folder / name).write_text("ImageNumber,ObjectNumber\n")
            for name in ("-rf.csv", "a\nb.csv", "\x1b[31m.csv", os.fsdecode(b"\xff.csv"))
        ],
        "its name is not UTF-8",
    ),
}


@pytest.fixture(scope="module")
def left_out(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What one load says about each of the folders, by case; none of them stops the load."""
    run = tmp_path_factory.mktemp("hostile")
    for number, (name, (change, _)) in enumerate(CASES.items(), start=1):
        objects = {"Nuclei": [{**row, "ImageNumber": number} for row in NUCLEI["Nuclei"]]}
        change(csv_job(run / "run" / name, {number: {}}, objects))
    csv_job(run / "run" / "good", {999: {}})

    report = load(run / "run", f"sqlite:///{run}/a.sqlite", jobs=1)

    assert report.exit_status == 3
    assert (999,) in rows(run / "a.sqlite", "SELECT ImageNumber FROM Per_Image")
    reasons: dict[str, str] = {}
    for left in report.left_out:
        name = Path(left.path).relative_to(run / "run").parts[0]
        reasons[name] = f"{reasons.get(name, '')}{Path(left.path).name}: {left.reason}\n"
    return reasons


@pytest.mark.parametrize("name", CASES)
def test_what_is_no_jobs_file_is_left_out_by_name(name: str, left_out: dict[str, str]) -> None:
    _, says = CASES[name]

    assert says in left_out.get(name, "")
    assert bool(says) == (name in left_out)


def test_empty_lines_do_not_fill_memory(tmp_path: Path) -> None:
    """A copy of the rest of the file for each of them takes 8 MB; of a large file, all memory."""
    path = csv_job(tmp_path / "run" / "a", {1: {}}, NUCLEI) / "Nuclei.csv"
    with path.open("a") as file:
        file.write("\n" * 4000)
    table = open_csv(path)
    assert table is not None
    tracemalloc.start()
    try:
        numbers, _ = table.image_sets()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert numbers.tolist() == [1]
    assert peak < 1 << 20


def test_records_of_jobs_are_read_only_so_far(tmp_path: Path) -> None:
    """Any job may run that a record without content may be of."""
    csv_job(tmp_path / "run" / "a", {1: {}})
    status = tmp_path / "run" / "status"
    status.mkdir()
    huge(status / "batch_2_3.status")
    os.mkfifo(status / "batch_4_5.status")
    (status / "batch_6_999999999999999.status").write_text("start\t6-999999999999999\n")

    report = check(tmp_path / "run")

    said = "\n".join(report.notes)
    assert "batch_2_3.status: cannot be read (it is larger than 64 MB)" in said
    assert "batch_4_5.status: cannot be read (it is not a regular file)" in said


def test_only_regular_files_are_opened_and_links_only_where_they_may_be(tmp_path: Path) -> None:
    path, link, pipe = (tmp_path / name for name in ("file", "link", "pipe"))
    path.write_bytes(b"abc")
    link.symlink_to(path)
    os.mkfifo(pipe)

    with open_regular(link) as stream:
        assert stream.read() == read_small(path, 3) == b"abc"
    with pytest.raises(OSError, match="it is a link"):
        open_regular(link, follow=False)
    with pytest.raises(OSError, match="it is larger than 2 bytes"):
        read_small(path, 2)
    for other in (pipe, tmp_path, Path("/dev/zero")):
        with pytest.raises(OSError, match="it is not a regular file"):
            open_regular(other)


def test_a_pipeline_of_one_endless_line_is_read_at_once() -> None:
    text = "    " + " " * 99_999 + "password" * 99_999

    assert without_passwords(text) == text
    assert without_passwords(f"{text}:secret") == f"{text}:"


def test_a_missing_billion_is_named_at_once(cpexport: Callable[..., Ran], tmp_path: Path) -> None:
    csv_job(tmp_path / "run" / "a", {1: {}})
    csv_job(tmp_path / "run" / "b", {999_999_999: {}})

    ran = cpexport("check", "run")

    assert ran.status == 3
    assert str(ImageSets.span(2, 999_999_998)) in ran.out
