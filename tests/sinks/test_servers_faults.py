"""Loads into servers that are cut off, killed, or run side by side: in the end each batch is there
once, as after one quiet load."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.background_loads import Loader, until
from support.fixtures import replaced, rows, unpacked
from support.on_servers import differences, load, rest
from support.proxy import BULK, COMMIT, LOAD_DATA, PREPARE, Pattern, Proxy, proxied
from support.servers import Database
from support.small_jobs import csv_job

pytestmark = pytest.mark.slow

# Of Metadata_Site in each batch: whole numbers, so that it is a column of real ones in the second,
# and of text in the third.
SITES: dict[int, list[Any]] = {
    1: [1, 2, 3, -4, 0, 7],
    7: [0.1, 1e-7, 1e22, -2.5, 5.0, 7.0],
    13: list("ABCDEF"),
}


@pytest.fixture(scope="module")
def widening(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three batches, of which each changes the tables once more."""
    home, found = tmp_path_factory.mktemp("widening"), []
    for first, values in SITES.items():
        name = f"batch_{first}_{first + 5}"
        source = unpacked("11_h5_and_csv") / "outputs" / name / f"{name}.h5"
        file = home / name / "batch.h5"
        file.parent.mkdir()
        file.write_bytes(source.read_bytes())
        replaced(file, "Image", "Metadata_Site", values)
        found.append(file.parent)
    return found


@pytest.fixture(scope="module")
def quiet(widening: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one load after the other leaves, in a file."""
    file = tmp_path_factory.mktemp("quiet") / "screen.sqlite"
    for outputs in widening:
        assert load(outputs, "--to", f"sqlite:///{file}") == 0
    return file


@pytest.fixture
def proxy(database: Database) -> Iterator[Proxy]:
    with proxied(database.server.port) as between:
        yield between


def whole(database: Database, batches: Sequence[Path], quiet: Path) -> bool:
    """Whether loads that nothing disturbs end well, and leave what they should and nothing else.

    Exit status 3 is a gap that a batch lost before has left in the numbers.
    """
    statuses = [load(outputs, "--to", database.url()) for outputs in batches]
    assert set(statuses) <= {0, 3}
    assert statuses[-1] == 0
    assert differences(database, quiet) == []
    assert rest(database) == []
    return True


# How rows are sent.
ROWS: dict[str, Pattern] = {"mariadb": BULK, "mysql": LOAD_DATA}
# What a client says, or that it sends rows, and at which time of it the connection is lost.
CUTS = [
    (b"\x03CREATE TABLE", 1),
    (b"\x03CREATE TABLE", 12),
    (b"\x03ALTER TABLE", 1),
    (b'\x03INSERT INTO "_cpexport_new_', 1),
    (b"\x03RENAME TABLE", 1),
    (b'\x03DROP TABLE "_cpexport_old_', 1),
    (b"rows", 14),
]


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize(("pattern", "number"), CUTS)
def test_a_connection_cut_at_any_statement_costs_nothing_but_another_load(
    database: Database,
    proxy: Proxy,
    widening: list[Path],
    quiet: Path,
    pattern: bytes,
    number: int,
    where: str,
) -> None:
    proxy.at(ROWS[database.server.kind] if pattern == b"rows" else pattern, where, number=number)
    statuses = [load(outputs, "--to", database.url(port=proxy.port)) for outputs in widening]

    assert proxy.faults == 1
    assert set(statuses) <= {0, 1, 3}
    assert whole(database, widening, quiet)


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize(
    ("bulk", "pattern", "number"), [(True, PREPARE, 6), (False, LOAD_DATA, 14)]
)
def test_a_connection_to_mariadb_cut_while_it_takes_rows_costs_nothing_but_another_load(
    databases: Callable[[str], Database],
    widening: list[Path],
    quiet: Path,
    bulk: bool,
    pattern: bytes,
    number: int,
    where: str,
) -> None:
    database = databases("mariadb")
    with proxied(database.server.port, bulk=bulk) as proxy:
        proxy.at(pattern, where, number=number)
        statuses = [load(outputs, "--to", database.url(port=proxy.port)) for outputs in widening]
        assert proxy.faults == 1

    assert set(statuses) <= {0, 1, 3}
    assert whole(database, widening, quiet)


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_connection_cut_at_the_commit_of_a_batch_is_made_up_for_at_once(
    database: Database, proxy: Proxy, widening: list[Path], quiet: Path, where: str
) -> None:
    """The load asks the ledger whether it is there, and goes on."""
    for outputs in widening[:2]:
        assert load(outputs, "--to", database.url()) == 0
    ledger = b"INSERT INTO _cpexport_batches"
    url = database.url(port=proxy.port)
    proxy.after(ledger, COMMIT, where)

    status = load(widening[2], "--to", url)

    assert (proxy.faults, status) == (1, 0)
    assert differences(database, quiet) == []


@pytest.mark.parametrize(("pattern", "number"), [(b"rows", 15), (b"\x03RENAME TABLE", 1)])
def test_a_client_that_is_killed_leaves_nothing_that_another_load_does_not_mend(
    database: Database,
    proxy: Proxy,
    widening: list[Path],
    quiet: Path,
    pattern: bytes,
    number: int,
) -> None:
    said = ROWS[database.server.kind] if pattern == b"rows" else pattern
    proxy.at(said, "after", "stall", number=number)
    for outputs in widening:
        loader = Loader(database.url(port=proxy.port), outputs)

        def stopped(of: Loader = loader) -> bool:
            return bool(proxy.faults or of.ended)

        until(stopped)
        if proxy.faults:
            break
        loader.end()
    loader.kill()
    proxy.release()

    assert proxy.faults == 1
    assert whole(database, widening, quiet)


def test_a_server_that_is_killed_and_started_again_has_each_batch_whole(
    database: Database, proxy: Proxy, widening: list[Path], quiet: Path
) -> None:
    url = database.url(port=proxy.port)
    assert load(widening[0], "--to", url) == 0
    proxy.at(ROWS[database.server.kind], "after", "stall", number=4)
    loader = Loader(url, widening[1])
    until(lambda: proxy.faults)
    database.server.kill()
    proxy.release()
    status, out, err = loader.end()
    database.server.restart()

    assert (status, json.loads(out)["error"]) == (1, "SinkError")
    (line,) = err.splitlines()
    assert line.startswith("cpexport: mysql+pymysql://loader@127.0.0.1:")
    assert whole(database, widening, quiet)


@pytest.mark.parametrize("first", [True, False])
def test_loads_at_once_of_the_same_batches_load_each_once(
    database: Database, widening: list[Path], quiet: Path, first: bool
) -> None:
    if not first:
        assert load(widening[0], "--to", database.url()) == 0
    loaders = [Loader(database.url(), *widening) for _ in range(4)]
    ends = [loader.end() for loader in loaders]

    assert [(status, err) for status, _, err in ends if status] == []
    reports = [json.loads(out) for _, out, _ in ends]
    assert sum(report["image_sets"] for report in reports) == (18 if first else 12)
    assert len(database.rows("SELECT * FROM _cpexport_batches")) == 3
    assert rest(database) == []
    assert load(*widening, "--to", database.url()) == 0
    alone = quiet.parent / "together.sqlite"
    if not alone.exists():
        assert load(*widening, "--to", f"sqlite:///{alone}") == 0
    assert differences(database, quiet if not first else alone) == []


def test_loads_at_once_of_different_batches_load_all_of_them(
    database: Database, tmp_path: Path
) -> None:
    home, file = unpacked("11_h5_and_csv") / "outputs", tmp_path / "screen.sqlite"
    folders = sorted(home.iterdir())[:4]
    ends = [loader.end() for loader in [Loader(database.url(), one) for one in folders]]
    assert [(status, err) for status, _, err in ends if status not in (0, 3)] == []

    assert [load(home, "--to", to) for to in (database.url(), f"sqlite:///{file}")] == [0, 0]
    # Kinds of relationships are numbered as they come; and each load saw no batch file, by which
    # the one into the file says that it has numbered groups.
    others = ("Relationship", "settings.the image sets that are there")
    found = [line for line in differences(database, file) if not any(o in line for o in others)]
    assert found == []
    pairs = "SELECT count(*), count(DISTINCT relationship) FROM Per_RelationshipsView"
    assert database.rows(pairs) == rows(file, pairs)


def test_a_load_waits_for_who_holds_a_table_and_gives_up_on_who_never_ends(
    database: Database, widening: list[Path], quiet: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert load(widening[0], "--to", database.url()) == 0
    with database.connect() as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLES Per_Image WRITE")
        loader = Loader(database.url(), widening[1])
        time.sleep(3)
        cursor.execute("UNLOCK TABLES")
        status, _, err = loader.end()
        assert (status, [line for line in err.splitlines() if "note" not in line]) == (0, [])

        capfd.readouterr()
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM _cpexport_settings FOR UPDATE")
        with database.server.setting("innodb_lock_wait_timeout", 1):
            began = time.monotonic()
            status = load(widening[2], "--to", database.url())
        cursor.execute("ROLLBACK")

    assert status == 1
    assert time.monotonic() - began < 60
    (line,) = capfd.readouterr().err.splitlines()
    assert "another process held a lock for too long" in line
    assert whole(database, widening, quiet)


def test_a_change_of_tables_that_was_cut_off_does_not_stop_a_newer_output(
    database: Database, proxy: Proxy, tmp_path: Path
) -> None:
    """The ledger has the new column, which the table lacks until the next batch is written; before
    that a load looks whether the newer output lacks what the older one has."""
    images = {1: {"MD5Digest_DNA": "1" * 32}}
    area = {"ImageNumber": 1, "ObjectNumber": 1, "AreaShape_Area": 5.5}
    csv_job(tmp_path / "first", images, {"Cells": [area]})
    assert load(tmp_path / "first", "--to", database.url(port=proxy.port)) == 0
    csv_job(tmp_path / "second", images, {"Cells": [area]}, "2026-11-23T12:00:00.000000")
    other = {"Cells": [{**area, "ImageNumber": 2, "Intensity_New": 7}]}
    csv_job(tmp_path / "third", {2: {"MD5Digest_DNA": "2" * 32}}, other)
    words = [tmp_path / "second", tmp_path / "third", "--to", database.url(port=proxy.port)]
    proxy.at(b"\x03ALTER TABLE", "before")

    assert load(*words) in (0, 1)
    assert proxy.faults == 1
    assert load(*words) == 0
    new = "SELECT count(*), count(Cells_Intensity_New) FROM Per_Cells"
    assert database.rows(new) == [(2, 1)]
    assert database.rows("SELECT set_count FROM _cpexport_replaced") == [(1,)]
