"""Tracks across image sets: columns written when a group is done, and pairs of different images.

CellProfiler's own databases of the movies of `50_track` are in `22_exports/movies`; its CSV and .h5
files are of another run, each movie a job.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.calls import load
from support.compared_databases import differ_in_type, differ_in_value, measured, pairs
from support.fixtures import columns, copied, declared, rows, values_of

from cpexport.tables.options import TableOptions

Case = Callable[[str], Path]

METHODS = ("lap", "overlap")
# Of 32 bits in the .h5. CellProfiler writes those of objects with the digits that these need, and
# CSV files have no others.
SINGLE_PRECISION = {
    "Image_Threshold_OrigThreshold_Nuclei",
    "Nuclei_TrackObjects_MergeScore",
    "Mean_Nuclei_TrackObjects_MergeScore",
    "Median_Nuclei_TrackObjects_MergeScore",
}
IMAGE, OBJECT = "MyExpt_Per_Image", "MyExpt_Per_Object"


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["h5", "csv"])
def ours(case: Case, method: str, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    outputs = copied(case("50_track") / f"{method}_batch", tmp_path)
    if request.param == "csv":
        for path in outputs.glob("outputs/*/*.h5"):
            path.unlink()
    shape = TableOptions.parse("combined", "mean,median,std", None)
    load([outputs], f"sqlite:///{tmp_path / 'ours'}", prefix="MyExpt_", shape=shape)
    return tmp_path / "ours"


@pytest.fixture
def theirs(case: Case, method: str) -> Path:
    return case("22_exports") / "movies" / "databases" / f"track_{method}.db"


def at_the_end_of_a_group(column: str) -> bool:
    """Whether tracking by overlap computes it anew when the group is done, with other results.
    CellProfiler's database has what there was before; its CSV files have what is final."""
    words = ("Displacement", "DistanceTraveled", "FinalAge", "IntegratedDistance", "Linearity")
    return any(f"_TrackObjects_{word}" in column for word in (*words, "Trajectory"))


def test_tables_are_cellprofilers_but_for_what_its_database_never_gets(
    ours: Path, theirs: Path, method: str
) -> None:
    assert measured(theirs) == [IMAGE, OBJECT]
    for table in (IMAGE, OBJECT):
        found = differ_in_value(ours, theirs, table)
        wrong = {name: how for name, how in found.items() if "_ExecutionTime_" not in name}
        if method == "overlap":
            wrong = {name: how for name, how in wrong.items() if not at_the_end_of_a_group(name)}
            assert table == IMAGE or any(map(at_the_end_of_a_group, found))

        assert list(declared(ours, table)) == list(declared(theirs, table))
        assert wrong.keys() <= SINGLE_PRECISION
        assert set(wrong.values()) <= {"float32"}
        assert not [
            name for name in differ_in_type(ours, theirs, table) if "_Trajectory" not in name
        ]


def test_by_overlap_final_ages_are_there(case: Case, loaded: Callable[..., Path]) -> None:
    query = "SELECT count(Nuclei_TrackObjects_FinalAge_20) FROM {}"
    own = case("22_exports") / "movies" / "databases" / "track_overlap.db"
    ours = loaded(case("50_track") / "overlap_batch" / "outputs")

    assert rows(own, query.format(OBJECT)) == [(0,)]
    assert rows(ours, query.format("Per_Nuclei")) == [(20,)]


def test_pairs_are_cellprofilers(case: Case, method: str, loaded: Callable[..., Path]) -> None:
    ours = loaded(case("50_track") / f"{method}_batch" / "outputs", prefix="MyExpt_")
    own = pairs(case("22_exports") / "movies" / "databases" / f"track_{method}.db")

    assert sorted(pairs(ours)) == sorted(own)
    assert len(own) > 100
    assert all(pair[4] != pair[6] for pair in own)


def test_csv_files_and_h5_have_the_same_tracks(
    case: Case, method: str, tmp_path: Path, loaded: Callable[..., Path]
) -> None:
    home = case("50_track") / f"{method}_batch"
    one = values_of(loaded(home / "outputs"))
    other = values_of(loaded(copied(home / "outputs", tmp_path, "*.h5")))["Per_Nuclei"]

    assert list(other) == list(one["Per_Nuclei"])
    differ = {name for name, values in one["Per_Nuclei"].items() if other[name] != values}
    assert differ <= {"Nuclei_TrackObjects_MergeScore"}
    assert len(columns(loaded(home / "outputs"), "Per_Nuclei")["ImageNumber"]) == 146
