"""What people ask: what is there and what is missing, to run it again or to load it."""

import json
from pathlib import Path
from typing import Any

from fuzz.commands import Ran

from days import truth
from days.truth import Fault, Planned, Run
from days.world import World

SIZES = (None, 1, 2, 3, 4, 6, 8, 12, 24)


class Asking(World):
    """Whatever they are told is judged."""

    def check(self) -> None:
        if not self.runs:
            return
        run = self.rng.choice(self.runs)
        self.checked(run, self.rng.choice((run.place, run.outputs)))

    def checked(self, run: Run, *words: object) -> dict[str, Any]:
        """What a check says, which is right."""
        ran = self.ran("check", *words, "--format", "json", "--batch", run.case.batch_file)
        if ran.status not in (0, 3):
            if self.disk.full and "--resubmit" in words:
                return {}
            raise Fault(f"check ends with {ran.status}: {ran.err}")
        said = dict(json.loads(ran.out))
        missing, found = run.missing, truth.pairs(said["missing"])
        if found != missing:
            raise Fault(f"{run.place}: {sorted(found)} missing by check, {sorted(missing)} truly")
        if missing and ran.status != 3:
            raise Fault(f"{run.place}: status {ran.status} though {sorted(missing)} is missing")
        return said | {"err": ran.err}

    def resubmit(self) -> None:
        if not self.runs:
            return
        again = self.planned_again(self.rng.choice(self.runs))
        if again and self.rng.random() < 0.8:
            self.said(self.submitting(again))

    def planned_again(self, run: Run, *words: object, judged: bool = True) -> Planned | None:
        """What is missing, planned into a new folder; None if it is nothing."""
        return self.again(run, *words, judged=judged)[0]

    def again(
        self, run: Run, *words: object, judged: bool = True
    ) -> tuple[Planned | None, dict[str, Any]]:
        home = self.rng.choice((run.place, self.disk.folder))
        folder = home / f"again{self.number()}"
        if self.rng.random() < 0.3:
            words = ("--images-per-batch", self.rng.choice(SIZES[1:]), *words)
        said = self.checked(run, run.place, "--resubmit", folder, *words)
        if not said:
            self.give_up(folder)
            return None, {}
        again = said["resubmit"]
        offered = [truth.numbers(job["image_sets"]) for job in again["jobs"]]
        if judged:
            truth.judge_offer(run, offered, self.cluster, self.runs)
        if not offered:
            return None, said
        if again["outputs"] != str(run.outputs):
            raise Fault(f"{run.place}: run again into {again['outputs']}")
        plan = truth.planned(folder, run)
        if list(plan.jobs) != offered:
            raise Fault(f"{folder}: has {plan.jobs}, not {offered}")
        return plan, said

    def load(self) -> None:
        """Into a new destination, or into the one that somebody has loaded this run into before."""
        if self.runs:
            run = self.rng.choice(self.runs)
            name = self.rng.choice((f"to{self.number()}", f"all_{self.runs.index(run)}"))
            self.loaded(run, self.disk.folder / f"{name}.sqlite")

    def loaded(self, run: Run, database: Path) -> Ran:
        must, before = run.complete(), truth.loaded(database)
        ran = self.ran(
            "load", run.place, "--batch", run.case.batch_file, "--to", f"sqlite:///{database}"
        )
        if ran.status in (0, 3):
            if (run.case.planned - must) and ran.status != 3:
                raise Fault(f"load ends with 0 though {sorted(run.missing)} is missing")
            truth.judge_rows(database, run, must | before)
        elif must and not self.disk.full:
            raise Fault(f"load ends with {ran.status}: {ran.err}")
        elif database.exists():
            truth.judge_rows(database, run)
        return ran

    def judge_database(self, run: Run) -> None:
        if (database := run.place / "screen.sqlite").exists():
            run.complete()
            truth.judge_rows(database, run)
