"""Completes the reasons of unfinished batches by how their jobs recorded that they ended.

`check` asks the schedulers, too. A load reads only the records of the jobs that it leaves out.
"""

from dataclasses import replace
from pathlib import Path

from cpexport.files.spool import Spool
from cpexport.jobs.split import STATUS, STATUS_SUFFIXES, unfinished
from cpexport.jobs.underway import read_recorded
from cpexport.loading.completeness import UNFINISHED, UNSAID
from cpexport.loading.how_jobs_ended import how_it_ended, unsaid
from cpexport.loading.surveyed import Survey
from cpexport.sources.base import Batch


def with_recorded_endings(found: Survey) -> Survey:
    """Returns the survey with the reasons that `check` gives for jobs which recorded their end."""
    records = {
        place: record
        for place, batch in enumerate(found.batches)
        if (record := _record_of(batch)) is not None
    }
    if not records:
        return found
    logs = [plan.path.parent / "logs" for plan in found.plans]
    history = read_recorded(records.values(), logs)
    broken = {record.path: record for record in history.broken}
    batches = Spool.of(found.batches)
    for place, record in records.items():
        batch = batches[place]
        attempt = history.of(batch.source.path, record.stem)
        if attempt is not None:
            batches[place] = replace(batch, reason=how_it_ended(attempt, batch.reason))
        elif record in broken:
            batches[place] = replace(batch, reason=unsaid(broken[record], batch.reason))
    return replace(found, batches=batches)


def _record_of(batch: Batch) -> Path | None:
    """Returns where the job of a batch records its attempts; None if the batch says how it ended,
    or is not in the folder of an unfinished job."""
    path = batch.source.path
    job = unfinished(path.name)
    if not job or not any(unknown in batch.reason for unknown in (UNFINISHED, UNSAID)):
        return None
    return path.parent / STATUS / f"{job}{STATUS_SUFFIXES[0]}"
