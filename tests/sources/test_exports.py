"""Loading the .h5 or the CSV files of a run gives the tables that CellProfiler itself made of it.

The run left all three (`data/cases/22_exports`), so that even times of execution are the same. Each
difference is one that the README names.
"""

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support.calls import load
from support.compared_databases import (
    OPTIONS,
    differ_in_type,
    differ_in_value,
    keys,
    measured,
    pairs,
    single_precision,
    tables,
)
from support.fixtures import columns, declared, rows, unpacked

from cpexport.tables.options import TableOptions

Case = Callable[[str], Path]
Made = Callable[[str, str], Path]

# Words of features that CellProfiler declares integer though they are not, one for a shorter name.
DECLARED_INTEGER = ("Distance", "Dstnc", "D", "TrajectoryX", "TrajectoryY")
# Per image set: 0, 4, 9, 12 and 6 nuclei.
OBJECTS = 31


def theirs(name: str) -> Path:
    run, database = name.split("/")
    return unpacked("22_exports") / run / "databases" / f"{database}.db"


def words(options: tuple[str, ...]) -> dict[str, str]:
    return dict(zip(options[::2], options[1::2], strict=True))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """`made("plain/view", "csv")` is what we make of a run's CSV files, with the options that its
    database stands for; made once."""
    found: dict[tuple[str, str], Path] = {}

    def make(name: str, format: str) -> Path:
        if (name, format) not in found:
            database = tmp_path_factory.mktemp("exports") / "screen.sqlite"
            asked = words(OPTIONS[name])
            length = asked.get("--max-column-length")
            load(
                [unpacked("22_exports") / name.split("/")[0] / format],
                f"sqlite:///{database}",
                prefix=asked.get("--prefix", ""),
                shape=TableOptions.parse(
                    asked["--objects"], asked.get("--aggregate"), int(length) if length else None
                ),
            )
            found[name, format] = database
        return found[name, format]

    return make


def compared_tables(name: str, format: str) -> list[str]:
    """The tables that have the same columns: not those of images where CSV lack thumbnails."""
    without = format == "csv" and name == "thumbnails/props"
    return [t for t in measured(theirs(name)) if not (without and t.endswith("Per_Image"))]


formats = pytest.mark.parametrize("format", ["h5", "csv"])
databases = pytest.mark.parametrize("name", OPTIONS)


def without_thumbnails(names: list[str], format: str) -> list[str]:
    """ExportToSpreadsheet leaves them out."""
    return [n for n in names if format == "h5" or not n.startswith("Image_Thumbnail_")]


QUERIED = re.compile(r"\w*Per_I(?!Relationships\d)[A-Z]")
"""The names of the indexes that queries of parents, plates and wells need."""


@databases
@formats
class TestEveryDatabase:
    def test_has_the_same_tables(self, made: Made, name: str, format: str) -> None:
        more = set(tables(made(name, format))) - set(tables(theirs(name)))

        assert set(tables(theirs(name))) <= set(tables(made(name, format)))
        # CellProfiler makes these on demand; here they are there always.
        assert more == (
            {"Per_Relationships", "Per_RelationshipTypes"} if name == "plain/noprefix" else set()
        )
        assert set(tables(theirs(name), "view")) <= set(tables(made(name, format), "view"))

    def test_has_the_same_columns_in_the_same_order(
        self, made: Made, name: str, format: str
    ) -> None:
        views = tables(theirs(name), "view")
        for table in [*tables(theirs(name)), *views]:
            expected = without_thumbnails(list(declared(theirs(name), table)), format)

            assert list(declared(made(name, format), table)) == expected

    def test_has_the_same_keys_and_indexes(self, made: Made, name: str, format: str) -> None:
        """And those that queries need."""
        for table in tables(theirs(name)):
            ours = keys(made(name, format), table)
            more = [row for row in ours if QUERIED.match(str(row[0]))]
            assert [row for row in ours if row not in more] == keys(theirs(name), table) != []

    def test_has_the_same_types_but_for_numbers_declared_integer_that_are_not(
        self, made: Made, name: str, format: str
    ) -> None:
        own = theirs(name)
        for table in compared_tables(name, format):
            found = differ_in_type(made(name, format), own, table)
            values = columns(own, table)

            assert set(found.values()) <= {("REAL", "INTEGER")}
            for column in found:
                words = [word for word in column.split("_") if word in DECLARED_INTEGER]
                assert words, column
                # SQLite keeps them as they are, whatever is declared.
                assert "Trajectory" in words[0] or any(
                    isinstance(value, float) for value in values[column]
                )

    def test_has_the_same_rows_and_values(self, made: Made, name: str, format: str) -> None:
        """1 ulp apart at most, NULL where NULL is. In CSV, image features of 32 bits have only the
        digits that these need, so that they are equal as such."""
        ours, own = made(name, format), theirs(name)
        found: dict[str, str] = {}
        for table in compared_tables(name, format):
            found |= differ_in_value(ours, own, table)
        h5 = unpacked("22_exports") / name.split("/")[0] / "h5" / "measurements.h5"

        # What is written when a group is done goes through text, the score of merging here.
        as_text = "Nuclei_TrackObjects_MergeScore" if name.startswith("tracks") else "none"
        assert set(found.values()) <= {"float32", "close"}
        assert format == "csv" or set(found) <= {as_text}
        assert name.endswith("40") or set(found) <= single_precision(h5)


@pytest.mark.parametrize("name", [name for name in OPTIONS if name != "plain/noprefix"])
def test_relationships_of_the_h5_are_theirs_and_more(made: Made, name: str) -> None:
    ours, own = pairs(made(name, "h5")), pairs(theirs(name))
    # Those of IdentifySecondaryObjects and IdentifyTertiaryObjects.
    kinds = {pair[:2] for pair in set(ours) - set(own)}

    assert len(own) > 100
    assert set(own) < set(ours)
    assert len(set(ours)) == len(ours)
    assert kinds == {(3, "Parent"), (4, "Parent"), (4, "Removed")}


def test_csv_files_have_no_relationships_unless_they_were_chosen(made: Made) -> None:
    assert pairs(made("plain/separate", "csv")) == []


def test_thumbnails_are_cellprofilers_base64_texts(made: Made) -> None:
    query = "SELECT Image_Thumbnail_DNA, Image_Thumbnail_ER FROM MyExpt_Per_Image ORDER BY 1"
    ours = rows(made("thumbnails/props", "h5"), query)

    assert ours == rows(theirs("thumbnails/props"), query)
    assert len(ours) == 5
    assert {base64.b64decode(str(text))[:4] for row in ours for text in row} == {b"\x89PNG"}


def test_images_without_thumbnails_are_the_same(made: Made) -> None:
    ours, own = made("thumbnails/props", "csv"), theirs("thumbnails/props")
    one, other = columns(ours, "MyExpt_Per_Image"), columns(own, "MyExpt_Per_Image")

    assert set(other) - set(one) == {"Image_Thumbnail_DNA", "Image_Thumbnail_ER"}
    assert all(one[name] == other[name] for name in one if "Metadata" in name or "Mean_" in name)


def test_the_view_has_rows_where_a_type_has_no_object(made: Made) -> None:
    """CellProfiler's own joins by number, and loses what has no SmallNuclei of that number."""
    query = """
        SELECT count(*), sum(Cells_Parent_Nuclei = Nuclei_Number_Object_Number),
               sum(Cytoplasm_Parent_Cells = Cells_Number_Object_Number),
               sum(SmallNuclei_Parent_Nuclei = Nuclei_Number_Object_Number)
        FROM MyExpt_Per_Object
    """
    ((few, *_),) = rows(theirs("plain/view"), query)
    ((count, cells, cytoplasm, small),) = rows(made("plain/view", "h5"), query)

    assert (count, cells, cytoplasm) == (OBJECTS, OBJECTS, OBJECTS)
    assert 0 < small == few < OBJECTS


@formats
def test_separate_tables_of_40_characters_which_cellprofiler_cannot_make(
    format: str, tmp_path: Path
) -> None:
    """It has one table of all objects with such names, made by the same mapping."""
    database = tmp_path / "screen.sqlite"
    load(
        [unpacked("22_exports") / "long" / format],
        f"sqlite:///{database}",
        prefix="MyExpt_",
        shape=TableOptions.parse("separate", "mean,median,std", 40),
    )
    own = columns(theirs("long/longnames40"), "MyExpt_Per_Object")
    names: list[str] = []
    for table in measured(database):
        if table != "MyExpt_Per_Image":
            found = columns(database, table)
            names += list(found)[1:]
            for name, values in list(found.items())[1:]:
                # Side by side, types with fewer objects are padded.
                theirs_ = [v for v in own[name] if v is not None]
                ours = [v for v in values if v is not None]
                assert ours == pytest.approx(theirs_, rel=1e-15), name

    assert sorted(names) == sorted(list(own)[2:])
    assert max(map(len, names)) == 40
    image = differ_in_value(database, theirs("long/longnames40"), "MyExpt_Per_Image")
    assert set(image.values()) <= ({"float32"} if format == "csv" else set())
