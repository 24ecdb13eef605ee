"""How a process of our own begins: the command line, and those that decode for it."""

import gc
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

_OBJECTS: Final = 100_000


def begin() -> None:
    """Has this process do without what would only slow it down."""
    sys.meta_path.insert(0, _WithoutPandas())
    # numpy's BLAS starts a thread for each core, which first of all spin; nothing here needs it.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # A batch has thousands of columns, each a few objects in no cycle. To look for cycles after
    # every few hundred objects, as Python does, costs a few hundredths of a load.
    gc.set_threshold(_OBJECTS)


class _WithoutPandas(MetaPathFinder):
    """Has pyarrow do without pandas, which it imports for almost anything where it finds it.

    Nothing that such a process does needs it, and it takes as long to come as all else together.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "pandas":
            raise ModuleNotFoundError("pandas is left out of this process", name=fullname)
        return None
