"""Tables from the .h5 and the CSV files of a run are those that CellProfiler itself makes of it."""

from pathlib import Path

import pytest
from exports import EXPORTS, REFUSED
from real import cpexport
from screen import Field
from screens import WHOLE, drawn, home, needs_cellprofiler
from support.compared_databases import (
    OPTIONS,
    differ_in_type,
    differ_in_value,
    keys,
    measured,
    pairs,
    single_precision,
    tables,
)
from support.fixtures import declared, rows

__all__ = ["drawn", "home"]

needs_cellprofiler()


@pytest.fixture(scope="module")
def runs(home: Path, drawn: tuple[Path, list[Field]]) -> Path:
    """The runs of `exports`, a folder for each, on other pictures than those of the case."""
    for name, export in EXPORTS.items():
        export.run(home / "exports" / name, *drawn)
    return home / "exports"


@pytest.mark.parametrize("format", ["h5", "csv"])
@pytest.mark.parametrize("name", OPTIONS)
def test_tables_columns_keys_and_values_are_its_own(
    runs: Path, tmp_path: Path, name: str, format: str
) -> None:
    run, database = name.split("/")
    theirs, ours = runs / run / "databases" / f"{database}.db", tmp_path / "ours.sqlite"
    words = ["load", runs / run / format, "--to", f"sqlite:///{ours}", *OPTIONS[name], "--quiet"]
    single = single_precision(runs / run / "h5" / "measurements.h5")

    ran = cpexport(*words, cwd=tmp_path)

    assert ran.status == WHOLE, ran.err
    assert set(tables(theirs)) <= set(tables(ours))
    assert set(tables(theirs, "view")) <= set(tables(ours, "view"))
    assert rows(ours, f"SELECT count(*) FROM {measured(ours)[0]}") != [(0,)]
    for table in [*tables(theirs), *tables(theirs, "view")]:
        one, other = list(declared(ours, table)), list(declared(theirs, table))
        thumbnails = [c for c in other if c.startswith("Image_Thumbnail_")]
        lacking = thumbnails if format == "csv" else []
        assert one == [c for c in other if c not in lacking], table
        if lacking or table not in measured(theirs):
            continue
        # The view has every object beside its parent, which takes indexes.
        own = [row for row in keys(ours, table) if "Per_IParents" in str(row[0])]
        assert name.endswith("/view") or not own
        assert [row for row in keys(ours, table) if row not in own] == keys(theirs, table)
        assert set(differ_in_type(ours, theirs, table).values()) <= {("REAL", "INTEGER")}
        found = differ_in_value(ours, theirs, table)
        assert set(found.values()) <= {"float32", "close"}, table
        assert database == "longnames40" or set(found) <= single, table
        if format == "h5":
            # What is written when a group is done goes through text.
            assert all("_TrackObjects_" in column for column in found)
    if format == "h5" and name != "plain/noprefix":
        assert set(pairs(theirs)) < set(pairs(ours))
        assert len(set(pairs(ours))) == len(pairs(ours))


@pytest.mark.parametrize("said", REFUSED)
def test_what_it_cannot_make(
    home: Path, drawn: tuple[Path, list[Field]], tmp_path: Path, said: str
) -> None:
    REFUSED[said].run(tmp_path / "refused", *drawn)

    assert said in (tmp_path / "refused" / "log.txt").read_text("utf-8")
    assert not list((tmp_path / "refused" / "csv").glob("*.csv"))


def test_separate_tables_of_short_names_are_made_here(runs: Path, tmp_path: Path) -> None:
    words = ["--objects", "separate", "--max-column-length", "40"]
    ran = cpexport("load", runs / "long" / "h5", "--to", "sqlite:///x", *words, cwd=tmp_path)

    assert ran.status == WHOLE
    columns = [c for t in tables(tmp_path / "x") for c in declared(tmp_path / "x", t)]
    assert max(len(column) for column in columns) == 40
