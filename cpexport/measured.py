"""What was measured of a whole run, as CalculateStatistics and MeasureImageQuality do: kept where
one job ran all of it. What each of several jobs measured is of its own image sets, and stays in the
ledger, by batch."""

import math
from collections.abc import Mapping
from typing import Final

from cpexport.batchfile import BatchFile
from cpexport.ledger import Entry, Ledger
from cpexport.sinks import Sink

NOTE: Final = "measured_of"
"""The note of which batch Per_Experiment has what was measured of; empty: of none."""
_SHOWN: Final = 3


def keep_measured(sink: Sink, plan: BatchFile | None) -> None:
    """Has Per_Experiment say what the one job measured that ran the whole run, or nothing.

    That job ran all planned image sets; where no plan is known, it is the only one.
    """
    ledger = sink.ledger()
    if not any(entry.measured for entry in ledger.entries):
        return
    job = _whole(ledger, plan)
    of = job.signature if job else ""
    if sink.settings().get(NOTE) == of:
        return
    with sink.alone():
        # Until here other loads could bring batches.
        if sink.ledger().by_signature.keys() == ledger.by_signature.keys():
            sink.keep_measured(job.measured if job else {})
            sink.note({NOTE: of})


def notes(sink: Sink) -> tuple[str, ...]:
    """That several jobs have measured something of the whole run, each of its own image sets."""
    ledger = sink.ledger()
    features = sorted({name for entry in ledger.entries if entry.loaded for name in entry.measured})
    if not features or sink.settings().get(NOTE) != "":
        return ()
    lost = sum(bool(entry.loaded) and not entry.measured_kept for entry in ledger.entries)
    but = f" but of {lost} batches that version 0.1.0 loaded" if lost else ""
    more = len(features) - _SHOWN
    named = ", ".join(features[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
    return (
        f"{named}: measured by each job of its own image sets and not of the whole run, so "
        f"_cpexport_measured has them{but}, and Per_Experiment has not",
    )


def untrue(sink: Sink, ledger: Ledger) -> Mapping[str, str]:
    """What Per_Experiment says of a feature that the job did not.

    Where no load has come to its end since a batch came, as after a script, it may say what the one
    job before measured.
    """
    noted = sink.settings().get(NOTE)
    if noted is None:
        jobs = sum(bool(entry.loaded) for entry in ledger.entries)
        stale = sink.measured() if jobs > 1 else {}
        said = f"is of one of {jobs} jobs and not of the run; the next load takes it out"
        return dict.fromkeys(sorted(stale), said)
    job = ledger.by_signature.get(noted)
    must = {n: v for n, v in job.measured.items() if math.isfinite(v)} if job else {}
    there = sink.measured()
    return {
        name: f"must be {must.get(name, 'NULL')} and is {there.get(name, 'NULL')}"
        for name in sorted(must.keys() | there.keys())
        if must.get(name) != there.get(name)
    }


def _whole(ledger: Ledger, plan: BatchFile | None) -> Entry | None:
    jobs = [entry for entry in ledger.entries if entry.loaded]
    if len(jobs) == 1 and (plan is None or plan.planned <= jobs[0].image_sets):
        return jobs[0]
    return None
