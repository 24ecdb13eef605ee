"""Measures how long a step takes, for the log."""

import time


class Stopwatch:
    """Seconds since it was made, as text for a log message: `1.25 s`.

    >>> str(Stopwatch())
    '0.00 s'
    """

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __str__(self) -> str:
        return f"{time.monotonic() - self._began:.2f} s"
