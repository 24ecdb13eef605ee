"""The files of the folder `sql/`, which come with the package: grants, and queries."""

from pathlib import Path
from typing import Final

import cpexport

_WITHIN: Final = Path(cpexport.__file__).parent / "sql"
# In a checkout the folder is beside the package.
_BESIDE: Final = Path(cpexport.__file__).parent.parent / "sql"


def sql_file(name: str) -> str:
    """The text of a file there: `grants.sql`, `queries.sqlite.sql`, `queries.mysql.sql`."""
    folder = _WITHIN if _WITHIN.is_dir() else _BESIDE
    return (folder / name).read_text("utf-8")
