"""Later batches that bring new columns, or values that no longer fit the columns there are."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from support.calls import load, verify
from support.datasets import asked
from support.fixtures import measurements, rewritten, rows, tables, values_of
from support.servers import Database

from cpexport.commands.load_report import LoadReport

Copy = Callable[..., Path]
BATCHES = {
    "a": "outputs/batch_1_6/batch_1_6.h5",
    "b": "outputs/batch_7_12/batch_7_12.h5",
    "c": "outputs/batch_13_18/batch_13_18.h5",
}
FEATURE = "Metadata_Site"
COLUMN = "Image_Metadata_Site"
KEPT = ("AreaShape_Area", "Children_", "Location_", "Number_", "Parent_")


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., LoadReport]:
    def load_into(to: str, *outputs: Path) -> LoadReport:
        return load(list(outputs), f"sqlite:///{tmp_path / to}")

    return load_into


def batch(copy: Copy, name: str, values: Sequence[Any], feature: str = FEATURE) -> Path:
    """A batch of six image sets of which one metadata column has other values.

    Of the hundreds of features of its objects, which take most of a load, it keeps some.
    """
    file = copy("11_h5_and_csv", BATCHES[name], f"{name}/batch.h5")
    rewritten(file, "Image", feature, lambda old: values)
    with measurements(file) as run:
        for objects in ("Cells", "Cytoplasm", "Nuclei"):
            for other in [name for name in run[objects] if not name.startswith(KEPT)]:
                del run[objects][other]
    return file.parent


def column(database: Path, name: str = COLUMN) -> list[object]:
    found = rows(database, f"SELECT {name} FROM Per_Image ORDER BY ImageNumber")
    return [value for (value,) in found]


INTEGERS = [1, 2, 3, -4, 0, 2**53]
REALS = [0.1, 1e-7, 1e22, -2.5, 5.0, 123456789012345.6]
TEXTS = ["A", "007", "1.50", "", "1e3", "\u00b5"]


def test_a_column_of_integers_that_gets_reals_becomes_real(
    copy: Copy, run: Callable[..., LoadReport], tmp_path: Path
) -> None:
    run("screen.sqlite", batch(copy, "a", INTEGERS))
    before = column(tmp_path / "screen.sqlite")

    run("screen.sqlite", batch(copy, "b", REALS))

    assert before == INTEGERS
    found = column(tmp_path / "screen.sqlite")
    assert found == [float(n) for n in INTEGERS] + REALS
    assert {type(value) for value in found} == {float}


def test_a_column_of_integers_that_gets_text_becomes_text(
    copy: Copy, run: Callable[..., LoadReport], tmp_path: Path
) -> None:
    run("screen.sqlite", batch(copy, "a", INTEGERS))

    run("screen.sqlite", batch(copy, "b", TEXTS))

    assert column(tmp_path / "screen.sqlite") == [str(n) for n in INTEGERS] + TEXTS


def test_reals_that_become_text_read_back_exactly(
    copy: Copy, run: Callable[..., LoadReport], tmp_path: Path
) -> None:
    reals = [0.1, 1e-7, 1e22, -2.5, 0.1 + 0.2, 5e-324]
    run("screen.sqlite", batch(copy, "a", reals))

    run("screen.sqlite", batch(copy, "b", TEXTS))

    found = column(tmp_path / "screen.sqlite")
    assert [type(value) for value in found] == [str] * 12
    assert [float(str(text)) for text in found[:6]] == reals
    assert found[6:] == TEXTS


KINDS: dict[str, dict[str, Sequence[Any]]] = {
    "integers and reals": {"a": INTEGERS, "b": REALS, "c": [7] * 6},
    "integers and text": {"a": INTEGERS, "b": TEXTS, "c": [7] * 6},
    "reals and text": {"a": REALS, "b": TEXTS, "c": [0.25] * 6},
    "all three": {"a": INTEGERS, "b": REALS, "c": TEXTS},
    "integers of 16 digits, reals, text": {"a": [2**53 - 1] * 6, "b": REALS, "c": TEXTS},
    "whole reals and text": {"a": [5.0, 1e15, 1e16, 2.0**53, 1e21, -0.0], "b": TEXTS, "c": TEXTS},
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_loads_does_not_matter_for_the_content(
    copy: Copy, run: Callable[..., LoadReport], tmp_path: Path, kind: str
) -> None:
    folders = {name: batch(copy, name, values) for name, values in KINDS[kind].items()}
    run("at_once.sqlite", *folders.values())

    for order in ("abc", "bca", "cba"):
        for name in order:
            run(f"{order}.sqlite", folders[name])

    at_once = values_of(tmp_path / "at_once.sqlite")
    for order in ("abc", "bca", "cba"):
        found = values_of(tmp_path / f"{order}.sqlite")
        assert found["Per_Image"][COLUMN] == at_once["Per_Image"][COLUMN], order
        assert found == at_once, order


LONG = [2**53 + 1, 2**62 + 1, 1, 2, 3, -(2**53) - 1]


@pytest.mark.parametrize("feature", [FEATURE, "Measured_Site"])
@pytest.mark.parametrize("order", ["ab", "ba", "at once", "a, and a later load of both"])
def test_integers_too_long_for_reals_and_reals_become_text_and_none_is_rounded(
    copy: Copy, run: Callable[..., LoadReport], tmp_path: Path, order: str, feature: str
) -> None:
    folders = {"a": batch(copy, "a", LONG), "b": batch(copy, "b", REALS)}
    if feature != FEATURE:
        for folder in folders.values():
            with measurements(folder / "batch.h5") as changed:
                changed["Image"].move(FEATURE, feature)
    steps = {"ab": ["a", "b"], "ba": ["b", "a"], "at once": ["ab"]}.get(order, ["a", "ab"])

    reports = [run("screen.sqlite", *(folders[name] for name in names)) for names in steps]

    assert [report.left_out for report in reports] == [()] * len(steps)
    found = column(tmp_path / "screen.sqlite", f"Image_{feature}")
    assert found[:6] == [str(value) for value in LONG]
    assert [float(str(value)) for value in found[6:]] == REALS
    verified = verify(list(folders.values()), f"sqlite:///{tmp_path / 'screen.sqlite'}")
    assert (verified.verified, verified.differences) == (2, ())


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("kind", ["duckdb", "parquet", "delta", "mariadb", "mysql"])
def test_no_destination_rounds_an_integer(
    copy: Copy,
    tmp_path: Path,
    databases: Callable[[str], Database],
    kind: str,
    at_once: bool,
) -> None:
    folders = [batch(copy, "a", LONG), batch(copy, "b", REALS)]
    query = f"SELECT {COLUMN} FROM Per_Image ORDER BY ImageNumber"
    if kind == "duckdb":
        to = f"duckdb:///{tmp_path}/x.duckdb"
    elif kind in ("parquet", "delta"):
        to = f"{kind}:{tmp_path}/x"
    else:
        database = databases(kind)
        to = database.url()
    for some in [folders] if at_once else [folders[:1], folders[1:]]:
        load(some, to)

    if kind in ("parquet", "delta"):
        found = [value for (value,) in asked(tmp_path / "x", query)]
    elif kind == "duckdb":
        with duckdb.connect(f"{tmp_path}/x.duckdb", read_only=True) as db:
            found = [value for (value,) in db.execute(query).fetchall()]
    else:
        found = [row[0] for row in database.rows(query)]
    assert found[:6] == [str(value) for value in LONG]
    assert [float(value) for value in found[6:]] == REALS
    assert verify(folders, to).differences == ()


def test_batches_decoded_ahead_keep_their_metadata_as_the_jobs_wrote_it(
    copy: Copy, run: Callable[..., LoadReport], tmp_path: Path
) -> None:
    whole = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    folders = [batch(copy, "a", LONG), batch(copy, "b", REALS), batch(copy, "c", whole)]
    run("screen.sqlite", *folders)

    assert column(tmp_path / "screen.sqlite")[12:] == [str(value) for value in whole]
    assert verify(folders, f"sqlite:///{tmp_path / 'screen.sqlite'}").differences == ()


def test_a_column_that_never_had_a_value_takes_the_type_of_its_first(
    copy: Copy, run: Callable[..., LoadReport], tmp_path: Path
) -> None:
    empty = batch(copy, "a", [1] * 6)
    with measurements(empty / "batch.h5") as changed:
        site = changed["Image"][FEATURE]
        site["index"][:, 1:] = 0
        del site["data"]
        site.create_dataset("data", data=np.empty(0, np.int64))
    run("screen.sqlite", empty)
    before = column(tmp_path / "screen.sqlite")

    run("screen.sqlite", batch(copy, "b", TEXTS))

    assert before == [None] * 6
    assert column(tmp_path / "screen.sqlite") == [None] * 6 + TEXTS


def test_a_measured_number_that_turns_out_real_widens_its_column(
    copy: Copy, run: Callable[..., LoadReport], tmp_path: Path
) -> None:
    # Declared integer by CellProfiler, and not always whole.
    run("screen.sqlite", copy("11_h5_and_csv", BATCHES["a"], "a/batch.h5").parent)
    file = copy("11_h5_and_csv", BATCHES["b"], "b/batch.h5")
    rewritten(file, "Cells", "Parent_Nuclei", lambda old: [n + 0.5 for n in old])

    run("screen.sqlite", file.parent)

    found = rows(tmp_path / "screen.sqlite", "SELECT Cells_Parent_Nuclei FROM Per_Cells")
    assert (1.5,) in found
    assert (1.0,) in found
    assert {type(value) for (value,) in found} == {float}


def test_a_later_load_adds_columns_and_tables_and_keeps_what_was_there(
    copy: Copy, run: Callable[..., LoadReport], tmp_path: Path
) -> None:
    few = copy("40_variants", "chosen/outputs", "few")
    whole = copy("40_variants", "chosen/h5", "whole")
    database = tmp_path / "screen.sqlite"
    run("screen.sqlite", few / "batch_1_4", few / "batch_5_8")
    before, old = values_of(database), tables(database)

    run("screen.sqlite", whole / "batch_9_12", whole / "batch_13_16")

    found, new = values_of(database), tables(database)
    assert {table: columns[: len(old[table])] for table, columns in new.items()} | old == {
        **new,
        **old,
    }
    assert [len(new[t]) > len(old[t]) for t in ("Per_Image", "Per_Nuclei", "Per_Cells")] == [
        True,
        True,
        True,
    ]
    for table, columns in before.items():
        for name, values in columns.items():
            if not name.startswith("Image_Group_"):
                assert found[table][name][: len(values)] == values, (table, name)
    added = set(new["Per_Nuclei"]) - set(old["Per_Nuclei"])
    assert {found["Per_Nuclei"][c][0] for c in added} == {None}
    assert None not in {found["Per_Nuclei"][c][-1] for c in added}


@pytest.mark.parametrize("first", ["few", "whole"])
def test_the_same_pictures_with_more_columns_replace_those_with_fewer(
    copy: Copy, run: Callable[..., LoadReport], tmp_path: Path, first: str
) -> None:
    # The measurement files were written after the CSV files began, and so are the newer.
    folders = {
        "few": copy("40_variants", "chosen/outputs", "few"),
        "whole": copy("40_variants", "chosen/h5", "whole"),
    }
    run("whole.sqlite", folders["whole"])

    run("screen.sqlite", folders.pop(first))
    run("screen.sqlite", *folders.values())

    assert values_of(tmp_path / "screen.sqlite") == values_of(tmp_path / "whole.sqlite")
