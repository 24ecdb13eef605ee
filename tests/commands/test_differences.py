"""Where the tables differ from CellProfiler's own: what `docs/differences.md` says, is so.

Other tests that it names are where the tables are compared as a whole.
"""

from collections.abc import Callable
from pathlib import Path

import h5py
import pytest
from support.calls import load
from support.compared_databases import differ_in_value
from support.fixtures import columns, copied, declared, measurements, rows

from cpexport.tables.options import TableOptions

Case = Callable[[str], Path]
Copy = Callable[..., Path]
Loaded = Callable[..., Path]

ALL = "mean,median,std"


@pytest.fixture
def outputs(copy: Copy) -> Path:
    """One job's .h5, to be changed."""
    return copy("22_exports", "plain/h5")


@pytest.mark.parametrize("name", ["Metadata_plate", "METADATA_Plate"])
def test_features_alike_but_for_case_have_columns_of_their_own(
    outputs: Path, tmp_path: Path, name: str
) -> None:
    """In SQLite and MySQL they would be one, so CellProfiler's CREATE TABLE fails."""
    with measurements(outputs / "measurements.h5") as run:
        run.copy("Image/Metadata_Well", f"Image/{name}")
    load([outputs], f"sqlite:///{tmp_path / 'x'}")
    found = columns(tmp_path / "x", "Per_Image")
    plates = [column for column in found if column.lower().startswith("image_metadata_plate")]

    assert len({column.lower() for column in plates}) == len(plates) == 2
    assert sorted(found[column][0] for column in plates) == ["A01", "P1"]
    (well, plate) = rows(
        tmp_path / "x",
        "SELECT feature, column_name FROM _cpexport_columns WHERE lower(feature) = "
        "'metadata_plate' ORDER BY feature = 'Metadata_Plate'",
    )
    assert found[str(well[1])] == found["Image_Metadata_Well"]
    assert plate[0] == "Metadata_Plate"


def test_csv_columns_alike_but_for_case_have_columns_of_their_own(
    copy: Copy, tmp_path: Path
) -> None:
    image = copy("22_exports", "plain/csv") / "Image.csv"
    header, *lines = image.read_text().splitlines()
    lines = [f"{line},{n}" for n, line in enumerate(lines)]
    image.write_text("\n".join([f"{header},Metadata_plate", *lines]) + "\n")
    load([image.parent], f"sqlite:///{tmp_path / 'x'}")
    query = "SELECT Image_Metadata_Plate, Image_Metadata_plate1 FROM Per_Image"

    assert rows(tmp_path / "x", query)[:2] == [("P1", 0), ("P1", 1)]


def test_kinds_of_relationships_without_a_pair_are_not_listed(case: Case, loaded: Loaded) -> None:
    query = "SELECT count(*) FROM {}Per_RelationshipTypes"
    ours = loaded(case("11_h5_and_csv") / "extra_15_15_nocells")

    assert rows(case("20_sqlite") / "failed" / "job" / "props.db", query.format("MyExpt_")) == [
        (3,)
    ]
    assert rows(ours, query.format("")) == [(0,)]


@pytest.mark.parametrize("csv", [False, True])
def test_a_job_without_objects_has_all_columns_of_its_pipeline(
    case: Case, tmp_path: Path, csv: bool
) -> None:
    job = copied(case("11_h5_and_csv") / "extra_15_15_nocells", tmp_path, "*.h5" if csv else "none")
    shape = TableOptions.parse("separate", ALL, None)
    load([job], f"sqlite:///{tmp_path / 'x'}", prefix="MyExpt_", shape=shape)
    theirs = case("20_sqlite") / "separate.db"
    for name in ("Image", "Nuclei", "Cells", "Cytoplasm", "BigNuclei", "SmallNuclei"):
        table = f"MyExpt_Per_{name}"

        assert list(declared(tmp_path / "x", table)) == list(declared(theirs, table))


def test_means_of_texts_are_columns_without_values(outputs: Path, tmp_path: Path) -> None:
    """ClassifyObjects by a model writes the name of a class for each object; CellProfiler (4.2.8,
    compute_aggregate_measurements) makes NaN of their mean, which is NULL in its databases."""
    with measurements(outputs / "measurements.h5") as run:
        nuclei = run["Nuclei"]
        count = len(nuclei["AreaShape_Area/data"])
        group = nuclei.create_group("Classify_Class")
        group["index"] = nuclei["AreaShape_Area/index"][()]
        texts = ["good" if n % 2 else "bad" for n in range(count)]
        group.create_dataset("data", data=texts, dtype=h5py.special_dtype(vlen=str))
    shape = TableOptions.parse("separate", ALL, None)
    load([outputs], f"sqlite:///{tmp_path / 'x'}", shape=shape)
    image = columns(tmp_path / "x", "Per_Image")
    names = [f"{kind}_Nuclei_Classify_Class" for kind in ("Mean", "Median", "StDev")]

    assert declared(tmp_path / "x", "Per_Nuclei")["Nuclei_Classify_Class"] == "TEXT"
    assert {declared(tmp_path / "x", "Per_Image")[name] for name in names} == {"REAL"}
    assert [image[name] for name in names] == [[None] * 5] * 3
    assert set(columns(tmp_path / "x", "Per_Nuclei")["Nuclei_Classify_Class"]) == {"good", "bad"}


def test_what_modules_declare_integer_and_write_whole_is_integer(
    case: Case, loaded: Loaded
) -> None:
    found = declared(loaded(case("22_exports") / "tracks" / "h5"), "Per_Nuclei")
    own = declared(case("22_exports") / "tracks" / "databases" / "tracks.db", "MyExpt_Per_Nuclei")
    whole = {name for name, type in found.items() if type == "INTEGER"}

    assert {f"Nuclei_TrackObjects_{word}" for word in ("Lifetime", "FinalAge", "Label")} <= whole
    assert whole == {
        name for name, type in own.items() if type == "INTEGER" and "Trajectory" not in name
    }


def test_objects_measured_with_32_bits_keep_them_all(case: Case, loaded: Loaded) -> None:
    """CellProfiler's text SQL has the shortest number that reads back as 32 bits."""
    ours = loaded(case("60_perf"), prefix="Perf_")
    theirs = case("61_perf_sqlite") / "perf.db"
    found = differ_in_value(ours, theirs, "Perf_Per_Cells")

    assert set(found.values()) == {"float32"}
    assert all("_RadialDistribution_FracAtD_" in name for name in found)
    column = next(iter(found))
    (value,) = rows(ours, f"SELECT {column} FROM Perf_Per_Cells WHERE ImageNumber = 1 LIMIT 1")[0]
    (text,) = rows(theirs, f"SELECT {column} FROM Perf_Per_Cells WHERE ImageNumber = 1 LIMIT 1")[0]
    assert len(str(value)) > len(str(text))


def test_modules_that_only_make_batch_files_have_times_too(case: Case, loaded: Loaded) -> None:
    ours = loaded(case("60_perf"), prefix="Perf_")
    theirs = case("61_perf_sqlite") / "perf.db"
    more = set(declared(ours, "Perf_Per_Image")) - set(declared(theirs, "Perf_Per_Image"))

    assert more == {"Image_ExecutionTime_13CreateBatchFiles"}
