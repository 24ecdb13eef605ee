"""How a day ends: all that is left is run, as the messages say, until everything is there."""

import re
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from days import truth
from days.fates import Fates
from days.truth import Fault, Planned, Run, Sets

_ROUNDS = 15


class Evening(Fates):
    """Everybody is patient and does what they are told."""

    def evening(self) -> None:
        self.disk.free()
        self.cluster.has_queue(True)
        self.cluster.mode(squeue="fine", sbatch=[])
        while self.cluster.lost:
            self.judged(self.end_lost)
        self.judged(self.work)
        for run in self.runs:
            self.judged(partial(self.mend, run), "mend")
        for run in self.runs:
            self.finish(run)

    def work(self) -> None:
        """All that waits or runs is brought to its end."""
        for attempt in list(self.cluster.running.values()):
            self.well(attempt)
        for task in self.cluster.tasks("PENDING"):
            if begun := self.begun(task):
                self.well(begun)
        for id in self.cluster.due():
            self.merged(id)

    def mend(self, run: Run) -> None:
        """What a person does about submissions that were cut off, as the messages say."""
        if not run.status.is_dir():
            return
        if (lock := run.status / "submit.lock").exists():
            self.say(f"rm -r {lock}")
            shutil.rmtree(lock)
        for record in sorted(run.status.glob("*.submitted")):
            first = record.read_text().partition("\n")[0]
            if re.fullmatch("slurm\t(\t[0-9]*)?", first):
                self.say(f"rm {record}")
                record.unlink()
                self.mended.add(run)

    def finish(self, run: Run) -> None:
        """Round after round, until all is there but what fails for ever."""
        hopeless = run.case.grouped(run.bad)
        words: Sequence[object] = ()
        for _ in range(_ROUNDS):
            again, said = self.judged(partial(self.again, run, *words), "resubmit")
            if again is None and self.cleared(run, said):
                continue
            words = self.tried_more(said["resubmit"]["given_up"], hopeless)
            if again is None and not words:
                break
            if again:
                self.judged(partial(self.submit_all, again), "submit")
                self.judged(self.work)
        if left := sorted(run.missing - hopeless):
            raise Fault(f"{run.place}: {left} are missing after {_ROUNDS} rounds")
        # A job on one group, or on a bad image set, has nothing whole.
        ran = self.loaded(run, self.disk.folder / f"evening{self.number()}.sqlite")
        if run.missing and not all(str(n) in ran.out for n in run.missing):
            raise Fault(f"{run.place}: {sorted(run.missing)} not named: {ran.out}")
        if not run.missing and ran.status != 0:
            raise Fault(f"{run.place}: all is there, but load ends with {ran.status}: {ran.out}")
        self.judge_database(run)

    def tried_more(self, given_up: Sequence[dict[str, Any]], hopeless: Sets) -> Sequence[object]:
        """The option that takes up again what was given up and does not fail for ever."""
        wrongly = [one for one in given_up if not truth.numbers(one["image_sets"]) <= hopeless]
        tries = [re.findall("--max-attempts ([0-9]+)", one["reason"])[0] for one in wrongly]
        return ("--max-attempts", max(map(int, tries))) if tries else ()

    def submit_all(self, plan: Planned) -> None:
        self.said(self.submitting(plan))
        jobs = [truth.of_task(self.cluster, t, self.runs) for t in self.cluster.tasks("PENDING")]
        if not [1 for other, _ in jobs if other is plan]:
            raise Fault(f"{plan.place}: nothing was submitted")

    def cleared(self, run: Run, said: dict[str, Any]) -> bool:
        """Takes away the records that a check names as in the way, as nothing runs any more."""
        named = {
            Path(path)
            for path in re.findall(r"(/[^\s:;,]+\.(?:status|submitted))\b", said["err"])
            if Path(path).exists()
        }
        for path in named:
            self.say(f"rm {path}")
            path.unlink()
            self.mended.add(run)
        return bool(named)
