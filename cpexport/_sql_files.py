"""Finds the files of the folder `sql/` that come with the package: grants and queries."""

from pathlib import Path
from typing import Final

import cpexport

_INSTALLED: Final = Path(cpexport.__file__).parent / "sql"
# In a checkout, the folder is next to the package.
_CHECKOUT: Final = Path(cpexport.__file__).parent.parent / "sql"


def sql_file(name: str) -> str:
    """Returns the text of a file in `sql/`.

    The files are `grants.sql`, `queries.sqlite.sql` and `queries.mysql.sql`.
    """
    folder = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT
    return (folder / name).read_text("utf-8")
