"""The jobs' files in one folder below OUTPUTS, as far as names and headers show."""

from dataclasses import dataclass, field
from pathlib import Path

from cpexport.cellprofiler.features import IMAGE
from cpexport.files.unpacked import plain_stem
from cpexport.sources.folder import Folder
from cpexport.sources.mysql_csv.file_names import SqlJob
from cpexport.sources.spreadsheet.file_groups import CsvGroup, Stray


@dataclass(slots=True)
class Place:
    """A folder, or a file that the user named, with its jobs' files.

    `groups` are CSV files by prefix, and `strays` CSV files of no group. `jobs` are the files of
    "MySQL / CSV" by job; `sql_strays` are such files whose job is elsewhere. `companions` are CSV
    files of the job whose measurement file is here. `state` is that of `walk.Listed`.
    """

    folder: Folder
    groups: dict[str, CsvGroup] = field(default_factory=dict)
    strays: list[Stray] = field(default_factory=list)
    jobs: dict[SqlJob, list[Path]] = field(default_factory=dict)
    sql_strays: list[Path] = field(default_factory=list)
    companions: list[Path] = field(default_factory=list)
    state: bytes = b""

    @property
    def is_a_jobs(self) -> bool:
        """Whether anything here belongs to a job, even if it is only a trace of one."""
        return bool(self.groups or self.jobs or self.folder.hdf5 or self.folder.had_a_job)

    @property
    def is_plain(self) -> bool:
        """Whether no file here can belong to a job elsewhere, as far as names and headers show."""
        loose = self.strays or self.sql_strays or self.folder.temporary
        return not loose and all(group.images for group in self.groups.values())

    @property
    def csv(self) -> list[Path]:
        """All CSV files of jobs here."""
        groups = [path for group in self.groups.values() for path in group.files]
        jobs = sorted(path for files in self.jobs.values() for path in files)
        strays = [stray.path for stray in self.strays]
        return [*groups, *strays, *jobs, *self.companions]

    @property
    def image_tables(self) -> list[Path]:
        """The CSV files that list image sets, judged by name, without "MySQL / CSV" files."""
        files = [path for group in self.groups.values() for path in group.files]
        return [path for path in (*files, *self.companions) if plain_stem(path).endswith(IMAGE)]

    @property
    def brought(self) -> set[Path]:
        """All files that belong to batches here."""
        return {*self.csv, *self.folder.hdf5, *self.folder.databases, *self.folder.done}

    @property
    def experiments(self) -> list[CsvGroup]:
        """Groups with only an Experiment.csv; their tables must be elsewhere."""
        return [group for group in self.groups.values() if group.is_experiment_only]

    @property
    def is_one_jobs_measurements(self) -> bool:
        """Whether the only measurement file here belongs to the one job that ran here or below."""
        is_single = len(self.folder.hdf5) == 1
        return is_single and (self.folder.is_one_jobs or bool(self.experiments))
