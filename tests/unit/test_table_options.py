"""Tables as ExportToDatabase lays them out: side by side, as a view, with means, or only some."""

import math
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.calls import load
from support.fixtures import Ran, closeness, columns, declared, rows, tables

from cpexport.errors import SinkError, UsageError
from cpexport.tables.options import TableOptions

Case = Callable[[str], Path]
Run = Callable[..., Ran]
ALL = "mean,median,std"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The pictures of CellProfiler's own databases, loaded in a shape."""

    def make(outputs: Path, objects: str, aggregate: str | None = None, length: int = 64) -> Path:
        database = tmp_path_factory.mktemp("shape") / "screen.sqlite"
        shape = TableOptions.parse(objects, aggregate, length)
        load([outputs], f"sqlite:///{database}", prefix="MyExpt_", shape=shape)
        return database

    return make


def differ(ours: Path, theirs: Path, table: str) -> dict[str, str]:
    """Columns of a table that are neither equal nor 1 ulp apart. Times of execution are left out:
    they are another run's."""
    one, other = columns(ours, table), columns(theirs, table)
    assert list(one) == list(other)
    said = {name: closeness(one[name], other[name]) for name in one if "ExecutionTime" not in name}
    return {name: how for name, how in said.items() if how not in ("equal", "one ulp")}


def left(found: dict[str, str], outputs: str) -> dict[str, str]:
    """What of the differences is none that CSV files must have: of measurements of images in 32
    bits they have only the digits that these need."""
    single = ("Image_Intensity_", "Image_Threshold_", "Image_Granularity_", "Image_Texture_")
    csv = outputs == "10_ranges"
    return {n: h for n, h in found.items() if not (csv and h == "float32" and n.startswith(single))}


# The pictures of CellProfiler's own databases, in .h5 and in CSV files.
OUTPUTS = pytest.mark.parametrize("outputs", ["11_h5_and_csv", "10_ranges"])


@OUTPUTS
class TestCellProfilersOwn:
    """Its databases of the same pictures: the same columns in the same order, the same values."""

    def test_a_table_for_each_type_with_aggregates(
        self, case: Case, made: Callable[..., Path], outputs: str
    ) -> None:
        ours = made(case(outputs) / "outputs", "separate", ALL)
        theirs = case("20_sqlite") / "separate.db"
        names = ["Image", "Nuclei", "Cells", "Cytoplasm", "BigNuclei", "SmallNuclei"]

        assert {
            name: left(differ(ours, theirs, f"MyExpt_Per_{name}"), outputs) for name in names
        } == {name: {} for name in names}
        assert len(declared(ours, "MyExpt_Per_Image")) == 1887

    def test_side_by_side_by_number(
        self, case: Case, made: Callable[..., Path], outputs: str
    ) -> None:
        ours = made(case(outputs) / "outputs", "combined", ALL)
        theirs = case("20_sqlite") / "combined.db"

        assert differ(ours, theirs, "MyExpt_Per_Object") == {}
        assert left(differ(ours, theirs, "MyExpt_Per_Image"), outputs) == {}
        assert [name for name in tables(ours) if "Cells" in name] == []

    def test_the_view_has_its_columns_and_all_objects(
        self, case: Case, made: Callable[..., Path], outputs: str
    ) -> None:
        """CellProfiler's own has 3 rows, as many as there are SmallNuclei."""
        ours = made(case(outputs) / "outputs", "view")
        theirs = case("20_sqlite") / "view.db"
        names = "SELECT name FROM pragma_table_info('MyExpt_Per_Object')"
        alike = """
            SELECT count(*), sum(Cells_Parent_Nuclei = Nuclei_Number_Object_Number),
                   sum(Cytoplasm_Parent_Cells = Cells_Number_Object_Number),
                   count(BigNuclei_Number_Object_Number), count(SmallNuclei_Number_Object_Number)
            FROM MyExpt_Per_Object
        """

        assert rows(ours, names) == rows(theirs, names)
        assert rows(ours, alike) == [(546, 546, 546, 543, 3)]
        assert rows(theirs, "SELECT count(*) FROM MyExpt_Per_Object") == [(3,)]


class TestOnlySome:
    def test_types_that_are_named(self, case: Case, made: Callable[..., Path]) -> None:
        ours = made(case("11_h5_and_csv") / "outputs", "Nuclei,Cells", "mean")
        names = [name.removeprefix("MyExpt_Per_") for name in tables(ours)]
        of_image = declared(ours, "MyExpt_Per_Image")

        assert {"Cells", "Image", "Nuclei"} <= set(names)
        assert not {"Cytoplasm", "BigNuclei", "SmallNuclei"} & set(names)
        assert "Mean_Nuclei_AreaShape_Area" in of_image
        assert not [name for name in of_image if name.startswith("Mean_Cytoplasm")]

    def test_none(self, case: Case, made: Callable[..., Path]) -> None:
        ours = made(case("11_h5_and_csv") / "outputs", "none")

        names = [name for name in tables(ours) if "Relationship" not in name]
        assert [name for name in names if "Experiment" not in name] == ["MyExpt_Per_Image"]

    def test_some_side_by_side(self, case: Case, made: Callable[..., Path]) -> None:
        ours = made(case("11_h5_and_csv") / "outputs", "combined,Cells,Nuclei")
        found = columns(ours, "MyExpt_Per_Object")

        assert len(found["ObjectNumber"]) == 546
        assert {name.split("_")[0] for name in list(found)[2:]} == {"Cells", "Nuclei"}


class TestAggregates:
    def test_they_are_of_finite_values_of_the_population(
        self, case: Case, made: Callable[..., Path]
    ) -> None:
        ours = made(case("60_perf"), "separate", ALL)
        image, cells = columns(ours, "MyExpt_Per_Image"), columns(ours, "MyExpt_Per_Cells")
        # With missing values, which do not count.
        column = next(name for name, values in cells.items() if None in values)
        by_number: dict[object, list[float]] = {}
        for number, value in zip(cells["ImageNumber"], cells[column], strict=True):
            by_number.setdefault(number, [])
            if value is not None:
                by_number[number].append(float(str(value)))
        values = [by_number[number] for number in image["ImageNumber"]]

        def each(of: Callable[[list[float]], float]) -> list[float]:
            return [of(v) if v else math.nan for v in values]

        def ours_of(kind: str) -> np.ndarray:
            return np.array(image[f"{kind}_{column}"], np.float64)

        assert np.array_equal(ours_of("Median"), each(statistics.median), equal_nan=True)
        assert np.allclose(ours_of("Mean"), each(statistics.fmean), 1e-14, equal_nan=True)
        assert np.allclose(ours_of("StDev"), each(statistics.pstdev), 1e-12, equal_nan=True)

    def test_an_image_set_without_objects_has_none(
        self, case: Case, made: Callable[..., Path]
    ) -> None:
        ours = made(case("11_h5_and_csv") / "outputs", "separate", ALL)
        query = """
            SELECT ImageNumber FROM MyExpt_Per_Image WHERE Mean_Nuclei_AreaShape_Area IS NULL
            AND Median_Nuclei_AreaShape_Area IS NULL AND StDev_Nuclei_AreaShape_Area IS NULL
        """

        assert rows(ours, query) == [(15,)]

    def test_csv_and_h5_have_the_same(self, case: Case, made: Callable[..., Path]) -> None:
        ours = made(case("11_h5_and_csv") / "outputs", "none")
        one = made(case("10_ranges") / "outputs", "separate", "mean")

        assert (
            len(declared(one, "MyExpt_Per_Image")) > len(declared(ours, "MyExpt_Per_Image")) + 500
        )


class TestShapes:
    def test_names_are_as_short_as_wanted(self, case: Case, made: Callable[..., Path]) -> None:
        ours = made(case("40_spreadsheet") / "outputs", "separate", "mean", 30)

        assert max(len(column) for found in tables(ours).values() for column in found) <= 30

    def test_a_destination_keeps_its_shape(self, case: Case, tmp_path: Path) -> None:
        to = f"sqlite:///{tmp_path / 'screen.sqlite'}"
        outputs = case("11_h5_and_csv") / "outputs"
        first = load(
            [outputs / "batch_1_6"], to, shape=TableOptions.parse("combined", "mean", None)
        )
        second = load([outputs], to)
        means = rows(
            tmp_path / "screen.sqlite", "SELECT count(Mean_Cells_AreaShape_Area) FROM Per_Image"
        )

        assert (first.image_sets, second.image_sets) == (6, 18)
        assert means == [(23,)]
        with pytest.raises(
            SinkError, match="was created with --objects combined, --aggregate mean"
        ):
            load([outputs], to, shape=TableOptions.parse("separate", None, None))

    def test_cellprofiler_analyst_finds_objects_side_by_side(
        self, case: Case, made: Callable[..., Path], cpexport: Run
    ) -> None:
        database = made(case("11_h5_and_csv") / "outputs", "combined")
        words = ["--to", f"sqlite:///{database}", "--prefix", "MyExpt_", "--object", "Cells"]
        said = cpexport("properties", *words).out.splitlines()
        fields = dict(line.split(" = ", 1) for line in said if " = " in line)
        wanted = ", ".join(fields[name] for name in ("image_id", "object_id", "cell_x_loc"))
        found = rows(database, f"SELECT {wanted} FROM {fields['object_table']}")

        assert fields["object_table"] == "MyExpt_Per_Object"
        assert fields["cell_x_loc"] == "Cells_Location_Center_X"
        assert len(found) == 546

    def test_what_has_no_parent_is_joined_by_number_and_said_so(
        self, case: Case, cpexport: Run
    ) -> None:
        """Of these types of objects only, none is another's parent."""
        outputs = case("11_h5_and_csv") / "outputs"
        words = ["--objects", "view,BigNuclei,Cytoplasm", "--to", "sqlite:///x.sqlite"]
        ran = cpexport("load", outputs, *words)

        assert ran.status == 0
        assert "Per_Object joins Cytoplasm by number, because no parent of them is known" in ran.err

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("--objects", "combined,view"), "--objects takes one of"),
            (("--objects", "none,Cells"), "--objects takes one of"),
            (("--aggregate", "max"), "--aggregate takes mean, median, std, not max"),
            (("--max-column-length", "5"), "--max-column-length"),
        ],
    )
    def test_words_that_make_no_sense(
        self, words: tuple[str, ...], said: str, case: Case, cpexport: Run
    ) -> None:
        ran = cpexport("load", case("40_spreadsheet"), *words)

        assert (ran.status, ran.out) == (2, "")
        assert said in ran.err

    def test_a_shape_is_what_it_was_written_as(self) -> None:
        shape = TableOptions.parse("combined,Cells", ALL, 40)

        assert TableOptions.from_json(shape.as_json()) == shape
        with pytest.raises(UsageError):
            TableOptions.parse("view,combined", None, None)
