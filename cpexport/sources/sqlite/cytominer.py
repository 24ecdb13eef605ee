"""Reads SQLite files of cytominer-database as if ExportToDatabase had written them.

cytominer-database puts the CSV files of all jobs of a plate into one file, as the Cell Painting
Gallery has it in `workspace/backend`: the tables Image, Cells, Nuclei and so on, whose columns are
named `Image_<feature>` and `<Object>_<feature>`. Each job counts its image sets from 1, so the key
is a TableNumber, which stands for the job, and an ImageNumber (cytominer-database 0.3, ingest.py).

Here, image sets are numbered in the order of their rows. Views with ExportToDatabase's names show
each table with this number. They need an index of all rows by number, which is made in SQLite's
temporary file: 20 bytes for each object, whether or not the file has an index. So a file of a plate
(16 GB) is read in small portions, and each of its pages about once.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from cpexport.cellprofiler.features import IMAGE, IMAGE_NUMBER, NUMBER, OBJECT_NUMBER, TABLE_NUMBER
from cpexport.errors import AS_WRITTEN, SourceError
from cpexport.sources.sqlite.file import DatabaseFile
from cpexport.sources.sqlite.stored_tables import IMAGE_TABLE, quoted

_KEY: Final = (TABLE_NUMBER, IMAGE_NUMBER)
_SETS: Final = "_cpexport_ids"
_INTEGER, _REAL = "INTEGER", "REAL"
_OF_IMAGES: Final = ("Metadata_", "FileName_", "PathName_")
# What SQLite reports, and what it means.
_BROKEN: Final = (
    (
        f"UNIQUE constraint failed: {_SETS}",
        "two rows of Image have one TableNumber and ImageNumber",
    ),
    ("UNIQUE constraint failed", "two objects have the same numbers"),
    ("NOT NULL constraint failed", "objects have no row in Image, or no number"),
)


class CytominerFile(DatabaseFile):
    """One SQLite file of cytominer-database.

    Raises:
        SourceError: as `DatabaseFile`; or the keys of its tables are not unique.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            stored = super().tables()
            self._images = _own(IMAGE, stored[IMAGE])
            # CSV files of objects can repeat metadata and file names of their image sets.
            names = (column.removeprefix(f"{IMAGE}_") for column in self._images)
            repeated = {name for name in names if name.startswith(_OF_IMAGES)}
            self._objects = {
                name: {
                    column: type
                    for column, type in _own(name, columns).items()
                    if column.removeprefix(f"{name}_") not in repeated
                }
                for name, columns in stored.items()
                if {*_KEY, OBJECT_NUMBER} <= columns.keys()
            }
            # Only temporary tables are made.
            self.rows("PRAGMA query_only = OFF")
            for statement in self._statements():
                self._make(statement)
            self.rows("PRAGMA query_only = ON")
        except BaseException:
            self._connection.close()
            raise

    @property
    def notes(self) -> tuple[str, ...]:
        ((jobs,),) = self.rows(f"SELECT count(DISTINCT {TABLE_NUMBER}) FROM {_SETS}")
        return (f"a file of cytominer-database, with the output of {jobs} jobs",)

    def tables(self) -> Mapping[str, Mapping[str, str]]:
        """The views, as `DatabaseFile` lists tables."""
        views = {IMAGE_TABLE: {IMAGE_NUMBER: _INTEGER, **self._images}}
        for name, columns in self._objects.items():
            keys = {IMAGE_NUMBER: _INTEGER, f"{name}_{NUMBER}": _INTEGER}
            views[f"Per_{name}"] = {**keys, **columns}
        return views

    def _make(self, statement: str) -> None:
        try:
            self.rows(statement)
        except SourceError as error:
            problem = next((what for said, what in _BROKEN if said in error.problem), "")
            if problem:
                raise SourceError(self.path, problem, AS_WRITTEN) from error
            raise

    def _statements(self) -> Iterator[str]:
        yield (
            f"CREATE TEMP TABLE {_SETS} (number INTEGER PRIMARY KEY, {TABLE_NUMBER} NOT NULL, "
            f"{IMAGE_NUMBER} NOT NULL, place INTEGER, UNIQUE ({', '.join(_KEY)}))"
        )
        keys = ", ".join(_KEY)
        yield (
            f"INSERT INTO {_SETS} SELECT row_number() OVER (ORDER BY rowid), {keys}, rowid "
            f"FROM main.{IMAGE}"
        )
        yield _view(IMAGE_TABLE, IMAGE, self._images, _SETS, {IMAGE_NUMBER: "number"})
        for name, columns in self._objects.items():
            index = quoted(f"_cpexport_{name}")
            yield (
                f"CREATE TEMP TABLE {index} (number INTEGER NOT NULL, object INTEGER NOT NULL, "
                "place INTEGER, PRIMARY KEY (number, object)) WITHOUT ROWID"
            )
            yield (
                f"INSERT INTO {index} SELECT number, {OBJECT_NUMBER}, o.rowid "
                f"FROM main.{quoted(name)} o LEFT JOIN {_SETS} USING ({keys})"
            )
            numbers = {IMAGE_NUMBER: "number", f"{name}_{NUMBER}": "object"}
            yield _view(f"Per_{name}", name, columns, index, numbers)


def _view(
    view: str, table: str, columns: Mapping[str, str], index: str, numbers: Mapping[str, str]
) -> str:
    """A view of a table with other numbers. The join is left out where only these are read."""
    chosen = [f"i.{place} AS {quoted(name)}" for name, place in numbers.items()]
    chosen += [f"t.{quoted(column)}" for column in columns]
    return (
        f"CREATE TEMP VIEW {quoted(view)} AS SELECT {', '.join(chosen)} FROM {index} i "
        f"LEFT JOIN main.{quoted(table)} t ON t.rowid = i.place"
    )


def _own(table: str, columns: Mapping[str, str]) -> dict[str, str]:
    """The columns of features, with their types."""
    keys = {*_KEY, OBJECT_NUMBER, f"{table}_{NUMBER}"}
    return {
        # Only the number of the table's own objects is a key: others are means of children.
        column: _REAL if column.endswith(NUMBER) else type
        for column, type in columns.items()
        if column not in keys
    }
