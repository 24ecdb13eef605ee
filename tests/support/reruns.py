"""A job that ran again, with the same image sets, other values and another time."""

from collections.abc import Callable
from pathlib import Path

from support.fixtures import rewritten

Copy = Callable[..., Path]


FIRST = "outputs/batch_1_6/batch_1_6.h5"


LATER, EARLIER = "2099-01-01T00:00:00", "1999-01-01T00:00:00"


def rerun(copy: Copy, to: str, finished: str) -> Path:
    """Makes another output for the images of batch_1_6, with another time and one area of -7."""
    file = copy("11_h5_and_csv", FIRST, to)
    rewritten(file, "Experiment", "Modification_Timestamp", lambda values: [finished.encode()])
    rewritten(file, "Nuclei", "AreaShape_Area", lambda values: [-7.0, *values[1:]])
    return file
