"""What every source must do, whatever its format: one contract, that each format subclasses."""

import csv
import sqlite3
from contextlib import closing
from pathlib import Path

import h5py
import pytest
from contracts.source import Copy, SourceContract
from support.packed import compress, uncompress

from cpexport.sources.base import Source
from cpexport.sources.hdf5.source import Hdf5Source
from cpexport.sources.spreadsheet.source import SpreadsheetSource
from cpexport.sources.sqlite.source import DatabaseSource


class TestHdf5Source(SourceContract):
    FORMAT = "hdf5"
    RELATIONSHIPS = True

    @pytest.fixture
    def folder(self, copy: Copy) -> Path:
        return copy("11_h5_and_csv", "outputs/batch_1_6/batch_1_6.h5", to="job/batch_1_6.h5").parent

    def source(self, folder: Path) -> Source:
        return Hdf5Source(folder, folder / "batch_1_6.h5")

    def unmark(self, folder: Path, number: int) -> None:
        with h5py.File(folder / "batch_1_6.h5", "r+") as file:
            (run,) = file["Measurements"].values()
            index = run["Image/ModuleError_14FlagImage/index"]
            rows = index[()][index[:, 0] != number]
            index.resize(rows.shape)
            index[...] = rows


class TestSpreadsheetSource(SourceContract):
    FORMAT = "spreadsheet"
    RELATIONSHIPS = False

    @pytest.fixture
    def folder(self, copy: Copy) -> Path:
        folder = copy("11_h5_and_csv", "outputs/batch_1_6", to="job")
        (folder / "batch_1_6.h5").unlink()
        return folder

    def source(self, folder: Path) -> Source:
        return SpreadsheetSource(folder, tuple(sorted(folder.glob("*.csv"))))

    def unmark(self, folder: Path, number: int) -> None:
        with (folder / "Image.csv").open(newline="") as stream:
            header, *rows = csv.reader(stream)
        rows[number - 1][header.index("ModuleError_14FlagImage")] = ""
        with (folder / "Image.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows([header, *rows])


class TestSpreadsheetSourceOfCompressedFiles(TestSpreadsheetSource):
    @pytest.fixture
    def folder(self, copy: Copy) -> Path:
        folder = copy("11_h5_and_csv", "outputs/batch_1_6", to="job")
        (folder / "batch_1_6.h5").unlink()
        compress(folder)
        return folder

    def source(self, folder: Path) -> Source:
        return SpreadsheetSource(folder, tuple(sorted(folder.glob("*.csv.gz"))))

    def unmark(self, folder: Path, number: int) -> None:
        uncompress(folder)
        super().unmark(folder, number)
        compress(folder)


class TestDatabaseSource(SourceContract):
    """One table for each object type."""

    FORMAT = "database"
    RELATIONSHIPS = True
    CASE = "separate.db"

    @pytest.fixture
    def folder(self, copy: Copy) -> Path:
        file = copy("20_sqlite", self.CASE, to="job/screen.db")
        with closing(sqlite3.connect(file)) as db:
            tables = db.execute(
                "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c "
                "WHERE m.type = 'table' AND lower(c.name) IN ('imagenumber', 'image_number1')"
            ).fetchall()
            for table, column in tables:
                db.execute(f"DELETE FROM {table} WHERE {column} > 6")
            db.commit()
        return file.parent

    def source(self, folder: Path) -> Source:
        return DatabaseSource(folder, folder / "screen.db")

    def unmark(self, folder: Path, number: int) -> None:
        with closing(sqlite3.connect(folder / "screen.db")) as db:
            db.execute(
                "UPDATE MyExpt_Per_Image SET Image_ExecutionTime_14FlagImage = NULL "
                f"WHERE ImageNumber = {number}"
            )
            db.commit()


class TestDatabaseSourceOfOneTableForAllObjects(TestDatabaseSource):
    CASE = "combined.db"


class TestDatabaseSourceWithAViewOverTheTables(TestDatabaseSource):
    CASE = "view.db"
