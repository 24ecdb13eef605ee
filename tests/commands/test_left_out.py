"""What a load leaves out, `check`, `load --dry-run` and `verify` name too, with the same status."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support import small_outputs
from support.csv_outputs import NEW, image, nucleus, output
from support.fixtures import Ran, measurements, tables, unpacked

Run = Callable[..., Ran]
Made = Callable[[Path], None]

ONE, OTHER = "0" * 32, "1" * 32


def plate(folder: Path, counts: dict[int, int], digest: str, time: int = NEW) -> Path:
    """A job's CSV files, with one nucleus in each image set, whatever their `counts` say."""
    images = [image(n, f"{n}.tif", digest=digest, Count_Nuclei=c) for n, c in counts.items()]
    return output(folder, images, time, Nuclei=[nucleus(n, 1, 7) for n in counts])


def another_plate_that_failed(home: Path) -> None:
    plate(home / "P1", {1: 1}, ONE)
    plate(home / "P2", {1: 2}, OTHER)


def two_plates_that_each_lack_what_the_other_has(home: Path) -> None:
    plate(home / "P1", {1: 1, 2: 2}, ONE)
    plate(home / "P2", {1: 2, 2: 1}, OTHER)


def object_types_of_a_job_that_failed(home: Path) -> None:
    plate(home / "P1", {1: 1}, ONE)
    images = [image(1, "1.tif", digest=ONE, Count_Nuclei=1, Count_Spots=2)]
    output(home / "P2", images, NEW, Spots=[nucleus(1, 1, 1)])


def a_damaged_file(home: Path) -> None:
    plate(home / "P1", {1: 1}, ONE)
    (home / "P2.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))


def a_stray_copy(home: Path) -> None:
    plate(home / "P1", {1: 1}, ONE)
    small_outputs.objects(home / "P1" / "Nuclei (1).csv", {1: 1})


def a_gap(home: Path) -> None:
    plate(home / "P1", {1: 1, 2: 2, 3: 1}, ONE)


CASES: list[Made] = [
    another_plate_that_failed,
    two_plates_that_each_lack_what_the_other_has,
    object_types_of_a_job_that_failed,
    a_damaged_file,
    a_stray_copy,
    a_gap,
]


def lines(ran: Ran, *where: str) -> set[tuple[str, str]]:
    said = json.loads(ran.out)
    for name in where:
        said = said[name]
    return {(one["path"], one["reason"]) for one in said}


@pytest.mark.parametrize("made", CASES)
def test_every_command_says_what_a_load_leaves_out(
    made: Made, tmp_path: Path, cpexport: Run
) -> None:
    made(tmp_path / "outputs")
    words = ("outputs", "--to", "screen.sqlite", "--format", "json")
    tried = cpexport("load", *words, "--dry-run")
    (said,) = json.loads(tried.out)
    loaded = cpexport("load", *words)
    again = cpexport("load", *words)
    verified = cpexport("verify", *words)
    looked = cpexport("check", "outputs")

    left_out = lines(loaded, "batches", "left_out")
    ran = (loaded, again, tried, verified, looked)
    assert left_out
    assert {(one["path"], one["reason"]) for one in said["left_out"]} == left_out
    assert lines(again, "batches", "left_out") == left_out
    assert lines(verified, "batches", "not_loaded") == left_out
    assert [path for path, _ in left_out if path not in looked.out] == []
    assert [one.status for one in ran] == [3] * len(ran)
    assert said["missing"] == json.loads(loaded.out)["missing"]
    assert json.loads(verified.out)["differences"] == []


def test_without_objects_of_a_type_its_table_is_not_left_out(tmp_path: Path, cpexport: Run) -> None:
    home = tmp_path / "outputs"
    images = [image(1, "1.tif", digest=ONE, Count_Nuclei=1, Count_Spots=0)]
    output(home / "P1", images, Nuclei=[nucleus(1, 1, 7)])
    images = [image(1, "1.tif", digest=ONE, Count_Nuclei=2, Count_Spots=1)]
    output(home / "P2", images, NEW, Nuclei=[nucleus(1, 1, 7)], Spots=[nucleus(1, 1, 1)])
    words = ("outputs", "--to", "screen.sqlite")
    ran = [cpexport("load", *words, *more) for more in (("--dry-run",), (), ())]
    ran += [cpexport("verify", *words), cpexport("check", "outputs")]

    assert [one.status for one in ran] == [0] * len(ran)


def test_two_plates_under_the_same_numbers_are_no_whole_run(tmp_path: Path, cpexport: Run) -> None:
    plate(tmp_path / "outputs" / "P1", {1: 1}, ONE)
    plate(tmp_path / "outputs" / "P2", {1: 1}, OTHER)
    ran = cpexport("check", "outputs")
    same = cpexport("check", "outputs", "--same-pictures")

    assert "image set 1 has other images" in ran.out
    assert (ran.status, same.status) == (3, 0)


def test_a_run_of_which_nothing_can_be_loaded_is_named_by_a_dry_run_too(
    tmp_path: Path, cpexport: Run
) -> None:
    plate(tmp_path / "P1", {1: 1}, ONE)
    plate(tmp_path / "P2", {1: 2}, OTHER)
    words = ("P1", "P2", "--table-number", "--to", "screen.sqlite", "--format", "json")
    tried = cpexport("load", *words, "--dry-run")
    loaded = cpexport("load", *words)

    said = {
        (one["path"], one["reason"]) for run in json.loads(tried.out) for one in run["left_out"]
    }
    assert said == lines(loaded, "batches", "left_out") != set()
    assert (tried.status, loaded.status) == (3, 3)


def test_where_nothing_can_be_loaded_a_dry_run_refuses_as_the_load(
    tmp_path: Path, cpexport: Run
) -> None:
    plate(tmp_path / "P1", {1: 2}, ONE)
    tried, loaded = cpexport("load", "P1", "--dry-run"), cpexport("load", "P1")

    assert (tried.status, tried.err) == (loaded.status, loaded.err)
    assert loaded.status == 1
    assert not (tmp_path / "P1.sqlite").exists()


def test_where_nothing_is_complete_no_gaps_are_told_of(tmp_path: Path, cpexport: Run) -> None:
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "P1.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    ran = cpexport("check", "outputs")

    assert "unknown without a batch file\n" in ran.out
    assert "gaps" not in ran.out


@pytest.mark.parametrize("sign", ["SQL__Per_Well_SETUP.SQL", "screen_MyExpt.properties"])
def test_jobs_that_wrote_to_a_database_server_are_told_so(
    sign: str, tmp_path: Path, cpexport: Run
) -> None:
    folder = tmp_path / "outputs" / "batch_1_2"
    folder.mkdir(parents=True)
    (folder / "done.txt").write_text("Complete")
    (folder / sign).write_text("db_type      = mysql\n")
    ran = cpexport("check", "outputs")
    said = " ".join(ran.out.split())

    assert f"wrote to a MySQL server (see {sign}), which cpexport does not read; run" in said
    assert "left no" not in ran.out
    assert ran.status == 3


def test_a_text_file_called_h5_is_not_to_be_run_again_by_itself(
    tmp_path: Path, cpexport: Run
) -> None:
    plate(tmp_path / "P1", {1: 1}, ONE)
    (tmp_path / "notes.h5").write_text("remember the milk\n")
    text = cpexport("load", "P1", "notes.h5", "--to", "screen.sqlite")
    (tmp_path / "notes.h5").write_bytes(bytes(4096))
    zeros = cpexport("load", "P1", "notes.h5", "--to", "screen.sqlite")

    assert (
        "not an HDF5 file; run its image sets again, or move it out of OUTPUTS if it is "
        "something else"
    ) in text.out
    assert "damaged: it starts with zeros; run its image sets again" in zeros.out
    assert (text.status, zeros.status) == (3, 3)


class TestADestination:
    """`check --to` compares what a destination holds with the batch file: pictures too."""

    @pytest.fixture
    def screen(self, tmp_path: Path, cpexport: Run) -> Path:
        plate(tmp_path / "P1", {1: 1}, ONE)
        assert cpexport("load", "P1", "--to", "screen.sqlite").status == 0
        return tmp_path / "screen.sqlite"

    def test_of_another_screen_is_not_complete(self, screen: Path, cpexport: Run) -> None:
        batch = unpacked("10_ranges") / "Batch_data.h5"
        ran = cpexport("check", "--to", screen.name, "--batch", batch, "--format", "json")
        same = cpexport(
            *("check", "--to", screen.name, "--batch", batch, "--format", "json"), "--same-pictures"
        )
        said = json.loads(ran.out)

        assert (said["complete"], said["misplaced"], ran.status) == (0, [[1, 1]], 3)
        assert "its image set 1 has other images than in Batch_data.h5" in ran.out
        assert json.loads(same.out)["complete"] == 1

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ((), "--to needs the batch file; name it with --batch"),
            (("P1",), "--to checks a destination only; leave out OUTPUTS"),
            (("--resubmit", "x"), "--to checks a destination only; leave out --resubmit"),
        ],
    )
    def test_of_wrong_words_the_wrong_one_is_named(
        self, screen: Path, cpexport: Run, words: tuple[str, ...], said: str
    ) -> None:
        ran = cpexport("check", "--to", screen.name, *words)

        assert (ran.status, ran.err) == (2, f"cpexport: {said}\n")

    def test_that_holds_nothing_is_said_to(self, tmp_path: Path, cpexport: Run) -> None:
        batch = unpacked("10_ranges") / "Batch_data.h5"
        ran = cpexport("check", "--to", "mistyped.sqlite", "--batch", batch)

        assert "mistyped.sqlite: contains no image sets; check --to and --prefix" in ran.err
        assert ran.status == 3

    def test_with_runs_names_the_one_that_is_not_there(self, tmp_path: Path, cpexport: Run) -> None:
        plate(tmp_path / "P1", {1: 1}, ONE)
        cpexport("load", "P1", "--table-number", "--to", "runs.sqlite")
        batch = unpacked("10_ranges") / "Batch_data.h5"
        ran = cpexport("check", "--to", "runs.sqlite", "--run", "P2", "--batch", batch)

        assert "has no run P2; name one with --run: P1" in ran.err
        assert ran.status == 2


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="there is no sqlite3 shell")
def test_a_script_for_sqlite_says_that_it_runs_in_another_folder(
    tmp_path: Path, cpexport: Run
) -> None:
    plate(tmp_path / "P1", {1: 1}, ONE)
    cpexport("script", "P1", "--out", "import", "--dialect", "sqlite")
    script = (tmp_path / "import" / "import.sql").read_text()
    done = [
        subprocess.run(
            ["sqlite3", "there.sqlite"], input=script, cwd=where, capture_output=True, text=True
        )
        for where in (tmp_path, tmp_path / "import")
    ]

    assert "run it in the folder of import.sql" in done[0].stderr
    assert [one.returncode for one in done] == [1, 0]
    assert tables(tmp_path / "there.sqlite") == {}


def test_a_load_says_how_a_job_ended_as_check_does(
    tmp_path: Path, copy: Callable[..., Path], cpexport: Run
) -> None:
    outputs = copy("11_h5_and_csv", "outputs")
    folder = (outputs / "batch_1_6").rename(outputs / "batch_1_6.part")
    with measurements(folder / "batch_1_6.h5") as run:
        del run["Experiment"]["Exit_Status"]
        strike = run["Image"]["ModuleError_14FlagImage"]["index"]
        strike.resize((5, 3))
    (outputs / "status").mkdir()
    (outputs / "status" / "batch_1_6.status").write_text(
        "start\t1-6\tslurm:9_1\t2026-01-01T00:00:00Z\t\t\n"
        "end\tfailed\t7\t2026-01-01T00:00:09Z\tslurm:9_1\n"
    )
    to = f"sqlite:///{tmp_path / 'all.sqlite'}"
    reason = "the job failed within a minute with exit status 7"

    assert reason in cpexport("check", outputs).out
    for command in (["load", "--dry-run"], ["load"], ["verify"]):
        ran = cpexport(*command, outputs, "--to", to)
        assert ran.status == 3
        assert f"batch_1_6.part: {reason}" in ran.out
        assert "never finished" not in ran.out


def test_an_argument_without_any_output_is_named(
    cpexport: Callable[..., Ran], copy: Callable[..., Path], tmp_path: Path
) -> None:
    outputs, empty = copy("10_ranges", "outputs/batch_1_6"), tmp_path / "empty"
    empty.mkdir()
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "plate2.txt").write_text("Plate 2 again on Monday.")

    for words in ((outputs, empty), (outputs, notes)):
        for ran in (
            cpexport("load", *words, "--to", tmp_path / "s.sqlite"),
            cpexport("load", *words, "--to", tmp_path / "s.sqlite"),
            cpexport("verify", *words, "--to", tmp_path / "s.sqlite"),
        ):
            assert ran.status == 3
            assert f"{words[1]}: contains no output of a CellProfiler job" in ran.out
            assert f"{words[0]}: contains" not in ran.out
