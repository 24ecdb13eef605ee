"""The settings of jobs: the scheduler, its limits, and the options passed on to it."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Self

SCHEDULER_NAMES: Final = ("slurm", "sge", "lsf", "pbs", "shell")

_CLOCK = re.compile(r"(?:(\d{1,3})-)?(\d{1,4}):(\d{2}):(\d{2})")
_MEMORY = re.compile(r"(\d{1,9}) ?([MGT])i?B?", re.IGNORECASE)


@dataclass(frozen=True)
class Settings:
    """How the jobs of a plan run. None leaves a value to the site's default.

    size: the largest number of image sets in a job.
    by_group: whether each group is a job, whatever its size.
    at_once: the largest number of jobs that run at the same time.
    time, memory: limits of one job, in minutes and MiB.
    modules: environment modules to load before `cellprofiler` is called.
    container: image of the container in which `cellprofiler` is called.
    plugins: folder of CellProfiler's plugins, which every job gets.
    pipeline: the pipeline that runs a list of LoadData; None for that of the batch file.
    options: words that go to the scheduler unchanged.
    to: destination URL to which the last job loads the outputs of the others.
    merge_time, merge_memory: limits of the last job, in minutes and MiB.
    """

    scheduler: str = "slurm"
    size: int | None = None
    by_group: bool = False
    at_once: int | None = None
    time: int | None = None
    memory: int | None = None
    partition: str | None = None
    modules: tuple[str, ...] = ()
    container: str | None = None
    options: tuple[str, ...] = ()
    keep_measurements: bool = False
    plugins: str | None = None
    pipeline: str | None = None
    to: str | None = None
    merge_time: int | None = None
    merge_memory: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The settings as `from_json` takes them."""
        values = asdict(self).items()
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Self:
        """Restores the settings that `as_json` wrote.

        Raises:
            TypeError, ValueError: `as_json` did not write this.
        """
        known = {field.name for field in fields(cls)}
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in saved.items()
        }
        if values.keys() - known or values.get("scheduler") not in SCHEDULER_NAMES:
            raise ValueError("not the settings of a plan")
        return cls(**values)


def minutes(text: str) -> int:
    """Parses a time limit into minutes: a number of minutes, H:MM:SS or D-H:MM:SS.

    Seconds are rounded up. 1:30 is refused: it means minutes and seconds to Slurm, hours and
    minutes to LSF.

    >>> [minutes(text) for text in ("90", "01:30:00", "1-00:00:01")]
    [90, 90, 1441]

    Raises:
        ValueError: the text has another form, or the time is zero.
    """
    if re.fullmatch(r"[0-9]{1,7}", text):
        total = int(text)
    elif match := _CLOCK.fullmatch(text):
        days, hours, mins, seconds = (int(part or 0) for part in match.groups())
        total = days * 1440 + hours * 60 + mins + (seconds > 0)
    else:
        raise ValueError(f"{text!r} is not a time such as 90, 1:30:00 or 1-12:00:00")
    if total < 1:
        raise ValueError(f"{text!r} is not a positive time")
    return total


def mebibytes(text: str) -> int:
    """Parses an amount of memory, such as 4000M, 4G or 1T, into MiB.

    >>> [mebibytes(text) for text in ("500M", "4G", "4 GiB", "1T")]
    [500, 4096, 4096, 1048576]

    Raises:
        ValueError: the text has another form, or the amount is zero.
    """
    match = _MEMORY.fullmatch(text)
    if not match or not int(match[1]):
        raise ValueError(f"{text!r} is not an amount of memory such as 500M or 4G")
    return int(match[1]) * {"M": 1, "G": 1024, "T": 1024 * 1024}[match[2].upper()]


def clock(total: int) -> str:
    """Formats minutes as H:MM:SS, which all schedulers accept.

    >>> clock(1441)
    '24:01:00'
    """
    return f"{total // 60:02d}:{total % 60:02d}:00"
