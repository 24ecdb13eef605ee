"""Several runs in one destination: each is there as it would be alone, under its own number."""

import csv
import json
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest
from support.background_loads import Load
from support.calls import load, load_runs
from support.fixtures import Ran, rewritten, rows, tables, traces, unpacked
from support.properties_files import Opened
from support.reruns import FIRST, LATER, rerun
from support.wide_tables import widen

from cpexport.derived.cpa_properties import properties, write
from cpexport.errors import CollisionError, SinkError, UsageError
from cpexport.tables.options import TableOptions

Copy = Callable[..., Path]
Case = Callable[[str], Path]
Run = Callable[..., Ran]

NUMBERED = TableOptions(numbered=True)
# All count their image sets from 1; some have jobs that failed, tracks, or other objects.
RUNS = {
    "ranges": "11_h5_and_csv/outputs",
    "csv": "40_spreadsheet/outputs",
    "failed": "12_failed/outputs",
    "tracks": "50_track/lap_batch",
    "plate 2": "60_perf/outputs",
}
FAMILY = ("Per_Image", "Per_Cells", "Per_Cytoplasm", "Per_Nuclei")
KEYS = {"TableNumber", "ImageNumber"}


def outputs(name: str) -> Path:
    home, _, folder = RUNS[name].partition("/")
    return unpacked(home) / folder


def words(*names: str) -> list[str]:
    return [f"{name}={outputs(name)}" for name in names]


def paths(*names: str) -> list[Path]:
    return [Path(word) for word in words(*names)]


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "screens.sqlite"


@pytest.fixture(scope="module")
def screens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All runs in one destination, by one load."""
    database = tmp_path_factory.mktemp("runs") / "screens.sqlite"
    load_runs(paths(*RUNS), f"sqlite:///{database}", shape=NUMBERED)
    return database


def numbers(database: Path, prefix: str = "") -> dict[object, object]:
    """The names of the runs with their numbers."""
    query = f"SELECT name, table_number FROM _cpexport_runs WHERE prefix = '{prefix}' ORDER BY 2"
    return dict(rows(database, query))


def one_run(database: Path, number: object = None) -> dict[str, object]:
    """All that a destination holds of a run, or of the only one there is: the columns that have
    values, in order of key, and of the ledger what does not depend on when it was loaded."""
    where = "" if number is None else f"WHERE TableNumber = {number}"
    ours = "" if number is None else f"AND s.table_number = {number}"
    found: dict[str, object] = {}
    for name in [*tables(database), "Per_RelationshipsView"]:
        if name in ("Per_Relationships", "Per_RelationshipTypes"):
            continue
        with closing(sqlite3.connect(database)) as db:
            read = db.execute(f'SELECT * FROM "{name}" {where}')
            names = [column for column, *_ in read.description]
            table = read.fetchall()
        by_name = {c: [row[i] for row in table] for i, c in enumerate(names) if c != "TableNumber"}
        key = list(by_name)[: 8 if name.endswith("View") else 1 if name == "Per_Image" else 2]
        order = sorted(range(len(table)), key=lambda i: [str(by_name[c][i]) for c in key])
        for column, values in by_name.items():
            if any(value is not None for value in values):
                found[f"{name}.{column}"] = [values[i] for i in order]
    found["sets"] = rows(
        database,
        "SELECT number, identity, path FROM _cpexport_sets s JOIN _cpexport_batches b "
        f"USING (batch_id) WHERE s.table_number = b.table_number {ours} ORDER BY number",
    )
    found["counts"] = rows(
        database,
        "SELECT s.path, table_name, row_count, missing_count, infinite_count FROM _cpexport_tables "
        f"JOIN _cpexport_batches s USING (batch_id) WHERE 1 {ours} ORDER BY 1, 2",
    )
    where = "" if number is None else f"AND table_number = {number}"
    found["settings"] = rows(
        database, f"SELECT value FROM _cpexport_settings WHERE name = 'groups' {where}"
    )
    return found


def several(database: Path) -> dict[object, dict[str, object]]:
    """All that a destination holds of each run, by name: the same whatever number it has."""
    return {name: one_run(database, number) for name, number in numbers(database).items()}


class TestContent:
    @pytest.mark.parametrize("name", RUNS)
    def test_each_run_is_there_as_it_would_be_alone(
        self, screens: Path, loaded: Callable[..., Path], name: str
    ) -> None:
        here, alone = one_run(screens, numbers(screens)[name]), one_run(loaded(outputs(name)))

        assert here.keys() == alone.keys()
        assert [part for part in here if here[part] != alone[part]] == []
        assert len(here) > 100

    def test_runs_are_numbered_from_1_as_they_come(self, screens: Path) -> None:
        assert numbers(screens) == {name: place for place, name in enumerate(RUNS, 1)}

    def test_the_number_begins_every_table_and_key(self, screens: Path) -> None:
        for name, columns in tables(screens).items():
            if name not in ("Per_RelationshipTypes", "Per_Experiment"):
                assert columns[0] == "TableNumber"
                declared = rows(screens, f"SELECT type, pk FROM pragma_table_info('{name}')")
                assert declared[0] == ("INTEGER", 0 if name == "Per_Relationships" else 1)
                indexes = [
                    (index,)
                    for (index,) in rows(screens, f"SELECT name FROM pragma_index_list('{name}')")
                    if index != "Per_IPlateWell"
                ]
                firsts = [
                    rows(screens, f"SELECT name FROM pragma_index_info('{i}')")[0]
                    for (i,) in indexes
                ]
                assert set(firsts) == {("TableNumber",)}
                ours = [index for (index,) in indexes if "_Parent_" in index]
                assert len(firsts) - len(ours) == (3 if name == "Per_Relationships" else 1)

    def test_the_order_of_loads_changes_nothing_but_the_numbers(
        self, screens: Path, to: Path
    ) -> None:
        for name in reversed(RUNS):
            load_runs(paths(name), f"sqlite:///{to}", shape=NUMBERED)

        assert list(numbers(to)) == list(reversed(RUNS))
        assert several(to) == several(screens)

    def test_relationships_are_between_objects_of_one_run(self, screens: Path) -> None:
        """Each side of a pair is an object of that run, by whatever number it has in others."""
        kinds = rows(
            screens, "SELECT DISTINCT object_name1, object_name2 FROM Per_RelationshipsView"
        )
        checked = 0
        for pair in kinds:
            for side, name in enumerate(pair, 1):
                if f"Per_{name}" in tables(screens):
                    query = (
                        f"SELECT count(*), count({name}_Number_Object_Number) "
                        f"FROM Per_RelationshipsView r LEFT JOIN Per_{name} o "
                        f"ON o.TableNumber = r.TableNumber AND ImageNumber = image_number{side} "
                        f"AND {name}_Number_Object_Number = object_number{side} "
                        f"WHERE object_name{side} = '{name}'"
                    )
                    ((all_of_them, found),) = rows(screens, query)
                    assert all_of_them == found
                    checked += 1
        assert checked > 5


class TestAgain:
    def test_a_run_keeps_its_number_whatever_is_named_beside_it(self, to: Path) -> None:
        url = f"sqlite:///{to}"
        load_runs(paths("csv", "tracks"), url, shape=NUMBERED)
        first = several(to)

        again = load_runs(paths("failed", "tracks", "csv"), url, shape=NUMBERED)

        assert numbers(to) == {"csv": 1, "tracks": 2, "failed": 3}
        assert [(run.name, run.table_number) for run in again.runs] == [
            ("failed", 3),
            ("tracks", 2),
            ("csv", 1),
        ]
        assert again.already == len(rows(to, "SELECT 1 FROM _cpexport_batches")) - again.loaded
        assert {name: several(to)[name] for name in first} == first

    def test_nothing_is_loaded_twice_and_no_byte_changes(self, to: Path) -> None:
        url = f"sqlite:///{to}"
        load_runs(paths("csv", "tracks"), url, shape=NUMBERED)
        before = traces(to.parent)

        again = load_runs(paths("tracks", "csv"), url)

        assert (again.loaded, again.image_sets, again.rows) == (0, 0, {})
        assert traces(to.parent) == before

    def test_the_same_outputs_can_be_two_runs(self, case: Case, to: Path) -> None:
        batch = case("11_h5_and_csv") / "outputs/batch_1_6"

        done = load_runs([Path(f"{n}={batch}") for n in "ab"], f"sqlite:///{to}", shape=NUMBERED)

        assert (done.loaded, done.already, done.image_sets) == (2, 0, 12)
        assert several(to)["a"] == several(to)["b"]

    def test_newer_outputs_replace_older_ones_of_their_own_run_only(
        self, copy: Copy, case: Case, to: Path
    ) -> None:
        batch = case("11_h5_and_csv") / "outputs/batch_1_6"
        url = f"sqlite:///{to}"
        load_runs([Path(f"{name}={batch}") for name in "abc"], url, shape=NUMBERED)
        first = several(to)
        newer = rerun(copy, "again/batch.h5", LATER).parent

        done = load_runs([Path(f"b={newer}")], url)

        now = several(to)
        area = "Per_Nuclei.Nuclei_AreaShape_Area"
        assert (done.loaded, done.image_sets) == (1, 6)
        assert (now["a"], now["c"]) == (first["a"], first["c"])
        assert sum(value == -7 for value in now["b"][area]) == 1  # type: ignore[attr-defined]
        differ = {part for part in now["b"] if now["b"][part] != first["b"][part]}
        assert differ == {area, "Per_Experiment.Modification_Timestamp", "sets", "counts"}

    def test_what_failed_is_loaded_later_into_its_own_run(
        self, copy: Copy, to: Path, case: Case
    ) -> None:
        one, other = (copy("40_spreadsheet", "outputs", f"{name}/out") for name in ("a", "b"))
        good = case("40_spreadsheet") / "outputs/P1-A01-1/Cells.csv"
        url = f"sqlite:///{to}"
        broken = other / "P1-A01-1/Cells.csv"
        broken.write_bytes(b"")
        runs = [Path(f"{path.parent.name}={path}") for path in (one, other)]
        first = load_runs(runs, url, shape=NUMBERED)
        before = several(to)["a"]
        broken.write_bytes(good.read_bytes())

        second = load_runs(runs, url)

        assert [str(run.missing) for run in first.runs] == ["9", "1,9"]
        assert [str(run.missing) for run in second.runs] == ["9", "9"]
        assert (second.loaded, second.image_sets) == (1, 1)
        assert several(to)["a"] == before
        counts = rows(to, "SELECT TableNumber, count(*) FROM Per_Cells GROUP BY 1")
        assert counts == [(1, 500), (2, 500)]

    def test_groups_are_numbered_over_each_run(self, screens: Path) -> None:
        query = (
            "SELECT TableNumber, max(Image_Group_Number), count(DISTINCT Image_Group_Number) "
            "FROM Per_Image GROUP BY 1"
        )
        found = {number: (last, many) for number, last, many in rows(screens, query)}

        assert found[numbers(screens)["csv"]] == (23, 22)
        assert found[numbers(screens)["tracks"]] == (2, 2)

    def test_other_pictures_under_the_numbers_of_a_run_are_refused(
        self, copy: Copy, to: Path
    ) -> None:
        url = f"sqlite:///{to}"
        load_runs(paths("ranges"), url, shape=NUMBERED)
        file = copy("11_h5_and_csv", FIRST, "other/batch.h5")
        rewritten(file, "Image", "FileName_DNA", lambda values: [b"other.tif"] * len(values))
        before = traces(to.parent)

        with pytest.raises(CollisionError, match="if it is another run, name it: ") as stop:
            load_runs([Path(f"ranges={file.parent}")], url)

        assert traces(to.parent) == before
        name = str(stop.value).partition("name it: ")[2].partition(";")[0]
        assert load_runs([Path(name)], url).loaded == 1


class TestKilled:
    def test_killed_at_any_moment_and_run_again_each_run_is_whole(
        self, tmp_path: Path, to: Path, copy: Copy
    ) -> None:
        for job in ("P1-A01-1", "P1-A01-2", "P1-B02-1", "P2-A01-1"):
            copy("40_spreadsheet", f"outputs/{job}", f"csv/{job}")
        ranges = copy("11_h5_and_csv", "outputs/batch_1_6", "ranges/batch_1_6").parent
        named = [f"csv={tmp_path / 'csv'}", f"ranges={ranges}", *words("tracks"), "--table-number"]
        began = time.monotonic()
        Load(to, named).end()
        seconds, expected = time.monotonic() - began, several(to)
        moments = random.Random(7)
        for moment in range(8):
            folder = tmp_path / str(moment)
            folder.mkdir()
            first = Load(folder / "screens.sqlite", named)

            time.sleep(moments.uniform(0, seconds))
            first.send(signal.SIGKILL)
            Load(folder / "screens.sqlite", named).end()

            assert several(folder / "screens.sqlite") == expected
            assert sorted(numbers(folder / "screens.sqlite").values(), key=str) == [1, 2, 3]

    def test_loads_of_several_runs_side_by_side_give_each_its_own_number(
        self, to: Path, screens: Path
    ) -> None:
        names = ("csv", "ranges", "tracks")
        loads = [Load(to, [*words(name), "--table-number"]) for name in names]
        ends = [one.end() for one in loads]

        assert [err for _, _, err in ends] == [""] * 3
        assert sorted(numbers(to).values(), key=str) == [1, 2, 3]
        whole = several(screens)
        assert several(to) == {name: whole[name] for name in numbers(to)}


class TestWords:
    def test_a_run_has_the_name_of_its_folder(self, copy: Copy, cpexport: Run, to: Path) -> None:
        home = copy("40_spreadsheet", "outputs/P1-A01-1", "plate 1/job").parent
        copy("40_spreadsheet", "outputs/P1-A01-1", "x=y/job")

        ran = cpexport("load", ".", "../x=y", "--table-number", "--to", f"sqlite:///{to}", cwd=home)

        assert ran.status == 0
        assert numbers(to) == {"plate 1": 1, "x=y": 2}

    def test_without_to_the_first_run_names_the_destination(
        self, copy: Copy, cpexport: Run, tmp_path: Path
    ) -> None:
        copy("40_spreadsheet", "outputs/P1-A01-1", "plate/job")

        ran = cpexport("load", "first=plate", "--table-number")

        assert ran.status == 0
        assert numbers(tmp_path / "plate.sqlite") == {"first": 1}

    def test_the_report_names_what_is_missing_of_each_run(self, cpexport: Run) -> None:
        ran = cpexport("load", *words("csv", "ranges"), "--table-number", "--to=sqlite:///x.sqlite")

        lines = [line.split(maxsplit=2) for line in ran.out.splitlines()]
        assert ran.status == 3
        assert ["run", "1", "csv, missing 9 (P1 B02 site 1), 24 (P2 B03 site 2)"] in lines
        assert ["run", "2", "ranges, missing none"] in lines
        assert ["Per_Image", "46", "rows"] in lines

    def test_the_report_adds_up_for_programs(self, cpexport: Run) -> None:
        common = ("--to=sqlite:///x.sqlite", "--format=json")
        ran = cpexport("load", *words("csv", "ranges"), "--table-number", *common)

        said = json.loads(ran.out)
        assert said["image_sets"] == said["rows"]["Per_Image"] == 46
        assert said["batches"]["loaded"] == 26
        assert [left["path"] for left in said["batches"]["left_out"]] == [
            str(outputs("csv") / "P1-B02-1")
        ]
        assert said["missing"] == [[9, 9], [24, 24]]
        keys = ("name", "table_number", "missing")
        assert [{key: run[key] for key in keys} for run in said["runs"]] == [
            {"name": "csv", "table_number": 1, "missing": [[9, 9], [24, 24]]},
            {"name": "ranges", "table_number": 2, "missing": []},
        ]

    @pytest.mark.parametrize(
        ("names", "said"),
        [
            (
                ["plates/out", "plates/out"],
                "two runs are called out; give them different names, for example out-2=",
            ),
            (
                ["a=plates/out", "a=more/out"],
                "two runs are called a; give them different names, for example a-2=",
            ),
            (["=plates/out"], "name it, for example plate1=plates/out"),
            (["a="], "this run has no name; name it"),
            (["/"], "name it, for example plate1=/"),
            (["a=plates/out", "b=more/out", "--batch", "x.h5"], "--batch works with one run only"),
        ],
    )
    def test_words_that_make_no_sense(
        self, copy: Copy, cpexport: Run, tmp_path: Path, names: list[str], said: str
    ) -> None:
        for folder in ("plates", "more"):
            copy("40_spreadsheet", "outputs/P1-A01-1", f"{folder}/out")
        before = traces(tmp_path)

        ran = cpexport("load", *names, "--table-number", "--to", "sqlite:///x.sqlite")

        assert (ran.status, ran.out) == (2, "")
        assert said in ran.err
        assert traces(tmp_path) == before

    def test_folders_with_one_name_are_called_by_the_ends_of_their_paths(
        self, copy: Copy, cpexport: Run, tmp_path: Path
    ) -> None:
        for plate, job in (("p1", "P1-A01-1"), ("p2", "P1-A01-2"), ("p3", "P1-A02-1")):
            copy("40_spreadsheet", f"outputs/{job}", f"screen/{plate}/out")
        to = "--to=sqlite:///x.sqlite"

        first = cpexport("load", "screen/p1/out", "screen/p2/out", "--table-number", to)
        again = cpexport("load", "screen/p2/out", to)
        more = cpexport("load", "screen/p1/out", "screen/p3/out", to)

        assert (first.status, again.status, more.status) == (0, 0, 0)
        assert numbers(tmp_path / "x.sqlite") == {"p1/out": 1, "p2/out": 2, "p3/out": 3}
        assert rows(tmp_path / "x.sqlite", "SELECT COUNT(*) FROM Per_Image") == [(3,)]

    def test_two_folders_that_could_be_one_known_run_are_refused(
        self, copy: Copy, cpexport: Run, tmp_path: Path
    ) -> None:
        for plate, job in (("p1", "P1-A01-1"), ("p2", "P1-A01-2")):
            copy("40_spreadsheet", f"outputs/{job}", f"{plate}/out")
        to = "--to=sqlite:///x.sqlite"
        cpexport("load", "p1/out", "--table-number", to)

        both = cpexport("load", "p1/out", "p2/out", to)
        named = cpexport("load", "out=p1/out", "p2/out", to)

        assert both.status == 2
        assert "more than one of OUTPUTS could be the run 'out'" in both.err
        assert named.status == 0
        assert numbers(tmp_path / "x.sqlite") == {"out": 1, "p2/out": 2}

    def test_a_run_that_does_not_exist_is_told_before_any_is_loaded(
        self, cpexport: Run, tmp_path: Path
    ) -> None:
        ran = cpexport("load", *words("csv"), "b=nowhere", "--table-number", "--to=sqlite:///x.db")

        assert (ran.status, ran.out) == (1, "")
        assert "nowhere: does not exist" in ran.err
        assert list(tmp_path.iterdir()) == []

    def test_a_run_of_which_nothing_can_be_loaded_is_left_out_and_named(
        self, cpexport: Run, tmp_path: Path
    ) -> None:
        (tmp_path / "empty").mkdir()
        ran = cpexport("load", "empty", *words("tracks"), "--table-number", "--to=sqlite:///x.db")
        alone = cpexport("load", "empty", "--to=sqlite:///x.db")

        assert ran.status == 3
        assert "empty: contains no output of a CellProfiler job" in ran.out
        assert numbers(tmp_path / "x.db") == {"tracks": 1}
        assert (alone.status, alone.out) == (1, "")
        assert "empty: contains no output of a CellProfiler job" in alone.err


class TestShapes:
    def test_a_destination_keeps_whether_it_numbers_runs(
        self, cpexport: Run, case: Case, tmp_path: Path
    ) -> None:
        batches = [case("11_h5_and_csv") / f"outputs/batch_{n}" for n in ("1_6", "7_12")]
        cpexport("load", batches[0], "--table-number", "--to=sqlite:///runs.sqlite")
        cpexport("load", batches[0], "--to=sqlite:///plain.sqlite")
        before = traces(tmp_path)

        runs = cpexport("load", batches[1], "--table-number", "--to=sqlite:///plain.sqlite")

        assert runs.status == 1
        made = "was created with no --table-number, but --table-number was requested"
        assert f"plain.sqlite: {made}; " in runs.err
        assert traces(tmp_path) == before

        cpexport("load", batches[1], "--objects=separate", "--to=sqlite:///runs.sqlite")
        found = rows(tmp_path / "runs.sqlite", "SELECT name FROM _cpexport_runs ORDER BY 1")
        assert found == [("batch_1_6",), ("batch_7_12",)]

    def test_without_options_outputs_are_runs_where_runs_are_numbered(
        self, cpexport: Run, case: Case, tmp_path: Path
    ) -> None:
        first, *more = [case("11_h5_and_csv") / f"outputs/batch_{n}" for n in ("1_6", "7_12")]
        cpexport("load", first, "--table-number", "--to=sqlite:///runs.sqlite")

        ran = cpexport("load", *more, f"other={first}", "--to=sqlite:///runs.sqlite")

        assert ran.status == 0
        assert numbers(tmp_path / "runs.sqlite") == {"batch_1_6": 1, "batch_7_12": 2, "other": 3}

    def test_nothing_is_loaded_without_a_run_where_runs_are_numbered(
        self, case: Case, to: Path
    ) -> None:
        load_runs(paths("tracks"), f"sqlite:///{to}", shape=NUMBERED)
        before = traces(to.parent)

        with pytest.raises(UsageError, match="name a run"):
            load([outputs("csv")], f"sqlite:///{to}")
        with pytest.raises(UsageError, match="name a run"):
            load([outputs("csv")], f"sqlite:///{to.parent}/other.sqlite", run="csv")

        assert traces(to.parent) == before

    def test_a_destination_of_another_schema_is_refused(self, to: Path) -> None:
        load([outputs("tracks")], f"sqlite:///{to}")
        with closing(sqlite3.connect(to)) as db, db:
            db.execute("UPDATE _cpexport_settings SET value = '1' WHERE name = 'schema'")
            db.execute("UPDATE _cpexport_settings SET value = '{}' WHERE name = 'shape'")

        with pytest.raises(
            SinkError, match=r"created by cpexport 0\S+ \(ledger schema 1\); this is"
        ):
            load([outputs("csv")], f"sqlite:///{to}")

    def test_prefixes_keep_runs_of_their_own(self, cpexport: Run, tmp_path: Path) -> None:
        common = ("--table-number", "--to=sqlite:///x.sqlite")
        cpexport("load", *words("csv", "ranges"), *common, "--prefix=A_")
        cpexport("load", *words("tracks", "csv"), *common, "--prefix=B_")

        database = tmp_path / "x.sqlite"
        assert numbers(database, "A_") == {"csv": 1, "ranges": 2}
        assert numbers(database, "B_") == {"tracks": 1, "csv": 2}
        count = "SELECT TableNumber, count(*) FROM {}Per_Image GROUP BY 1"
        assert rows(database, count.format("A_")) == [(1, 22), (2, 24)]
        assert rows(database, count.format("B_")) == [(1, 16), (2, 22)]

    def test_a_view_of_all_objects_joins_objects_of_one_run(self, to: Path) -> None:
        shape = TableOptions.parse("view", None, None, True)
        load_runs(paths("ranges", "csv", "failed"), f"sqlite:///{to}", shape=shape)

        query = """
            SELECT TableNumber, count(*), count(DISTINCT ImageNumber * 1000 + ObjectNumber),
                   sum(Cells_Parent_Nuclei = Nuclei_Number_Object_Number),
                   sum(Cytoplasm_Parent_Cells = Cells_Number_Object_Number)
            FROM Per_Object GROUP BY 1
        """
        nuclei = rows(to, "SELECT TableNumber, count(*) FROM Per_Nuclei GROUP BY 1")
        assert rows(to, query) == [(number, *[many] * 4) for number, many in nuclei]
        assert len(nuclei) == 3

    def test_objects_side_by_side_and_means_are_those_of_each_run(self, to: Path) -> None:
        names = ("ranges", "csv")
        shape = TableOptions.parse("combined", "mean,median", None, True)
        load_runs(paths(*names), f"sqlite:///{to}", shape=shape)

        together = several(to)
        for name in names:
            alone = to.with_name(f"{name}.sqlite")
            plain = TableOptions.parse("combined", "mean,median", None)
            load([outputs(name)], f"sqlite:///{alone}", shape=plain)
            assert together[name] == one_run(alone)
        keys = rows(to, "SELECT name FROM pragma_table_info('Per_Object') WHERE pk ORDER BY pk")
        assert keys == [("TableNumber",), ("ImageNumber",), ("ObjectNumber",)]

    def test_a_table_in_parts_has_the_number_in_each(self, copy: Copy, to: Path) -> None:
        folders = [copy("40_spreadsheet", "outputs/P1-A01-1", f"{name}/job") for name in "ab"]
        for folder in folders:
            widen(folder, "Nuclei.csv", 2500)
            widen(folder, "Image.csv", 2500)

        load_runs([f.parent for f in folders], f"sqlite:///{to}", shape=NUMBERED)

        found = tables(to)
        for name in ("Per_Image", "Per_Nuclei"):
            keys = "TableNumber, ImageNumber"
            keys += ", Nuclei_Number_Object_Number" if name == "Per_Nuclei" else ""
            first, second = (
                rows(
                    to,
                    f"SELECT {keys} FROM {name}{part} ORDER BY 1, 2, 3"
                    if name == "Per_Nuclei"
                    else f"SELECT {keys} FROM {name}{part} ORDER BY 1, 2",
                )
                for part in ("", "_part2")
            )
            assert first == second
            assert {number for number, *_ in first} == {1, 2}
            assert len(found[name]) == 2000

    def test_numbers_that_become_text_read_as_their_own_run_wrote_them(
        self, copy: Copy, to: Path
    ) -> None:
        written = {"a": "2.0", "b": "0.5", "c": "3.0", "d": "x"}
        for name, text in written.items():
            image = copy("40_spreadsheet", "outputs/P1-A01-1", f"{name}/job") / "Image.csv"
            header, *lines = csv.reader(image.read_text().splitlines())
            for line in lines:
                line[header.index("Metadata_Site")] = text
            with image.open("w", newline="") as stream:
                csv.writer(stream).writerows([header, *lines])

            load_runs([image.parent.parent], f"sqlite:///{to}", shape=NUMBERED)

        query = "SELECT DISTINCT TableNumber, Image_Metadata_Site FROM Per_Image ORDER BY 1"
        assert rows(to, query) == list(enumerate(written.values(), 1))


class TestCheck:
    def test_a_plan_is_compared_with_its_own_run(self, screens: Path, cpexport: Run) -> None:
        common = ("--to", f"sqlite:///{screens}", "--batch")
        one = cpexport("check", *common, unpacked("12_failed") / "Batch_data.h5", "--run=failed")
        other = cpexport(
            "check", *common, unpacked("11_h5_and_csv") / "Batch_data.h5", "--run=ranges"
        )

        assert (one.status, other.status) == (3, 0)
        assert one.out.splitlines()[2].split()[:3] == ["missing", "7", "12"]

    @pytest.mark.parametrize("run", [[], ["--run", "nobody"]])
    def test_a_run_has_to_be_named_where_there_are_several(
        self, screens: Path, cpexport: Run, run: list[str]
    ) -> None:
        batch = unpacked("12_failed") / "Batch_data.h5"
        ran = cpexport("check", "--to", f"sqlite:///{screens}", "--batch", batch, *run)

        assert (ran.status, ran.out) == (2, "")
        assert "name one with --run: ranges, csv, failed, tracks, plate 2" in ran.err

    def test_a_run_that_cannot_be(self, loaded: Callable[..., Path], cpexport: Run) -> None:
        plain = loaded(outputs("csv"))
        batch = unpacked("12_failed") / "Batch_data.h5"
        here = cpexport("check", "--to", f"sqlite:///{plain}", "--batch", batch, "--run=csv")
        nowhere = cpexport("check", outputs("csv"), "--run=csv")

        assert (here.status, nowhere.status) == (2, 2)
        assert "has no runs" in here.err
        assert "--run needs --to" in nowhere.err


class TestTools:
    @pytest.fixture
    def fields(self, screens: Path, tmp_path: Path) -> Mapping[str, str]:
        file = tmp_path / "screens.properties"
        write(properties(f"sqlite:///{screens}", tmp_path), file)
        return Opened(file).fields

    def test_cellprofiler_analyst_is_told_of_the_number(
        self, screens: Path, fields: Mapping[str, str]
    ) -> None:
        assert fields["table_id"] == "TableNumber"
        for table in (fields["image_table"], fields["object_table"]):
            assert {fields["table_id"], fields["image_id"]} <= set(tables(screens)[table])

    def test_the_queries_of_cellprofiler_analyst_give_its_key_first(
        self, screens: Path, fields: Mapping[str, str]
    ) -> None:
        """As it takes them apart: the columns of the image key, then those to group by."""
        everything = rows(screens, "SELECT TableNumber, ImageNumber FROM Per_Image")
        ((_, groups),) = [item for item in fields.items() if item[0].startswith("group_SQL_")]
        filters = {name: q for name, q in fields.items() if name.startswith("filter_SQL_")}

        found = rows(screens, groups)
        assert sorted((row[0], row[1]) for row in found) == sorted(everything)
        assert len(set(everything)) == len(everything)
        assert len(filters) > 2
        plates: list[tuple[object, ...]] = []
        for query in filters.values():
            plates += rows(screens, query)
        with_plate = "SELECT count(*) FROM Per_Image WHERE Image_Metadata_Plate NOT NULL"
        assert [(len(plates),)] == rows(screens, with_plate)
        assert set(plates) <= set(everything)

    def test_pycytominer_s_views_have_the_number(self, screens: Path) -> None:
        for view, table in (("Image", "Per_Image"), ("Cells", "Per_Cells")):
            query = "SELECT TableNumber, ImageNumber, count(*) FROM {} GROUP BY 1, 2 ORDER BY 1, 2"
            assert rows(screens, query.format(view)) == rows(screens, query.format(table))
        joined = "SELECT count(*) FROM Cells JOIN Image USING (TableNumber, ImageNumber)"
        assert rows(screens, joined) == rows(screens, "SELECT count(*) FROM Per_Cells")
        numbered = "SELECT DISTINCT TableNumber FROM Nuclei"
        assert len(rows(screens, numbered)) == len(RUNS)


def test_a_new_run_of_outputs_that_another_run_has_is_named(to: Path, copy: Copy) -> None:
    batch = copy("40_spreadsheet", "outputs/P1-A01-1")
    reports = [
        load_runs([Path(f"{name}={batch}")], f"sqlite:///{to}", shape=NUMBERED)
        for name in ("plate", "again", "again")
    ]

    said = [[note for note in report.notes if "twice" in note] for report in reports]
    assert said == [
        [],
        [
            f"sqlite:///{to}: run again has the same outputs as run plate (1 batch), so they are "
            "stored twice"
        ],
        [],
    ]


def test_a_moved_folder_is_not_taken_for_a_new_run(to: Path, copy: Copy, tmp_path: Path) -> None:
    url = f"sqlite:///{to}"
    load_runs(
        [copy("40_spreadsheet", "outputs/P1-A01-1", "plate1/job").parent], url, shape=NUMBERED
    )
    moved = (tmp_path / "plate1").rename(tmp_path / "elsewhere")
    before = several(to)

    with pytest.raises(
        UsageError, match=r"run plate1 of .* has this batch; write plate1=\S+ to add"
    ):
        load_runs([moved], url)

    assert several(to) == before
    assert load_runs([Path(f"plate1={moved}")], url).loaded == 0
