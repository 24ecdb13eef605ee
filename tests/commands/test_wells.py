"""Tables of plates and wells hold what CellProfiler's own statements give, on every destination."""

import csv
import lzma
import math
import re
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any

import duckdb
import h5py
import numpy as np
import pytest
from support.calls import load, load_runs, verify
from support.fixtures import DATA, Ran, measurements, rewritten, rows, tables, traces, unpacked
from support.servers import Database

from cpexport.derived.wells import Wells
from cpexport.errors import UsageError
from cpexport.tables.options import TableOptions

Case = Callable[[str], Path]
Copy = Callable[..., Path]
Run = Callable[..., Ran]
ALL = Wells.parse("mean,median,std")
COUNTS = "MyExpt_Per_Well"
NAMES = ("MyExpt_Per_Well_avg", "MyExpt_Per_Well_median", "MyExpt_Per_Well_std")


class _Collected:
    """An aggregate function that SQLite has not got."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def step(self, value: float | None) -> None:
        if value is not None:
            self.values.append(value)


# typeshed declares that `finalize` returns an int; SQLite takes a float or None too.
class Std(_Collected):
    def finalize(self) -> Any:
        return float(np.std(self.values)) if self.values else None


class Median(_Collected):
    def finalize(self) -> Any:
        return float(np.median(self.values)) if self.values else None


def statements(setup: Path) -> dict[str, str]:
    """What CellProfiler wrote to make each table, as SQLite before 3.39 understands it: no object
    is of an image set that is not there, so it does not matter on which side the join is."""
    made = re.findall(r"CREATE TABLE (\S+_Well_\w+) AS (SELECT.*?);\n", setup.read_text(), re.S)
    return {name: query.replace("RIGHT JOIN", "JOIN") for name, query in made}


def asked(database: Path, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The columns and rows of a query, with the functions that MySQL would need."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        db.create_aggregate("std", 1, Std)
        db.create_aggregate("median", 1, Median)
        cursor = db.execute(query)
        return [name for name, *_ in cursor.description], cursor.fetchall()


def by_well(names: list[str], found: list[tuple[Any, ...]]) -> dict[Any, dict[str, Any]]:
    return {row[-2:]: dict(zip(names, row, strict=True)) for row in found}


def well(database: Path, table: str) -> dict[Any, dict[str, Any]]:
    return by_well(*asked(database, f"SELECT * FROM {table}"))


def worst(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> float:
    """The largest relative difference; infinite if one has a value where the other has none."""
    found = [0.0]
    for name, one in ours.items():
        other = theirs[name]
        if None in (one, other) or isinstance(one, str):
            found.append(0 if one == other else math.inf)
        elif one != other:
            found.append(abs(one - other) / max(abs(one), abs(other)))
    return max(found)


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 image sets, 12 wells, all kinds: only to read."""
    database = tmp_path_factory.mktemp("wells") / "screen.sqlite"
    outputs = unpacked("11_h5_and_csv") / "outputs"
    load([outputs], f"sqlite:///{database}", prefix="MyExpt_", wells=ALL)
    return database


class TestCellProfilersOwn:
    @pytest.mark.parametrize(
        ("folder", "objects"), [("csv_separate", "separate"), ("csv_combined_f5_l8", "combined")]
    )
    def test_its_statements_give_the_same_columns_in_the_same_order_and_values(
        self, case: Case, tmp_path: Path, folder: str, objects: str
    ) -> None:
        outputs, database = case("70_sqlcsv") / folder, tmp_path / "screen.sqlite"
        shape = TableOptions.parse(objects, None, None)
        load([outputs], f"sqlite:///{database}", prefix="MyExpt_", shape=shape, wells=ALL)

        made = statements(outputs / "SQL_SETUP.SQL")
        assert sorted(made) == sorted(NAMES)
        for table, query in made.items():
            names, theirs = asked(database, query)
            ours_named, ours = asked(database, f"SELECT * FROM {table}")
            one, other = by_well(ours_named, ours), by_well(names, theirs)
            assert ours_named == names
            assert len(names) == 319
            assert one.keys() == other.keys()
            assert max(worst(one[key], other[key]) for key in one) < 1e-12

    @pytest.mark.parametrize("kind", ["avg", "std"])
    def test_its_tables_in_mysql_have_the_same_columns_in_order_and_values(
        self, screen: Path, kind: str
    ) -> None:
        """MySQL keeps 4-byte numbers, rounds distances to integers, and its means of integers to
        four digits. Its pipeline measured less."""
        text = lzma.decompress((DATA / "wells" / f"{kind}.csv.xz").read_bytes()).decode()
        names, *theirs = csv.reader(StringIO(text))
        ours = well(screen, f"MyExpt_Per_Well_{kind}")
        there = set(names)

        differ = set()
        for row in theirs:
            mine = ours[tuple(row[-2:])]
            for name, value in zip(names[:-2], row, strict=False):
                alike = (
                    value == ""
                    if mine[name] is None
                    else (
                        math.isclose(mine[name], float(value or "nan"), rel_tol=1e-5, abs_tol=6e-5)
                    )
                )
                differ |= set() if alike else {name}
        columns = [name for name in next(iter(ours.values())) if name in there]
        assert columns == names
        assert len(theirs) == len(ours) == 12
        assert differ == {
            f"{kind}_BigNuclei_Distance_Centroid_Cells",
            f"{kind}_BigNuclei_Distance_Minimum_Cells",
        }


def test_values_are_those_of_the_measurement_files(screen: Path) -> None:
    """Objects' of all their rows; images' once for each object."""
    areas: dict[tuple[str, str], list[float]] = {}
    means: dict[tuple[str, str], list[float]] = {}
    for file in (unpacked("11_h5_and_csv") / "outputs").rglob("*.h5"):
        with h5py.File(file) as opened:
            run = opened["Measurements"][sorted(opened["Measurements"])[-1]]

            def value(name: str, feature: str, number: int, run: h5py.Group = run) -> Any:
                group = run[name][feature]
                (found,) = [(a, b) for n, a, b in group["index"][:] if n == number]
                return group["data"][found[0] : found[1]]

            for number in run["Image"]["ImageNumber"]["index"][:, 0]:
                plate, name = (
                    value("Image", f"Metadata_{what}", number)[0].decode()
                    for what in ("Plate", "Well")
                )
                nuclei = value("Nuclei", "AreaShape_Area", number)
                image = value("Image", "Intensity_MeanIntensity_DNA", number)[0]
                areas.setdefault((plate, name), []).extend(nuclei)
                means.setdefault((plate, name), []).extend([float(image)] * len(nuclei))

    kinds: dict[str, Callable[..., Any]] = {"avg": np.mean, "median": np.median, "std": np.std}
    for kind, reduce in kinds.items():
        found = well(screen, f"MyExpt_Per_Well_{kind}")
        assert len(found) == len(areas) == 12
        for key, mine in found.items():
            wanted = [reduce(np.array(values[key], np.float64)) for values in (areas, means)]
            columns = ("Nuclei_AreaShape_Area", "Image_Intensity_MeanIntensity_DNA")
            assert [mine[f"{kind}_{name}"] for name in columns] == pytest.approx(wanted, rel=1e-12)


def test_columns_in_many_groups_give_the_same_tables(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a well with so many objects that not all of their columns fit into memory."""
    home, made = case("40_spreadsheet") / "outputs", []
    outputs = [home / name for name in ("P1-A01-1", "P1-A01-2", "P1-B01-1", "P2-A01-1")]
    for values in (1, 1 << 22):
        to = tmp_path / f"{values}.sqlite"
        monkeypatch.setattr("cpexport.derived.well_tables._VALUES", values)
        load(outputs, f"sqlite:///{to}", wells=ALL)
        made.append(
            [rows(to, f"SELECT * FROM Per_Well_{kind}") for kind in ("avg", "median", "std")]
        )

    assert made[0] == made[1]
    assert len(made[0][0]) == 3


def test_means_by_image_set_and_text_are_left_out(case: Case, tmp_path: Path) -> None:
    database = tmp_path / "screen.sqlite"
    shape = TableOptions.parse(None, "mean", None)
    home = case("20_sqlite") / "combined.db"
    load([home], f"sqlite:///{database}", shape=shape, wells=Wells.parse("mean"))

    image = next(columns for name, columns in tables(database).items() if name == "Per_Image")
    names = next(columns for name, columns in tables(database).items() if "Well_" in name)
    assert [name for name in image if name.startswith("Mean_")]
    assert not [name for name in names if "Mean_" in name and "avg_Mean" in name]
    assert not [name for name in names if "FileName" in name or "ExecutionTime" in name]
    assert names[-2:] == ["Image_Metadata_Plate", "Image_Metadata_Well"]


def test_a_well_without_objects_and_image_sets_without_a_well_are_rows(
    case: Case, tmp_path: Path
) -> None:
    database = tmp_path / "screen.sqlite"
    home = case("11_h5_and_csv")
    load([home / "extra_15_15_nocells"], f"sqlite:///{database}", wells=Wells.parse("mean"))
    empty = well(database, "Per_Well_avg")
    with closing(sqlite3.connect(database)) as db, db:
        db.execute("UPDATE Per_Image SET Image_Metadata_Well = NULL")
    load([home / "outputs" / "batch_1_6"], f"sqlite:///{database}", wells=Wells.parse("mean"))

    ((key, row),) = empty.items()
    assert key == ("P2", "A02")
    assert {value for value in row.values() if not isinstance(value, str)} == {None}
    assert list(well(database, "Per_Well_avg")) == [
        ("P1", "A01"),
        ("P1", "A02"),
        ("P1", "A03"),
        ("P2", None),
    ]


class TestUpToDate:
    def test_a_load_with_nothing_new_computes_nothing(
        self, case: Case, cpexport: Run, tmp_path: Path
    ) -> None:
        words = ("load", case("11_h5_and_csv") / "outputs", "--to", "sqlite:///a.sqlite")
        first = cpexport(*words, "--wells", "mean")
        before = traces(tmp_path)

        second, third = cpexport(*words, "--wells", "mean"), cpexport(*words)

        assert "Per_Well_avg       12 rows\n" in first.out
        assert "Per_Well" not in second.out + third.out
        assert traces(tmp_path) == before

    def test_what_is_loaded_later_is_in_them_without_asking(
        self, case: Case, screen: Path, tmp_path: Path
    ) -> None:
        outputs, database = case("11_h5_and_csv") / "outputs", tmp_path / "screen.sqlite"
        url = f"sqlite:///{database}"
        load([outputs / "batch_1_6"], url, prefix="MyExpt_", wells=Wells.parse("mean"))
        load([outputs], url, prefix="MyExpt_")
        later = well(database, NAMES[0])

        load([outputs], url, prefix="MyExpt_", wells=Wells.parse("std"))

        wanted = {name: well(screen, name) for name in NAMES}
        assert later == wanted[NAMES[0]]
        assert [n for n in tables(database) if "Well" in n] == [COUNTS, NAMES[0], NAMES[2]]
        assert well(database, NAMES[2]) == wanted[NAMES[2]]

    def test_one_that_was_killed_before_it_came_to_them_is_made_up_for(
        self, case: Case, screen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        outputs, database = case("11_h5_and_csv") / "outputs", tmp_path / "screen.sqlite"
        url = f"sqlite:///{database}"
        load([outputs / "batch_1_6"], url, prefix="MyExpt_", wells=ALL)
        with monkeypatch.context() as patch:
            patch.setattr("cpexport.commands.load.make_wells", interrupt)
            with pytest.raises(KeyboardInterrupt):
                load([outputs], url, prefix="MyExpt_")
        stale = len(well(database, NAMES[0]))

        report = load([outputs], url, prefix="MyExpt_")

        assert stale == 3
        assert (report.loaded, dict(report.made)) == (0, dict.fromkeys((COUNTS, *NAMES), 12))
        assert well(database, NAMES[1]) == well(screen, NAMES[1])


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_runs_have_their_wells_under_their_table_number(
    case: Case, screen: Path, tmp_path: Path
) -> None:
    home, database = case("11_h5_and_csv") / "outputs", tmp_path / "runs.sqlite"
    url, shape = f"sqlite:///{database}", TableOptions(numbered=True)
    arguments = [Path(f"one={home}/batch_1_6"), Path(f"both={home}")]

    report = load_runs(arguments, url, prefix="MyExpt_", shape=shape, wells=Wells.parse("median"))

    names, found = asked(database, f"SELECT * FROM {NAMES[1]}")
    wanted = asked(screen, f"SELECT * FROM {NAMES[1]}")
    place = names.index("median_Nuclei_AreaShape_Area")
    alone = {row[-2:]: row[place - 1] for row in wanted[1]}
    assert dict(report.made) == {COUNTS: 15, NAMES[1]: 15}
    assert names == ["TableNumber", *wanted[0]]
    assert [(row[0], *row[-2:]) for row in found] == [
        *((1, "P1", name) for name in ("A01", "A02", "A03")),
        *((2, *key) for key in alone),
    ]
    assert [row[place] for row in found[3:]] == list(alone.values())


def test_a_table_too_wide_goes_on_in_a_part_with_plate_and_well(case: Case, tmp_path: Path) -> None:
    database = tmp_path / "wide.sqlite"
    load([case("60_perf")], f"sqlite:///{database}", wells=Wells.parse("mean"))

    found = {name: columns for name, columns in tables(database).items() if "Well_" in name}
    first, second = found.values()
    column = second[0].removeprefix("avg_")
    groups = "Image_Metadata_Plate, Image_Metadata_Well"
    ours = rows(database, f"SELECT avg_{column} FROM Per_Well_avg_part2 ORDER BY {groups}")
    objects = " UNION ".join(
        f"SELECT ImageNumber, {columns[1]} FROM {name}"
        for name, columns in tables(database).items()
        if columns[1].endswith("_Number_Object_Number")
    )
    joined = f"Per_Image JOIN ({objects}) USING (ImageNumber)"
    theirs = rows(database, f"SELECT avg({column}) FROM {joined} GROUP BY {groups}")
    assert list(found) == ["Per_Well_avg", "Per_Well_avg_part2"]
    assert len(first) == 2000
    assert first[-2:] == second[-2:] == ["Image_Metadata_Plate", "Image_Metadata_Well"]
    assert not set(first[:-2]) & set(second[:-2])
    assert [mean for (mean,) in ours] == pytest.approx([mean for (mean,) in theirs], rel=1e-12)


class TestFeatures:
    def test_plates_and_wells_can_be_named(self, case: Case, cpexport: Run, tmp_path: Path) -> None:
        ran = cpexport(
            *("load", case("11_h5_and_csv") / "outputs", "--to", "sqlite:///a.sqlite"),
            *("--wells", "mean", "--plate", "Metadata_Compound", "--well", "Metadata_Site"),
        )

        query = """SELECT Image_Metadata_Compound, Image_Metadata_Site FROM Per_Well_avg
            EXCEPT SELECT Image_Metadata_Compound, Image_Metadata_Site FROM Per_Image"""
        database = tmp_path / "a.sqlite"
        assert ran.status == 0, ran.err
        assert tables(database)["Per_Well_avg"][-2:] == [
            "Image_Metadata_Compound",
            "Image_Metadata_Site",
        ]
        assert rows(database, query) == []

    @pytest.mark.parametrize(
        "words",
        [
            ("--wells", "mean", "--well", "Metadata_Hole"),
            ("--wells", "mean", "--plate", "Metadata_Hole", "--dry-run"),
            ("--properties", "x.properties", "--well", "Metadata_Hole"),
            ("--wells", "mean", "--well", "Metadata_Hole", "--table-number"),
        ],
    )
    def test_one_that_is_not_there_is_refused_before_anything_is_made(
        self, case: Case, cpexport: Run, tmp_path: Path, words: tuple[str, ...]
    ) -> None:
        outputs = case("11_h5_and_csv") / "outputs" / "batch_1_6"

        ran = cpexport("load", outputs, "--to", "a.sqlite", *words)

        assert (ran.status, ran.err.count("\n")) == (2, 1)
        assert (
            "Metadata_Hole: no output has such an image feature; existing metadata: Meta" in ran.err
        )
        assert list(tmp_path.iterdir()) == []

    def test_without_any_the_feature_is_asked_for(self, copy: Copy, tmp_path: Path) -> None:
        file = copy("11_h5_and_csv", "outputs/batch_1_6/batch_1_6.h5", "plain/batch_1_6.h5")
        with measurements(file) as run:
            del run["Image"]["Metadata_Well"]

        with pytest.raises(
            UsageError,
            match=r"image feature Metadata_Well; name the feature of the well with --well; ",
        ):
            load([file], f"sqlite:///{tmp_path}/a.sqlite", wells=Wells.parse("mean"))
        assert not (tmp_path / "a.sqlite").exists()

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("--wells", "mode"), "--wells takes mean, median, std, not mode"),
            (("--wells", ""), "--wells needs mean, median or std"),
            (
                ("--well", "Metadata_Well"),
                "--plate and --well need --wells, --properties or",
            ),
        ],
    )
    def test_words_that_make_no_sense_are_refused(
        self, case: Case, cpexport: Run, words: tuple[str, ...], said: str
    ) -> None:
        ran = cpexport("load", case("11_h5_and_csv") / "outputs", *words)

        assert (ran.status, said in ran.err, ran.err.count("\n")) == (2, True, 1)


class TestCounts:
    """Per_Well: each image set counts once, wells without an object are there."""

    OUTPUTS = ("P1-A01-1", "P1-A01-2", "P2-A02-1")

    def outputs(self, folder: Path) -> Path:
        for name in self.OUTPUTS:
            shutil.copytree(unpacked("40_spreadsheet") / "outputs" / name, folder / name)
        return folder

    def must(self) -> dict[str, tuple[int, int, float]]:
        """Of each well the image sets, cells and their mean, by the files of the jobs."""
        found: dict[str, list[int]] = {}
        for name in self.OUTPUTS:
            file = unpacked("40_spreadsheet") / "outputs" / name / "Image.csv"
            with file.open(newline="") as stream:
                for row in csv.DictReader(stream):
                    cells = int(float(row["Count_Cells"]))
                    found.setdefault(row["Metadata_Well"], []).append(cells)
        return {well: (len(n), sum(n), sum(n) / len(n)) for well, n in found.items()}

    QUERY = (
        "SELECT Image_Metadata_Well, Image_Set_Count, sum_Image_Count_Cells, "
        "mean_Image_Count_Cells FROM Per_Well"
    )

    def test_sums_and_means_are_plain_and_an_empty_well_is_there(self, tmp_path: Path) -> None:
        outputs, database = self.outputs(tmp_path / "out"), tmp_path / "x.sqlite"
        load([outputs], f"sqlite:///{database}", wells=Wells.parse("mean"))

        found = {well: (n, total, mean) for well, n, total, mean in rows(database, self.QUERY)}
        assert found == self.must()
        assert found["A02"] == (1, 0, 0.0)
        kinds = "SELECT DISTINCT typeof(sum_Image_Count_Cells), typeof(mean_Image_Count_Cells)"
        assert rows(database, f"{kinds} FROM Per_Well") == [("integer", "real")]
        weighted = "SELECT avg_Image_Count_Cells FROM Per_Well_avg ORDER BY Image_Metadata_Well"
        assert rows(database, weighted)[0][0] > found["A01"][2]

    def test_each_load_brings_it_up_to_date_and_verify_compares_its_values(
        self, tmp_path: Path
    ) -> None:
        outputs, database = self.outputs(tmp_path / "out"), tmp_path / "x.sqlite"
        url = f"sqlite:///{database}"
        load([outputs / self.OUTPUTS[0]], url, wells=Wells.parse("mean"))
        load([outputs], url)
        found = {well: (n, total, mean) for well, n, total, mean in rows(database, self.QUERY)}
        before = verify([outputs], url).differences
        with closing(sqlite3.connect(database)) as db, db:
            db.execute("UPDATE Per_Well SET sum_Image_Count_Cells = 7 WHERE Image_Set_Count = 1")
        (difference,) = verify([outputs], url).differences

        assert (found, before) == (self.must(), ())
        assert (difference.table, difference.what) == (
            "Per_Well",
            "1 of 2 wells differ from Per_Image",
        )

    @pytest.mark.parametrize("kind", ["duckdb", "parquet", "mariadb", "mysql"])
    def test_every_destination_has_it(
        self, tmp_path: Path, databases: Callable[[str], Database], kind: str
    ) -> None:
        outputs = self.outputs(tmp_path / "out")
        places = {"duckdb": f"duckdb:///{tmp_path}/x.duckdb", "parquet": f"parquet:{tmp_path}/x"}
        database = None if kind in places else databases(kind)
        url = database.url() if database else places[kind]
        load([outputs], url, wells=Wells.parse("mean"))
        verified = verify([outputs], url)
        if database:
            found = database.rows(self.QUERY)
        elif kind == "duckdb":
            with duckdb.connect(tmp_path / "x.duckdb", read_only=True) as db:
                found = db.execute(self.QUERY).fetchall()
        else:
            query = self.QUERY.replace("Per_Well", f"'{tmp_path}/x/Per_Well/*.parquet'")
            found = duckdb.default_connection().sql(query).fetchall()

        assert {well: (n, total, mean) for well, n, total, mean in found} == self.must()
        assert verified.differences == ()

    def test_of_runs_each_has_its_own_wells(self, tmp_path: Path, cpexport: Run) -> None:
        outputs = self.outputs(tmp_path / "a")
        shutil.copytree(outputs / "P1-A01-1", tmp_path / "b" / "P1-A01-1")
        words = [f"a={outputs}", f"b={tmp_path / 'b'}"]
        to = ("--to", "sqlite:///x.sqlite")
        ran = cpexport("load", *words, "--table-number", "--wells", "mean", *to)
        before = cpexport("verify", *words, *to)
        query = "SELECT TableNumber, Image_Metadata_Well, Image_Set_Count FROM Per_Well"
        found = rows(tmp_path / "x.sqlite", query)
        with closing(sqlite3.connect(tmp_path / "x.sqlite")) as db, db:
            db.execute("UPDATE Per_Well SET Image_Set_Count = 9 WHERE TableNumber = 2")
        after = cpexport("verify", *words, *to)

        # The numbers of the first run have gaps.
        assert ran.status == 3, ran.out
        assert found == [(1, "A01", 2), (1, "A02", 1), (2, "A01", 1)]
        # The runs lack image sets, and nothing is different before.
        assert (before.status, after.status) == (3, 1), before.out
        assert "0 different" in before.out
        assert "1 of 3 wells differ" in after.out


def test_a_mean_beyond_all_numbers_is_null_where_infinities_are_not_kept(
    copy: Copy, tmp_path: Path
) -> None:
    outputs = copy("11_h5_and_csv", "outputs/batch_1_6")
    rewritten(
        outputs / "batch_1_6.h5", "Nuclei", "Location_Center_X", lambda old: [1.7e308] * len(old)
    )
    to = tmp_path / "screen.sqlite"
    load([outputs], f"sqlite:///{to}", wells=Wells.parse("mean"))

    column = "avg_Nuclei_Location_Center_X"
    assert {value for (value,) in rows(to, f"SELECT {column} FROM Per_Well_avg")} == {None}
