"""The folder of a script: what is in it, what stays, and what is refused."""

import csv
import fcntl
import json
import os
import re
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from support.calls import load
from support.fixtures import Ran, rewritten, rows, traces, unpacked
from support.imported_scripts import written

from cpexport.errors import SinkError, UsageError
from cpexport.sql_script import csv_writer
from cpexport.sql_script import folder as script_folder
from cpexport.sql_script.manifest import ANALYST, MYSQL, SQLITE, ScriptOptions
from cpexport.sql_script.mysql import statements
from cpexport.sql_script.stops import MARK, OF_SERVERS, Stop
from cpexport.tables.options import TableOptions

SQL = Path(__file__).parents[2] / "sql"
Run = Callable[..., Ran]


def test_a_second_script_touches_nothing_that_has_not_changed(
    tmp_path: Path, copy: Callable[..., Path]
) -> None:
    outputs = copy("10_ranges", "outputs")
    late = (outputs / "batch_19_24").rename(tmp_path / "late")
    out = tmp_path / "out"
    first = written(outputs, out)
    before = {path: path.stat().st_ino for path in (out / "data").iterdir()}
    late.rename(outputs / "batch_19_24")
    second = written(outputs, out)
    third = written(outputs, out)

    assert (first.written, third.written) == (first.files, 0)
    # Images know how long their group is.
    assert second.files == first.files + second.written - 3
    same = {path for path in before if not path.name.endswith("_Image.csv")}
    assert [path.stat().st_ino for path in sorted(same)] == [before[path] for path in sorted(same)]


def test_a_file_that_is_gone_or_cut_is_written_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    written(unpacked("10_ranges") / "outputs", out)
    before = traces(out / "data")
    cells, images = out / "data" / "7_12_Cells.csv", out / "data" / "1_6_Image.csv"
    cells.unlink()
    images.write_bytes(images.read_bytes()[:-9])
    done = written(unpacked("10_ranges") / "outputs", out)

    assert done.written >= 2
    assert traces(out / "data") == before


def test_the_folder_of_a_script_is_not_taken_for_outputs(
    tmp_path: Path, copy: Callable[..., Path]
) -> None:
    for job in ("batch_1_6", "batch_7_12"):
        outputs = copy("10_ranges", f"outputs/{job}", f"outputs/{job}").parent
    for form in (
        ScriptOptions(),
        ScriptOptions(SQLITE),
        ScriptOptions(old_names=True),
        ScriptOptions(ANALYST),
    ):
        out = outputs / f"{form.kind}{form.old_names}"
        for _ in range(2):
            assert written(outputs, out, form).loaded.image_sets in (12, 0)
    report = load([outputs], f"sqlite:///{tmp_path / 'all.sqlite'}")

    assert (report.loaded, report.image_sets) == (2, 12)


def test_what_was_in_a_folder_before_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("x")
    with pytest.raises(UsageError, match="not a folder of cpexport script, and not empty"):
        written(unpacked("10_ranges") / "outputs", out)

    assert [path.name for path in out.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    "form", [ScriptOptions(SQLITE), ScriptOptions(old_names=True), ScriptOptions(ANALYST)]
)
def test_a_folder_keeps_its_form(tmp_path: Path, form: ScriptOptions) -> None:
    written(unpacked("10_ranges") / "outputs", tmp_path / "out")
    before = traces(tmp_path / "out")
    with pytest.raises(UsageError, match="other options or another --prefix"):
        written(unpacked("10_ranges") / "outputs", tmp_path / "out", form)

    assert traces(tmp_path / "out") == before


def test_outputs_without_anything_leave_no_folder(tmp_path: Path, cpexport: Run) -> None:
    (tmp_path / "empty").mkdir()
    ran = cpexport("script", "empty", "--out", "out")

    assert ran.status == 1
    assert len(ran.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_two_do_not_write_into_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    written(unpacked("10_ranges") / "outputs", out)
    handle = os.open(out, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    monkeypatch.setattr(script_folder, "_SECONDS", 0)
    with pytest.raises(SinkError, match="another cpexport script is writing to it"):
        written(unpacked("10_ranges") / "outputs", out)
    os.close(handle)
    assert written(unpacked("10_ranges") / "outputs", out).written == 0


def test_one_waits_for_another_that_may_remove_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    handle = os.open(out, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)

    def other_ends(seconds: float) -> None:
        out.rmdir()
        os.close(handle)

    clock = SimpleNamespace(monotonic=lambda: 0.0, sleep=other_ends)
    monkeypatch.setattr(script_folder, "time", clock)
    assert written(unpacked("10_ranges") / "outputs", out).written > 0
    assert (out / "import.sql").is_file()


def test_words_that_do_not_go_together_are_refused(tmp_path: Path, cpexport: Run) -> None:
    for words in (["--dialect", "sqlite"], ["--cellprofiler-names"]):
        assert cpexport("script", "x", "--out", "out", "--cpa", *words).status == 2
    assert cpexport("script", "--out", "out").status == 2
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_files_that_are_whole_or_not_there(
    small_disk: Callable[[int], Path], cpexport: Run
) -> None:
    disk = small_disk(5_000)
    ran = cpexport("script", unpacked("10_ranges") / "outputs", "--out", disk / "out", "--quiet")

    assert ran.status == 1
    (line,) = ran.err.splitlines()
    assert re.fullmatch(rf"cpexport: {disk}/out/data/\w+\.csv\.part: No space left on device", line)
    assert not (disk / "out" / "import.sql").exists()
    assert list(disk.rglob("*.part")) == []


def test_the_report_says_what_to_run(tmp_path: Path, cpexport: Run) -> None:
    outputs = unpacked("10_ranges") / "outputs"
    ran = cpexport("script", outputs, "--out", "my out", "--quiet")
    assert ran.status == 0
    assert "cd 'my out' && mysql --local-infile=1 DATABASE < import.sql" in ran.out
    said = json.loads(cpexport("script", outputs, "--out", "my out", "--format", "json").out)
    assert said["script"] == "my out/import.sql"
    assert (said["files"], said["files_written"]) == (26, 0)


def test_a_text_too_long_for_a_column_is_refused(tmp_path: Path, copy: Callable[..., Path]) -> None:
    outputs = copy("11_h5_and_csv", "outputs/batch_1_6")
    (file,) = outputs.glob("*.h5")
    rewritten(file, "Image", "Metadata_Plate", lambda values: ["x" * 70_000] * len(values))
    with pytest.raises(SinkError, match="Image_Metadata_Plate has a text of 70000 characters"):
        written(outputs, tmp_path / "out")


def test_names_too_long_for_a_server_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="64 characters; shorten --prefix"):
        written(unpacked("10_ranges") / "outputs", tmp_path / "out", prefix="x" * 60)
    assert not (tmp_path / "out" / "import.sql").exists()


def test_names_are_those_of_cellprofiler_where_asked(tmp_path: Path) -> None:
    written(
        unpacked("40_spreadsheet") / "outputs" / "P1-A01-1",
        tmp_path / "out",
        ScriptOptions(old_names=True),
    )
    names = {path.name for path in (tmp_path / "out").iterdir()}

    assert {"SQL_SETUP.SQL", "SQL_1_1_Image.CSV", "SQL_1_1_Cells.CSV"} <= names
    assert "SQL_1_1_Relationships.CSV" in names
    first = (tmp_path / "out" / "SQL_1_1_Image.CSV").read_text().split(",")[0]
    assert first == "1"


def test_doubles_for_sqlite_are_exact(tmp_path: Path) -> None:
    """Whatever they are: its shell is not asked to read decimals."""
    random = np.random.default_rng(1).integers(0, 2**64, 20_000, np.uint64).view(np.float64)
    values = [
        0.0,
        -0.0,
        5e-324,
        2.2250738585072014e-308,
        1.7976931348623157e308,
        0.1,
        -1 / 3,
        2.0**60,
    ]
    values += [*random[np.isfinite(random)].tolist(), float("nan"), float("inf")]
    column = pa.record_batch([pa.array(values)], names=["x"])
    text = bytes(csv_writer.text(SQLITE, column)).decode().split()

    with closing(sqlite3.connect(":memory:")) as db:
        db.create_function("pow", 2, lambda base, power: base**power)
        whole = "CAST(? AS INTEGER) * pow(2.0, CAST(substr(?, instr(?, 'p') + 1) AS INTEGER))"
        read = [db.execute(f"SELECT {whole}", (t, t, t)).fetchone()[0] for t in text[:-2]]
    assert read == values[:-2]
    assert text[-2:] == ["\\N", "\\N"]


def analyst(properties: Path) -> sqlite3.Connection:
    """What CellProfiler Analyst 3.0.5 makes of a script (dbconnect.py, CreateSQLiteDBFromCSVs)."""
    fields = [
        line.partition("=") for line in properties.read_text().splitlines() if line[:1] != "#"
    ]
    said = {name.strip(): value.strip() for name, _, value in fields}
    assert said["db_type"] == "sqlite"
    assert "db_sqlite_file" not in said
    script = properties.parent / said["db_sql_file"]
    lines = script.read_text().splitlines(keepends=True)
    statements: list[str] = []
    inside = False
    for line in lines:
        if line.upper().startswith("CREATE TABLE") or inside:
            statements.append((statements.pop() if inside else "") + line)
            inside = not line.strip().endswith(";")
    db = sqlite3.connect(":memory:")
    for statement in statements:
        db.execute(statement)
    for kind, table in (("image", said["image_table"]), ("object", said["object_table"])):
        for line in lines:
            found = re.search(rf"'\w+{kind}.csv'", line, re.IGNORECASE)
            if line.strip().upper().startswith("LOAD DATA") and found:
                with (script.parent / found.group()[1:-1]).open() as stream:
                    for row in csv.reader(stream):
                        marks = ",".join("?" * len(row))
                        db.execute(f"INSERT INTO {table} VALUES ({marks})", row)
    return db


@pytest.mark.parametrize("shape", [None, TableOptions("combined")])
def test_cellprofiler_analyst_opens_what_is_for_it(
    tmp_path: Path, shape: TableOptions | None
) -> None:
    out = tmp_path / "out"
    written(unpacked("10_ranges") / "outputs", out, ScriptOptions(ANALYST), shape=shape)
    db = analyst(out / "import.properties")
    table = "Per_Object" if shape else "Per_Nuclei"

    for name in ("Per_Image", table):
        query = f"SELECT * FROM {name} ORDER BY 1, 2"
        want = rows(out / "cpexport.sqlite", query)
        got = db.execute(query).fetchall()
        assert len(got) == len(want)
        for read, row in zip(got, want, strict=True):
            # SQLite's own way from decimals to doubles is off by a last bit now and then.
            ulps = [np.spacing(abs(v)) if isinstance(v, float) else 0 for v in row]
            assert all(
                one == ("" if other is None else other) or abs(one - other) <= ulp
                for one, other, ulp in zip(read, row, ulps, strict=True)
            )
    db.close()


@pytest.mark.parametrize("stop", OF_SERVERS, ids=lambda stop: stop.message)
def test_messages_for_servers_are_shown_whole(stop: Stop) -> None:
    """A script stops at a column whose name is the message; servers show 192 bytes of it."""
    longest = stop.message.format_map(defaultdict(lambda: "x" * 60, n=10**9, m=10**9, run=10**9))
    assert len(f"{MARK}{longest}".encode()) <= 180


def test_a_name_with_the_end_of_a_comment_does_not_end_what_a_client_skips() -> None:
    """A value has it in another form; with such a name, nothing is skipped."""
    checked = statements.check("1", OF_SERVERS[0])
    value = f"SELECT {statements.literal('data*/set')};\n"

    assert statements.SKIP in checked
    assert statements.block([checked, value]).count("*/") == 1
    assert statements.SKIP not in statements.block([checked, "DELETE FROM `a*/b`;\n"])


@pytest.mark.parametrize("kind", [MYSQL, SQLITE])
def test_the_script_is_the_one_in_sql(tmp_path: Path, kind: str, copy: Callable[..., Path]) -> None:
    """Of one batch with one image set, without what depends on places and times."""
    outputs = copy("40_spreadsheet", "outputs/P1-A01-1")
    written(outputs, tmp_path / "out", ScriptOptions(kind), shape=TableOptions("none"))
    text = (tmp_path / "out" / "import.sql").read_text()
    text = text.replace(str(tmp_path), "/data")
    text = re.sub(r"\b([0-9a-f]{32}){1,2}\b", "<sha>", text)
    text = re.sub(r"X'[0-9a-f]+'", "X'<pipeline>'", text)
    text = re.sub(r"20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d[^']*", "<time>", text)
    text = re.sub(r"', \d{18,}, ", "', <nanoseconds>, ", text)
    golden = SQL / f"import.{kind}.sql"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)

    assert golden.read_text() == text, "if it should have changed: UPDATE_GOLDEN=1 pytest"
