"""Object types are named as CellProfiler lets people name them; what cannot be is refused first."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest
from support.calls import load_runs, verify_runs
from support.fixtures import Ran, unpacked
from support.on_servers import load
from support.servers import USER, Database, Server, ServerError
from support.small_jobs import Objects, csv_job

from cpexport.errors import SinkError
from cpexport.tables.options import TableOptions

Run = Callable[..., Ran]

# Tables that CellProfiler or cpexport makes itself, as objects are called there, in any case.
TAKEN = [
    "Object",
    "object",
    "Relationships",
    "relationships",
    "RelationshipTypes",
    "RelationshipsView",
    "Well",
    "Well_avg",
    "WELL_MEDIAN",
    "Well_std_part2",
]


def objects(*names: str) -> Objects:
    return {name: [{"ImageNumber": 1, "ObjectNumber": 1, "AreaShape_Area": 7.5}] for name in names}


def named(folder: Path, *names: str) -> Path:
    return csv_job(folder / "outputs" / "job", {1: {}}, objects(*names)).parent


def measured(folder: Path, name: str) -> Path:
    """A job's measurement file in which Nuclei have another name."""
    outputs = folder / "outputs"
    outputs.mkdir()
    source = unpacked("11_h5_and_csv") / "outputs" / "batch_1_6" / "batch_1_6.h5"
    shutil.copy(source, outputs / "batch_1_6.h5")
    with h5py.File(outputs / "batch_1_6.h5", "r+") as file:
        runs = file["Measurements"]
        runs[max(runs)].move("Nuclei", name)
    return outputs


def written(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("name", TAKEN)
@pytest.mark.parametrize("kind", ["sqlite", "duckdb", "parquet"])
def test_objects_with_the_name_of_another_table_are_refused_before_anything_is_made(
    name: str, kind: str, tmp_path: Path
) -> None:
    outputs, to = named(tmp_path, "Nuclei", name), tmp_path / "to"
    url = f"parquet:{to}" if kind == "parquet" else f"{kind}:///{to}"
    with pytest.raises(SinkError) as refused:
        load_runs([outputs], url)

    assert name in str(refused.value)
    assert "--objects" in refused.value.advice
    assert written(tmp_path) == {"outputs"}
    load_runs([outputs], url, shape=TableOptions.parse("Nuclei", None, None))
    assert verify_runs([outputs], url).differences == ()


@pytest.mark.parametrize("kind", ["sqlite", "duckdb", "parquet"])
@pytest.mark.parametrize("names", [("Nuclei", "nuclei"), ("Spots", "SPOTS")])
def test_objects_whose_names_differ_by_case_alone(
    names: tuple[str, str], kind: str, tmp_path: Path
) -> None:
    outputs, to = named(tmp_path, *names), tmp_path / "to"
    url = f"parquet:{to}" if kind == "parquet" else f"{kind}:///{to}"
    with pytest.raises(SinkError) as refused:
        load_runs([outputs], url)

    assert all(name in str(refused.value) for name in names)
    assert written(tmp_path) == {"outputs"}
    assert load_runs([outputs], url, shape=TableOptions.parse(names[0], None, None)).is_complete


def test_a_name_that_a_table_has_already_is_refused_in_a_later_load(tmp_path: Path) -> None:
    first = named(tmp_path / "a", "Nuclei")
    second = csv_job(tmp_path / "b" / "job", {2: {}}, objects_of_2("nuclei")).parent
    to = f"sqlite:///{tmp_path / 's.sqlite'}"
    load_runs([first], to)
    with pytest.raises(SinkError, match="both Nuclei and nuclei"):
        load_runs([second], to)

    db = sqlite3.connect(tmp_path / "s.sqlite")
    assert db.execute("SELECT ImageNumber FROM Per_Image").fetchall() == [(1,)]
    db.close()
    assert verify_runs([first], to).differences == ()


def objects_of_2(name: str) -> Objects:
    return {name: [{"ImageNumber": 2, "ObjectNumber": 1, "AreaShape_Area": 7.5}]}


@pytest.mark.parametrize(
    "name", ["Wells", "Objects", "Relation", "Experiments", "Well_avg2", "Per"]
)
def test_names_that_only_look_like_those_are_no_reason(name: str, tmp_path: Path) -> None:
    outputs, to = named(tmp_path, name), f"sqlite:///{tmp_path / 's.sqlite'}"

    assert load_runs([outputs], to).is_complete
    assert verify_runs([outputs], to).differences == ()


@pytest.mark.parametrize("name", ["Nuclei😀", "Nu\U00020000clei"])
def test_a_server_takes_no_name_beyond_the_basic_plane_and_stays_as_it_was(
    name: str, database: Database, tmp_path: Path
) -> None:
    outputs = measured(tmp_path, name)

    assert load(outputs, "--to", database.url()) == 1
    assert database.rows("SHOW TABLES") == []
    shutil.rmtree(outputs)
    assert load(named(tmp_path / "more", "Nuclei"), "--to", database.url()) == 0


def test_a_file_takes_such_a_name(tmp_path: Path) -> None:
    outputs, to = measured(tmp_path, "Nuclei😀"), f"sqlite:///{tmp_path / 's.sqlite'}"

    assert load_runs([outputs], to).is_complete
    assert verify_runs([outputs], to).differences == ()


def test_objects_side_by_side_can_have_any_of_these_names(tmp_path: Path) -> None:
    outputs = named(tmp_path, "Nuclei", "nuclei", "Well_avg")
    to = f"sqlite:///{tmp_path / 's.sqlite'}"
    load_runs([outputs], to, shape=TableOptions.parse("combined", None, None))

    db = sqlite3.connect(tmp_path / "s.sqlite")
    columns = [row[1] for row in db.execute("PRAGMA table_info(Per_Object)")]
    db.close()
    assert len([name for name in columns if "AreaShape_Area" in name]) == 3
    assert verify_runs([outputs], to).differences == ()


class SmallLetters(Server):
    """A server that keeps names of tables in small letters, as on Windows."""

    def _options(self) -> tuple[str, ...]:
        return (*super()._options(), "--lower-case-table-names=1")


def test_a_server_that_keeps_names_in_small_letters(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    # Short, as the path of a socket has to be.
    home = tmp_path_factory.mktemp("s")
    outputs = named(tmp_path_factory.mktemp("o"), "Nuclei", "Cells")
    try:
        small = SmallLetters("mariadb", home)
    except ServerError as error:
        pytest.skip(str(error))
    try:
        small.rows("CREATE DATABASE small CHARACTER SET utf8mb4")
        small.rows(f"GRANT ALL ON small.* TO {USER}@'%'")
        to = Database(small, "small")
        words = ("--objects", "view", "--wells", "mean")
        assert load(outputs, "--to", to.url(), *words) == 0
        assert load(outputs, "--to", to.url(), "--prefix", "Other_") == 0
        assert ("per_nuclei",) in to.rows("SHOW TABLES")
        for prefix in ("", "Other_"):
            found = verify_runs([outputs], to.url(), prefix=prefix)
            assert (found.differences, found.not_loaded, found.not_verified) == ((), (), ())
        to.rows("DROP TABLE Per_Well_avg")
        assert [d.table for d in verify_runs([outputs], to.url()).differences] == ["Per_Well_avg"]
    finally:
        small.kill()
