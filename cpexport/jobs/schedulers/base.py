"""What every scheduler offers: how its jobs are submitted, limited, and asked about."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from pathlib import Path
from typing import ClassVar

from cpexport.errors import UsageError
from cpexport.jobs.scheduler_commands import QueueState
from cpexport.jobs.settings import Settings


class Scheduler(ABC):
    """One scheduler. A subclass sets the words of its command line, and overrides what differs.

    index, array: shell words for a job's place in its array and for the array's id, from the
        environment of the job.
    longest: the length of an array that sites allow unless they say otherwise.
    partition, memory, at_once: options with `{}` for a name, MiB, a number of jobs.
    chain: makes an array wait for the end of the one before it, `$previous`.
    holding, holding_with: options that keep a job from starting, without and with a value.
    queue: the command that shows a user's jobs.
    log: makes array.sh write its own log, where the scheduler cannot.
    forbidden: texts that no folder may have in its path.
    """

    title: ClassVar[str]
    index: ClassVar[str]
    array: ClassVar[str]
    longest: ClassVar[int]
    partition: ClassVar[str]
    memory: ClassVar[str]
    at_once: ClassVar[str]
    chain: ClassVar[str]
    holding: ClassVar[tuple[str, ...]]
    holding_with: ClassVar[tuple[str, ...]]
    queue: ClassVar[str]
    log: ClassVar[str] = ""
    forbidden: ClassVar[tuple[str, ...]] = ()

    answers: ClassVar[bool] = False
    """Whether `ask` asks it; otherwise only the records of its jobs say what became of them."""

    def ask(self, arrays: Collection[str], *, others: bool = False) -> QueueState:
        """The state of the jobs of these arrays. `others` says whether another user may have
        submitted some."""
        return QueueState(problem=f"cpexport does not ask {self.title}")

    @abstractmethod
    def time(self, minutes: int) -> str:
        """The options that limit a job's time."""

    def words(self, settings: Settings) -> tuple[str, ...]:
        """The user's options for all jobs of a plan."""
        if not settings.partition:
            return settings.options
        return (*self.partition.format(settings.partition).split(" ", 1), *settings.options)

    def array_words(self, settings: Settings) -> tuple[str, ...]:
        """The user's options for arrays, without limits."""
        return self.words(settings)

    def last_words(self, settings: Settings) -> tuple[str, ...]:
        """The user's options for the last job, which waits for the arrays and for nothing else."""
        kept: list[str] = []
        words = list(self.array_words(settings))
        while words:
            word, following = words[0], words[1:2]
            if self._holds(word, *following):
                words = words[2:]
            else:
                if word not in self.holding and not self._holds_by_itself(word):
                    kept.append(word)
                words = words[1:]
        return tuple(kept)

    def limits(self, settings: Settings, time: int | None, memory: int | None) -> tuple[str, ...]:
        """The words that limit one job to `time` minutes and `memory` MiB; None sets no limit."""
        words = self.time(time).split(" ") if time is not None else []
        return (*words, *self._memory_words(settings, memory))

    def logs(self, folder: Path) -> dict[str, str]:
        """The places in the templates that say where jobs write their logs."""
        return {"log": self.log}

    def check_folder(self, folder: Path) -> None:
        """Checks that the scheduler takes nothing in a folder's path for something else.

        Raises:
            UsageError: it does.
        """
        for text in self.forbidden:
            if text in str(folder):
                raise UsageError(
                    f"{folder}: {self.title} gives {text!r} in a path a special meaning; name a "
                    "folder without it with --out"
                )

    def _memory_words(self, settings: Settings, memory: int | None) -> tuple[str, ...]:
        return () if memory is None else tuple(self.memory.format(memory).split(" "))

    def _holds(self, word: str, following: str = "") -> bool:
        """Whether an option and the word after it keep a job from starting."""
        return word in self.holding_with

    def _holds_by_itself(self, word: str) -> bool:
        """Whether an option does so in one word, as `--dependency=singleton` or `-d5` do."""
        long = (option for option in self.holding_with if option.startswith("--"))
        short = (option for option in self.holding_with if option in ("-d", "-w", "-Wdepend"))
        return any(word.startswith(f"{o}=") for o in long) or any(map(word.startswith, short))
