"""The contract of sources: what every source must do; the tests of each format subclass it."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.fixtures import traces

from cpexport.cellprofiler.experiment import EXPERIMENTS
from cpexport.cellprofiler.features import EXPERIMENT
from cpexport.errors import SourceError
from cpexport.imagesets import ImageSets
from cpexport.sources.base import Source
from cpexport.tables.layout import RELATIONSHIPS

Copy = Callable[..., Path]


ALL = ImageSets.parse("1-6")


def tables(source: Source, wanted: str) -> dict[str, pa.Table]:
    """The rows that a source reads, by object type, without the row of the run."""
    batches_by_type: dict[str, list[pa.RecordBatch]] = {}
    with source.open() as opened:
        for name, rows in opened.read(ImageSets.parse(wanted) if wanted else ImageSets(), {}):
            if name != EXPERIMENT:
                batches_by_type.setdefault(name, []).append(rows)
    return {name: pa.Table.from_batches(batches) for name, batches in batches_by_type.items()}


def plain(table: pa.Table) -> list[dict[str, Any]]:
    """Rows as Python values, which can be compared; NaN becomes None, like a null."""
    return [
        {key: None if value != value else value for key, value in row.items()}
        for row in table.to_pylist()
    ]


class SourceContract:
    """Tests a format with the real outputs of one job on image sets 1 to 6."""

    FORMAT: str
    RELATIONSHIPS: bool
    OBJECTS: tuple[str, ...] = ("BigNuclei", "Cells", "Cytoplasm", "Nuclei", "SmallNuclei")

    @pytest.fixture
    def folder(self, copy: Copy) -> Path:
        """A folder with the job's output in this format and in no other."""
        raise NotImplementedError

    def source(self, folder: Path) -> Source:
        raise NotImplementedError

    def unmark(self, folder: Path, number: int) -> None:
        """Removes what the last module wrote for an image set, as if it had not run on it."""
        raise NotImplementedError

    def test_it_says_what_it_is_and_where(self, folder: Path) -> None:
        source = self.source(folder)

        assert (source.format, source.path) == (self.FORMAT, folder)
        assert source.files
        assert all(file.is_file() and file.parent == folder for file in source.files)

    def test_making_one_reads_nothing(self, tmp_path: Path) -> None:
        assert self.source(tmp_path / "nowhere").path == tmp_path / "nowhere"

    def test_what_is_gone_is_an_error_that_names_it(self, folder: Path) -> None:
        source = self.source(folder)
        for file in source.files:
            file.unlink()

        with pytest.raises(SourceError, match=str(folder)):
            source.inspect()

    def test_what_it_says_of_the_run_is_one_row_without_passwords(self, folder: Path) -> None:
        with self.source(folder).open() as opened:
            experiments = [rows for name, rows in opened.read(ALL, {}) if name == EXPERIMENT]

        assert [rows.schema for rows in experiments] == [EXPERIMENTS]
        (row,) = experiments[0].to_pylist()
        assert row["CellProfiler_Version"] in ("4.2.8.1", "3.1.9")
        assert row["Run_Timestamp"].startswith("20")
        assert row["Pipeline_Pipeline"].startswith(b"CellProfiler Pipeline: http")
        words = [line for line in row["Pipeline_Pipeline"].splitlines() if b"assword:" in line]
        assert all(line.endswith(b"assword:") for line in words)

    def test_what_the_job_was_to_run_and_what_it_measured(self, folder: Path) -> None:
        evidence = self.source(folder).inspect()

        assert (evidence.present, evidence.measured, dict(evidence.incomplete)) == (ALL, ALL, {})

    def test_an_image_set_that_the_last_module_did_not_mark_is_held_but_not_measured(
        self, folder: Path
    ) -> None:
        self.unmark(folder, 4)
        evidence = self.source(folder).inspect()

        assert (evidence.present, evidence.measured) == (ALL, ImageSets.parse("1-3,5-6"))

    def test_the_pictures_of_all_its_image_sets(self, folder: Path) -> None:
        identities = self.source(folder).inspect().identities

        assert identities.numbers.tolist() == list(ALL)
        assert identities.columns["FileName_DNA"].to_pylist() == [
            f"P1_A0{column}_s{site}_DNA.tif" for column in (1, 2, 3) for site in (1, 2)
        ]

    def test_features_are_known_before_anything_is_read(self, folder: Path) -> None:
        source = self.source(folder)
        features = source.inspect().features
        read = tables(source, "1-6")

        assert set(features) == {"Image", *self.OBJECTS} == set(read) - {"Relationship"}
        for name, types in features.items():
            keys = {"ImageNumber", "Number_Object_Number"}
            assert set(types) - keys == set(read[name].column_names) - keys

    def test_keys_come_first_as_integers_without_nulls(self, folder: Path) -> None:
        for name, table in tables(self.source(folder), "1-6").items():
            if name != "Relationship":
                keys = ["ImageNumber", "Number_Object_Number"][: 1 if name == "Image" else 2]

                assert table.column_names[: len(keys)] == keys
                assert [table[key].type for key in keys] == [pa.int64()] * len(keys)
                assert [table[key].null_count for key in keys] == [0] * len(keys)

    def test_rows_are_in_order_of_image_set_and_number_and_none_is_there_twice(
        self, folder: Path
    ) -> None:
        for name, table in tables(self.source(folder), "1-6").items():
            if name != "Relationship":
                columns = [table[key].to_pylist() for key in table.column_names[:2]]
                keys = list(zip(*columns[: 1 if name == "Image" else 2], strict=True))

                assert keys == sorted(set(keys))
                assert keys or name == "SmallNuclei"

    def test_every_object_is_there_numbered_from_1(self, folder: Path) -> None:
        tables_by_type = tables(self.source(folder), "1-6")
        for name in self.OBJECTS:
            numbers = (
                tables_by_type[name].select(["ImageNumber", "Number_Object_Number"]).to_pylist()
            )
            for image in (
                tables_by_type["Image"].select(["ImageNumber", f"Count_{name}"]).to_pylist()
            ):
                own_numbers = [
                    row["Number_Object_Number"]
                    for row in numbers
                    if row["ImageNumber"] == image["ImageNumber"]
                ]

                assert own_numbers == list(range(1, int(image[f"Count_{name}"]) + 1))

    @pytest.mark.parametrize("wanted", ["1-6", "2,5", "6", ""])
    def test_only_wanted_image_sets_come_and_as_if_all_were_wanted(
        self, folder: Path, wanted: str
    ) -> None:
        numbers = set(ImageSets.parse(wanted)) if wanted else set()
        whole, part = (tables(self.source(folder), text) for text in ("1-6", wanted))

        assert set(part) == set(whole)
        for name, table in whole.items():
            key = "image_number1" if name == "Relationship" else "ImageNumber"
            expected = [row for row in plain(table) if row[key] in numbers]
            assert plain(part[name]) == expected

    def test_relationships_have_their_columns_and_types(self, folder: Path) -> None:
        table = tables(self.source(folder), "1-6").get("Relationship")

        assert (table is not None) == self.RELATIONSHIPS
        assert table is None or (table.schema == RELATIONSHIPS and table.num_rows > 0)

    def test_it_goes_to_another_process_and_reads_the_same_there(self, folder: Path) -> None:
        source = self.source(folder)
        source.inspect()
        other = pickle.loads(pickle.dumps(source))
        here, there = (tables(each, "2,5") for each in (source, other))

        assert other == source
        assert {name: plain(table) for name, table in there.items()} == {
            name: plain(table) for name, table in here.items()
        }

    def test_files_are_never_changed_and_none_is_added(self, folder: Path) -> None:
        before = traces(folder)
        times = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
        source = self.source(folder)
        source.inspect()
        tables(source, "1-6")

        assert traces(folder) == before
        assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == times
