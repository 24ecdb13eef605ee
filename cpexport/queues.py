"""What schedulers say of jobs: their commands run within a limit of time, and the answers."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cpexport.waiting import waiting_for

WAITING: Final = "waiting"
RUNNING: Final = "running"
ENDED: Final = "ended"

_SECONDS: Final = 60


@dataclass(frozen=True)
class Task:
    """One job of an array as its scheduler has it: `standing` is WAITING, RUNNING or ENDED, `state`
    the scheduler's own word, and `reason` why it waits, where the scheduler says so."""

    standing: str
    state: str
    reason: str = ""


@dataclass(frozen=True)
class Answer:
    """Jobs by `array_index`. `problem` is why some may be missing; without, the others ended."""

    tasks: Mapping[str, Task] = field(default_factory=dict)
    problem: str = ""


class Silent(str):
    """What is wrong if a command says nothing: others of its scheduler would not either."""

    __slots__ = ()


def said(
    words: list[str], without: tuple[str, ...] = (), conf: str = "", seconds: int | None = None
) -> tuple[list[str], str]:
    """The lines that a command prints, and what is wrong if it fails or takes a minute, or so many
    `seconds`.

    `without` begin the names of variables that the command must not see, as they would change what
    it prints. `conf` is the variable that says whom it asks, for what is said of a failure.
    """
    seconds = seconds or _SECONDS
    environment = {k: v for k, v in os.environ.items() if not k.startswith(without or ("\0",))}
    name = words[0]
    whom = f"; {conf} is {environment[conf]}" if environment.get(conf) else ""
    try:
        with waiting_for(f"{name}, for {seconds} seconds at most"):
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
        return [], f"there is no {name} on this machine"
    except subprocess.TimeoutExpired:
        return [], Silent(f"{name} said nothing for {seconds} seconds{whom}")
    except OSError as error:
        return [], f"{name}: {error.strerror}"
    if done.returncode:
        why = (done.stderr.strip() or done.stdout.strip() or "no word why").splitlines()[0]
        return [], f"{name} failed with {done.returncode}: {why}{whom}"
    return [line for line in done.stdout.splitlines() if line.strip()], ""
