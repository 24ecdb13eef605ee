"""CytoTable reads what was loaded, all cells and all columns, by its presets for CellProfiler."""

import math
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from clients import CASES, KEY, measured, single_cells
from support.fixtures import rows, tables

if find_spec("cytotable") is None:
    pytest.skip("CytoTable is not installed; make clients does", allow_module_level=True)

# What CytoTable and its own dependencies warn of is not about us.
pytestmark = pytest.mark.filterwarnings("ignore")

PRESETS = ("cellprofiler_sqlite", "cellprofiler_sqlite_pycytominer")


@pytest.fixture
def convert(tmp_path: Path) -> Callable[..., Any]:
    """`convert(database, preset)` is CytoTable's answer as an Arrow table."""
    import cytotable
    import pyarrow.parquet
    from duckdb_extensions import import_extension
    from parsl.config import Config
    from parsl.executors import ThreadPoolExecutor

    # CytoTable asks for both, and gets them from the network if they are not there.
    import_extension("sqlite_scanner")
    import_extension("httpfs")

    def run(database: Path, preset: str, **options: object) -> Any:
        executor = ThreadPoolExecutor(max_threads=1)
        made = cytotable.convert(
            source_path=str(database),
            dest_path=str(tmp_path / "cells.parquet"),
            dest_datatype="parquet",
            source_datatype="sqlite",
            preset=preset,
            parsl_config=Config(executors=[executor], run_dir=str(tmp_path / "runinfo")),
            **options,
        )
        return pyarrow.parquet.read_table(made)

    return run


def page_keys(database: Path, preset: str) -> dict[str, str]:
    """Those of the preset, and before them those of other tables that it would take for its own.

    CytoTable takes every table with a compartment's name in its own for that compartment
    (1.2.6, sources.py): `Per_BigNuclei` too, in which there is no `Nuclei_Number_Object_Number`.
    """
    from cytotable.presets import config

    others = {
        name.removeprefix("Per_").lower(): columns[1]
        for name, columns in tables(database).items()
        if name.endswith(("BigNuclei", "SmallNuclei"))
    }
    of_preset: dict[str, str] = config[preset]["CONFIG_PAGE_KEYS"]
    return others | of_preset


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", CASES)
def test_a_preset_finds_every_cell_with_every_column(
    loaded: Callable[..., Path],
    case: Callable[[str], Path],
    convert: Callable[..., Any],
    name: str,
    preset: str,
) -> None:
    database = loaded(case(name) / "outputs")

    table = convert(database, preset, page_keys=page_keys(database, preset))

    # What the preset has to join by it calls metadata.
    names = [column.removeprefix("Metadata_") for column in table.column_names]
    assert set(names) >= {*KEY, *measured(database), "Image_Metadata_Plate", "Image_Metadata_Well"}
    expected = single_cells(database, names)
    assert table.num_rows == len(expected) > 400
    found = zip(*(column.to_pylist() for column in table.columns), strict=True)
    order = [names.index(column) for column in KEY]
    in_order = sorted(found, key=lambda row: tuple(row[place] for place in order))
    assert [tuple(map(_known, row)) for row in in_order] == expected


def _known(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_alone_is_enough_where_no_name_has_anothers_in_it(
    loaded: Callable[..., Path],
    case: Callable[[str], Path],
    convert: Callable[..., Any],
    preset: str,
) -> None:
    database = loaded(case("60_perf") / "outputs")

    table = convert(database, preset)

    assert rows(database, "SELECT count(*) FROM Per_Cytoplasm") == [(table.num_rows,)]


def test_a_preset_alone_stumbles_over_an_object_with_anothers_name_in_its_own(
    loaded: Callable[..., Path], case: Callable[[str], Path], convert: Callable[..., Any]
) -> None:
    """As with CellProfiler's own files. When this fails, CytoTable has changed: see the README."""
    import duckdb

    database = loaded(case("40_spreadsheet") / "outputs")

    with pytest.raises(duckdb.BinderException, match="Nuclei_Number_Object_Number"):
        convert(database, "cellprofiler_sqlite")
