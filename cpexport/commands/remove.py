"""Takes image sets out of a destination, in one transaction, and brings up to date what was
computed from them."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from cpexport._stopwatch import Stopwatch
from cpexport.cellprofiler.features import IMAGE, IMAGE_NUMBER, RELATIONSHIP, TABLE_NUMBER
from cpexport.commands.chosen import Chosen, chosen_image_sets, chosen_runs
from cpexport.derived import treatments
from cpexport.derived.analyses import join_analyses
from cpexport.derived.cpa_properties import describe
from cpexport.derived.group_renumbering import kept_after_removal, number_groups
from cpexport.derived.planned import renew_view
from cpexport.derived.wells import make_wells
from cpexport.destination_url import folder_of
from cpexport.errors import SinkError, UsageError
from cpexport.files.listed import SCRIPT
from cpexport.imagesets import NONE, ImageSets, union
from cpexport.loading import run_measurements
from cpexport.loading.retry import Retry
from cpexport.outcome import DONE, stamped
from cpexport.sinks.base import Sink
from cpexport.sinks.contents import check_has_image_sets
from cpexport.sinks.registry import open_sink
from cpexport.tables.layout import table_of

_log = logging.getLogger(__name__)

ByRun = Mapping[int, ImageSets]
"""Image sets by `TableNumber`; 0 where runs are not numbered."""


@dataclass(frozen=True)
class RemoveReport:
    """What was removed, or would be.

    destination: its URL, without a password.
    dry_run: whether it was only looked at.
    image_sets: those that were removed; of several runs, the numbers that were removed in any.
    count: how many they are.
    runs: the image sets by name of run, if the destination numbers runs.
    batches: the outputs that they were loaded from, with the image sets of each.
    rows: the rows that were removed, by table.
    left: how many image sets the destination still has, under the same prefix.
    notes: for the user.
    """

    destination: str
    dry_run: bool
    image_sets: ImageSets
    count: int
    batches: Mapping[str, ImageSets]
    rows: Mapping[str, int]
    left: int
    runs: Mapping[str, ImageSets] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The image sets in words, with the runs that they are of.

        >>> one = ImageSets.parse("1-2")
        >>> RemoveReport("", True, one, 2, {}, {}, 0, {"P1": one, "P2": one}).words
        'image sets 1-2 of run P1, and image sets 1-2 of run P2'
        """
        of_runs = (f"{sets.words} of run {name}" for name, sets in self.runs.items())
        return ", and ".join(of_runs) or self.image_sets.words

    @property
    def exit_status(self) -> int:
        """0: whatever was chosen is removed."""
        return DONE

    def to_dict(self) -> dict[str, Any]:
        """The report as `cpexport remove --format json` prints it: lists, texts and numbers."""
        fields = {
            "destination": self.destination,
            "dry_run": self.dry_run,
            "image_sets": self.image_sets.to_list(),
            "count": self.count,
            "runs": {name: sets.to_list() for name, sets in self.runs.items()},
            "batches": [
                {"path": path, "image_sets": sets.to_list()} for path, sets in self.batches.items()
            ],
            "rows": dict(self.rows),
            "left": self.left,
            "notes": list(self.notes),
        }
        return stamped(self.exit_status, fields)


def remove(to: str, prefix: str, chosen: Chosen, *, dry_run: bool = False) -> RemoveReport:
    """Removes image sets with all their rows from a destination. A load does not bring them back
    from the same outputs, except with `--again`.

    If it is killed, all is removed or nothing; the next load brings up to date what was computed.

    Raises:
        UsageError: nothing is chosen, or it is not in the destination.
        SinkError: the destination cannot be read or written; nothing was removed.
    """
    if chosen == Chosen():
        raise UsageError("name what to remove: --batches, --image-sets, --run or --plate")
    with open_sink(to, prefix, writing=False) as sink:
        check_has_image_sets(sink, prefix)
        _refuse_script(sink)
        report = _report(sink, prefix, chosen, chosen_image_sets(sink, chosen))
    if dry_run:
        return report
    retry, clock = Retry(), Stopwatch()
    report = retry(partial(_removed, to, prefix, chosen, report))
    _log.info("%s removed from %s in %s", report.image_sets.words, report.destination, clock)
    _compute(to, prefix, retry)
    return report


def _removed(
    to: str, prefix: str, chosen: Chosen, before: RemoveReport, unknown: bool
) -> RemoveReport:
    """Removes what is chosen. `before` is what was there; `unknown` is whether an earlier attempt
    may have removed it."""
    with open_sink(to, prefix) as sink, sink.exclusive() as changes:
        try:
            found = chosen_image_sets(sink, chosen)
        except UsageError:
            if unknown:
                return before
            raise
        report = _report(sink, prefix, chosen, found)
        kept = kept_after_removal(sink.ledger.metadata())
        changes.remove(found, str(chosen), {*kept, run_measurements.NOTE})
        return RemoveReport(**{**vars(report), "dry_run": False})


def _compute(to: str, prefix: str, retry: Retry) -> None:
    """Brings up to date what is computed from all image sets, as a load does at its end."""
    with open_sink(to, prefix, writing=False) as sink:
        runs: list[str | None] = [*sink.ledger.runs()] or [None]
    for run in runs:
        with open_sink(to, prefix, run=run) as sink:
            retry(partial(_compute_of_run, sink, prefix))
    retry(lambda _: make_wells(to, prefix, None))
    retry(lambda _: treatments.renew(to, prefix))
    retry(lambda _: join_analyses(to, prefix))


def _compute_of_run(sink: Sink, prefix: str, _: bool) -> None:
    number_groups(sink, None)
    describe(sink, prefix)
    run_measurements.forget_measured(sink)
    renew_view(sink, prefix)


def _refuse_script(sink: Sink) -> None:
    """Refuses the destination in the folder of a script, which other databases were made from."""
    folder = folder_of(sink.name)
    if folder and (folder / SCRIPT).exists():
        raise SinkError(
            sink.name,
            "belongs to an import script, which cannot take out what it has imported",
            "remove from the database that imported it; write a new script without these outputs",
        )


def _report(
    sink: Sink, prefix: str, chosen: Chosen, found: Mapping[int, ImageSets]
) -> RemoveReport:
    names, batches = dict[str, ImageSets](), dict[str, ImageSets]()
    for name, number, ledger in chosen_runs(sink, chosen):
        if sets := found.get(number):
            names[name] = sets
            for entry in ledger.holding(sets):
                batches[entry.path] = batches.get(entry.path, NONE) | entry.loaded
    count = sum(map(len, found.values()))
    everything = sink.ledger.summary().image_sets
    wanted = union(found.values())
    lacking = (chosen.image_sets or NONE) - wanted
    notes = []
    if lacking and chosen.plate is None and not chosen.batches:
        notes.append(
            f"{sink.name}: {lacking.words} {'is' if len(lacking) == 1 else 'are'} not in it"
        )
    return RemoveReport(
        destination=sink.name,
        dry_run=True,
        image_sets=wanted,
        count=count,
        batches=batches,
        rows=dict(_rows(sink, prefix, found)),
        left=everything - count,
        runs=names if sink.shape.numbered else {},
        notes=tuple(notes),
    )


def _rows(sink: Sink, prefix: str, found: ByRun) -> Iterator[tuple[str, int]]:
    """Yields the tables of images, objects and relationships with the number of their rows to
    remove."""
    wanted = union(found.values())
    for name in sorted(sink.layout().objects, key=lambda name: (name != IMAGE, name)):
        yield table_of(name, prefix), _count(sink.read(name, [], wanted), IMAGE_NUMBER, found)
    if pairs := _count(sink.read(RELATIONSHIP, None, wanted), "image_number1", found):
        yield table_of(RELATIONSHIP, prefix), pairs


def _count(blocks: Iterable[pa.RecordBatch], number: str, found: ByRun) -> int:
    """The number of rows with one of these image sets; `number` is the column that has them."""
    rows = 0
    for block in blocks:
        if TABLE_NUMBER not in block.schema.names:
            rows += block.num_rows
            continue
        runs, numbers = block[TABLE_NUMBER].to_numpy(), block[number].to_numpy()
        for run, sets in found.items():
            own = np.fromiter(sets, np.int64, len(sets))
            rows += int(np.isin(numbers[runs == run], own).sum())
    return rows
