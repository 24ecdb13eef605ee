"""CSV files damaged in one way each: refused alone, left out and named among good ones."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.fixtures import Ran, Refused, rows, said_well, traces, unchanged

Edit = Callable[[bytes], bytes]
BATCH = "outputs/P1-A01-1"


@dataclass(frozen=True)
class Damage:
    """One way to damage a file of a batch, and words that must be said about it."""

    name: str
    file: str
    edit: Edit
    says: tuple[str, ...]

    def do(self, folder: Path) -> None:
        path = folder / self.file
        content = path.read_bytes()
        damaged = self.edit(content)
        assert damaged != content
        path.write_bytes(damaged)


def on_rows(change: Callable[[list[list[str]]], None]) -> Edit:
    """An edit of the parsed rows, the header first."""

    def edit(content: bytes) -> bytes:
        table = list(csv.reader(io.StringIO(content.decode(), newline="")))
        change(table)
        out = io.StringIO(newline="")
        csv.writer(out).writerows(table)
        return out.getvalue().encode()

    return edit


def in_column(feature: str, row: int, value: str) -> Edit:
    def change(table: list[list[str]]) -> None:
        table[row][table[0].index(feature)] = value

    return on_rows(change)


def shorter(table: list[list[str]]) -> None:
    del table[4][-1]


def longer(table: list[list[str]]) -> None:
    table[4].append("1.5")


def one_shorter_and_one_longer(table: list[list[str]]) -> None:
    shorter(table)
    table[5].append("1.5")


def twice_side_by_side(table: list[list[str]]) -> None:
    place = table[0].index("AreaShape_Area")
    for number, row in enumerate(table):
        row.insert(place, row[place] if number != 4 else "17")


def twice_apart(table: list[list[str]]) -> None:
    for number, row in enumerate(table):
        row.append("AreaShape_Area" if number == 0 else "17")


def same_object_twice(table: list[list[str]]) -> None:
    table[4][:2] = table[3][:2]


def no_rows(content: bytes) -> bytes:
    return content[: content.index(b"\n") + 1]


def fewer_rows(content: bytes) -> bytes:
    return content[: content[:-1].rindex(b"\n") + 1]


DAMAGES = [
    Damage("cut within a line", "Nuclei.csv", lambda c: c[:-40], ("cut off", "Nuclei.csv")),
    Damage("cut within the only line", "Image.csv", lambda c: c[:-40], ("Image.csv",)),
    Damage("cut within the header", "Image.csv", lambda c: c[:300], ("Image.csv", "header")),
    Damage("cut within the header of objects", "Cells.csv", lambda c: c[:300], ("Cells.csv",)),
    Damage("cut relationships", "Object relationships.csv", lambda c: c[:-9], ("cut off",)),
    Damage("short row", "Nuclei.csv", on_rows(shorter), ("Nuclei.csv", "fields", "line 5")),
    Damage("long row", "Nuclei.csv", on_rows(longer), ("Nuclei.csv", "fields", "line 5")),
    Damage(
        "short row and long row",
        "Nuclei.csv",
        on_rows(one_shorter_and_one_longer),
        ("Nuclei.csv", "fields", "line 5"),
    ),
    Damage(
        "text among numbers",
        "Nuclei.csv",
        in_column("AreaShape_Area", 4, "large"),
        ("Nuclei.csv", "'large'", "AreaShape_Area", "line 5"),
    ),
    Damage(
        "text as object number",
        "Nuclei.csv",
        in_column("ObjectNumber", 4, "four"),
        ("Nuclei.csv", "'four'", "ObjectNumber", "line 5"),
    ),
    Damage(
        "text as image number",
        "Image.csv",
        in_column("ImageNumber", 1, "one"),
        ("Image.csv", "'one'", "ImageNumber"),
    ),
    Damage(
        "text among an image's numbers",
        "Image.csv",
        in_column("Intensity_MeanIntensity_DNA", 1, "bright"),
        ("Image.csv", "'bright'", "Intensity_MeanIntensity_DNA"),
    ),
    Damage(
        "column twice, side by side",
        "Nuclei.csv",
        on_rows(twice_side_by_side),
        ("Nuclei.csv", "AreaShape_Area", "twice"),
    ),
    Damage(
        "column twice, apart",
        "Nuclei.csv",
        on_rows(twice_apart),
        ("Nuclei.csv", "AreaShape_Area", "twice"),
    ),
    Damage(
        "object twice", "Nuclei.csv", on_rows(same_object_twice), ("Nuclei.csv", "object", "two")
    ),
    Damage(
        "NUL bytes", "Nuclei.csv", lambda c: c[:-200] + bytes(4) + c[-196:], ("Nuclei.csv", "NUL")
    ),
    Damage(
        "NUL bytes in the header",
        "Nuclei.csv",
        lambda c: c.replace(b"AreaShape_Area", b"AreaShape\0Area", 1),
        ("Nuclei.csv", "NUL"),
    ),
    Damage("zeros at the end", "Nuclei.csv", lambda c: c[:-4096] + bytes(4096), ("Nuclei.csv",)),
    Damage("not UTF-8", "Image.csv", lambda c: c.replace(b"DMSO", b"DM\xc4O"), ("UTF-8",)),
    Damage(
        "not UTF-8 in the header",
        "Nuclei.csv",
        lambda c: c.replace(b"AreaShape_Area,", b"AreaShape_\xc4rea,"),
        ("Nuclei.csv", "UTF-8"),
    ),
    Damage("objects without their image set", "Image.csv", no_rows, ("Image.csv has none",)),
    Damage("fewer objects than counted", "Cells.csv", fewer_rows, ("Cells.csv", " of ", "rows")),
    Damage("no objects though counted", "Cells.csv", no_rows, ("Cells.csv", " of ", "rows")),
]
every_damage = pytest.mark.parametrize("damage", DAMAGES, ids=[d.name for d in DAMAGES])


@every_damage
def test_a_damaged_csv_file_alone_is_refused_and_nothing_is_made(
    refused: Refused, copy: Callable[..., Path], damage: Damage
) -> None:
    damage.do(copy("40_spreadsheet", BATCH))

    refusal = refused("P1-A01-1")

    assert said_well(refusal, "P1-A01-1", *damage.says)
    assert unchanged(refusal)


@every_damage
def test_a_damaged_csv_file_among_good_ones_is_left_out_and_named(
    cpexport: Callable[..., Ran], copy: Callable[..., Path], tmp_path: Path, damage: Damage
) -> None:
    damage.do(copy("40_spreadsheet", BATCH, "outputs/bad"))
    copy("40_spreadsheet", "outputs/P1-A01-2", "outputs/good_2")
    copy("40_spreadsheet", "outputs/P1-A02-1", "outputs/good_3")
    before = traces(tmp_path / "outputs")

    ran = cpexport(
        "load", "outputs", "--to", "sqlite:///screen.sqlite", "--format", "json", "--quiet"
    )

    assert (ran.status, ran.err) == (3, "")
    (left_out,) = json.loads(ran.out)["batches"]["left_out"]
    assert left_out["path"].endswith("outputs/bad")
    assert [word for word in damage.says if word not in left_out["reason"]] == []
    numbers = rows(tmp_path / "screen.sqlite", "SELECT ImageNumber FROM Per_Image ORDER BY 1")
    assert numbers == [(2,), (3,)]
    assert traces(tmp_path / "outputs") == before


@pytest.mark.parametrize(
    ("file", "edit", "lost", "says"),
    [
        ("Image.csv", fewer_rows, 6, "Image.csv has none"),
        ("Nuclei.csv", fewer_rows, 6, "Nuclei.csv has"),
        ("Nuclei.csv", lambda c: c[:-40], 6, "cut off"),
        ("Image.csv", in_column("Count_Cells", 3, "999"), 3, "of 999 rows"),
        ("Image.csv", in_column("ModuleError_14FlagImage", 3, ""), 3, "not measured"),
    ],
)
def test_an_image_set_whose_rows_disagree_is_left_out_and_the_others_are_loaded(
    cpexport: Callable[..., Ran],
    copy: Callable[..., Path],
    tmp_path: Path,
    file: str,
    edit: Edit,
    lost: int,
    says: str,
) -> None:
    Damage("", file, edit, ()).do(copy("10_ranges", "outputs/batch_1_6"))

    ran = cpexport("load", "batch_1_6", "--to", "sqlite:///screen.sqlite", "--format", "json")

    assert ran.status == 3
    report = json.loads(ran.out)
    (left_out,) = report["batches"]["left_out"]
    assert f"{lost}: " in left_out["reason"]
    assert says in left_out["reason"]
    assert report["missing"] == [[lost, lost]]
    for table in ("Per_Image", "Per_Nuclei", "Per_Cells"):
        found = rows(tmp_path / "screen.sqlite", f"SELECT DISTINCT ImageNumber FROM {table}")
        assert {number for (number,) in found} == set(range(1, 7)) - {lost}


@pytest.mark.parametrize(
    ("again", "advice"),
    [(True, "no image set is missing without it"), (False, "run its image sets again")],
)
def test_only_what_is_missing_is_to_be_run_again(
    cpexport: Callable[..., Ran], copy: Callable[..., Path], again: bool, advice: str
) -> None:
    """A job was killed, and its output is still there when it was run again."""
    run = copy("10_ranges")
    (run / "outputs/batch_1_6").rename(run / "outputs/killed")
    (run / "outputs/killed/Image.csv").write_bytes(b"")
    if again:
        copy("10_ranges", "outputs/batch_1_6", f"{run.name}/outputs/again")

    ran = cpexport("check", run, "--format", "json")

    batches = json.loads(ran.out)["batches"]
    (reason,) = (batch["reason"] for batch in batches if batch["state"] == "unreadable")
    assert reason == f"Image.csv: is empty (0 bytes); {advice}"
