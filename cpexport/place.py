"""What one folder below OUTPUTS holds of jobs, as far as names and headers tell."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from cpexport.features import IMAGE
from cpexport.sources.csvgroups import CsvGroup, Stray
from cpexport.sources.folder import Folder
from cpexport.sources.sqlnames import SqlJob


@dataclass
class Place:
    """A folder, or a file named itself, with its jobs' files: `groups` of CSV files by prefix,
    `strays`, and the files of "MySQL / CSV" as `jobs` and `sql_strays`, whose job is elsewhere.

    `beside` are CSV files of the job that has a measurement file here.
    """

    folder: Folder
    groups: dict[str, CsvGroup] = field(default_factory=dict)
    strays: list[Stray] = field(default_factory=list)
    jobs: dict[SqlJob, list[Path]] = field(default_factory=dict)
    sql_strays: list[Path] = field(default_factory=list)
    beside: list[Path] = field(default_factory=list)

    def copied(self) -> "Place":
        """The same, which can be changed by itself."""
        groups = {
            prefix: replace(group, files=list(group.files), adopted=list(group.adopted))
            for prefix, group in self.groups.items()
        }
        jobs = {job: list(files) for job, files in self.jobs.items()}
        return replace(
            self, groups=groups, strays=list(self.strays), jobs=jobs, beside=list(self.beside)
        )

    @property
    def is_a_jobs(self) -> bool:
        """Whether anything here is a job's, be it only a sign of one."""
        return bool(self.groups or self.jobs or self.folder.hdf5 or self.folder.had_a_job)

    @property
    def csv(self) -> list[Path]:
        """All CSV files here that are jobs'."""
        groups = [path for group in self.groups.values() for path in group.files]
        jobs = sorted(path for files in self.jobs.values() for path in files)
        strays = [stray.path for stray in self.strays]
        return [*groups, *strays, *jobs, *self.beside]

    @property
    def image_tables(self) -> list[Path]:
        """Those of them that list image sets, by their names; without those of "MySQL / CSV"."""
        files = [path for group in self.groups.values() for path in group.files]
        return [path for path in (*files, *self.beside) if path.stem.endswith(IMAGE)]

    @property
    def brought(self) -> set[Path]:
        """All files that belong to batches here."""
        return {*self.csv, *self.folder.hdf5, *self.folder.databases, *self.folder.done}

    @property
    def experiments(self) -> list[CsvGroup]:
        """Groups of nothing but what is said of a run, whose tables must be elsewhere."""
        return [group for group in self.groups.values() if group.is_experiment_only]

    @property
    def is_one_jobs_measurements(self) -> bool:
        """Whether the one measurement file here is that of one job, with all that lies below."""
        one = len(self.folder.hdf5) == 1
        return one and (self.folder.is_one_jobs or bool(self.experiments))
