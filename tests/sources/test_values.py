"""What is loaded is what CellProfiler measured: against the databases that it wrote itself of the
same pictures, and against the CSV files of the same jobs."""

import csv
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest
from support.fixtures import closeness, columns, copied, declared, rows, unpacked

Case = Callable[[str], Path]
Loaded = Callable[..., Path]
Pair = tuple[Path, Path]
Tables = tuple[tuple[Path, str], tuple[Path, str]]
Columns = dict[str, list[object]]

PERF = ("Image", "Nuclei", "Cells", "Cytoplasm")
SCREEN = (*PERF, "BigNuclei", "SmallNuclei")
_AGGREGATES = ("Mean_", "Median_", "StDev_")


def measured(database: Path, table: str) -> Columns:
    """The columns that two runs of one pipeline have in common: not the time that it took."""
    found = columns(database, table)
    return {name: found[name] for name in found if "_ExecutionTime_" not in name}


def compared(ours: Columns, theirs: Columns) -> dict[str, str]:
    """The columns of two tables that are not equal, and how close they are."""
    found = {name: closeness(ours[name], theirs[name]) for name in ours.keys() & theirs.keys()}
    return {name: how for name, how in found.items() if how != "equal"}


@pytest.mark.parametrize("name", PERF)
class TestTenImageSetsOf1968FeaturesAgainstCellProfilersOwnDatabase:
    """One job's .h5 (60), and ExportToDatabase's SQLite of the same ten image sets (61)."""

    @pytest.fixture
    def pair(self, case: Case, loaded: Loaded, name: str) -> Tables:
        ours = loaded(case("60_perf") / "outputs"), f"Per_{name}"
        return ours, (case("61_perf_sqlite") / "perf.db", f"Perf_Per_{name}")

    def test_the_columns_are_the_same_in_the_same_order_and_of_the_same_types(
        self, pair: Tables
    ) -> None:
        ours, theirs = (list(declared(*table).items()) for table in pair)
        # ExportToDatabase stops the recording before CreateBatchFiles, the last module.
        more = [pair for pair in ours if pair[0] == "Image_ExecutionTime_13CreateBatchFiles"]

        assert [pair for pair in ours if pair not in more] == theirs

    def test_every_value_is_the_same_to_the_last_digit_that_text_keeps(self, pair: Tables) -> None:
        """Their objects' values went through decimal text, which SQLite reads an ulp off at times
        and which for a float32 has its own digits (formats, 3.3)."""
        ours, theirs = (measured(*table) for table in pair)
        close = compared(ours, theirs)

        assert {name for name, how in close.items() if how != "one ulp"} == {
            name for name in ours if "_RadialDistribution_FracAtD_" in name
        }
        assert set(close.values()) <= {"one ulp", "float32"}
        assert ours["ImageNumber"] == theirs["ImageNumber"]


@pytest.mark.parametrize("name", SCREEN)
class TestAScreenOf24ImageSetsAgainstCellProfilersOwnDatabase:
    """Four jobs' .h5 (11), and the database that one run of all the image sets wrote (20)."""

    @pytest.fixture
    def pair(self, case: Case, loaded: Loaded, name: str) -> Tables:
        ours = loaded(case("11_h5_and_csv") / "outputs", prefix="MyExpt_")
        table = f"MyExpt_Per_{name}"
        return (ours, table), (case("20_sqlite") / "separate.db", table)

    def test_the_columns_are_the_same_in_the_same_order(self, pair: Tables) -> None:
        ours, theirs = (list(declared(*table)) for table in pair)

        # CellProfiler's own means over objects: those are made from the tables, not loaded.
        assert ours == [name for name in theirs if not name.startswith(_AGGREGATES)]

    def test_types_differ_only_for_distances_which_it_calls_integers(
        self, pair: Tables, name: str
    ) -> None:
        ours, theirs = (declared(*table) for table in pair)
        differ = {column: (ours[column], theirs[column]) for column in ours}
        differ = {column: pair for column, pair in differ.items() if pair[0] != pair[1]}

        assert differ == (
            {
                "BigNuclei_Distance_Centroid_Cells": ("REAL", "INTEGER"),
                "BigNuclei_Distance_Minimum_Cells": ("REAL", "INTEGER"),
            }
            if name == "BigNuclei"
            else {}
        )

    def test_every_value_is_the_same_to_the_last_digit_that_text_keeps(
        self, pair: Tables, name: str
    ) -> None:
        """Group numbers too, though the jobs numbered their own image sets from 1. Values of
        images went through no text and have all their bits."""
        ours, theirs = (measured(*table) for table in pair)

        assert set(compared(ours, theirs).values()) <= ({"one ulp"} if name != "Image" else set())
        assert ours["ImageNumber"] == theirs["ImageNumber"]


def test_the_relationships_that_cellprofiler_declares_are_all_there(
    case: Case, loaded: Loaded
) -> None:
    """It keeps more in the .h5 than in its database, so ours has more (formats, 2.6)."""
    ours = loaded(case("11_h5_and_csv") / "outputs", prefix="MyExpt_")
    theirs = case("20_sqlite") / "separate.db"
    query = "SELECT * FROM MyExpt_Per_RelationshipsView"
    declared = "SELECT module_number, relationship FROM MyExpt_Per_RelationshipTypes"
    kinds = set(rows(theirs, declared))

    assert sorted(row for row in rows(ours, query) if row[:2] in kinds) == sorted(
        rows(theirs, query)
    )
    assert kinds < set(rows(ours, declared))


@pytest.fixture(scope="module")
def by_h5_and_by_csv(loaded: Loaded, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """The four jobs of 11, once by their .h5 and once by the CSV files beside them."""
    home = unpacked("11_h5_and_csv")
    folder = copied(home / "outputs", tmp_path_factory.mktemp("csv"), without="*.h5")
    return loaded(home / "outputs"), loaded(folder, batch_file=home / "Batch_data.h5")


class TestTheCsvFilesOfTheSameJobs:
    # float32 in CellProfiler: CSV has the digits of that.
    FLOAT32 = frozenset(
        {f"Image_Threshold_OrigThreshold_{name}" for name in ("Nuclei", "Cells")}
        | {
            f"Image_Intensity_{what}Intensity_{channel}"
            for what in ("MAD", "Max", "Median", "Min", "Std", "Total")
            for channel in ("DNA", "ER")
        }
    )

    @pytest.mark.parametrize("name", SCREEN)
    def test_give_the_same_table(self, by_h5_and_by_csv: Pair, name: str) -> None:
        ours, theirs = (
            list(declared(database, f"Per_{name}").items()) for database in by_h5_and_by_csv
        )

        assert ours == theirs

    @pytest.mark.parametrize("name", SCREEN)
    def test_give_the_same_values_bit_for_bit_but_for_float32(
        self, by_h5_and_by_csv: Pair, name: str
    ) -> None:
        ours, theirs = (columns(database, f"Per_{name}") for database in by_h5_and_by_csv)

        assert compared(ours, theirs) == dict.fromkeys(
            self.FLOAT32 if name == "Image" else (), "float32"
        )
        assert len(ours["ImageNumber"]) == len(theirs["ImageNumber"]) > 0

    def test_give_each_image_set_from_its_own_job(self, by_h5_and_by_csv: Pair) -> None:
        query = "SELECT format, image_sets FROM _cpexport_batches ORDER BY length(image_sets), 2"
        found = [[tuple(row) for row in rows(database, query)] for database in by_h5_and_by_csv]
        jobs = ["1-6", "7-12", "13-18", "19-24"]

        assert found == [
            [("hdf5", sets) for sets in jobs],
            [("spreadsheet", sets) for sets in jobs],
        ]


class TestGroupsAreNumberedOverTheWholeRun:
    """A job numbers the groups of its own image sets only, from 1."""

    COLUMNS = "ImageNumber, Image_Group_Number, Image_Group_Index, Image_Group_Length"

    def groups(self, database: Path) -> list[tuple[object, ...]]:
        return rows(database, f"SELECT {self.COLUMNS} FROM Per_Image ORDER BY 1")

    def test_an_ungrouped_run_is_one_group(self, case: Case, loaded: Loaded) -> None:
        found = self.groups(loaded(case("11_h5_and_csv") / "outputs"))

        assert found == [(number, 1, number, 24) for number in range(1, 25)]

    def test_a_grouped_run_by_its_groups_though_jobs_cut_them(
        self, case: Case, loaded: Loaded
    ) -> None:
        """Two image sets a well, six wells a plate: -f 2 -l 5 cuts two of them."""
        found = self.groups(loaded(case("02_loaddata_grouped")))

        assert found == [
            (number, (number + 1) // 2, 2 - number % 2, 2) for number in (2, 3, 4, 5, 15, 16)
        ]

    def test_jobs_on_groups_as_the_batch_file_has_them(self, case: Case, loaded: Loaded) -> None:
        home = case("13_groups")
        with h5py.File(home / "Batch_data.h5") as file:
            image = next(iter(file["Measurements"].values()))["Image"]
            planned: dict[int, list[int]] = {}
            for feature in ("Group_Number", "Group_Index", "Group_Length"):
                data = image[feature]["data"][()]
                for number, start, _ in image[feature]["index"][()]:
                    planned.setdefault(int(number), []).append(int(data[start]))
        found = self.groups(loaded(home / "outputs"))

        assert found == [(number, *planned[number]) for number in range(1, 13)]

    @pytest.mark.parametrize("movies", ["lap_batch", "overlap_batch"])
    def test_a_movie_is_a_group(self, case: Case, loaded: Loaded, movies: str) -> None:
        found = self.groups(loaded(case("50_track") / movies))

        assert found == [(n, 1 + (n > 8), (n - 1) % 8 + 1, 8) for n in range(1, 17)]

    def test_jobs_that_do_not_say_how_the_run_is_grouped_keep_their_own_numbers(
        self, case: Case, loaded: Loaded, tmp_path: Path
    ) -> None:
        """CSV files of the user's own names have no Experiment.csv, and here no batch file."""
        home = copied(case("40_variants") / "named" / "outputs", tmp_path)
        written = [
            tuple(int(row[name.removeprefix("Image_")]) for name in self.COLUMNS.split(", "))
            for path in home.glob("*/*_img_*.csv")
            for row in csv.DictReader(path.read_text().splitlines())
        ]

        assert self.groups(loaded(home)) == sorted(written) != []
