"""A problem of a plan, found before its jobs run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """What is wrong and what to do; `fatal` if the jobs would certainly run in vain."""

    text: str
    fatal: bool = False

    def __str__(self) -> str:
        return self.text
