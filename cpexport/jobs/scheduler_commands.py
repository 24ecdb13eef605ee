"""Runs the commands that ask schedulers about jobs, within a time limit."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cpexport._wait_notice import waiting_for

WAITING: Final = "waiting"
RUNNING: Final = "running"
ENDED: Final = "ended"

_SECONDS: Final = 60


@dataclass(frozen=True)
class Task:
    """One job of an array, as its scheduler sees it.

    standing: WAITING, RUNNING or ENDED.
    state: the scheduler's own word.
    reason: why the job waits, if the scheduler says so.
    """

    standing: str
    state: str
    reason: str = ""


@dataclass(frozen=True)
class QueueState:
    """The jobs that a scheduler lists, by `array_index`.

    `problem` is why some may be missing. If it is empty, all jobs that are not listed have ended.
    """

    tasks: Mapping[str, Task] = field(default_factory=dict)
    problem: str = ""


class Silent(str):
    """The problem of a command that did not answer; other commands of its scheduler would not
    either."""

    __slots__ = ()


def answer_of(
    words: list[str], without: tuple[str, ...] = (), conf: str = "", seconds: int | None = None
) -> tuple[list[str], str]:
    """Runs a command; returns the lines that it prints, and what is wrong if it fails.

    without: prefixes of environment variables that the command must not see, because they change
        what it prints.
    conf: the variable that selects the scheduler, for the message about a failure.
    seconds: time limit; a minute if it is not given.
    """
    seconds = seconds or _SECONDS
    environment = {k: v for k, v in os.environ.items() if not k.startswith(without or ("\0",))}
    name = words[0]
    whom = f"; {conf} is {environment[conf]}" if environment.get(conf) else ""
    try:
        with waiting_for(f"{name}, for at most {seconds} seconds"):
            done = subprocess.run(
                words,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds,
                check=False,
                stdin=subprocess.DEVNULL,
                env=environment,
            )
    except FileNotFoundError:
        return [], f"this machine has no {name}"
    except subprocess.TimeoutExpired:
        return [], Silent(f"{name} did not answer within {seconds} seconds{whom}")
    except OSError as error:
        return [], f"{name}: {error.strerror}"
    if done.returncode:
        why = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[0]
        return [], f"{name} failed with {done.returncode}: {why}{whom}"
    return [line for line in done.stdout.splitlines() if line.strip()], ""
