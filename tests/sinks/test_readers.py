"""Readers who leave a transaction open stop no load, and wait a second at most for one."""

import csv
import logging
import shutil
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from support.calls import load
from support.fixtures import unpacked
from support.servers import Database

from cpexport.errors import SinkError
from cpexport.files import disks
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


def test_a_table_changes_between_the_queries_of_others(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = jobs(tmp_path)
    load([first], database.url())
    waits: list[float] = []
    with database.connect(autocommit=False) as held, database.connect() as other:
        holder, reader = held.cursor(), other.cursor()
        holder.execute(COUNT)
        with caplog.at_level(logging.WARNING):
            loading = threading.Thread(target=load, args=([first, second], database.url()))
            loading.start()
            until = time.monotonic() + 4
            while time.monotonic() < until:
                began = time.monotonic()
                reader.execute(COUNT)
                waits.append(time.monotonic() - began)
                time.sleep(0.05)
            assert loading.is_alive()
            held.rollback()
            loading.join(60)

    assert max(waits) < 2.5
    assert "waiting: Per_Cells is in use by" in caplog.text
    assert database.rows("SELECT count(Cells_Custom_New) > 0 FROM Per_Cells") == [(1,)]


def test_a_file_takes_a_load_while_somebody_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "x.sqlite"
    first, second = jobs(tmp_path)
    load([first], f"sqlite:///{file}")
    with closing(sqlite3.connect(file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        before = reader.execute(COUNT).fetchone()
        load([first, second], f"sqlite:///{file}")
        during = reader.execute(COUNT).fetchone()

    assert (before, during) == ((25,), (25,))
    with closing(sqlite3.connect(file)) as reader:
        assert reader.execute(COUNT).fetchone() == (43,)
    assert not list(tmp_path.glob("x.sqlite-*"))


def test_where_a_disk_allows_no_log_the_reader_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "x.sqlite"
    first, second = jobs(tmp_path)
    load([first], f"sqlite:///{file}")
    # No disk of a network is at hand: the kinds of disks that can have a log are changed, and a
    # second is long enough to wait.
    monkeypatch.setattr(disks, "_LOCAL", frozenset())
    monkeypatch.setattr(connection, "_BUSY_MS", 1000)
    monkeypatch.setattr(connection, "_PRAGMAS", ("busy_timeout = 1000", "synchronous = EXTRA"))
    load([first], f"sqlite:///{file}")
    with closing(sqlite3.connect(file)) as reader:
        assert reader.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        reader.execute("BEGIN")
        reader.execute(COUNT).fetchall()
        with pytest.raises(SinkError, match=r"locked by another process|it was read by"):
            load([first, second], f"sqlite:///{file}")
    assert load([first, second], f"sqlite:///{file}").loaded == 1
