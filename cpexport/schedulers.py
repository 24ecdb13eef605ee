"""How schedulers are told what jobs may use, when they run, and what a person asks of them."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cpexport.errors import UsageError
from cpexport.settings import Settings, clock


@dataclass(frozen=True)
class Scheduler:
    """How one scheduler is spoken to.

    `index` and `array` are what its jobs find in their environment. `longest` is the length of an
    array that sites allow unless they say otherwise. `partition`, `time` and `memory` are options,
    with `{}` for a name, a clock, MiB; `at_once` goes with an array, and `chain` has it wait for
    the end of the one before, `$previous`. `flags` and `valued` are options with which a job does
    not start by itself. `list` shows what is in the queue. `log` has a job write its own log
    where the scheduler cannot.
    `refused` is what no folder may have in its name.
    """

    title: str
    index: str
    array: str
    longest: int
    partition: str
    time: str
    memory: str
    at_once: str
    chain: str
    flags: tuple[str, ...]
    valued: tuple[str, ...]
    list: str
    log: str = ""
    refused: tuple[str, ...] = ()


SCHEDULERS: Final = {
    "slurm": Scheduler(
        "Slurm", "$SLURM_ARRAY_TASK_ID", "${SLURM_ARRAY_JOB_ID}", 1000,
        "--partition={}", "--time={}", "--mem={}M", "%{}",
        '${previous:+"--dependency=afterany:$previous"}',
        ("--hold", "-H"), ("--dependency", "-d"), "squeue --me -n cpexport",
        log='exec >"$here/logs/${SLURM_ARRAY_JOB_ID:-merge}'
        '_${SLURM_ARRAY_TASK_ID:-$SLURM_JOB_ID}.log" 2>&1',
    ),
    "sge": Scheduler(
        "Grid Engine", "$SGE_TASK_ID", "${JOB_ID}", 75000,
        "-q {}", "-l h_rt={},s_rt={}", "-l h_vmem={}M", "-tc {}",
        '${previous:+-hold_jid "$previous"}',
        ("-h",), ("-hold_jid", "-hold_jid_ad"), "qstat",
        log='exec >"$here/logs/$JOB_NAME.o$JOB_ID.$SGE_TASK_ID" 2>&1',
    ),
    "lsf": Scheduler(
        "LSF", "$LSB_JOBINDEX", "${LSB_JOBID}", 1000,
        "-q {}", "-W {}", "-M {0}MB -R rusage[mem={0}MB]", "%{}",
        '${previous:+-w "ended($previous)"}',
        ("-H",), ("-w",), "bjobs -J cpexport", refused=("%J", "%I"),
    ),
    "pbs": Scheduler(
        "PBS", "${PBS_ARRAY_INDEX:-1}", "${PBS_JOBID%%[![:digit:]]*}", 10000,
        "-q {}", "-l walltime={}", "-l mem={}mb", "%{}",
        '${previous:+-W "depend=afterany:$previous"}',
        ("-h",), ("-Wdepend",), "qstat", refused=(":",),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """The options of a person, as words: those of every array, and those of the last job."""

    scheduler: Scheduler
    words: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings) -> "Asked":
        """What the settings of a plan for a scheduler ask for."""
        scheduler = SCHEDULERS[settings.scheduler]
        words = settings.options
        if settings.partition:
            words = (*scheduler.partition.format(settings.partition).split(" ", 1), *words)
        return cls(scheduler, words)

    @property
    def array(self) -> tuple[str, ...]:
        """For arrays. A chunk of PBS comes with its memory, and so among the limits."""
        return tuple(w for i, w in enumerate(self.words) if i not in self._chunks)

    @property
    def last(self) -> tuple[str, ...]:
        """For the last job, which waits for the arrays and for nothing else."""
        left: list[str] = []
        words = list(self.array)
        while words:
            word = words.pop(0)
            if word in self.scheduler.valued:
                words = words[1:]
            elif word == "-W" and words and words[0].startswith("depend"):
                # The other things that PBS takes by -W hold nothing.
                words = words[1:]
            elif word not in self.scheduler.flags and not self._holds(word):
                left.append(word)
        return tuple(left)

    def limits(self, time: int | None, memory: int | None) -> tuple[str, ...]:
        """The words that limit a job to minutes and MiB, where they are given."""
        words: list[str] = []
        if time is not None:
            words += self.scheduler.time.format(*self._clocks(time)).split(" ")
        if self._chunks:
            words += self._selected(memory)
        elif memory is not None:
            words += self.scheduler.memory.format(memory).split(" ")
        return tuple(words)

    def _holds(self, word: str) -> bool:
        """Whether a word is such an option with its value, as `--dependency=singleton`, `-d5`."""
        long = any(word.startswith(f"{o}=") for o in self.scheduler.valued if o[:2] == "--")
        short = [o for o in self.scheduler.valued if o in ("-d", "-w", "-Wdepend")]
        return long or any(word.startswith(o) for o in short)

    def _clocks(self, time: int) -> tuple[str, str]:
        """The limit, and for Grid Engine when a job is told that it comes."""
        if self.scheduler.title == "LSF":
            # It counts hours and minutes, the others seconds too.
            return clock(time)[:-3], ""
        return clock(time), clock(time - 1 if time > 1 else time)

    @property
    def _chunks(self) -> set[int]:
        """Where PBS is told of chunks: `-l`, `select=...`. It takes no `-l mem=` besides."""
        if self.scheduler.title != "PBS":
            return set()
        at = [i for i, word in enumerate(self.words) if re.match(r"(-l ?)?select=", word)]
        return {j for i in at for j in ((i - 1, i) if self.words[i][0] == "s" else (i,))}

    def _selected(self, memory: int | None) -> tuple[str, ...]:
        words = [self.words[i] for i in sorted(self._chunks)]
        if memory is None:
            return tuple(words)
        chunks, *rest = words[-1].split(":place=", 1)
        each = [c if ":mem=" in c else f"{c}:mem={memory}mb" for c in chunks.split("+")]
        return (*words[:-1], ":place=".join(["+".join(each), *rest]))


def refuse_folder(scheduler: str, folder: Path) -> None:
    """Refuses a folder whose name a scheduler takes for something else.

    Raises:
        UsageError: it does.
    """
    if scheduler not in SCHEDULERS:
        return
    known = SCHEDULERS[scheduler]
    for text in known.refused:
        if text in str(folder):
            raise UsageError(
                f"{folder}: {known.title} takes {text} in a path for something of its own; "
                "name a folder without it with --out"
            )


def option_words(text: str) -> tuple[str, ...]:
    """The words of one `--option`, as a shell would split it.

    >>> option_words("-pe smp 4"), option_words("--comment='my job'")
    (('-pe', 'smp', '4'), ('--comment=my job',))

    Raises:
        ValueError: quotes that are not closed, or a value of several words without quotes.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}; write {_quoted(text)}") from error
    if text.startswith("--") and "=" in words[0] and any(word[0] != "-" for word in words[1:]):
        raise ValueError(f"{text!r} are several words to a shell; write {_quoted(text)}")
    return tuple(words)


def _quoted(text: str) -> str:
    """How to say an option whose value is of several words."""
    name, equals, value = text.partition("=")
    return f'--option "{name}{equals}{shlex.quote(value)}"' if equals else f"{text!r} in quotes"


def partition(settings: Settings) -> str | None:
    """The partition of Slurm that jobs ask for, by the setting or by an option; None for the
    site's own."""
    found = settings.partition
    words = settings.options
    for word, following in zip(words, (*words[1:], ""), strict=False):
        if match := re.fullmatch(r"(?:--partition=|-p)(.+)", word):
            found = match[1]
        elif word in ("--partition", "-p"):
            found = following
    return found


def last_limits(settings: Settings, image_sets: int) -> tuple[int | None, int | None]:
    """Minutes and MiB of the last job. Where the plan limits jobs and says nothing of the last one,
    it gets what a load of so many image sets takes, and not less time than a job.

    A load is bound by its disk, at 500 image sets a minute or more, and needs memory for one batch
    and for what is known of every image set.
    """
    time, memory = settings.merge_time, settings.merge_memory
    if time is None and settings.time is not None:
        time = max(settings.time, 30 + image_sets // 500)
    if memory is None and settings.memory is not None:
        memory = 4096 + image_sets // 50
    return time, memory
