"""How jobs are to run: the scheduler, and what is passed through to it."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Self

SCHEDULERS: Final = ("slurm", "sge", "lsf", "pbs", "shell")

_CLOCK = re.compile(r"(?:(\d{1,3})-)?(\d{1,4}):(\d{2}):(\d{2})")
_MEMORY = re.compile(r"(\d{1,9}) ?([MGT])i?B?", re.IGNORECASE)


@dataclass(frozen=True)
class Settings:
    """How the jobs of a plan are to run. None leaves it to the site's own default.

    `size` is the most image sets a job; `by_group` is whether each group is a job, whatever their
    size; `at_once` the most jobs that run at one time; `time` in minutes and `memory` in MiB are
    limits of one job, `merge_time` and `merge_memory` those of the last one; `options` are words
    that go to the scheduler as they are; `modules` are loaded and `container` is entered before
    `cellprofiler` is called; `to` is where the last job loads what the others left.
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
    to: str | None = None
    merge_time: int | None = None
    merge_memory: int | None = None

    def as_json(self) -> dict[str, Any]:
        """What `from_json` takes."""
        return asdict(self)

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """The settings that `as_json` wrote.

        Raises:
            TypeError, ValueError: it wrote something else.
        """
        known = {field.name for field in fields(cls)}
        values: dict[str, Any] = {
            key: tuple(v) if isinstance(v, list) else v for key, v in said.items()
        }
        if values.keys() - known or values.get("scheduler") not in SCHEDULERS:
            raise ValueError("not the settings of a plan")
        return cls(**values)


def minutes(text: str) -> int:
    """A time limit in minutes: a number of them, H:MM:SS or D-H:MM:SS; seconds are rounded up.

    1:30 is not taken: it is minutes and seconds to Slurm, hours and minutes to LSF.

    >>> [minutes(text) for text in ("90", "01:30:00", "1-00:00:01")]
    [90, 90, 1441]

    Raises:
        ValueError: anything else, or no time at all.
    """
    if re.fullmatch(r"[0-9]{1,7}", text):
        total = int(text)
    elif found := _CLOCK.fullmatch(text):
        days, hours, mins, seconds = (int(part or 0) for part in found.groups())
        total = days * 1440 + hours * 60 + mins + (seconds > 0)
    else:
        raise ValueError(f"{text!r} is no time such as 90, 1:30:00 or 1-12:00:00")
    if total < 1:
        raise ValueError(f"{text!r} is no time to run in")
    return total


def mebibytes(text: str) -> int:
    """An amount of memory in MiB, as 4000M, 4G or 1T.

    >>> [mebibytes(text) for text in ("500M", "4G", "4 GiB", "1T")]
    [500, 4096, 4096, 1048576]

    Raises:
        ValueError: anything else, or none at all.
    """
    found = _MEMORY.fullmatch(text)
    if not found or not int(found[1]):
        raise ValueError(f"{text!r} is no memory such as 500M or 4G")
    return int(found[1]) * {"M": 1, "G": 1024, "T": 1024 * 1024}[found[2].upper()]


def clock(total: int) -> str:
    """A time limit as H:MM:SS, which all schedulers take.

    >>> clock(1441)
    '24:01:00'
    """
    return f"{total // 60:02d}:{total % 60:02d}:00"
