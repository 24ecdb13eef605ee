"""PBS. It is never asked about jobs: their records alone say what became of them."""

import re

from cpexport.jobs.schedulers.base import Scheduler
from cpexport.jobs.settings import Settings, clock


class Pbs(Scheduler):
    """PBS. Where the user asks for chunks (`-l select=...`), the memory goes into each chunk, as
    PBS takes no `-l mem=` with them."""

    title = "PBS"
    index = "${PBS_ARRAY_INDEX:-1}"
    array = "${PBS_JOBID%%[![:digit:]]*}"
    longest = 10000
    partition = "-q {}"
    memory = "-l mem={}mb"
    at_once = "%{}"
    chain = '${previous:+-W "depend=afterany:$previous"}'
    holding = ("-h",)
    holding_with = ("-Wdepend",)
    queue = "qstat"
    forbidden = (":",)

    def time(self, minutes: int) -> str:
        return f"-l walltime={clock(minutes)}"

    def array_words(self, settings: Settings) -> tuple[str, ...]:
        words = self.words(settings)
        chunks = _chunks(words)
        return tuple(word for place, word in enumerate(words) if place not in chunks)

    def _memory_words(self, settings: Settings, memory: int | None) -> tuple[str, ...]:
        words = self.words(settings)
        selected = [words[place] for place in sorted(_chunks(words))]
        if not selected or memory is None:
            return (*selected, *super()._memory_words(settings, memory))
        chunks, *rest = selected[-1].split(":place=", 1)
        each = [c if ":mem=" in c else f"{c}:mem={memory}mb" for c in chunks.split("+")]
        return (*selected[:-1], ":place=".join(["+".join(each), *rest]))

    def _holds(self, word: str, following: str = "") -> bool:
        # What else PBS takes with -W keeps no job from starting.
        return super()._holds(word) or (word == "-W" and following.startswith("depend"))


def _chunks(words: tuple[str, ...]) -> set[int]:
    """The places of the words that ask for chunks: `-l select=...`, in one word or two."""
    places = [i for i, word in enumerate(words) if re.match(r"(-l ?)?select=", word)]
    return {j for i in places for j in ((i - 1, i) if words[i].startswith("s") else (i,))}
