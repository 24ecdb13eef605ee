"""What every destination keeps to, by way of a script: batches go to the destination in a script's
folder, and are read from where the real client has imported it."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from contracts.sink import SinkContract
from support.imported_scripts import imported, shell
from support.servers import Database

from cpexport.commands.script import written
from cpexport.sql_script.folder import STATE, Folder
from cpexport.sql_script.manifest import SQLITE, ScriptOptions

_OF_FOLDER = "asks the folder's own destination, which is a SQLite file, and nothing of the import"
_COMPUTED = "a script brings no tables that are computed from others"
WITHOUT = {
    "test_its_address_says_what_it_is_and_no_password": "a script has no address",
    "test_columns_can_be_added_batch_after_batch": _OF_FOLDER,
    "test_rows_are_read_as_they_were_written_in_order_of_key": _OF_FOLDER,
    "test_no_rows_are_a_batch_without_rows": _OF_FOLDER,
    "test_what_is_noted_stays_until_the_next_batch": _OF_FOLDER,
    "test_wells_that_were_wanted_outlast_batches": _COMPUTED,
    "test_a_computed_table_is_replaced_wholly": _COMPUTED,
    "test_a_computed_table_does_not_replace_what_others_made": _COMPUTED,
    "test_closing_and_opening_again_keeps_everything": _OF_FOLDER,
    "test_another_connection_sees_only_what_is_committed": "no script is written amid a batch",
    "test_two_prefixes_share_a_destination_and_know_nothing_of_each_other": "a folder has one",
    "test_a_run_gets_no_number_from_a_batch_that_fails": _OF_FOLDER,
}
"""The tests that have no meaning for a script, and why not."""


class ScriptContract(SinkContract):
    """Subclasses say by which client a folder is imported, and read where."""

    form = ScriptOptions()

    @pytest.fixture(autouse=True)
    def meant(self, request: pytest.FixtureRequest) -> None:
        if reason := WITHOUT.get(request.node.originalname):
            pytest.skip(reason)

    def url(self, folder: Path) -> str:
        if not (folder / "out").exists():
            with Folder(folder / "out", self.form, ""):
                pass
        return f"sqlite:///{folder / 'out' / STATE}"

    def imported(self, folder: Path) -> None:
        """Writes the script of what is there by now, and runs it, which must end well."""
        out = folder / "out"
        if not (out / STATE).exists():
            return
        with Folder(out, self.form, "") as opened:
            written(opened, "", lambda done: None)
        assert self.client(out) == 0

    def client(self, out: Path) -> int:
        """Runs the script, and says how that ended."""
        raise NotImplementedError

    def test_a_script_imports_what_the_contract_asks_of_it(self) -> None:
        names = {name for name in dir(SinkContract) if name.startswith("test_")}
        assert names > set(WITHOUT)
        assert len(names - set(WITHOUT)) > 10


class TestScriptOnServers(ScriptContract):
    """By `mariadb` and `mysql`, on their servers."""

    @pytest.fixture(autouse=True)
    def fresh(self, database: Database) -> None:
        self.database = database

    def client(self, out: Path) -> int:
        return imported(self.database, out).returncode

    def read(self, folder: Path, query: str) -> list[tuple[object, ...]]:
        self.imported(folder)
        there = self.database.rows("SHOW TABLES LIKE '\\_cpexport\\_batches'")
        return self.database.rows(query) if there else []


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="there is no sqlite3 shell")
class TestScriptInSqlite(ScriptContract):
    """By `sqlite3`, into a file."""

    form = ScriptOptions(SQLITE)

    @pytest.fixture(autouse=True)
    def unchanging(self, request: pytest.FixtureRequest) -> None:
        if request.node.originalname in (
            "test_features_that_are_prepared_later_become_columns_and_tables",
            "test_a_column_that_has_to_become_text_keeps_its_numbers",
        ):
            pytest.skip("the script for SQLite changes no tables: it is for a new file then")

    def client(self, out: Path) -> int:
        return shell(out.parent / "imported.sqlite", out).returncode

    def read(self, folder: Path, query: str) -> list[tuple[object, ...]]:
        self.imported(folder)
        if not (folder / "imported.sqlite").exists():
            return []
        with closing(sqlite3.connect(folder / "imported.sqlite")) as db:
            return db.execute(query).fetchall()
