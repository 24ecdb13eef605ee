"""Writes one HTML file that shows a run; implements `cpexport.report`."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cpexport.api.arguments import (
    FilePath,
    Words,
    comma_list,
    key_features,
    lists_of,
    new_path,
    path,
    paths,
    url,
)
from cpexport.imagesets import ImageSets
from cpexport.loading.progress import Progress, silent
from cpexport.outcome import status

if TYPE_CHECKING:
    from cpexport.commands.check_report import CheckReport
    from cpexport.reporting.request import ReportRequest


@dataclass(frozen=True)
class ReportFile:
    """A report that was written.

    path: the file.
    files: all files that were written, with those for MultiQC.
    bytes: the size of the report.
    planned, complete: how many image sets the batch file lists (None without one), and how many are
        complete.
    missing: the image sets that are neither complete nor skipped; of several runs, the numbers that
        are missing in any of them.
    plates, wells: how many the report has.
    notes: for the user; the report has them, too.
    missing_ok: whether the exit status is 0 even if something is missing.
    """

    path: Path
    files: tuple[Path, ...]
    bytes: int
    planned: int | None
    complete: int
    missing: ImageSets
    plates: int
    wells: int
    is_complete: bool
    notes: tuple[str, ...] = ()
    missing_ok: bool = False

    @property
    def exit_status(self) -> int:
        """0: all is there. 3: something is missing, unexpected or left out."""
        return status(self.is_complete, self.missing_ok)


def report(
    outputs: FilePath | Iterable[FilePath] = (),
    *,
    out: FilePath = "report.html",
    batch: FilePath | None = None,
    plan: FilePath | Iterable[FilePath] = (),
    to: FilePath | None = None,
    prefix: str = "",
    run: str | None = None,
    same_pictures: bool = False,
    key: Words | None = None,
    plate: str | None = None,
    well: str | None = None,
    plate_format: int | None = None,
    features: Words | None = None,
    positive: str | None = None,
    negative: str | None = None,
    mqc: bool = False,
    defaults_file: FilePath | None = None,
    missing_ok: bool = False,
    progress: Progress | None = None,
) -> ReportFile:
    """Writes one HTML file with plate maps of a run, its quality, and its batches.

    The file needs no other file and no network. What is missing is in the report and raises
    nothing.

    >>> import cpexport
    >>> loaded = cpexport.load("screen/outputs", "screen.sqlite")
    >>> report = cpexport.report("screen/outputs", to="screen.sqlite")
    >>> str(report.path), report.plates, report.wells, report.complete, report.missing
    ('report.html', 2, 12, 22, ImageSets('9,24'))

    Arguments have the names of the options of `cpexport report`, with underscores.

    outputs: folders or files that hold job outputs, as in `check`: one path or several. They show
        why image sets are missing.
    out: the file to write. Only a report of cpexport is replaced.
    batch: the batch file, Batch_data.h5; by default found near `outputs`, or by their plan. It
        says in which wells missing image sets are.
    plan, key: LoadData's list, `load_data.csv`, or several, where there is no batch file, and the
        metadata that identifies image sets, as in `check`.
    to: a destination, which has the counts and the image features. Without `outputs` it also says
        what is complete.
    prefix, run, defaults_file: with `to`, its table name prefix, the run to show (default: all),
        and the option file of its server.
    same_pictures: image sets with one number have the same images, although their files moved.
    plate, well: the image features that name the plate and the well; by default Metadata_Plate and
        Metadata_Well, and others that labs use.
    plate_format: the number of wells of a plate: 6, 12, 24, 48, 96, 384 or 1536; by default the
        smallest that holds all wells.
    features: which image features, and columns of tables of wells, to show, such as
        `Count_*,ImageQuality_*`; by default counts, focus and saturation first, then as many as
        fit.
    positive, negative: control wells, for Z': wells and rectangles (`A01-P01,A24`), metadata
        (`Metadata_Compound=DMSO`), or a column of `cpexport.annotate` (`Compound=DMSO`).
    mqc: whether to write two files for MultiQC next to the report.
    missing_ok: whether `report.exit_status` is 0 even if something is missing.
    progress: is called after every step, and may raise an exception to stop.

    Raises:
        UsageError: an argument makes no sense, or `out` is a file that cpexport did not write.
        SourceError: the batch file cannot be read, or a path does not exist.
        SinkError: the destination cannot be read, or is empty.
        OSError: a file cannot be written; an older report is as it was.
    """
    from cpexport.reporting.build import build
    from cpexport.reporting.multiqc import check_replaceable_files, write_files
    from cpexport.reporting.page import page
    from cpexport.reporting.request import ControlWells, ReportRequest
    from cpexport.reporting.run_state import State, added_up
    from cpexport.reporting.write import write

    file, folders = new_path(out), paths(outputs)
    listed = comma_list(features) or ""
    request = ReportRequest(
        folders,
        path(batch),
        url(to, defaults_file),
        prefix,
        run,
        same_pictures,
        plate,
        well,
        plate_format,
        tuple(filter(None, map(str.strip, listed.split(",")))),
        None if positive is None else ControlWells.parse("positive", positive),
        None if negative is None else ControlWells.parse("negative", negative),
        lists_of(plan, batch),
        key_features(key),
    )
    check_report_file(file)
    if mqc:
        check_replaceable_files(file)
    data = build(request, progress or silent)
    text = page(data, folders)
    write(text, file)
    files = (file, *(write_files(data, text, file) if mqc else ()))
    states = added_up(data.runs)
    runs, lacking = data.runs, (State.RUNNING, State.FAILED, State.MISSING)
    missing = [r for one in runs for state in lacking for r in one.by_state[state].ranges]
    plans = [one.plan for one in runs]
    return ReportFile(
        file,
        files,
        len(text.encode()),
        None if None in plans else sum(len(plan.planned) for plan in plans if plan),
        states[State.COMPLETE],
        ImageSets.from_ranges(missing),
        len(data.screen.plates),
        sum(len(one.wells) for one in data.screen.plates),
        all(one.found.is_complete for one in runs),
        data.notes,
        missing_ok,
    )


def check_report_file(file: Path | None) -> None:
    """Checks that a report can be written to a file.

    Raises:
        UsageError: it is a folder, or a file that cpexport did not write.
    """
    if file is not None:
        from cpexport.reporting.page import MARK
        from cpexport.reporting.write import check_replaceable

        check_replaceable(file, MARK)


def write_report(
    file: Path | None, request: "ReportRequest", found: "CheckReport | None" = None
) -> None:
    """Writes the report of another command, if a file is named.

    found: the check of the request's outputs, or of its destination, if it was made already.
    """
    if file is not None:
        from cpexport.reporting.build import build
        from cpexport.reporting.page import page
        from cpexport.reporting.write import write

        write(page(build(request, found=found), request.outputs), file)
