"""The tables of the run as a whole: Per_Experiment, Experiment and Experiment_Properties."""

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

import h5py
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import load
from support.fixtures import content, copied, declared, measurements, rows

from cpexport.cellprofiler.experiment import without_passwords
from cpexport.derived.cpa_properties import describe, properties
from cpexport.errors import SinkError
from cpexport.sinks.sql.growing_layout import GrowingLayout
from cpexport.sinks.sql.ledger_store import SqlLedger
from cpexport.sinks.sql.sink import LedgerSink
from cpexport.sinks.sqlite.connection import Connection
from cpexport.sinks.sqlite.table_store import SqliteTableStore
from cpexport.tables.options import TableOptions

Case = Callable[[str], Path]
CELLPROFILERS = "20_sqlite"


def said(file: Path, feature: str) -> str:
    """An Experiment feature of an .h5 file, by plain h5py: its last value."""
    with h5py.File(file) as h5:
        (run,) = h5["Measurements"].values()
        index = run[f"Experiment/{feature}/index"][-1]
        return str(run[f"Experiment/{feature}/data"][index[1]].decode())


def made(
    database: Path, *outputs: Path, prefix: str = "", shape: TableOptions | None = None
) -> Path:
    load(outputs, f"sqlite:///{database}", prefix=prefix, shape=shape)
    return database


def fields(database: Path, object_name: str) -> dict[str, object]:
    query = "SELECT field, value FROM Experiment_Properties WHERE object_name = "
    return {str(field): value for field, value in rows(database, f"{query}'{object_name}'")}


class TestPerExperiment:
    def test_it_is_declared_as_cellprofilers(self, case: Case, tmp_path: Path) -> None:
        ours = made(tmp_path / "out.sqlite", case("10_ranges") / "outputs", prefix="MyExpt_")
        theirs = case(CELLPROFILERS) / "separate.db"

        assert list(declared(ours, "MyExpt_Per_Experiment")) == list(
            declared(theirs, "MyExpt_Per_Experiment")
        )
        kinds = "SELECT typeof(Pipeline_Pipeline), typeof(Run_Timestamp) FROM MyExpt_Per_Experiment"
        assert rows(ours, kinds) == rows(theirs, kinds) == [("blob", "text")]

    def test_it_has_what_the_job_of_the_first_image_set_says_and_the_newest_time(
        self, case: Case, tmp_path: Path
    ) -> None:
        outputs = case("11_h5_and_csv") / "outputs"
        files = sorted(outputs.glob("*/*.h5"))
        first = next(outputs.glob("batch_1_*/*.h5"))

        ours = made(tmp_path / "out.sqlite", outputs)

        assert len(files) > 1
        assert rows(ours, "SELECT * FROM Per_Experiment") == [
            (
                without_passwords(said(first, "Pipeline_Pipeline")).encode(),
                "4.2.8.1",
                said(first, "Run_Timestamp"),
                max(said(file, "Modification_Timestamp") for file in files),
            )
        ]

    def test_whatever_the_order_of_loading_it_says_the_same(
        self, case: Case, tmp_path: Path
    ) -> None:
        batches = sorted((case("10_ranges") / "outputs").iterdir())
        forth, back = tmp_path / "forth.sqlite", tmp_path / "back.sqlite"

        for batch in batches:
            made(forth, batch)
        for batch in reversed(batches):
            made(back, batch)

        assert content(forth)["Per_Experiment"] == content(back)["Per_Experiment"]
        assert len(content(back)["Per_Experiment"]) == 1

    def test_a_batch_that_comes_while_the_whole_run_is_described_is_not_forgotten(
        self, case: Case, tmp_path: Path
    ) -> None:
        first, *others = sorted((case("11_h5_and_csv") / "outputs").iterdir())
        database = made(tmp_path / "screen.sqlite", first)
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("DELETE FROM _cpexport_settings WHERE name = 'properties'")

        class Late(SqliteTableStore):
            def exclusive(self, layout: GrowingLayout) -> AbstractContextManager[None]:
                made(database, *others)
                return super().exclusive(layout)

        file = Connection(database, "late", writing=True)
        ledger = SqlLedger(file, "", None)
        with LedgerSink(file, ledger, Late(file, "", ledger.agreed(None, None))) as sink:
            describe(sink, "")

        newest = max(said(f, "Modification_Timestamp") for f in first.parent.glob("*/*.h5"))
        found = rows(database, "SELECT Modification_Timestamp FROM Per_Experiment")
        assert found == [(newest,)]

    def test_no_password_gets_in(self, case: Case, tmp_path: Path) -> None:
        home = copied(case("11_h5_and_csv") / "outputs", tmp_path, without="*.csv")
        secret = "    Database host:localhost\n    Database password:Tr0ub4dor:&3\n"
        for file in home.glob("*/*.h5"):
            with measurements(file) as run:
                group = run["Experiment/Pipeline_Pipeline"]
                texts = [text.decode() for text in group["data"][()]]
                del group["data"]
                kind = h5py.special_dtype(vlen=str)
                group.create_dataset("data", data=[t + secret for t in texts], dtype=kind)

        ours = made(tmp_path / "out.sqlite", home)

        ((text,),) = rows(ours, "SELECT Pipeline_Pipeline FROM Per_Experiment")
        assert b"Database host:localhost" in text
        assert b"Database password:\n" in text
        assert b"Tr0ub4dor" not in ours.read_bytes()

    @given(st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"])))
    def test_nothing_but_passwords_is_blanked(self, secret: str) -> None:
        before = f"Module:[module_num:1]\n    Database user:me\n    Database password:{secret}\n"
        after = f"    A setting:{secret}"

        assert without_passwords(before + after) == (
            "Module:[module_num:1]\n    Database user:me\n    Database password:\n" + after
        )


class TestExperiments:
    def test_they_have_a_row_for_each_prefix(self, case: Case, tmp_path: Path) -> None:
        ours = tmp_path / "out.sqlite"
        for name, prefix in (("10_ranges", "One_"), ("13_groups", "Two_"), ("10_ranges", "One_")):
            made(ours, case(name) / "outputs", prefix=prefix)

        assert rows(ours, "SELECT * FROM Experiment") == [(1, "One"), (2, "Two")]
        found = rows(ours, "SELECT DISTINCT experiment_id FROM Experiment_Properties ORDER BY 1")
        assert found == [(1,), (2,)]

    def test_without_a_prefix_it_is_called_as_the_file(self, case: Case, tmp_path: Path) -> None:
        ours = made(tmp_path / "screen.sqlite", case("10_ranges") / "outputs")

        assert rows(ours, "SELECT * FROM Experiment") == [(1, "screen")]

    def test_those_of_cellprofiler_in_the_same_file_stay(self, case: Case, tmp_path: Path) -> None:
        ours = tmp_path / "both.sqlite"
        ours.write_bytes((case(CELLPROFILERS) / "combined.db").read_bytes())
        # Not in the order of the file, which indexes and new versions of SQLite change.
        query = "SELECT * FROM Experiment_Properties WHERE experiment_id = 1 ORDER BY 2, 3, 4"
        before = rows(ours, query)

        made(ours, case("10_ranges") / "outputs", prefix="Again_")

        assert rows(ours, "SELECT * FROM Experiment") == [(1, "MyExpt"), (2, "Again")]
        assert rows(ours, query) == before

    def test_properties_are_the_fields_of_the_file_for_each_table(
        self, case: Case, tmp_path: Path
    ) -> None:
        ours = made(tmp_path / "out.sqlite", case("10_ranges") / "outputs")
        objects = ["BigNuclei", "Cells", "Cytoplasm", "Nuclei", "SmallNuclei"]

        found = rows(ours, "SELECT DISTINCT object_name FROM Experiment_Properties ORDER BY 1")

        assert found == [(name,) for name in objects]
        for name in objects:
            file = properties(f"sqlite:///{ours}", tmp_path, object_name=name)
            lines = [line for line in file.text().splitlines() if line and line[0] != "#"]
            wanted = dict(
                line.partition(" = ")[::2] if " = " in line else (line[:-2], "") for line in lines
            )
            assert fields(ours, name) == wanted

    def test_properties_have_the_fields_that_cellprofiler_writes(
        self, case: Case, tmp_path: Path
    ) -> None:
        shape = TableOptions.parse("combined", None, None)
        ours = made(tmp_path / "c.sqlite", case("11_h5_and_csv") / "outputs", shape=shape)
        theirs = fields(case(CELLPROFILERS) / "combined.db", "Object")

        found = fields(ours, "Object")

        assert [name for name in found if "_SQL_" not in name] == list(theirs)
        same = ["image_id", "object_id", "image_names", "image_path_cols", "series_id"]
        assert {name: found[name] for name in same} == {name: theirs[name] for name in same}

    def test_they_are_brought_up_to_date_by_the_next_batch(
        self, case: Case, tmp_path: Path
    ) -> None:
        batches = sorted((case("40_spreadsheet") / "outputs").iterdir())
        plates = [next(b for b in batches if b.name.startswith(p)) for p in ("P1", "P2")]
        ours = tmp_path / "out.sqlite"

        made(ours, plates[0])
        one = fields(ours, "Nuclei")
        made(ours, plates[1])

        assert "filter_SQL_Plate_P2" not in one
        assert "filter_SQL_Plate_P2" in fields(ours, "Nuclei")

    def test_of_pictures_without_names_nothing_is_told(self, case: Case, tmp_path: Path) -> None:
        home = copied(case("11_h5_and_csv") / "outputs", tmp_path, without="*.csv")
        for file in home.glob("*/*.h5"):
            with measurements(file) as run:
                for feature in [f for f in run["Image"] if f.startswith(("PathName_", "URL_"))]:
                    del run["Image"][feature]

        ours = made(tmp_path / "out.sqlite", home)

        assert rows(ours, "SELECT count(*) FROM Per_Image") != [(0,)]
        assert rows(ours, "SELECT count(*) FROM Experiment_Properties") == [(0,)]

    def test_a_table_of_that_name_that_nobody_knows_is_refused(
        self, case: Case, tmp_path: Path
    ) -> None:
        ours = tmp_path / "out.sqlite"
        with closing(sqlite3.connect(ours)) as db, db:
            db.execute("CREATE TABLE Per_Experiment (mine INTEGER)")

        with pytest.raises(SinkError, match="Per_Experiment that cpexport did not create"):
            made(ours, case("10_ranges") / "outputs")
