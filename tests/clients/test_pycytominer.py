"""pycytominer reads what was loaded by its defaults, through the views that are made for it."""

import statistics
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from clients import CASES, KEY, measured, single_cells
from support.calls import load_runs
from support.fixtures import rows

from cpexport.tables.options import TableOptions

if find_spec("pycytominer") is None:
    pytest.skip("pycytominer is not installed; make clients does", allow_module_level=True)

# SingleCells says that it is deprecated, but it is what most people use.
pytestmark = pytest.mark.filterwarnings("ignore")

PARENTS = {"Cytoplasm_Parent_Cells", "Cytoplasm_Parent_Nuclei"}
FEATURES = ("Cytoplasm_AreaShape_Area", "Cells_AreaShape_Area", "Nuclei_AreaShape_Area")


@pytest.fixture(params=CASES)
def database(
    request: pytest.FixtureRequest, loaded: Callable[..., Path], case: Callable[[str], Path]
) -> Path:
    return loaded(case(request.param) / "outputs")


@pytest.fixture
def cells(database: Path) -> Callable[..., Any]:
    """`cells()` is a fresh `SingleCells` of the database, aggregated by the median."""
    from pycytominer.cyto_utils.cells import SingleCells

    def make(**options: object) -> Any:
        return SingleCells(f"sqlite:///{database}", aggregation_operation="median", **options)

    return make


def test_profiles_are_those_of_all_wells(database: Path, cells: Callable[..., Any]) -> None:
    profiles = cells().aggregate_profiles()

    query = "SELECT DISTINCT Image_Metadata_Plate, Image_Metadata_Well FROM Per_Image ORDER BY 1, 2"
    wells = rows(database, query)
    keys = profiles[["Metadata_Plate", "Metadata_Well"]]
    assert sorted(keys.itertuples(index=False, name=None)) == wells
    assert set(measured(database)) - PARENTS <= set(profiles.columns)
    for feature in FEATURES:
        for plate, well in wells:
            values = rows(
                database,
                f"SELECT {feature} FROM Per_{feature.split('_')[0]} JOIN Per_Image "
                f"USING (ImageNumber) WHERE Image_Metadata_Plate = '{plate}' "
                f"AND Image_Metadata_Well = '{well}' AND {feature} IS NOT NULL",
            )
            mine = profiles[(keys == (plate, well)).all(axis="columns")]
            assert list(mine[feature]) == [statistics.median(value for (value,) in values)]


def test_profiles_have_the_image_features_asked_for(
    database: Path, cells: Callable[..., Any]
) -> None:
    options = {"add_image_features": True, "image_feature_categories": ["Count"]}
    profiles = cells(**options).aggregate_profiles()

    found = profiles[["Metadata_Plate", "Metadata_Well", "Metadata_Count_Cells"]]
    assert sorted(found.itertuples(index=False, name=None)) == rows(
        database,
        "SELECT Image_Metadata_Plate, Image_Metadata_Well, sum(Image_Count_Cells) "
        "FROM Per_Image GROUP BY 1, 2 ORDER BY 1, 2",
    )


def test_single_cells_are_all_cells_with_all_columns(
    database: Path, cells: Callable[..., Any]
) -> None:
    merged = cells().merge_single_cells()

    keys = ["Metadata_ImageNumber", "Metadata_ObjectNumber_cytoplasm"]
    merged = merged.sort_values(keys).astype(object)
    features = [c for c in measured(database) if c in merged.columns]
    # The parents are what they are joined by, and get other names.
    assert set(measured(database)) - set(features) == PARENTS
    found = merged[[*keys, *features]].where(merged[[*keys, *features]].notna(), None)
    expected = single_cells(database, [*KEY, *features])
    assert len(expected) > 400
    assert list(found.itertuples(index=False, name=None)) == expected


def test_single_cells_can_be_normalized(database: Path, cells: Callable[..., Any]) -> None:
    from pycytominer import normalize

    merged = cells().merge_single_cells()

    normal = normalize(merged, features="infer", samples="all", method="standardize")

    feature = "Nuclei_AreaShape_Area"
    values = [float(str(value)) for (value,) in single_cells(database, [feature])]
    mean, spread = statistics.fmean(values), statistics.pstdev(values)
    expected = [(value - mean) / spread for value in sorted(values)]
    assert sorted(normal[feature]) == pytest.approx(expected)
    numbers = {f"{name}_Number_Object_Number" for name in ("Cytoplasm", "Cells", "Nuclei")}
    assert numbers & set(normal.columns) == set()


def test_single_cells_of_several_runs_are_those_of_each(
    tmp_path: Path, case: Callable[[str], Path], loaded: Callable[..., Path]
) -> None:
    from pycytominer.cyto_utils.cells import SingleCells

    url = f"sqlite:///{tmp_path / 'screens.sqlite'}"
    outputs = [case(name) / "outputs" for name in CASES]
    runs = [Path(f"{name}={path}") for name, path in zip(CASES, outputs, strict=True)]
    load_runs(runs, url, shape=TableOptions(numbered=True))

    merged = SingleCells(url).merge_single_cells()

    keys = ["Metadata_ImageNumber", "Metadata_ObjectNumber_cytoplasm"]
    merged = merged.sort_values(["Metadata_TableNumber", *keys]).astype(object)
    for number, path in enumerate(outputs, 1):
        mine = merged[merged["Metadata_TableNumber"] == number][[*keys, *FEATURES]]
        expected = single_cells(loaded(path), [*KEY, *FEATURES])
        assert list(mine.itertuples(index=False, name=None)) == expected
    assert set(merged["Metadata_TableNumber"]) == set(range(1, len(CASES) + 1))
