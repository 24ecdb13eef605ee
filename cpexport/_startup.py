"""Sets up cpexport's own processes: the command line, and the workers that decode for it."""

import gc
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from io import TextIOWrapper
from types import ModuleType
from typing import Final

_OBJECTS: Final = 100_000


def begin() -> None:
    """Switches off what would only slow this process down."""
    sys.meta_path.insert(0, _WithoutPandas())
    # numpy's BLAS starts a thread per core, and each thread spins first. cpexport needs none of
    # them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # A batch has thousands of columns, each made of a few objects without cycles. Python looks for
    # cycles after every few hundred objects, which costs a few percent of a load.
    gc.set_threshold(_OBJECTS)


def use_utf8() -> None:
    """Starts the command line again in Python's UTF-8 mode if its locale has another encoding.

    Names of files are bytes. If each locale read them differently, one output would have several
    names in a ledger. What is printed is UTF-8, too; what a stream cannot encode, it prints as an
    escape.
    """
    if sys.getfilesystemencoding().lower() not in ("utf-8", "utf8") and sys.executable:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class _WithoutPandas(MetaPathFinder):
    """Hides pandas from pyarrow, which imports it for almost any operation if it is installed.

    These processes never need pandas, and its import takes as long as all the others together.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "pandas":
            raise ModuleNotFoundError("pandas is left out of this process", name=fullname)
        return None
