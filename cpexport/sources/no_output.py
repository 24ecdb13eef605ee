"""Folders of jobs without measurements: only a done file, or CellProfiler's temporary file."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from cpexport.cellprofiler.batch_file import is_measured
from cpexport.cellprofiler.hdf5.measurement_file import MeasurementFile
from cpexport.cellprofiler.image_identity import Identities
from cpexport.errors import RunningError, SourceError
from cpexport.imagesets import ImageSets
from cpexport.jobs.plugins import not_found_by_job, without_plugin
from cpexport.jobs.split import LOG
from cpexport.sources.base import Evidence, Nothing


@dataclass(frozen=True)
class EmptySource:
    """A job's folder without a measurement file or CSV.

    `done_status` is the content of its done file.

    `temporary` are the files in which CellProfiler keeps measurements during a run. `server` is the
    name of a file that shows that the job's measurements went to a database server.
    """

    path: Path
    done_status: str | None
    temporary: tuple[Path, ...] = ()
    server: str = ""
    format: str = "none"
    files: tuple[Path, ...] = ()

    @property
    def evidence_files(self) -> None:
        return None

    def inspect(self) -> Evidence:
        for file in self.temporary:
            self._check_not_running(file)
        return Evidence(
            present=ImageSets(),
            measured=ImageSets(),
            completion_marker="",
            exit_status=self.done_status,
            always_reports_exit=True,
            finished="",
            identities=Identities(),
            features={},
            empty_reason=self._empty_reason,
        )

    @property
    def _empty_reason(self) -> str:
        if self.server:
            return (
                f"ExportToDatabase wrote to a MySQL server (see {self.server}), which "
                "cpexport does not read; run the jobs with ExportToSpreadsheet or "
                "--keep-measurements"
            )
        if name := not_found_by_job(self.path / LOG):
            return f"it left no .h5 and no CSV: {without_plugin(name)}"
        names = ", ".join(file.name for file in self.temporary)
        only = f", only CellProfiler's own temporary file ({names})" if names else ""
        return f"it left no .h5 and no CSV{only}"

    def open(self) -> AbstractContextManager[Nothing]:
        return nullcontext(Nothing())

    def _check_not_running(self, file: Path) -> None:
        """Raises RunningError if a process has the file open; HDF5 locks files that it writes."""
        try:
            with MeasurementFile(file):
                pass
        except RunningError as error:
            raise RunningError(self.path, error.problem, error.advice) from error
        except SourceError:
            # A killed job leaves a file that cannot be read.
            return


def holds_measurements(file: Path) -> bool:
    """Whether a file named like CellProfiler's temporary file is readable and has measurements.

    Then someone has kept it on purpose, because CellProfiler 4 keeps none.
    """
    try:
        with MeasurementFile(file) as opened:
            return is_measured(opened)
    except SourceError:
        return False


def is_left_over(file: Path) -> bool:
    """Whether no process is writing a temporary file."""
    try:
        with MeasurementFile(file):
            return True
    except RunningError:
        return False
    except SourceError:
        return True
