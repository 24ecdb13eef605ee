"""ExportToSpreadsheet in its variants: CSV files, and the .h5 of the same jobs, give the same."""

import csv
import itertools
import math
from collections.abc import Callable
from pathlib import Path

import pandas
import pytest
from support.fixtures import closeness, columns, declared, rows, tables

Case = Callable[[str], Path]
Loaded = Callable[..., Path]
Pair = tuple[Path, Path]
Columns = dict[str, list[object]]

# The image sets that are missing, by the .h5 and by the CSV files; of 16. Skipped and failed ones
# have no index row in their last module's ModuleError; a job that fails leaves no CSV file at all.
MISSING = {
    "chosen": ("", ""),
    "chosen_continue": ("6,13", "6,13"),
    "combined": ("", ""),
    "combined_named": ("", ""),
    "combined_skip": ("", ""),
    "continue": ("6,13", "6,13"),
    "fail_middle": ("6-8,13-16", "5-8,13-16"),
    "means": ("", ""),
    "means_continue": ("6,13", "6,13"),
    "means_skip": ("", ""),
    "named": ("", ""),
    "names": ("", ""),
    "skip": ("", ""),
    "skip_all": ("", ""),
    "skip_last": ("", ""),
    "tab_prefix": ("", ""),
}
# Of skipped image sets CellProfiler writes no objects into a file of several types of them.
UNWRITTEN = {"combined_skip": "5,13"}
OBJECTS = dict.fromkeys(MISSING, ("Cells", "Nuclei")) | {
    "names": ("Cells", "CellsEdge", "CellsInner", "Nuclei", "NucleiBig", "Nuclei_Small")
}
# ExportToSpreadsheet was told to write these, and only what people chose.
AGGREGATED = ("means", "means_continue", "means_skip", "names")
CHOSEN = ("chosen", "chosen_continue")
RELATIONSHIPS = ("means", "named")
# float32 in CellProfiler: CSV has the digits of that.
FLOAT32 = "Image_Threshold_OrigThreshold_Nuclei"


@pytest.fixture(params=MISSING)
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def both(case: Case, loaded: Loaded, variant: str) -> Pair:
    """Two databases: of the .h5, and of the CSV files."""
    home = case("40_variants") / variant
    batch = home / "Batch_data.h5"
    return loaded(home / "h5", batch_file=batch), loaded(home / "outputs", batch_file=batch)


def numbers(text: str) -> set[int]:
    pairs = (part.partition("-") for part in text.split(",") if part)
    return {n for first, _, last in pairs for n in range(int(first), int(last or first) + 1)}


def data_tables(database: Path) -> set[str]:
    """The tables with a row for each image set or object."""
    others = ("Per_Relationship", "Experiment", "Per_Experiment")
    return {name for name in tables(database) if not name.startswith(others)}


def only(table: Columns, wanted: set[int]) -> Columns:
    """The rows of some image sets."""
    keep = [number in wanted for number in table["ImageNumber"]]
    return {name: list(itertools.compress(column, keep)) for name, column in table.items()}


def test_the_image_sets_that_are_whole_are_there_and_no_others(both: Pair, variant: str) -> None:
    found = [columns(database, "Per_Image")["ImageNumber"] for database in both]

    assert found == [sorted(set(range(1, 17)) - numbers(text)) for text in MISSING[variant]]


def test_there_is_a_table_for_images_and_for_each_object_type(both: Pair, variant: str) -> None:
    expected = {f"Per_{name}" for name in ("Image", *OBJECTS[variant])}

    assert [data_tables(database) for database in both] == [expected, expected]


def test_values_are_equal_bit_for_bit_but_for_float32(both: Pair, variant: str) -> None:
    """In every column that both have, for the image sets that both have."""
    everywhere = set(range(1, 17)) - numbers(",".join(MISSING[variant]))
    far = {}
    for name in sorted(data_tables(both[0])):
        unwritten = numbers(UNWRITTEN.get(variant, "")) if name != "Per_Image" else set()
        common = everywhere - unwritten
        ours, theirs = (only(columns(database, name), common) for database in both)
        for column in ours.keys() & theirs.keys():
            if (how := closeness(ours[column], theirs[column])) != "equal":
                far[column] = how

    assert far == ({} if variant in CHOSEN else {FLOAT32: "float32"})


def test_types_are_the_same_by_either_way(both: Pair) -> None:
    differ: dict[str, tuple[str, str]] = {}
    for name in sorted(data_tables(both[0])):
        ours, theirs = (declared(database, name) for database in both)
        differ |= {c: (ours[c], theirs[c]) for c in ours.keys() & theirs if ours[c] != theirs[c]}

    assert differ == {}


def test_columns_differ_only_by_means_and_by_what_people_chose(both: Pair, variant: str) -> None:
    for name in sorted(data_tables(both[0])):
        ours, theirs = (list(declared(database, name)) for database in both)
        means = [c for c in theirs if c.startswith(("Mean_", "Median_", "StDev_"))]
        common = [column for column in ours if column in theirs]

        assert theirs == (common if variant in CHOSEN else ours) + means
        assert bool(means) == (name == "Per_Image" and variant in AGGREGATED)
        assert (len(common) < len(ours)) == (variant in CHOSEN)


@pytest.mark.parametrize("variant", AGGREGATED)
def test_means_over_objects_are_the_numbers_in_image_csv(
    case: Case, both: Pair, variant: str
) -> None:
    """`nan` there, of an image set without objects, is NULL."""
    texts: dict[object, dict[str, str]] = {}
    for path in (case("40_variants") / variant).glob("outputs/*/Image.csv"):
        with path.open(newline="") as stream:
            texts |= {int(row["ImageNumber"]): row for row in csv.DictReader(stream)}
    found = columns(both[1], "Per_Image")
    means = [c for c in found if c.startswith(("Mean_", "Median_", "StDev_"))]
    expected = {
        mean: [float(texts[number][mean]) for number in found["ImageNumber"]] for mean in means
    }
    known = {
        mean: [None if math.isnan(value) else value for value in values]
        for mean, values in expected.items()
    }

    assert {mean: found[mean] for mean in means} == known


@pytest.mark.parametrize("variant", RELATIONSHIPS)
def test_relationships_in_a_csv_file_are_those_of_the_h5(both: Pair) -> None:
    query = "SELECT * FROM Per_RelationshipsView"
    ours, theirs = (sorted(rows(database, query)) for database in both)

    assert ours == theirs != []


@pytest.mark.parametrize("variant", ["named"])
def test_files_of_the_users_names_split_by_movie_come_together(case: Case, both: Pair) -> None:
    """`screen7_nuc_M1.csv` and `screen7_nuc_M2.csv` are one table, read back here by pandas."""
    files = sorted((case("40_variants") / "named" / "outputs").glob("*/screen7_nuc_M*.csv"))
    frame = pandas.concat([pandas.read_csv(path) for path in files])
    frame = frame.sort_values(["ImageNumber", "ObjectNumber"])
    found = columns(both[1], "Per_Nuclei")

    assert len(files) == 4
    assert found["ImageNumber"] == frame["ImageNumber"].tolist()
    assert found["Nuclei_AreaShape_Area"] == frame["AreaShape_Area"].tolist()


@pytest.mark.parametrize(
    ("variant", "file"), [("combined", "Nuclei.csv"), ("combined_named", "objects.csv")]
)
def test_types_side_by_side_in_one_file_have_their_own_number_of_rows(
    case: Case, both: Pair, variant: str, file: str
) -> None:
    """Where there are fewer cells than nuclei, their rows are padding and are not loaded."""
    files = (case("40_variants") / variant).glob(f"outputs/*/{file}")
    frame = pandas.concat([pandas.read_csv(path, header=[0, 1]) for path in files])
    own = {name: frame[name, "Number_Object_Number"].notna() for name in ("Cells", "Nuclei")}
    counts = {
        name: frame["Image", "ImageNumber"][mine].value_counts().sort_index()
        for name, mine in own.items()
    }
    query = "SELECT ImageNumber, count(*) FROM Per_{} GROUP BY 1 ORDER BY 1"

    assert own["Cells"].sum() < own["Nuclei"].sum()
    for name, count in counts.items():
        assert rows(both[1], query.format(name)) == list(count.items())


@pytest.mark.parametrize("variant", ["names"])
def test_columns_that_cellprofiler_wrote_twice_are_there_once(case: Case, both: Pair) -> None:
    text = (case("40_variants") / "names/outputs/batch_1_4/Nuclei.csv").read_text()
    found = declared(both[1], "Per_Nuclei")

    assert text.splitlines()[0].split(",").count("AreaShape_Area") == 2
    assert [name for name in found if name.startswith("Nuclei_AreaShape_Area")] == [
        "Nuclei_AreaShape_Area"
    ]


@pytest.mark.parametrize("variant", ["tab_prefix"])
def test_files_with_tabs_and_a_prefix_are_whole_batches(case: Case, both: Pair) -> None:
    folder = case("40_variants") / "tab_prefix" / "outputs" / "batch_1_4"
    query = "SELECT format, image_sets, complete FROM _cpexport_batches"

    assert "\t" in (folder / "MyExpt_Nuclei.txt").read_text()
    assert sorted(rows(both[1], query)) == [
        ("spreadsheet", sets, sets) for sets in ("1-4", "13-16", "5-8", "9-12")
    ]
