"""Readers who leave a transaction open stop no load, and wait a second at most for one."""

import csv
import logging
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE

import pytest
from support.calls import load
from support.fixtures import rows, unpacked
from support.servers import USER, Database

from cpexport.errors import SinkError
from cpexport.sinks.sqlite import connection

COUNT = "SELECT count(*) FROM Per_Cells"


def jobs(folder: Path) -> list[Path]:
    """Two jobs, of which the second has a new feature."""
    outputs = unpacked("40_spreadsheet") / "outputs"
    first, second = (
        Path(shutil.copytree(outputs / name, folder / name)) for name in ("P1-A01-1", "P1-A01-2")
    )
    with (second / "Cells.csv").open(newline="") as file:
        head, *lines = csv.reader(file)
    with (second / "Cells.csv").open("w", newline="") as file:
        csv.writer(file).writerows([[*head, "Custom_New"], *([*line, "5"] for line in lines)])
    return [first, second]


@contextmanager
def seeing_others(database: Database) -> Iterator[None]:
    """Lets the user of the tests see who holds tables."""
    right = "PROCESS ON *.*"
    if database.server.kind == "mysql":
        right = "SELECT ON performance_schema.*"
    database.rows(f"GRANT {right} TO {USER}@'%'")
    try:
        yield
    finally:
        database.rows(f"REVOKE {right} FROM {USER}@'%'")


def test_a_table_changes_between_the_queries_of_others(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = jobs(tmp_path)
    load([first], database.url())
    with (
        seeing_others(database),
        database.connect(autocommit=False) as held,
        database.connect() as other,
    ):
        holder, reader = held.cursor(), other.cursor()
        holder.execute("SELECT connection_id()")
        ((number,),) = holder.fetchall()
        holder.execute(COUNT)
        # If a query were not answered before the transaction ends, it would fail here, and not wait
        # for ever.
        reader.execute("SET SESSION lock_wait_timeout = 60")
        holder_is = rf"Per_Cells is in use by connection {number} of {USER}@\S+, idle"
        held_by = f"waiting for the end of a transaction: {holder_is}"
        with caplog.at_level(logging.WARNING):
            loading = threading.Thread(target=load, args=([first, second], database.url()))
            loading.start()
            until = time.monotonic() + 60
            while not re.search(held_by, caplog.text):
                assert time.monotonic() < until, caplog.text
                reader.execute(COUNT)
                time.sleep(0.05)
            for _ in range(20):
                reader.execute(COUNT)
                time.sleep(0.05)
            assert loading.is_alive()
            held.rollback()
            loading.join(60)

    assert database.rows("SELECT count(Cells_Custom_New) > 0 FROM Per_Cells") == [(1,)]


@contextmanager
def reading(file: Path) -> Iterator[Callable[[], int]]:
    """Another process with an open transaction; gives a function that counts the cells in it. Two
    SQLite libraries in one process would not see each other's locks."""
    program = (
        "import sqlite3, sys\n"
        "db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "db.execute('BEGIN')\n"
        f"while True: print(db.execute({COUNT!r}).fetchone()[0], flush=True); input()"
    )
    words = [sys.executable, "-c", program, str(file)]
    with subprocess.Popen(words, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        found = [int(process.stdout.readline())]
        ask, answers = process.stdin, process.stdout

        def count() -> int:
            ask.write("\n")
            ask.flush()
            found.append(int(answers.readline()))
            return found[-1]

        try:
            yield count
        finally:
            process.kill()


def test_a_file_that_was_given_a_log_takes_a_load_while_somebody_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "x.sqlite"
    first, second = jobs(tmp_path)
    load([first], f"sqlite:///{file}")
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA journal_mode = WAL")
    with reading(file) as count:
        load([first, second], f"sqlite:///{file}")
        assert count() == 25

    assert rows(file, COUNT) == [(43,)]
    assert rows(file, "PRAGMA integrity_check") == [("ok",)]
    assert rows(file, "PRAGMA journal_mode") == [("wal",)]


def test_a_reader_that_a_load_cannot_wait_for_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "x.sqlite"
    first, second = jobs(tmp_path)
    load([first], f"sqlite:///{file}")
    # A second is long enough to wait.
    monkeypatch.setattr(connection, "_BUSY_MS", 1000)
    monkeypatch.setattr(connection, "_PRAGMAS", ("busy_timeout = 1000", "synchronous = EXTRA"))
    with reading(file), pytest.raises(SinkError, match=r"it was read by process \d+ \(python"):
        load([first, second], f"sqlite:///{file}")

    assert load([first, second], f"sqlite:///{file}").loaded == 1
