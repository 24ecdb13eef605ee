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


def said(words: list[str], without: tuple[str, ...] = ()) -> tuple[list[str], str]:
    """The lines that a command prints, and what is wrong if it fails or takes a minute.

    `without` begin the names of variables that the command must not see, as they would change what
    it prints.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith(without or ("\0",))}
    name = words[0]
    try:
        with waiting_for(f"{name}, for {_SECONDS} seconds at most"):
            done = subprocess.run(
                words,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_SECONDS,
                check=False,
                stdin=subprocess.DEVNULL,
                env=environment,
            )
    except FileNotFoundError:
        return [], f"there is no {name} on this machine"
    except subprocess.TimeoutExpired:
        return [], f"{name} said nothing for {_SECONDS} seconds"
    except OSError as error:
        return [], f"{name}: {error.strerror}"
    if done.returncode:
        why = (done.stderr.strip() or done.stdout.strip() or "no word why").splitlines()[0]
        return [], f"{name} failed with {done.returncode}: {why}"
    return [line for line in done.stdout.splitlines() if line.strip()], ""
