"""Keeps measurements of a whole run in Per_Experiment, if one job ran the whole run.

CalculateStatistics and MeasureImageQuality measure such values. If several jobs ran the run, each
measured only its own image sets, and the values stay in the ledger, by batch.
"""

import math
from collections.abc import Mapping
from typing import Final

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.sinks.base import Sink
from cpexport.sinks.ledger import Entry, Ledger
from cpexport.spelling import counted

NOTE: Final = "measured_of"
"""The ledger's key for the batch whose measurements Per_Experiment holds; empty for none."""
_SHOWN: Final = 3


def keep_measured(sink: Sink, plan: BatchFile | None) -> None:
    """Stores in Per_Experiment what the one job that ran the whole run measured, or nothing.

    That job ran all planned image sets; if no batch file is known, it is the only job.
    """
    if not sink.ledger.summary().measured:
        return
    ledger = sink.ledger.read()
    job = _whole(ledger, plan)
    signature = job.signature if job else ""
    if sink.ledger.metadata().get(NOTE) == signature:
        return
    with sink.exclusive() as changes:
        # Other loads could add batches until the lock was taken.
        if sink.ledger.read().by_signature.keys() == ledger.by_signature.keys():
            changes.set_measured(job.measured if job else {})
            changes.set_metadata({NOTE: signature})


def forget_measured(sink: Sink) -> None:
    """Removes from Per_Experiment what a job measured whose image sets were removed."""
    signature = sink.ledger.metadata().get(NOTE)
    if not signature:
        return
    job = sink.ledger.read().by_signature.get(signature)
    if job is None or job.loaded != job.complete:
        with sink.exclusive() as changes:
            changes.set_measured({})
            changes.set_metadata({NOTE: ""})


def notes(sink: Sink) -> tuple[str, ...]:
    """Notes that several jobs measured something of the whole run, each over its own image sets."""
    if not sink.ledger.summary().measured:
        return ()
    ledger = sink.ledger.read()
    features = sorted({name for entry in ledger.entries if entry.loaded for name in entry.measured})
    if not features or sink.ledger.metadata().get(NOTE) != "":
        return ()
    lost = sum(bool(entry.loaded) and not entry.measured_kept for entry in ledger.entries)
    but = f" except for {counted(lost, 'batch')} that version 0.1.0 loaded" if lost else ""
    more = len(features) - _SHOWN
    named = ", ".join(features[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
    return (
        f"{named}: each job measured only its own image sets, not the whole run, so the "
        f"values are in _cpexport_measured{but}, not in Per_Experiment",
    )


def wrong_measurements(sink: Sink, ledger: Ledger) -> Mapping[str, str]:
    """Returns the features whose value in Per_Experiment is wrong, and why.

    If no load has finished since the last batch was added, for example after a script,
    Per_Experiment may still hold the values of the job that was the only one before.
    """
    signature = sink.ledger.metadata().get(NOTE)
    if signature is None:
        jobs = sum(bool(entry.loaded) for entry in ledger.entries)
        stale = sink.ledger.measured() if jobs > 1 else {}
        reason = f"is the value of one of {jobs} jobs and not of the run; the next load removes it"
        return dict.fromkeys(sorted(stale), reason)
    job = ledger.by_signature.get(signature)
    expected = {n: v for n, v in job.measured.items() if math.isfinite(v)} if job else {}
    stored = sink.ledger.measured()
    return {
        name: f"must be {expected.get(name, 'NULL')} and is {stored.get(name, 'NULL')}"
        for name in sorted(expected.keys() | stored.keys())
        if expected.get(name) != stored.get(name)
    }


def _whole(ledger: Ledger, plan: BatchFile | None) -> Entry | None:
    jobs = [entry for entry in ledger.entries if entry.loaded]
    if len(jobs) == 1 and (plan is None or plan.planned <= jobs[0].image_sets):
        return jobs[0]
    return None
