"""The check that a batch's rows are there before it commits, where all objects are in one table."""

from dataclasses import replace

import pytest
from support.decoded_jobs import job
from support.fixtures import unpacked

from cpexport.cellprofiler.features import IMAGE, OBJECT, REAL, TEXT
from cpexport.errors import SinkError
from cpexport.sinks.ledger import Count, Entry
from cpexport.sinks.sql.batch import RowCountCheck
from cpexport.tables.layout import Layout

LAYOUT = Layout().extended({IMAGE: {"Metadata_Well": TEXT}, OBJECT: {"Cells_Area": REAL}}, "")


@pytest.fixture(scope="module")
def entry(tmp_path_factory: pytest.TempPathFactory) -> Entry:
    """The entry of a batch of 25 cells and 24 nuclei."""
    folder = unpacked("40_spreadsheet") / "outputs" / "P1-A01-1"
    counts = {"Per_Image": Count(1), "Per_Cells": Count(25), "Per_Nuclei": Count(24)}
    return replace(job(folder, tmp_path_factory.mktemp("scratch")).entry, counts=counts)


def checked(entry: Entry, given: int, stored: int) -> None:
    """Commits the batch with so many rows of objects."""
    check = RowCountCheck("screen", entry, LAYOUT, "")
    check.add("Per_Image", 1)
    check.add("Per_Object", given)
    rows = {"Per_Image": 1, "Per_Object": stored, "Per_Relationships": 0}
    check.check(rows.__getitem__)


def test_objects_side_by_side_have_as_many_rows_as_the_most_numerous_or_more(
    entry: Entry,
) -> None:
    checked(entry, 25, 25)
    checked(entry, 30, 30)


@pytest.mark.parametrize(
    ("given", "stored", "problem"),
    [
        (24, 24, "24 of 25 rows of .* were inserted into Per_Cells"),
        (0, 0, "0 of 25 rows of .* were inserted into Per_Cells"),
        (25, 24, "24 of 25 rows of .* were inserted into Per_Object"),
    ],
)
def test_fewer_are_refused(entry: Entry, given: int, stored: int, problem: str) -> None:
    with pytest.raises(SinkError, match=problem):
        checked(entry, given, stored)
