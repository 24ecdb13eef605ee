"""The image sets of a file's rows, told without reading them as numbers and text."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fixtures import unpacked

from cpexport.errors import SourceError
from cpexport.sources.spreadsheet.csv_file import open_csv

HEADER = ["ImageNumber", "ObjectNumber", "AreaShape_Area", "Metadata_Dose"]
WORDS = st.text(st.sampled_from('a1,\t"\r\n .'), max_size=4)
ROWS = st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 99), st.floats(), WORDS))


def written(rows: list[tuple[object, ...]], delimiter: str = ",") -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows([HEADER, *rows])
    return text.getvalue().encode()


def image_sets(path: Path) -> tuple[list[int], bool]:
    file = open_csv(path)
    assert file is not None
    numbers, cut = file.image_sets()
    return numbers.tolist(), cut


@given(ROWS, st.sampled_from(",\t"))
def test_each_row_is_of_the_image_set_that_it_names(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[object, ...]], delimiter: str
) -> None:
    path = tmp_path_factory.mktemp("csv") / "Cells.csv"
    path.write_bytes(written(rows, delimiter))

    assert image_sets(path) == ([row[0] for row in rows], False)


@pytest.mark.parametrize("case", ["10_ranges", "11_h5_and_csv", "40_spreadsheet"])
def test_the_image_sets_of_real_files_are_those_that_plain_csv_reads(case: str) -> None:
    found = 0
    for path in sorted(unpacked(case).rglob("*.csv")):
        with path.open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        if not rows or "ObjectNumber" not in rows[0]:
            continue
        found += len(rows)
        assert image_sets(path)[0] == [int(row["ImageNumber"]) for row in rows]
    assert found


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda text: text.replace(b"2,1,", b"2,1,7,", 1), "line 3 has 5 fields"),
        (lambda text: text.replace(b"2,1,", b",1,", 1), "a row has no ImageNumber"),
        (lambda text: text.replace(b"2,1,", b"two,1,", 1), "line 3: 'two' in the numeric column"),
        (lambda text: text.replace(b"2,1,", b"2,\0,", 1), "line 3: NUL bytes"),
    ],
    ids=["a field more", "no number", "a word", "NUL"],
)
def test_a_row_that_is_wrong_is_named(tmp_path: Path, damage: object, says: str) -> None:
    assert callable(damage)
    text = written([(1, 1, 0.5, "a"), (2, 1, 0.5, "b")])
    path = tmp_path / "Cells.csv"
    path.write_bytes(damage(text))

    with pytest.raises(SourceError) as refused:
        image_sets(path)

    assert says in str(refused.value)


def test_what_follows_the_last_line_end_is_no_row(tmp_path: Path) -> None:
    text = written([(1, 1, 0.5, "a"), (2, 1, 0.5, "b")])
    path = tmp_path / "Cells.csv"
    path.write_bytes(text[:-2])

    assert image_sets(path) == ([1], True)
