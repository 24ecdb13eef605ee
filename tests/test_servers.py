"""Loads into MariaDB and MySQL leave what they leave in SQLite, value by value."""

from collections.abc import Callable
from pathlib import Path

import pytest
from onservers import differences, load
from servers import Database, database, server, servers

__all__ = ["database", "server", "servers"]

Case = Callable[[str], Path]

BATCH = "{11_h5_and_csv}/Batch_data.h5"
# Loads by name: each the words of one after the other, with folders of cases in braces.
LOADS = {
    "newer outputs in place of older ones": [
        ("{10_ranges}/outputs", "--batch", BATCH),
        ("{13_groups}/outputs", "{11_h5_and_csv}/outputs", "--batch", BATCH),
    ],
    "failed jobs": [("{12_failed}/outputs", "{12_failed}/outputs_cli")],
    "CSV files": [("{40_spreadsheet}/outputs",)],
    "tracks": [("{50_track}/overlap_batch/outputs",)],
    "many columns": [("{60_perf}/outputs",)],
    "MySQL / CSV": [("{70_sqlcsv}/csv_separate",)],
    "objects side by side": [
        ("{50_track}/lap_batch/outputs", "--objects", "combined", "--aggregate", "mean,median,std")
    ],
    "a view of objects": [
        ("{40_spreadsheet}/outputs/P1-A01-1", "--objects", "view", "--max-column-length", "40"),
        ("{40_spreadsheet}/outputs/P1-A01-2",),
    ],
    "runs": [
        (
            *("a={10_ranges}/outputs", "{40_spreadsheet}/outputs", "--table-number"),
            *("--prefix", "My_", "--wells", "mean,median,std", "--path-map", "/work=Z:\\work"),
        ),
        ("b={10_ranges}/outputs", "--prefix", "My_"),
    ],
    "images only": [("{10_ranges}/outputs", "--objects", "none")],
}


@pytest.mark.parametrize("name", LOADS)
def test_a_server_holds_what_a_file_does(
    database: Database, case: Case, tmp_path: Path, name: str
) -> None:
    file = tmp_path / f"{database.name}.sqlite"
    for words in LOADS[name]:
        given = [_filled(word, case) for word in words]
        statuses = [load(*given, "--to", to) for to in (f"sqlite:///{file}", database.url())]
        assert statuses[0] == statuses[1]
        assert statuses[0] in (0, 3)

    assert differences(database, file) == []


def _filled(word: str, case: Case) -> str:
    name = word.partition("{")[2].partition("}")[0]
    return word.replace(f"{{{name}}}", str(case(name))) if name else word
