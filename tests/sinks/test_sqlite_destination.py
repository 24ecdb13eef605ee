"""What only SQLite's files have: durability, limits, what is NULL, and the schema itself."""

import json
import math
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from support.calls import load
from support.fixtures import Ran, rewritten, rows, tables
from support.wide_tables import widen

Copy = Callable[..., Path]
GOLDEN = Path(__file__).parents[2] / "sql" / "schema.sqlite.sql"
HOW = (
    "-- The tables of a small run (tests/data/cases/13_groups). Made by UPDATE_GOLDEN=1 pytest -k "
)
HOW += "schema.\n"


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "screen.sqlite"


def test_the_schema_is_the_one_in_sql(case: Callable[[str], Path], to: Path) -> None:
    load([case("13_groups") / "outputs"], f"sqlite:///{to}")
    # SQLite's own tables have statistics; two others come with a batch file.
    ours = (
        "sql NOT NULL AND name NOT LIKE 'sqlite_%' "
        "AND tbl_name NOT IN ('_cpexport_planned', '_cpexport_missing')"
    )
    statements = rows(to, f"SELECT sql FROM sqlite_master WHERE {ours} ORDER BY rowid")
    schema = HOW + "".join(f"\n{sql};\n" for (sql,) in statements)
    schema = re.sub(r" +\n", "\n", schema)

    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(schema)

    assert GOLDEN.read_text() == schema, "if it should have changed: UPDATE_GOLDEN=1 pytest"


def test_the_schema_in_sql_is_sql(case: Callable[[str], Path]) -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(GOLDEN.read_text())
        names = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}

    assert {"Per_Image", "Per_Nuclei", "Per_RelationshipsView", "_cpexport_batches"} <= names


def test_own_tables_have_no_name_that_readers_take_for_data(
    case: Callable[[str], Path], to: Path
) -> None:
    load([case("40_spreadsheet") / "outputs"], f"sqlite:///{to}")

    names = rows(to, "SELECT lower(name) FROM sqlite_master WHERE name LIKE '\\_cp%' ESCAPE '\\'")
    assert len(names) >= 5
    compartments = re.compile("image|cells|nuclei|cytoplasm")
    assert [name for (name,) in names if compartments.search(str(name))] == []


def test_pages_are_large_and_no_journal_is_left(case: Callable[[str], Path], to: Path) -> None:
    load([case("40_spreadsheet") / "outputs/P1-A01-1"], f"sqlite:///{to}")

    assert rows(to, "PRAGMA page_size") == [(16384,)]
    assert rows(to, "PRAGMA journal_mode") == [("delete",)]
    assert rows(to, "PRAGMA integrity_check") == [("ok",)]
    assert [path.name for path in to.parent.iterdir()] == [to.name]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_batch_is_on_disk_before_the_load_says_so(case: Callable[[str], Path], to: Path) -> None:
    trace = to.parent / "trace"
    outputs = case("13_groups") / "outputs/P1-A01"
    words = [sys.executable, "-m", "cpexport", "load", str(outputs)]
    words += ["--to", f"sqlite:///{to}"]
    calls = "trace=pwrite64,write,fsync,fdatasync,unlink"
    subprocess.run(
        ["strace", "-f", "-y", "-s", "64", "-o", trace, "-e", calls, *words, "--quiet"],
        capture_output=True,
        check=False,
    )

    lines = trace.read_text().splitlines()
    reported = next(
        i for i, line in enumerate(lines) if "write(1<" in line and "destination" in line
    )
    of_file = [i for i, line in enumerate(lines) if f"{to}>" in line]
    syncs = [i for i in of_file if "sync(" in lines[i]]
    written = [i for i in of_file if "pwrite64(" in lines[i]]
    folder = [i for i, line in enumerate(lines) if f"{to.parent}>" in line and "sync(" in line]
    assert syncs
    assert max(written) < max(syncs) < reported
    # The name of a new file, and of the journal, are durable only with their folder.
    assert folder
    assert min(folder) < reported


def test_what_is_not_a_finite_number_is_null_and_counted(copy: Copy, to: Path) -> None:
    file = copy("11_h5_and_csv", "outputs/batch_1_6/batch_1_6.h5", "batch/batch.h5")
    odd = [math.inf, -math.inf, math.nan, -0.0, 5e-324, 0.1 + 0.2, 1.7976931348623157e308]
    rewritten(file, "Nuclei", "AreaShape_Area", lambda values: [*odd, *values[7:]])

    load([file.parent], f"sqlite:///{to}")

    found = rows(to, "SELECT Nuclei_AreaShape_Area FROM Per_Nuclei")
    values = [value for (value,) in found]
    assert values.count(None) == 3
    assert [v for v in values if v is not None and not math.isfinite(float(str(v)))] == []
    assert {5e-324, 0.1 + 0.2, 1.7976931348623157e308, 0.0} <= set(values)
    ((infinite, columns),) = rows(
        to,
        "SELECT infinite_count, infinite_columns FROM _cpexport_tables "
        "WHERE table_name = 'Per_Nuclei'",
    )
    assert (infinite, json.loads(str(columns))) == (2, {"AreaShape_Area": 2})


def test_missing_numbers_are_counted_as_they_are_null(
    case: Callable[[str], Path], to: Path
) -> None:
    load([case("11_h5_and_csv") / "outputs"], f"sqlite:///{to}")

    counted = rows(
        to,
        "SELECT table_name, sum(missing_count + infinite_count) FROM _cpexport_tables "
        "WHERE table_name <> 'Per_Relationships' GROUP BY 1",
    )
    types = "SELECT name FROM pragma_table_info('{}') WHERE type IN ('REAL', 'INTEGER')"
    for table, count in counted:
        names = [name for (name,) in rows(to, types.format(table))]
        nulls = " + ".join(f'("{name}" IS NULL)' for name in names)
        assert rows(to, f"SELECT sum({nulls}) FROM {table}") == [(count,)]
    assert sum(int(str(count)) for _, count in counted) > 0


def test_an_image_table_of_thousands_of_columns_is_kept_in_parts(copy: Copy, to: Path) -> None:
    folders = [copy("40_spreadsheet", f"outputs/P1-A01-{n}", f"outputs/{n}") for n in (1, 2)]
    new = {}
    for folder in folders:
        new = widen(folder, "Image.csv", 3500)

    load([to.parent / "outputs"], f"sqlite:///{to}")

    parts = [table for table in tables(to) if table.startswith("Per_Image")]
    assert parts == ["Per_Image", "Per_Image_part2"]
    placed = dict(rows(to, "SELECT feature, table_name FROM _cpexport_columns"))
    assert {placed[name] for name in new} == set(parts)
    assert {placed[f] for f in placed if str(f).startswith(("Metadata_", "FileName_"))} == {
        "Per_Image"
    }
    for part in parts:
        assert len(tables(to)[part]) <= 2000
        assert tables(to)[part][0] == "ImageNumber"
        assert rows(to, f"SELECT ImageNumber FROM {part} ORDER BY 1") == [(1,), (2,)]
    for part in parts:
        mine = {f"Image_{feature}": v for feature, v in new.items() if placed[feature] == part}
        found = rows(to, f"SELECT DISTINCT {', '.join(mine)} FROM {part}")
        assert found == [tuple(mine.values())]


@pytest.mark.parametrize("block", [1 << 14, 1 << 30])
def test_an_object_table_of_thousands_of_columns_is_kept_in_parts(
    copy: Copy, to: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr("cpexport.loading.decode._BLOCK", block)
    folder = copy("40_spreadsheet", "outputs/P1-A01-1", "outputs/1")
    new = widen(folder, "Nuclei.csv", 4500)

    load([to.parent / "outputs"], f"sqlite:///{to}")

    keys = "ImageNumber, Nuclei_Number_Object_Number"
    found = tables(to)
    parts = [table for table in found if table.startswith("Per_Nuclei")]
    assert parts == ["Per_Nuclei", "Per_Nuclei_part2", "Per_Nuclei_part3"]
    first = rows(to, f"SELECT {keys} FROM Per_Nuclei ORDER BY 1, 2")
    assert len(first) > 10
    for part in parts:
        assert len(found[part]) <= 2000
        assert rows(to, f"SELECT {keys} FROM {part} ORDER BY 1, 2") == first
        mine = [feature for feature in new if f"Nuclei_{feature}" in found[part]]
        listed = ", ".join(f"Nuclei_{feature}" for feature in mine)
        assert rows(to, f"SELECT DISTINCT {listed} FROM {part}") == [tuple(map(new.get, mine))]
    placed = dict(rows(to, "SELECT column_name, table_name FROM _cpexport_columns"))
    names = [f"Nuclei_{feature}" for feature in new]
    assert {(name, placed[name]) for name in names} == {
        (name, part) for part in parts for name in found[part] if "Texture_Wide" in name
    }


@pytest.mark.parametrize(("columns", "parts"), [(2000, 1), (2001, 2)])
def test_a_table_is_parted_only_when_it_has_to_be(
    copy: Copy, to: Path, columns: int, parts: int
) -> None:
    folder = copy("40_spreadsheet", "outputs/P1-A01-1", "outputs/1")
    header = (folder / "Image.csv").read_text().split("\r\n")[0].split(",")
    dropped = [name for name in header if name.startswith("ModuleError_")]

    widen(folder, "Image.csv", columns + len(dropped))
    load([to.parent / "outputs"], f"sqlite:///{to}")

    found = {table: len(c) for table, c in tables(to).items() if table.startswith("Per_Image")}
    assert len(found) == parts
    assert sum(found.values()) == columns + parts - 1


def test_a_later_load_that_makes_a_table_too_wide_begins_a_part(copy: Copy, to: Path) -> None:
    folders = [copy("40_spreadsheet", f"outputs/P1-A01-{n}", f"outputs/{n}") for n in (1, 2)]
    load([folders[0]], f"sqlite:///{to}")
    new = widen(folders[1], "Image.csv", 2500)

    load([folders[1]], f"sqlite:///{to}")

    found = tables(to)
    assert len(found["Per_Image"]) == 2000
    first, *_, last = new
    assert f"Image_{first}" in found["Per_Image"]
    assert rows(
        to,
        f"SELECT ImageNumber, Image_{first}, Image_{last} FROM Per_Image "
        "JOIN Per_Image_part2 USING (ImageNumber) ORDER BY 1",
    ) == [(1, None, None), (2, new[first], new[last])]


def test_numbers_keep_all_their_bits(copy: Copy, to: Path) -> None:
    file = copy("11_h5_and_csv", "outputs/batch_1_6/batch_1_6.h5", "batch/batch.h5")
    bits = np.random.default_rng(7).integers(0, 2**63, 125, dtype=np.uint64)
    numbers = bits.view(np.float64)
    numbers = numbers[np.isfinite(numbers)]
    rewritten(file, "Nuclei", "AreaShape_Area", lambda values: [*numbers, *values[len(numbers) :]])

    load([file.parent], f"sqlite:///{to}")

    found = {value for (value,) in rows(to, "SELECT Nuclei_AreaShape_Area FROM Per_Nuclei")}
    assert set(numbers.tolist()) <= found


def test_an_output_does_not_become_a_destination(
    cpexport: Callable[..., Ran], copy: Callable[..., Path]
) -> None:
    file = copy("20_sqlite", "separate.db", "outputs/separate.db")
    outputs = file.parent
    before = file.read_bytes()

    for command in (("load", outputs), ("load", "--dry-run", outputs)):
        ran = cpexport(*command, "--to", file)
        assert ran.status not in (0, 3)
        assert "--to is one of OUTPUTS" in ran.err

    assert file.read_bytes() == before
    assert list(file.parent.glob(f"{file.name}*")) == [file]
