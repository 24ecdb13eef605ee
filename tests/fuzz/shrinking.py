"""Smaller cases that fail as a larger one did."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from fuzz.cases import Case
from fuzz.model import IMAGE, ImageSet, Job, Run

_NEEDED = (
    "FileName_",
    "PathName_",
    "Metadata_Plate",
    "Metadata_Well",
    "Count_",
    "ModuleError_",
    "ExecutionTime_",
)


def shrunk(case: Case, fails: Callable[[Case], bool], attempts: int = 300) -> Case:
    """The smallest case found that `fails`, taking one thing away at a time."""
    again = True
    while again:
        again = False
        for smaller in _smaller(case):
            if attempts == 0:
                return case
            attempts -= 1
            if fails(smaller):
                case, again = smaller, True
                break
    return case


def _smaller(case: Case) -> Iterator[Case]:
    """Cases with one thing less, the largest things first."""
    if len(case.runs) > 1:
        for place in range(len(case.runs)):
            runs = case.runs[:place] + case.runs[place + 1 :]
            yield replace(case, runs=runs, steps=case.steps[:place] + case.steps[place + 1 :])
    for place, run in enumerate(case.runs):
        for job in range(len(run.jobs) if len(run.jobs) > 1 else 0):
            yield _without_job(case, place, job)
    yield from _plainer(case)
    for place, run in enumerate(case.runs):
        for other in _smaller_runs(run):
            yield replace(case, runs=(*case.runs[:place], other, *case.runs[place + 1 :]))


def _without_job(case: Case, place: int, job: int) -> Case:
    run = case.runs[place]
    jobs = run.jobs[:job] + run.jobs[job + 1 :]
    steps = tuple(tuple(j - (j > job) for j in step if j != job) for step in case.steps[place])
    steps = tuple(step for step in steps if step)
    return replace(
        case,
        runs=(*case.runs[:place], replace(run, jobs=jobs), *case.runs[place + 1 :]),
        steps=(*case.steps[:place], steps, *case.steps[place + 1 :]),
    )


def _plainer(case: Case) -> Iterator[Case]:
    shape = case.shape
    for trial in sorted(case.trials):
        yield replace(case, trials=case.trials - {trial})
    for other in (
        replace(case, kill=None),
        replace(case, wells=()),
        replace(case, longest=None),
        replace(case, prefix=""),
        replace(case, one_by_one=False),
        replace(case, destination="sqlite"),
        replace(case, steps=tuple((tuple(j for s in steps for j in s),) for steps in case.steps)),
        replace(case, shape=replace(shape, only=())),
        replace(case, shape=replace(shape, aggregate=())),
        replace(case, shape=replace(shape, path_map=())),
        replace(case, shape=replace(shape, layout="separate")),
        replace(case, numbered=len(case.runs) > 1),
    ):
        if other != case:
            yield other


def _smaller_runs(run: Run) -> Iterator[Run]:
    for place, job in enumerate(run.jobs):
        if job.damage or job.failed:
            yield _with_job(run, place, replace(job, damage=None, exit_status="Complete"))
    for one in run.planned if len(run.planned) > 1 else ():
        jobs = tuple(_without_set(job, one.number) for job in run.jobs)
        if all(job.sets for job in jobs):
            planned = tuple(p for p in run.planned if p is not one)
            yield replace(run, planned=planned, jobs=jobs)
    for name in run.objects:
        yield _without_objects(run, name)
    if run.tags:
        yield replace(run, tags=())
    if run.batch_file != "none":
        yield replace(run, batch_file="none")
    features = dict.fromkeys(feature for job in run.jobs for feature in job.features)
    for feature in features:
        if not feature.name.startswith(_NEEDED):
            jobs = tuple(
                replace(job, features=tuple(f for f in job.features if f != feature))
                for job in run.jobs
            )
            planned_features = tuple(f for f in run.planned_features if f != feature)
            yield replace(run, jobs=jobs, planned_features=planned_features)
    for place, job in enumerate(run.jobs):
        if job.pairs:
            yield _with_job(run, place, replace(job, pairs=()))


def _with_job(run: Run, place: int, job: Job) -> Run:
    return replace(run, jobs=(*run.jobs[:place], job, *run.jobs[place + 1 :]))


def _without_set(job: Job, number: int) -> Job:
    return replace(
        job,
        sets=tuple(one for one in job.sets if one.number != number),
        pairs=tuple(pair for pair in job.pairs if number not in (pair[4], pair[6])),
        failed=job.failed - {number},
    )


def _without_objects(run: Run, name: str) -> Run:
    def bare(one: ImageSet) -> ImageSet:
        return replace(one, objects={o: rows for o, rows in one.objects.items() if o != name})

    jobs = tuple(
        replace(
            job,
            sets=tuple(map(bare, job.sets)),
            pairs=tuple(pair for pair in job.pairs if name not in pair[2:4]),
            features=tuple(
                feature
                for feature in job.features
                if feature.object != name
                and not (feature.object == IMAGE and feature.name == f"Count_{name}")
            ),
            damage=None if job.damage and job.damage.table == name else job.damage,
        )
        for job in run.jobs
    )
    return replace(run, objects=tuple(o for o in run.objects if o != name), jobs=jobs)
