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
from support.small_jobs import csv_job

from cpexport.errors import SinkError
from cpexport.loading import retry

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


def wide_jobs(folder: Path) -> list[Path]:
    """Two jobs whose tables are larger than the 2 MB of SQLite's cache."""
    areas = {f"AreaShape_{number}": float(number) for number in range(300)}
    return [
        csv_job(
            folder / str(image_set),
            {image_set: {"MD5Digest_DNA": f"{image_set:032}"}},
            {
                "Cells": [
                    {"ImageNumber": image_set, "ObjectNumber": number, **areas}
                    for number in range(1, 1500)
                ]
            },
        )
        for image_set in (1, 2)
    ]


def asked(file: Path) -> str:
    """How many image sets another process counts, which waits for at most five seconds."""
    program = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); "
    program += "print(db.execute('SELECT count(*) FROM Per_Image').fetchone()[0])"
    words = [sys.executable, "-c", program, str(file)]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


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


def test_a_load_waits_for_a_reader_and_others_can_read_meanwhile(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also with a batch that does not fit into SQLite's cache, whose pages it would write early."""
    file = tmp_path / "x.sqlite"
    first, second = wide_jobs(tmp_path)
    load([first], f"sqlite:///{file}")
    loading = threading.Thread(target=load, args=([first, second], f"sqlite:///{file}"))
    with reading(file), caplog.at_level(logging.WARNING):
        loading.start()
        until = time.monotonic() + 60
        while not re.search(
            r"could not be written, as it was read by process \d+ \(py", caplog.text
        ):
            assert time.monotonic() < until, caplog.text
            asked(file)
        for _ in range(5):
            asked(file)
        assert loading.is_alive()
    loading.join(60)

    assert asked(file) == "2"
    assert rows(file, "PRAGMA integrity_check") == [("ok",)]


def test_a_reader_that_does_not_end_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "x.sqlite"
    first, second = jobs(tmp_path)
    load([first], f"sqlite:///{file}")
    monkeypatch.setattr(retry, "_PATIENCE", 0.0)
    with reading(file), pytest.raises(SinkError, match=r"it was read by process \d+ \(python"):
        load([first, second], f"sqlite:///{file}")

    assert load([first, second], f"sqlite:///{file}").loaded == 1
