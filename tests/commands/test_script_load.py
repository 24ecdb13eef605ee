"""Scripts and loads into one database: whichever comes first, nothing is there twice, neither stops
the other, and `verify` finds all as it must be."""

import csv
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.calls import load, verify
from support.fixtures import unpacked
from support.imported_scripts import (
    Rows,
    imported,
    in_server,
    in_sqlite,
    outputs_of,
    same,
    shell,
    written,
)
from support.servers import KINDS, Database

from cpexport.derived.wells import Wells
from cpexport.sql_script.manifest import MYSQL, SQLITE, ScriptOptions
from cpexport.tables.options import TableOptions

# Small runs, and how they are loaded.
RUNS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "relationships": ("40_spreadsheet", "outputs/P1-A01-1", {"prefix": "My_"}),
    "view": ("40_spreadsheet", "outputs/P1-A01-2", {"shape": TableOptions("view")}),
    "side by side": (
        "70_sqlcsv",
        "csv_per_job",
        {"shape": TableOptions("combined", aggregate=("mean",))},
    ),
    "parts": ("wide", "", {"shape": TableOptions("combined")}),
}


@dataclass(frozen=True)
class Target:
    """A destination that scripts and loads go into: of a server, or a file."""

    database: Database | None
    file: Path

    @property
    def url(self) -> str:
        return self.database.url() if self.database else f"sqlite:///{self.file}"

    @property
    def form(self) -> ScriptOptions:
        return ScriptOptions(MYSQL if self.database else SQLITE)

    def run(self, folder: Path) -> str:
        """Runs a folder's script, which must not stop; what it says at its end."""
        ran = imported(self.database, folder) if self.database else shell(self.file, folder)
        assert (ran.returncode, "ERROR" in ran.stderr) == (0, False), ran.stderr
        return ran.stdout.splitlines()[-1].removeprefix("cpexport: ").partition(",")[0]

    def stops(self, folder: Path) -> str:
        """Runs one that must stop; what the client says of it."""
        ran = imported(self.database, folder) if self.database else shell(self.file, folder)
        assert ran.returncode != 0
        return ran.stderr

    def held(self) -> Rows:
        return in_server(self.database) if self.database else in_sqlite(self.file)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        if self.database:
            return self.database.rows(query)
        with closing(sqlite3.connect(self.file)) as db:
            return db.execute(query).fetchall()


@pytest.fixture(params=[*KINDS, SQLITE])
def target(
    request: pytest.FixtureRequest, tmp_path: Path, databases: Callable[[str], Database]
) -> Target:
    """A fresh one on each server and as a file in turn."""
    kind = request.param
    if kind == SQLITE and shutil.which("sqlite3") is None:
        pytest.skip("there is no sqlite3 shell")
    return Target(None if kind == SQLITE else databases(kind), tmp_path / "imported.sqlite")


@pytest.fixture
def outputs(copy: Callable[..., Path]) -> Path:
    """Four batches of an image set each."""
    found = copy("40_spreadsheet", "outputs")
    for folder in found.iterdir():
        # Of others, Metadata_Dose is of another type.
        if folder.name not in ("P1-A01-1", "P1-A01-2", "P1-B01-1", "P1-B01-2"):
            shutil.rmtree(folder)
    return found


def edited(file: Path, column: str, change: Callable[[str], str], name: str = "") -> None:
    """Changes a column of a CSV file, or adds it by another name."""
    with file.open(newline="") as stream:
        header, *rows = csv.reader(stream)
    place = header.index(column)
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([*header, name] if name else header)
        for row in rows:
            new = change(row[place])
            writer.writerow([*row, new] if name else [*row[:place], new, *row[place + 1 :]])


def clean(outputs: Path | list[Path], target: Target, prefix: str = "") -> bool:
    """Whether all of the outputs is there, and nothing else."""
    found = verify(outputs if isinstance(outputs, list) else [outputs], target.url, prefix=prefix)
    assert (found.differences, found.not_loaded, found.not_verified) == ((), (), ())
    return found.verified > 0


def loaded(outputs: Path, target: Target, **words: object) -> tuple[int, int]:
    """How many batches a load found new, and there already."""
    report = load([outputs], target.url, **words)  # type: ignore[arg-type]
    return report.loaded, report.already


@pytest.mark.parametrize("name", ["relationships", "side by side"])
def test_a_load_finds_what_a_script_brought_and_a_script_what_was_loaded(
    target: Target, tmp_path: Path, name: str
) -> None:
    folder, part, words = RUNS[name]
    out, home, prefix = tmp_path / "out", unpacked(folder) / part, words.get("prefix", "")
    written(home, out, target.form, **words)
    many = len(list((out / "data").glob("*Image.csv")))
    assert target.run(out) == f"{many} of {many} batches imported"
    held = target.held()

    assert loaded(home, target, prefix=prefix) == (0, many)
    assert same(target.held(), held)
    assert clean(home, target, prefix)
    assert target.run(out) == f"0 of {many} batches imported"
    assert same(target.held(), held)


def test_what_was_loaded_first_is_left_as_it_is(target: Target, tmp_path: Path) -> None:
    folder, part, words = RUNS["view"]
    out, home = tmp_path / "out", unpacked(folder) / part
    many, _ = loaded(home, target, **words)
    held = target.held()
    written(home, out, target.form, **words)

    assert target.run(out) == f"0 of {many} batches imported"
    assert same(target.held(), held)
    assert clean(home, target)


def test_both_bring_what_the_other_has_not(target: Target, tmp_path: Path, outputs: Path) -> None:
    """Groups are numbered over all that is there by loads; a script leaves that to the next one."""
    first, second, third, _ = sorted(outputs.iterdir())
    one, more, alone = tmp_path / "one", tmp_path / "more", tmp_path / "alone.sqlite"
    written([first], one, target.form)
    written([first, second, third], more, target.form)

    assert target.run(one) == "1 of 1 batches imported"
    assert loaded(second, target) == (1, 0)
    assert clean([first, second], target)
    assert target.run(one) == "0 of 1 batches imported"
    assert clean([first, second], target)
    assert target.run(more) == "1 of 3 batches imported"
    assert loaded(outputs, target) == (1, 3)
    assert clean(outputs, target)
    assert target.run(more) == "0 of 3 batches imported"
    load([outputs], f"sqlite:///{alone}")
    held, wanted = target.held(), in_sqlite(alone)
    for table in ("Per_Image", "Per_Cells", "Per_Nuclei", "Per_Experiment", "_cpexport_sets"):
        assert same({table: held[table]}, {table: wanted[table]})


def test_columns_that_a_load_brings_stay_and_the_script_goes_on(
    target: Target, tmp_path: Path, outputs: Path
) -> None:
    first, second, *_ = sorted(outputs.iterdir())
    edited(second / "Cells.csv", "AreaShape_Area", str, "Later_Measured")
    edited(second / "Image.csv", "Metadata_Site", lambda value: "top left")
    written([first], tmp_path / "one", target.form)
    target.run(tmp_path / "one")
    load([first, second], target.url)

    assert target.run(tmp_path / "one") == "0 of 1 batches imported"
    assert clean([first, second], target)
    many = "SELECT count(*) > 0 FROM Per_Cells WHERE Cells_Later_Measured IS NOT NULL"
    assert target.rows(many) == [(1,)]
    written([first, second], tmp_path / "both", target.form)
    assert target.run(tmp_path / "both").endswith("of 2 batches imported")
    assert loaded(outputs, target) == (2, 2)
    assert clean(outputs, target)


def test_a_script_that_knows_less_than_the_tables_hold_brings_nothing_new(
    target: Target, tmp_path: Path, outputs: Path
) -> None:
    """Numbers would not be texts as a load makes them."""
    first, second, third, _ = sorted(outputs.iterdir())
    edited(second / "Image.csv", "Metadata_Site", lambda value: "top left")
    load([first, second], target.url)
    held = target.held()
    written([third], tmp_path / "third", target.form)

    assert "has more than this script knows" in target.stops(tmp_path / "third")
    assert same(target.held(), held)
    written([second, third], tmp_path / "both", target.form)
    assert target.run(tmp_path / "both") == "1 of 2 batches imported"


def test_types_are_not_changed_below_what_was_loaded(
    target: Target, tmp_path: Path, outputs: Path
) -> None:
    first, second, *_ = sorted(outputs.iterdir())
    edited(second / "Image.csv", "Metadata_Site", lambda value: "top left")
    load([first], target.url)
    held = target.held()
    written([second], tmp_path / "out", target.form)
    said = target.stops(tmp_path / "out")

    assert "use cpexport load" in said
    assert same(target.held(), held)


@pytest.mark.parametrize("kind", KINDS)
def test_whole_numbers_of_a_load_become_real_ones_if_none_is_lost(
    databases: Callable[[str], Database], tmp_path: Path, outputs: Path, kind: str
) -> None:
    target = Target(databases(kind), tmp_path)
    first, second, *_ = sorted(outputs.iterdir())
    edited(second / "Image.csv", "Metadata_Dose", lambda value: "0.5")
    load([first], target.url)
    written([second], tmp_path / "out", target.form)
    target.rows(f"UPDATE Per_Image SET Image_Metadata_Dose = {2**53 + 1}")

    assert "too many digits to become real numbers" in target.stops(tmp_path / "out")
    target.rows("UPDATE Per_Image SET Image_Metadata_Dose = 0")
    assert target.run(tmp_path / "out") == "1 of 1 batches imported"
    assert loaded(outputs, target) == (2, 2)
    assert clean(outputs, target)


def test_newer_outputs_are_loaded_and_the_older_script_leaves_them(
    target: Target, tmp_path: Path, outputs: Path
) -> None:
    written(outputs, tmp_path / "out", target.form)
    target.run(tmp_path / "out")
    newer = shutil.copytree(outputs / "P1-A01-2", outputs / "again")
    edited(newer / "Cells.csv", "AreaShape_Area", lambda value: str(2 * int(value)))

    assert loaded(outputs, target) == (1, 4)
    assert target.run(tmp_path / "out") == "0 of 4 batches imported"
    assert clean(outputs, target)
    written(outputs, tmp_path / "out", target.form)
    target.run(tmp_path / "out")
    assert loaded(outputs, target) == (0, 5)
    assert clean(outputs, target)


def test_wells_of_a_load_are_kept_for_the_next_one(
    target: Target, tmp_path: Path, outputs: Path
) -> None:
    first, *_ = sorted(outputs.iterdir())
    load([first], target.url, wells=Wells(("mean",)))
    written(outputs, tmp_path / "out", target.form)
    target.run(tmp_path / "out")
    before = target.rows("SELECT count(*) FROM Per_Well_avg")
    load([outputs], target.url)

    assert target.rows("SELECT count(*) FROM Per_Well_avg") > before
    assert clean(outputs, target)


def test_the_same_outputs_in_another_place_are_there_already(
    target: Target, tmp_path: Path, copy: Callable[..., Path]
) -> None:
    home = unpacked("40_spreadsheet") / "outputs" / "P1-A01-1"
    load([home], target.url)
    held = target.held()
    written(copy("40_spreadsheet", "outputs/P1-A01-1", "elsewhere"), tmp_path / "out", target.form)

    assert target.run(tmp_path / "out") == "0 of 1 batches imported"
    assert same(target.held(), held)


@pytest.mark.parametrize("name", ["parts", "view"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_script_makes_the_tables_and_views_that_a_load_makes(
    databases: Callable[[str], Database], tmp_path: Path, kind: str, name: str
) -> None:
    folder, part, words = RUNS[name]
    one, other, outputs = databases(kind), databases(kind), outputs_of(folder, part)
    written(outputs, tmp_path / "out", **words)
    imported(one, tmp_path / "out")
    load([outputs], other.url(), **words)
    ours, theirs = statements(one), statements(other)

    assert ours.pop("_cpexport_script").startswith("CREATE TABLE")
    assert ours == theirs


def statements(database: Database) -> dict[str, str]:
    """What makes each table and view, without how many rows are numbered."""
    found = {}
    for (name,) in database.rows("SHOW TABLES"):
        ((_, statement, *_),) = database.rows(f"SHOW CREATE TABLE `{name}`")
        words = str(statement).replace(f"`{database.name}`.", "").split()
        found[name] = " ".join(w for w in words if not w.startswith("AUTO_INCREMENT="))
    return found
