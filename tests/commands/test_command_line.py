"""How destinations are written, and how commands end and print for programs that call them."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from support.fixtures import Ran, content, traces

Run = Callable[..., Ran]
Copy = Callable[..., Path]

WHOLE, CUT = "outputs/P1-A01-1", "outputs/P1-B02-1"


@pytest.fixture
def batch(copy: Copy) -> Path:
    return copy("40_spreadsheet", WHOLE, "batch")


def image_sets(database: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(database)) as db:
        return db.execute("SELECT ImageNumber FROM Per_Image").fetchall()


class TestDestinations:
    @pytest.mark.parametrize("name", ["screen.sqlite", "S.SQLite3", "results.db", "50% a?b#c.db3"])
    def test_a_file_name_says_that_it_is_sqlite(
        self, batch: Path, cpexport: Run, tmp_path: Path, name: str
    ) -> None:
        ran = cpexport("load", batch, "--to", name)

        assert ran.status == 0, ran.err
        assert image_sets(tmp_path / name) == [(1,)]

    def test_a_file_name_says_that_it_is_duckdb(
        self, batch: Path, cpexport: Run, tmp_path: Path
    ) -> None:
        made = cpexport("load", batch, "--to", "screen.duckdb")
        (tmp_path / "screen.duckdb").rename(tmp_path / "renamed.db")
        again = cpexport("load", batch, "--to", "renamed.db")

        assert (made.status, again.status) == (0, 0)
        assert "0 loaded, 1 already loaded" in again.out
        with duckdb.connect(tmp_path / "renamed.db", read_only=True) as db:
            assert db.sql("SELECT ImageNumber FROM Per_Image").fetchall() == [(1,)]

    def test_a_folder_name_says_that_it_is_parquet(
        self, batch: Path, cpexport: Run, tmp_path: Path
    ) -> None:
        ran = cpexport("load", batch, "--to", "out.parquet/")

        assert ran.status == 0, ran.err
        table = pq.read_table(tmp_path / "out.parquet/Per_Image")
        assert table["ImageNumber"].to_pylist() == [1]

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("cells.csv", "use cpexport script OUTPUTS --out FOLDER"),
            ("screen", "a file name that ends in .sqlite, .sqlite3, .db"),
            ("screen.xlsx", "write sqlite:///FILE, duckdb:///FILE, parquet:FOLDER"),
            ("postgresql://me@host/db", "unsupported destination 'postgresql'"),
            ("sqlite:screen.sqlite", "--to is not a URL; write sqlite:///FILE"),
        ],
    )
    def test_what_names_no_destination_is_told_what_to_write(
        self, batch: Path, cpexport: Run, tmp_path: Path, name: str, said: str
    ) -> None:
        before = traces(tmp_path)

        ran = cpexport("load", batch, "--to", name)

        assert (ran.status, ran.out) == (2, "")
        assert said in ran.err
        assert traces(tmp_path) == before

    def test_the_default_destination_is_called_as_the_folder_whatever_its_name(
        self, copy: Copy, cpexport: Run, tmp_path: Path
    ) -> None:
        copy("40_spreadsheet", WHOLE, "50% done? #2")

        ran = cpexport("load", "50% done? #2")

        assert ran.status == 0, ran.err
        assert image_sets(tmp_path / "50% done? #2.sqlite") == [(1,)]

    def test_a_destination_of_another_version_names_both(
        self, batch: Path, cpexport: Run, tmp_path: Path
    ) -> None:
        cpexport("load", batch, "--to", "screen.sqlite")
        with closing(sqlite3.connect(tmp_path / "screen.sqlite")) as db, db:
            db.execute("UPDATE _cpexport_settings SET value = '99' WHERE name = 'schema'")
            db.execute("UPDATE _cpexport_batches SET cpexport = '7.1.0'")

        ran = cpexport("load", batch, "--to", "screen.sqlite")

        assert ran.status == 1
        assert "created by cpexport 7.1.0 (ledger schema 99); this is cpexport 0." in ran.err


class TestForPrograms:
    @pytest.mark.parametrize("command", ["load", "script", "check"])
    def test_missing_ok_ends_with_0_and_names_what_is_missing(
        self, copy: Copy, cpexport: Run, tmp_path: Path, command: str
    ) -> None:
        for name in (WHOLE, CUT):
            copy("40_spreadsheet", name, f"run/{Path(name).name}")
        copy("40_spreadsheet", "Batch_data.h5", "run/Batch_data.h5")
        words = {"load": ["--to=s.sqlite"], "script": ["--out=s"]}

        strict = cpexport(command, "run", *words.get(command, []))
        lenient = cpexport(command, "run", *words.get(command, []), "--missing-ok")

        assert (strict.status, lenient.status) == (3, 0)
        assert "P1-B02-1" in lenient.out

    def test_missing_ok_lets_verify_pass_over_what_is_not_loaded(
        self, copy: Copy, cpexport: Run
    ) -> None:
        copy("40_spreadsheet", WHOLE, "run/first")
        cpexport("load", "run", "--to=s.sqlite")
        copy("40_spreadsheet", "outputs/P1-A01-2", "run/second")

        strict = cpexport("verify", "run", "--to=s.sqlite")
        lenient = cpexport("verify", "run", "--to=s.sqlite", "--missing-ok")

        assert (strict.status, lenient.status) == (3, 0)
        assert "run/second" in lenient.out

    def test_quiet_prints_nothing_when_nothing_is_new(
        self, batch: Path, cpexport: Run, tmp_path: Path
    ) -> None:
        first = cpexport("load", batch, "--to=s.sqlite", "--quiet")
        before = content(tmp_path / "s.sqlite")
        again = cpexport("load", batch, "--to=s.sqlite", "--quiet")
        program = cpexport("load", batch, "--to=s.sqlite", "--quiet", "--format=json")

        assert "1 loaded" in first.out
        assert (again.status, again.out, again.err) == (0, "", "")
        assert json.loads(program.out)["batches"]["already"] == 1
        assert content(tmp_path / "s.sqlite") == before

    def test_notes_that_need_no_action_appear_when_asked_for(
        self, batch: Path, cpexport: Run
    ) -> None:
        plain = cpexport("load", batch, "--to=a.sqlite")
        verbose = cpexport("load", batch, "--to=b.sqlite", "-v")

        assert "SmallNuclei were counted" not in plain.err
        assert "SmallNuclei were counted" in verbose.err
