"""Checks what CellProfiler's batch jobs left, and loads it into one database."""

import logging
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cpexport.api import read as read

__version__ = "0.1.0"

# The package only logs; the program that uses it decides what to show, as the command line does.
logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> object:
    # Importing pandas takes longer than most commands take to run.
    if name == "read":
        return import_module("cpexport.api").read
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
