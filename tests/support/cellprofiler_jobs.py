"""Predicts which image sets CellProfiler runs for the command line of a job."""

import shlex

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.jobs.split import Job


def run_by_cellprofiler(job: Job, plan: BatchFile) -> list[int]:
    """Returns the image sets that CellProfiler runs for a job, by the rules in its source code.

    Fails where CellProfiler would raise an error, run nothing, or number the image sets differently
    (CellProfiler 4.2.8, __main__.py run_pipeline_headless; pipeline/_pipeline.py group,
    prepare_run).
    """
    words = shlex.split(shlex.join(job.selection))
    keys = plan.groups
    if words[0] == "-f":
        assert words[2] == "-l"
        assert all(word.isdigit() for word in words[1::2])
        chosen = [n for n in plan.planned if int(words[1]) <= n <= int(words[3])]
        ranks = [keys[n] for n in chosen] if keys else []
        assert ranks == sorted(ranks) or not plan.renumbers
        return chosen
    assert words[0] == "-g"
    group = dict(pair.split("=") for pair in words[1].split(","))
    assert group.keys() == set(plan.group_tags)
    wanted = tuple(group[tag] for tag in plan.group_tags)
    return [n for n, key in keys.items() if key == wanted]
