"""Loads into servers that are cut off, killed, or run side by side: in the end each batch is there
once, as after one quiet load."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from conftest import rewritten, unpacked
from onservers import differences, load, rest
from proxy import COMMIT, Proxy, proxied
from servers import Database, database, server, servers

__all__ = ["database", "server", "servers"]

# Of Metadata_Site in each batch: whole numbers, so that it is a column of real ones in the second,
# and of text in the third.
SITES = {1: [1, 2, 3, -4, 0, 7], 7: [0.1, 1e-7, 1e22, -2.5, 5.0, 7.0], 13: list("ABCDEF")}


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
        rewritten(file, "Image", "Metadata_Site", lambda old, new=values: new)
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
    """Whether loads that nothing disturbs end well, and leave what they should and nothing else."""
    for outputs in batches:
        assert load(outputs, "--to", database.url()) == 0
    assert differences(database, quiet) == []
    assert rest(database) == []
    return True


# What a client says, and at which time of it the connection is lost.
CUTS = [
    (b"\x03CREATE TABLE", 1),
    (b"_cpexport_settings", 30),
    (b"\x03CREATE TABLE", 12),
    (b"\x03CREATE OR REPLACE", 1),
    (b"\x03ALTER TABLE", 1),
    (b"_cpexport_new_", 2),
    (b"\x03INSERT INTO \"_cpexport_new_", 1),
    (b"\x03RENAME TABLE", 1),
    (b"\x03DROP TABLE \"_cpexport_old_", 1),
    (b"'changing'", 6),
    (b"\x03LOAD DATA", 3),
    (b"\x03LOAD DATA", 14),
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
    proxy.at(pattern, where, number=number)
    statuses = [load(outputs, "--to", database.url(port=proxy.port)) for outputs in widening]

    assert proxy.faults == 1
    assert set(statuses) <= {0, 1}
    assert whole(database, widening, quiet)
