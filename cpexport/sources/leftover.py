"""Folders of jobs that left no measurements: only a done file, or CellProfiler's temporary file."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from cpexport.batch import Evidence, Nothing
from cpexport.batchfile import is_measured
from cpexport.errors import RunningError, SourceError
from cpexport.imagesets import ImageSets
from cpexport.measurements import MeasurementFile
from cpexport.pictures import Pictures


@dataclass(frozen=True)
class LeftoverSource:
    """A job's folder without a measurement file or CSV; `said` is what its done file says.

    `temporary` are the files in which CellProfiler keeps measurements while it runs, `server` is
    the name of the file that shows that the job's measurements went to a database server.
    """

    path: Path
    said: str | None
    temporary: tuple[Path, ...] = ()
    server: str = ""
    format: str = "none"
    files: tuple[Path, ...] = ()

    @property
    def evidence_files(self) -> None:
        return None

    def inspect(self) -> Evidence:
        for file in self.temporary:
            self._refuse_running(file)
        return Evidence(
            held=ImageSets(),
            measured=ImageSets(),
            sign="",
            exit_status=self.said,
            must_say=True,
            finished="",
            pictures=Pictures(),
            features={},
            nothing=self._nothing,
        )

    @property
    def _nothing(self) -> str:
        if self.server:
            return (
                f"ExportToDatabase wrote to a MySQL server ({self.server} says so), from which "
                "nothing is read: run the jobs with ExportToSpreadsheet or --keep-measurements"
            )
        names = ", ".join(file.name for file in self.temporary)
        only = f", only CellProfiler's own temporary file ({names})" if names else ""
        return f"it left no .h5 and no CSV{only}"

    def open(self) -> AbstractContextManager[Nothing]:
        return nullcontext(Nothing())

    def _refuse_running(self, file: Path) -> None:
        """Raises RunningError if a process has the file open: HDF5 locks what it writes."""
        try:
            with MeasurementFile(file):
                pass
        except RunningError as error:
            raise RunningError(self.path, error.problem, error.advice) from error
        except SourceError:
            # What a job that was killed leaves cannot be read.
            return


def holds_measurements(file: Path) -> bool:
    """Whether a file that is named as CellProfiler's temporary one can be read, and holds what
    modules measured: somebody kept it, as CellProfiler 4 keeps no other."""
    try:
        with MeasurementFile(file) as opened:
            return is_measured(opened)
    except SourceError:
        return False


def is_left_over(file: Path) -> bool:
    """Whether no process writes into a temporary file."""
    try:
        with MeasurementFile(file):
            return True
    except RunningError:
        return False
    except SourceError:
        return True
