"""Check, and load into one database, what CellProfiler's batch jobs left."""

import logging
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cpexport.frames import read as read

__version__ = "0.1.0"

# What the package logs is for whoever asks for it: the command line does.
logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> object:
    # pandas takes longer to come than most commands take to run.
    if name == "read":
        return import_module("cpexport.frames").read
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
