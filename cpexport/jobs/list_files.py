"""The lists that the jobs of a plan without a batch file read, and their pipeline."""

import shutil
from collections.abc import Iterator

import pyarrow as pa

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.image_set_list import csv_text, table
from cpexport.cellprofiler.pipeline import Module
from cpexport.imagesets import ImageSets
from cpexport.jobs.plan import PIPELINE, Plan
from cpexport.jobs.problem import Problem


def write_lists(plan: Plan, batch_file: BatchFile) -> None:
    """Writes the list of all jobs, their pipeline, and the jobs' own lists if they have some.

    Raises:
        SourceError: a list can no longer be read.
        OSError: the folder cannot be written.
    """
    folder = batch_file.path.parent
    assert batch_file.text is not None
    assert batch_file.pipeline_file is not None
    batch_file.path.write_bytes(batch_file.text)
    shutil.copyfile(batch_file.pipeline_file, folder / PIPELINE)
    if plan.lists is None:
        return
    rows = table(batch_file.lists)
    plan.lists.mkdir()
    for task in plan.tasks:
        plan.list_of(task).write_bytes(csv_text(_rows(rows, task.job.image_sets)))


def _rows(rows: pa.Table, image_sets: ImageSets) -> pa.Table:
    """The rows of some image sets, which count from 1."""
    return pa.concat_tables(
        rows.slice(first - 1, last - first + 1) for first, last in image_sets.ranges
    )


def list_problems(batch_file: BatchFile, module: Module) -> Iterator[Problem]:
    """Finds settings of LoadData with which jobs do not read the list as it is."""
    where = batch_file.pipeline_file
    if module.setting("Process just a range of rows?") == "Yes":
        yield Problem(
            f"{where}: LoadData processes just a range of rows, so jobs would find no others; turn "
            "that setting off",
            True,
        )
    base = module.setting("Base image location").partition("|")[0]
    if base.startswith("Default"):
        yield Problem(
            f"{where}: LoadData looks for images in CellProfiler's {base}, which jobs do not know; "
            "if the list has no whole paths, choose Elsewhere... as the base image location"
        )
