"""Compares a destination with the outputs that were loaded into it; changes neither."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cpexport import computed
from cpexport.batch import Batch, LeftOut
from cpexport.comparison import Difference, Tally
from cpexport.decode import decode, scratch_folder
from cpexport.errors import SinkError, SourceError, UsageError
from cpexport.imagesets import NONE, ImageSets
from cpexport.ledger import Entry, Ledger
from cpexport.leftout import Missing, left_out, missing
from cpexport.matching import Matched, matches
from cpexport.remainder import Remainder
from cpexport.sinks import Sink, open_sink
from cpexport.survey import Done, Progress, survey
from cpexport.tables import object_of
from cpexport.witness import Witness


@dataclass(frozen=True)
class Unseen:
    """What could not be compared: outputs or a ledger entry by their path, and why not."""

    path: str
    reason: str


@dataclass(frozen=True)
class Verification:
    """What was compared, and what is not the same.

    `verified` are the batches of which all is as their outputs have it, `different` those of which
    something is not. `not_loaded` are outputs that the destination lacks, `not_verified` what it
    holds from elsewhere. `missing` are image sets that the destination lacks, by run where those
    are numbered. `tables` are those compared, by name.
    """

    destination: str
    verified: int
    different: int
    not_loaded: tuple[Unseen, ...]
    not_verified: tuple[Unseen, ...]
    tables: Mapping[str, Tally]
    differences: tuple[Difference, ...]
    missing: Mapping[str, Missing]
    seconds: float

    @property
    def whole(self) -> bool:
        """Whether all outputs and all that the destination holds was compared, and no image set is
        missing."""
        missing = any(one.image_sets for one in self.missing.values())
        return not (self.not_loaded or self.not_verified or missing)


def verify(
    outputs: Sequence[Path],
    to: str,
    *,
    batch_file: Path | None = None,
    prefix: str = "",
    run: str | None = None,
    same_pictures: bool = False,
    progress: Progress = lambda done: None,
) -> Verification:
    """Computes from `outputs` what the destination `to` must hold, and reads what it holds.

    One batch is in memory at a time. `batch_file` is the one that it was loaded with. `run` is the
    name of the run that all of `outputs` are of, where the destination numbers runs. With
    `same_pictures` image sets are those of the batch file by their numbers alone.

    Raises:
        UsageError: a path, URL or run makes no sense.
        SourceError: a path does not exist, or the batch file cannot be read.
        ChangedError: the ledger was changed by something else, so that it says nothing.
        SinkError: the destination is not there, cannot be read, or was loaded into meanwhile.
    """
    began = time.monotonic()
    with open_sink(to, prefix, run=run, writing=False) as sink, scratch_folder() as scratch:
        _refuse_nothing(sink, prefix, run)
        ledger = sink.ledger()
        found = survey(
            outputs,
            batch_file,
            tables={
                pipeline: {object_of(name, prefix) for name in names}
                for pipeline, names in ledger.csv_tables.items()
            },
            same_pictures=same_pictures,
            progress=progress,
        )
        witness = Witness(sink, ledger, found.plan, prefix)
        verifying = _Verifying(sink, ledger, witness, scratch)
        every, unread = matches(found.batches, ledger)
        verifying.damaged += [Unseen(error.path, error.problem) for error in unread]
        everything = left_out(found, sink, ledger.entries, ledger.loaded, sink.layout().types)
        ran = [one.image_sets for one in found.batches] + [e.image_sets for e in ledger.entries]
        for done, matched in enumerate(every):
            progress(Done("verified", done, len(every), len(verifying.compared)))
            verifying.compare(matched)
        progress(Done("verified", len(every), len(every)))
        rest = Remainder(sink, ledger, witness, prefix).differences(verifying.compared)
        if not witness.structure:
            rest += computed.differences(sink, prefix)
        if sink.ledger() != ledger:
            raise SinkError(sink.name, "was loaded into while it was verified", "run it again")
        return Verification(
            destination=sink.name,
            verified=verifying.batches - verifying.different,
            different=verifying.different,
            not_loaded=verifying.lacking(everything),
            not_verified=(*verifying.unseen(found.batches), *_unfinished(witness)),
            tables=witness.tallies,
            differences=tuple(
                replace(difference, run=run or "")
                for difference in [*witness.structure, *verifying.differences, *rest]
            ),
            missing={run or "": missing(found.plan, ledger.loaded, ran)},
            seconds=time.monotonic() - began,
        )


def verified_together(
    runs: Sequence[Verification], strange: Sequence[Difference], unseen: Sequence[Unseen]
) -> Verification:
    """What was found of all runs, and besides, as one."""
    tables: dict[str, Tally] = {}
    for run in runs:
        for name, tally in run.tables.items():
            tables[name] = tables.get(name, Tally()) + tally
    return replace(
        runs[-1],
        verified=sum(run.verified for run in runs),
        different=sum(run.different for run in runs),
        not_loaded=tuple(one for run in runs for one in run.not_loaded),
        not_verified=(*(one for run in runs for one in run.not_verified), *unseen),
        tables=tables,
        differences=(*(one for run in runs for one in run.differences), *strange),
        missing={name: one for run in runs for name, one in run.missing.items()},
        seconds=sum(run.seconds for run in runs),
    )


class _Verifying:
    """Goes through batches one by one, and keeps what was found."""

    def __init__(self, sink: Sink, ledger: Ledger, witness: Witness, scratch: Path) -> None:
        self._sink, self._ledger, self._witness, self._scratch = sink, ledger, witness, scratch
        self._seen: set[str] = set()
        self.batches = self.different = 0
        self.compared = NONE
        self.differences: list[Difference] = []
        self.not_loaded: list[Unseen] = []
        self.damaged: list[Unseen] = []

    def compare(self, matched: Matched) -> None:
        """Compares what was loaded from a batch with its files."""
        batch, entries = matched.batch, matched.entries
        path = str(batch.source.path)
        if reason := self._lacking(matched):
            self.not_loaded.append(Unseen(path, reason))
        if not entries:
            return
        self._seen |= {entry.signature for entry in entries}
        self.batches += 1
        found = self._differences(batch, entries)
        self.differences += [replace(difference, batch=path) for difference in found]
        self.different += bool(found)

    def unseen(self, batches: Sequence[Batch]) -> list[Unseen]:
        """What could not be compared: entries of the ledger whose outputs are not here as they
        were, and outputs that are damaged."""
        here = {str(batch.source.path.resolve()): batch for batch in batches}
        unseen = []
        for entry in self._ledger.entries:
            # Of those that newer ones replaced wholly there is nothing left to compare; nor of
            # those without a content, which were loaded again for other object types.
            here_still = entry.loaded or (entry.fingerprint and not entry.replaced)
            if entry.signature not in self._seen and here_still:
                batch = here.get(str(Path(entry.path).resolve()))
                why = "changed since it was loaded" if batch else "not among OUTPUTS"
                if batch and not batch.complete and batch.reason:
                    why = f"loaded, but not complete beside the others here ({batch.reason})"
                held = entry.loaded.words if entry.loaded else "no image set any more"
                unseen.append(Unseen(entry.path, f"{why}; the destination has {held} of it"))
        return unseen + self.damaged

    def lacking(self, left_out: Sequence[LeftOut]) -> tuple[Unseen, ...]:
        """All that is not loaded: batches of which something should be, and what was left out."""
        said = {one.path for one in (*self.not_loaded, *self.damaged)}
        rest = (Unseen(left.path, left.reason) for left in left_out if left.path not in said)
        return (*self.not_loaded, *rest)

    def _lacking(self, matched: Matched) -> str:
        """Why a batch is not in the destination; empty if it is."""
        batch = matched.batch
        if missing := batch.complete - self._ledger.loaded:
            are = "is" if len(missing) == 1 else "are"
            return f"{missing.words} {are} not in the destination; run cpexport load"
        if matched.known:
            return ""
        return f"the destination has {batch.complete.words} with another content"

    def _differences(self, batch: Batch, entries: Sequence[Entry]) -> list[Difference]:
        ranges = [r for entry in entries for r in entry.loaded.ranges]
        loaded = ImageSets.from_ranges(ranges)
        found = self._witness.of_ledger(batch, entries)
        sets = loaded & batch.complete
        if not sets:
            return found
        features = self._sink.shape.unshaped(self._witness.layout.features)
        try:
            decoded = decode(batch, sets, features, self._sink.shape, self._scratch)
        except SourceError as error:
            self.damaged.append(Unseen(str(batch.source.path), f"{error.problem}"))
            return found
        try:
            self.compared |= sets
            return found + self._witness.of_batch(batch, decoded, entries)
        finally:
            decoded.remove()


def _refuse_nothing(sink: Sink, prefix: str, run: str | None) -> None:
    if not sink.layout().columns:
        under = f" under the prefix {prefix}" if prefix else ""
        advice = "see that --to names the right destination, or load something first"
        raise SinkError(sink.name, f"holds no image sets{under}", advice)
    if sink.shape.numbered and run not in sink.runs():
        raise UsageError(f"no run {run}; there are {', '.join(sink.runs()) or 'none with a name'}")


def _unfinished(witness: Witness) -> list[Unseen]:
    return [Unseen(witness.name, witness.unfinished)] if witness.unfinished else []
