"""Loads what jobs left into a destination; implements `cpexport.load` and `cpexport.dry_run`."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from cpexport.api.arguments import FilePath, Words, check_range, new_path, path, paths, url
from cpexport.api.executors import executors
from cpexport.api.report import write_report
from cpexport.api.request import load_request
from cpexport.commands import dry_run as dry_runs
from cpexport.commands.dry_run import DryRun
from cpexport.commands.load_report import LoadReport
from cpexport.commands.runs import destination, load_runs
from cpexport.commands.watch import follow_load
from cpexport.derived import cpa_properties
from cpexport.loading.progress import Progress, silent
from cpexport.loading.workers import ExecutorSpec
from cpexport.reporting.request import ReportRequest


def load(
    outputs: FilePath | Iterable[FilePath],
    to: FilePath | None = None,
    *,
    batch: FilePath | None = None,
    plan: FilePath | Iterable[FilePath] = (),
    prefix: str = "",
    objects: Words | None = None,
    aggregate: Words | None = None,
    features: Words = (),
    leave_out: Words = (),
    max_column_length: int | None = None,
    table_number: bool = False,
    run_from: str | None = None,
    path_map: Words | Mapping[str, str] = (),
    same_pictures: bool = False,
    key: Words | None = None,
    replace: bool = False,
    again: bool = False,
    wells: Words | None = None,
    plate: str | None = None,
    well: str | None = None,
    indexes: bool | None = None,
    properties: FilePath | None = None,
    report: FilePath | None = None,
    defaults_file: FilePath | None = None,
    jobs: int | None = 1,
    dask: str | None = None,
    dask_option: Words | Mapping[str, str] = (),
    watch: float | None = None,
    missing_ok: bool = False,
    progress: Progress | None = None,
    passed: Callable[[LoadReport], None] | None = None,
) -> LoadReport:
    """Loads every complete image set of every batch (one job's output) into one destination.

    Run again, it loads only what is new, so each image set is there exactly once. It changes no
    output. What it leaves out, and which image sets are missing, is in the report and raises
    nothing: look at `report.is_complete`, `report.missing` and `report.left_out`.

    >>> import cpexport
    >>> report = cpexport.load("screen/outputs", "screen.sqlite")
    >>> report.loaded, report.image_sets, report.rows["Per_Cells"]
    (22, 22, 500)
    >>> report.is_complete, report.missing, report.exit_status
    (False, ImageSets('9,24'), 3)

    Arguments have the names of the options of `cpexport load`, with underscores. Messages of errors
    call them as the command line does: `--table-number` is `table_number`.

    outputs: folders or files that hold job outputs, at any depth: one path or several, or URLs of
        folders in buckets, such as `s3://bucket/run`. With `table_number` each is a run, and can be
        written `NAME=FOLDER`.
    to: the destination: a URL as for `--to`, or a file name that ends in .sqlite, .db, .duckdb,
        .parquet or .delta; by default NAME.sqlite in the working folder, after the first of
        `outputs`.
    batch: the batch file, Batch_data.h5; by default found near `outputs`, or by their plan.
        Without any, only gaps in the numbers show that image sets are missing.
    plan: LoadData's list of image sets, `load_data.csv`, or several, where there is no batch file.
    prefix: begins the names of all tables, for example `MyExpt_`.
    objects: `separate` (the default), `combined`, `view` or `none`, and the object types wanted.
    aggregate: any of mean, median and std: per-image aggregates of object features.
    features: features that get columns, such as `AreaShape_*,Intensity_Mean*`; by default all.
    leave_out: features that get no columns, such as Nuclei_AreaShape_Area or Nuclei_Texture_*.
    max_column_length: the longest column name, from 10 to 64 characters.
    table_number: whether the destination numbers its runs.
    run_from: a pattern of folders below `outputs`, such as `*/{plate}/analysis`, that names the run
        of each; with it the destination numbers its runs.
    path_map: `CLUSTER=LOCAL` texts or a mapping: image paths below a folder of the cluster get the
        local one.
    same_pictures: image sets with one number have the same images, although their files moved.
    key: the metadata that identifies image sets whose jobs count from 1, such as
        `Plate,Well,Site`; by default found where the numbers of jobs mean different images.
    replace: newer outputs replace older ones that have more features.
    again: what `cpexport.remove` took out is loaded again.
    wells: any of mean, median and std: tables of wells to make.
    plate, well: the image features that name the plate and the well; by default `Metadata_Plate`
        and `Metadata_Well`.
    indexes: whether this and later loads make indexes for queries, in SQLite and on servers; by
        default as for the destination's first load, which makes them.
    properties: a .properties file to write at the end, for CellProfiler Analyst.
    report: an HTML file with plate maps to write at the end, as `cpexport.report` does; with
        `watch`, after each pass.
    defaults_file: the option file of a MySQL or MariaDB server; by default ~/.my.cnf.
    jobs: how many processes decode batches, from 1; None for one per core if there is much to read.
        Processes import the script that calls this, so the call must be below
        `if __name__ == "__main__":` there.
    dask: the Dask cluster that decodes batches instead: a scheduler's address or file, or slurm,
        sge, pbs or lsf, where `jobs` is how many jobs to submit.
    dask_option: arguments of that cluster of jobs, as a mapping or `NAME=VALUE` texts.
    watch: load again every so many seconds until all that `batch` plans is there, or all jobs have
        ended; above 0.
    missing_ok: whether `report.exit_status` is 0 even if something is missing.
    progress: is called after every step, and may raise an exception to stop between two batches.
    passed: is called with the report of all passes so far, after each pass of `watch` (without it,
        after the only one) and before `properties` is written.

    Raises:
        UsageError: an argument makes no sense; nothing was changed.
        SourceError: nothing can be loaded, or the batch file cannot be read; nothing was changed.
        CollisionError: different images have one image set number, or a newer output lacks what an
            older one has; nothing was changed.
        SinkError: the destination cannot be written. Batches that were loaded before stay.
        OSError: the file `report` cannot be written; what was loaded stays.
    """
    check_range("jobs", jobs, 1)
    check_range("watch", watch, 0, above=True)
    folders = paths(outputs)
    to = destination(folders, url(to, defaults_file))
    request = load_request(
        folders,
        to,
        batch=batch,
        plan=plan,
        prefix=prefix,
        objects=objects,
        aggregate=aggregate,
        features=features,
        leave_out=leave_out,
        max_column_length=max_column_length,
        table_number=table_number,
        run_from=run_from,
        path_map=path_map,
        same_pictures=same_pictures,
        key=key,
        replace=replace,
        again=again,
        wells=wells,
        plate=plate,
        well=well,
        properties=properties,
        indexes=indexes,
        report=report,
        allow_empty=watch is not None,
    )

    show, tell = progress or silent, passed or (lambda report: None)

    def once(workers: ExecutorSpec) -> LoadReport:
        done = load_runs(request, workers, show)
        return dataclasses.replace(done, missing_ok=missing_ok)

    def finish_pass(done: LoadReport) -> None:
        tell(done)
        if done.loaded or done.already:
            # Of several runs, each has its own outputs and batch file.
            shown = ReportRequest((), None, to, prefix, None, same_pictures, plate, well)
            if not done.runs:
                shown = dataclasses.replace(
                    shown,
                    outputs=folders,
                    batch_file=path(batch),
                    lists=request.lists,
                    key=request.key,
                )
            write_report(new_path(report), shown)

    with executors(jobs, dask, dask_option) as workers:
        if watch is None:
            done = once(workers)
            finish_pass(done)
        else:
            done = follow_load(partial(once, workers), watch, show, finish_pass)
    if file := new_path(properties):
        found = cpa_properties.properties(to, file.parent, prefix=prefix, plate=plate, well=well)
        cpa_properties.write(found, file)
    return done


def dry_run(
    outputs: FilePath | Iterable[FilePath],
    to: FilePath | None = None,
    *,
    batch: FilePath | None = None,
    plan: FilePath | Iterable[FilePath] = (),
    prefix: str = "",
    objects: Words | None = None,
    aggregate: Words | None = None,
    features: Words = (),
    leave_out: Words = (),
    max_column_length: int | None = None,
    table_number: bool = False,
    run_from: str | None = None,
    path_map: Words | Mapping[str, str] = (),
    same_pictures: bool = False,
    key: Words | None = None,
    replace: bool = False,
    again: bool = False,
    wells: Words | None = None,
    plate: str | None = None,
    well: str | None = None,
    indexes: bool | None = None,
    properties: FilePath | None = None,
    report: FilePath | None = None,
    defaults_file: FilePath | None = None,
    missing_ok: bool = False,
    progress: Progress | None = None,
) -> tuple[DryRun, ...]:
    """Finds what `load` would do with the same arguments, and changes nothing.

    There is one report for each run, or a single one if runs are not numbered.

    >>> import cpexport
    >>> (found,) = cpexport.dry_run("screen/outputs", "screen.sqlite")
    >>> found.to_load, found.image_sets, found.tables["Per_Nuclei"]
    (22, ImageSets('1-8,10-23'), (87,))

    Raises:
        UsageError, SourceError, CollisionError, SinkError: as `load` would.
    """
    folders = paths(outputs)
    to = destination(folders, url(to, defaults_file))
    request = load_request(
        folders,
        to,
        batch=batch,
        plan=plan,
        prefix=prefix,
        objects=objects,
        aggregate=aggregate,
        features=features,
        leave_out=leave_out,
        max_column_length=max_column_length,
        table_number=table_number,
        run_from=run_from,
        path_map=path_map,
        same_pictures=same_pictures,
        key=key,
        replace=replace,
        again=again,
        wells=wells,
        plate=plate,
        well=well,
        properties=properties,
        report=report,
    )
    runs = dry_runs.dry_run(request, progress or silent)
    return tuple(dataclasses.replace(run, missing_ok=missing_ok) for run in runs)
