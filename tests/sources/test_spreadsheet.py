"""CSV files as ExportToSpreadsheet leaves them, and as people change them: real ones, edited."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from support.calls import load
from support.fixtures import columns, content, declared, rows

Copy = Callable[..., Path]
Loaded = Callable[..., Path]
Table = list[list[str]]


def read(path: Path) -> Table:
    with path.open(newline="") as stream:
        return list(csv.reader(stream))


def write(path: Path, table: Table) -> None:
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(table)


def put(path: Path, feature: str, fields: list[str]) -> None:
    """Puts fields into the first rows of a column."""
    header, *table = read(path)
    for row, field in zip(table, fields, strict=False):
        row[header.index(feature)] = field
    write(path, [header, *table])


@pytest.fixture
def outputs(copy: Copy) -> Path:
    """Two jobs, on image sets 1 to 6 and 7 to 12, without the batch file."""
    for name in ("batch_1_6", "batch_7_12"):
        folder = copy("10_ranges", f"outputs/{name}", to=f"outputs/{name}")
    return folder.parent


@pytest.fixture
def first(outputs: Path) -> Path:
    """The folder of the first job."""
    return outputs / "batch_1_6"


@pytest.fixture
def untouched(outputs: Path, loaded: Loaded) -> dict[str, list[tuple[object, ...]]]:
    """What the database holds before anything is changed, the ledger aside."""
    return {name: table for name, table in content(loaded(outputs)).items() if name != "ledger"}


def held(database: Path) -> dict[str, list[tuple[object, ...]]]:
    return {name: table for name, table in content(database).items() if name != "ledger"}


class TestLayoutOfTheFiles:
    """Changes that say the same in other words: the database must not differ."""

    def load(self, outputs: Path) -> dict[str, list[tuple[object, ...]]]:
        database = outputs.parent / "changed.sqlite"
        load([outputs], f"sqlite:///{database}")
        return held(database)

    def test_lines_may_end_in_lf_as_well_as_in_crlf(
        self, outputs: Path, first: Path, untouched: object
    ) -> None:
        for path in first.glob("*.csv"):
            path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n"))

        assert b"\r\n" not in (first / "Image.csv").read_bytes()
        assert self.load(outputs) == untouched

    @pytest.mark.parametrize("name", ["Nuclei.csv", "Image.csv"])
    def test_the_image_number_may_be_any_column(
        self, outputs: Path, first: Path, untouched: object, name: str
    ) -> None:
        """Image.csv has it among the others in order of name; people sort their files."""
        table = read(first / name)
        place = table[0].index("ImageNumber")
        other = len(table[0]) // 2 if place != len(table[0]) // 2 else 0
        for row in table:
            row.insert(other, row.pop(place))
        write(first / name, table)

        assert read(first / name)[0].index("ImageNumber") == other != place
        assert self.load(outputs) == untouched

    def test_columns_may_be_in_any_order(
        self, outputs: Path, first: Path, untouched: object
    ) -> None:
        for name in ("Nuclei.csv", "Image.csv"):
            write(first / name, [row[::-1] for row in read(first / name)])

        assert self.load(outputs) == untouched

    @pytest.mark.parametrize("name", ["Nuclei.csv", "Image.csv"])
    def test_rows_may_be_in_any_order(
        self, outputs: Path, first: Path, untouched: object, name: str
    ) -> None:
        header, *table = read(first / name)
        write(first / name, [header, *table[::-1]])

        assert self.load(outputs) == untouched

    def test_every_field_may_be_quoted(self, outputs: Path, first: Path, untouched: object) -> None:
        table = read(first / "Nuclei.csv")
        with (first / "Nuclei.csv").open("w", newline="") as stream:
            csv.writer(stream, quoting=csv.QUOTE_ALL).writerows(table)

        assert self.load(outputs) == untouched

    def test_a_file_may_begin_with_a_byte_order_mark(
        self, outputs: Path, first: Path, untouched: object
    ) -> None:
        """As spreadsheet programs save them."""
        for name in ("Nuclei.csv", "Image.csv", "Experiment.csv"):
            (first / name).write_bytes(b"\xef\xbb\xbf" + (first / name).read_bytes())

        assert self.load(outputs) == untouched


class TestMissingNumbers:
    @pytest.mark.parametrize("written", ["", "nan", "NaN"])
    def test_nan_and_an_empty_field_are_null(
        self, outputs: Path, first: Path, loaded: Loaded, written: str
    ) -> None:
        """As the user chose to have missing numbers written."""
        put(first / "Nuclei.csv", "AreaShape_Area", [written, "5", written])
        put(first / "Image.csv", "Threshold_FinalThreshold_Nuclei", ["0.5", written])
        database = loaded(outputs)
        image = columns(database, "Per_Image")["Image_Threshold_FinalThreshold_Nuclei"]

        assert columns(database, "Per_Nuclei")["Nuclei_AreaShape_Area"][:3] == [None, 5.0, None]
        assert image[:2] == [0.5, None]

    def test_infinities_are_null_and_counted(
        self, outputs: Path, first: Path, loaded: Loaded
    ) -> None:
        put(first / "Nuclei.csv", "AreaShape_Area", ["inf", "5", "-inf"])
        database = loaded(outputs)
        counted = "SELECT table_name, infinite_count FROM _cpexport_tables WHERE infinite_count > 0"

        assert columns(database, "Per_Nuclei")["Nuclei_AreaShape_Area"][:3] == [None, 5.0, None]
        assert rows(database, counted) == [("Per_Nuclei", 2)]


class TestMetadata:
    WORDS = ("DMSO\nsecond line", 'say "hi", twice', "é µ 日本", "", " padded ", "None")

    def metadata(self, database: Path, feature: str = "Metadata_Compound") -> list[object]:
        return columns(database, "Per_Image")[f"Image_{feature}"]

    def test_text_comes_as_it_is_written(self, outputs: Path, first: Path, loaded: Loaded) -> None:
        """Newlines, quotes and words for nothing included; empty is empty, not NULL."""
        put(first / "Image.csv", "Metadata_Compound", list(self.WORDS))

        assert self.metadata(loaded(outputs))[:6] == list(self.WORDS)

    def test_a_newline_in_metadata_that_objects_repeat_loses_no_row(
        self, outputs: Path, first: Path, loaded: Loaded
    ) -> None:
        header, *table = read(first / "Nuclei.csv")
        write(
            first / "Nuclei.csv",
            [[*header, "Metadata_Note"], *([*row, "one\ntwo\r\nthree"] for row in table)],
        )
        database = loaded(outputs)
        query = "SELECT count(*) FROM Per_Nuclei WHERE Nuclei_Metadata_Note = 'one\ntwo\r\nthree'"

        assert rows(database, query) == [(len(table),)]
        assert columns(database, "Per_Image")["ImageNumber"] == list(range(1, 13))

    @pytest.mark.parametrize(
        ("fields", "type", "values"),
        [
            (["007", "1", "2", "3", "4", "5"], "TEXT", ["007", "1", "2", "3", "4", "5"]),
            (["1.50", "1", "2", "3", "4", "5"], "TEXT", ["1.50", "1", "2", "3", "4", "5"]),
            (["", "1", "2", "3", "4", "5"], "TEXT", ["", "1", "2", "3", "4", "5"]),
            (["1", "2", "3", "4", "5", "-6"], "INTEGER", [1, 2, 3, 4, 5, -6]),
            (["0.5", "2.0", "1e-07", "4", "5", "-6"], "REAL", [0.5, 2.0, 1e-7, 4.0, 5.0, -6.0]),
            (["nan"] * 6, "REAL", [None] * 6),
            (["1_000"] * 6, "TEXT", ["1_000"] * 6),
            (["12345678901234567890"] * 6, "TEXT", ["12345678901234567890"] * 6),
        ],
        ids=lambda value: value[0] if isinstance(value, list) else value,
    )
    def test_only_what_can_be_had_back_exactly_is_a_number(
        self,
        first: Path,
        loaded: Loaded,
        fields: list[str],
        type: str,
        values: list[object],
    ) -> None:
        put(first / "Image.csv", "Metadata_Dose", fields)
        database = loaded(first)

        assert declared(database, "Per_Image")["Image_Metadata_Dose"] == type
        assert self.metadata(database, "Metadata_Dose") == values

    @pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one by one"])
    @pytest.mark.parametrize("text_first", [True, False], ids=["text first", "numbers first"])
    def test_text_of_a_run_stays_as_written_though_one_job_has_only_numbers(
        self, outputs: Path, first: Path, at_once: bool, text_first: bool
    ) -> None:
        numbers = ["0.5", "1.0", "20", "3", "4", "1e-07"]
        put(first / "Image.csv", "Metadata_Dose", numbers)
        put(outputs / "batch_7_12" / "Image.csv", "Metadata_Dose", ["high"] * 6)
        database = outputs.parent / "one.sqlite"
        jobs = sorted(outputs.iterdir(), reverse=text_first)
        for some in [jobs] if at_once else [[job] for job in jobs]:
            load(some, f"sqlite:///{database}")

        assert self.metadata(database, "Metadata_Dose") == [*numbers, *["high"] * 6]

    def test_a_flag_is_a_number_though_it_is_called_metadata(
        self, outputs: Path, first: Path, loaded: Loaded
    ) -> None:
        """FlagImage measures it; an image set that a job skipped has an empty field there."""
        header, *table = read(first / "Image.csv")
        for feature in ("Metadata_QCFlag", "ModuleError_14FlagImage"):
            table[2][header.index(feature)] = ""
        write(first / "Image.csv", [header, *table])
        database = loaded(outputs)
        expected = [int(row[header.index("Metadata_QCFlag")] or -1) for row in table]
        found = self.metadata(database, "Metadata_QCFlag")

        assert declared(database, "Per_Image")["Image_Metadata_QCFlag"] == "INTEGER"
        assert found[:5] == [flag for flag in expected if flag != -1]


class TestExperiment:
    def test_the_pipeline_over_many_lines_of_one_field_is_read(
        self, first: Path, loaded: Loaded
    ) -> None:
        """It alone tells which module is the last that records."""
        header, *table = read(first / "Image.csv")
        table[4][header.index("ModuleError_14FlagImage")] = ""
        write(first / "Image.csv", [header, *table])
        found = dict(read(first / "Experiment.csv")[1:])
        database = loaded(first)
        query = "SELECT reason, cellprofiler FROM _cpexport_batches"

        assert found["Pipeline_Pipeline"].count("\n") > 100
        assert columns(database, "Per_Image")["ImageNumber"] == [1, 2, 3, 4, 6]
        assert rows(database, query) == [
            ("5: not measured (no ModuleError_14FlagImage)", found["CellProfiler_Version"])
        ]

    def test_without_it_the_last_module_is_told_by_the_columns(
        self, first: Path, loaded: Loaded
    ) -> None:
        header, *table = read(first / "Image.csv")
        table[4][header.index("ModuleError_14FlagImage")] = ""
        write(first / "Image.csv", [header, *table])
        (first / "Experiment.csv").unlink()

        assert columns(loaded(first), "Per_Image")["ImageNumber"] == [1, 2, 3, 4, 6]

    def test_a_job_that_never_came_to_its_last_module_measured_nothing(
        self, outputs: Path, first: Path, loaded: Loaded
    ) -> None:
        """Columns of Image.csv are those that this job measured: the last one is not there."""
        header, *table = read(first / "Image.csv")
        keep = [place for place, name in enumerate(header) if "14FlagImage" not in name]
        write(first / "Image.csv", [[row[place] for place in keep] for row in [header, *table]])

        assert columns(loaded(outputs), "Per_Image")["ImageNumber"] == list(range(7, 13))
