"""What the tests of other programs share: the databases that they read, and what is in these."""

from collections.abc import Iterator
from pathlib import Path

from support.fixtures import rows

# None is a job's that failed. Of every cytoplasm both the cell and the nucleus are known.
CASES = ("10_ranges", "11_h5_and_csv", "40_spreadsheet", "60_perf")

KEY = ("ImageNumber", "Cytoplasm_Number_Object_Number")
_JOINED = """
    FROM Per_Cytoplasm
    JOIN Per_Cells ON Per_Cells.ImageNumber = Per_Cytoplasm.ImageNumber
        AND Cells_Number_Object_Number = Cytoplasm_Parent_Cells
    JOIN Per_Nuclei ON Per_Nuclei.ImageNumber = Per_Cytoplasm.ImageNumber
        AND Nuclei_Number_Object_Number = Cytoplasm_Parent_Nuclei
    JOIN Per_Image ON Per_Image.ImageNumber = Per_Cytoplasm.ImageNumber
"""


def single_cells(database: Path, columns: list[str]) -> list[tuple[object, ...]]:
    """Some columns of all single cells, a cell being a cytoplasm with its parents: in order of
    image set and cytoplasm, by plain SQL."""
    wanted = ", ".join(f'"{column}"' for column in columns)
    query = f"SELECT {wanted} {_JOINED}".replace('"ImageNumber"', "Per_Image.ImageNumber")
    return rows(database, f"{query} ORDER BY Per_Image.ImageNumber, {KEY[1]}")


def measured(database: Path) -> Iterator[str]:
    """The columns of the three compartments, without keys."""
    for name in ("Per_Cytoplasm", "Per_Cells", "Per_Nuclei"):
        found = rows(database, f"SELECT name FROM pragma_table_info('{name}') WHERE pk = 0")
        yield from (str(column) for (column,) in found)
