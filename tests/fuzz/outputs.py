"""Where the outputs of a run lie, and how they get there."""

import os
from pathlib import Path

from fuzz import exports, hdf5, spreadsheets
from fuzz.model import CSV, H5, IMAGE, SQLCSV, SQLITE, Job, Run


class Outputs:
    """The outputs of one run below `home/NAME`: `outputs` holds them, `batch_file` is beside it, or
    elsewhere where it has to be named, or None."""

    def __init__(self, run: Run, home: Path) -> None:
        self.run = run
        self.folder = home / run.name / "outputs"
        self.folder.mkdir(parents=True)
        self.batch_file: Path | None = None
        if run.batch_file != "none":
            beside = home / run.name / "Batch_data.h5"
            elsewhere = home / f"{run.name} batch" / "Batch_data.h5"
            self.batch_file = beside if run.batch_file == "beside" else elsewhere
            hdf5.write_batch_file(run, self.batch_file)
        self.there: list[Job] = []

    @property
    def named(self) -> tuple[str, ...]:
        """The words that name the batch file where a command has to be told."""
        return ("--batch", str(self.batch_file)) if self.run.batch_file == "named" else ()

    def write(self, job: Job) -> None:
        """Leaves a job's output, at the time at which it ended."""
        place = self._place(job)
        if job.format == H5:
            hdf5.write_job(job, self.run, place)
        elif job.format == CSV:
            spreadsheets.write_job(job, self.run, place)
        elif job.format == SQLITE:
            exports.write_sqlite(job, self.run, place)
        else:
            exports.write_sqlcsv(job, self.run, place)
        folder = place if place.is_dir() else place.parent
        if self.run.style.done_file and not self.run.style.flat:
            said = "Failure" if job.exit_status == "Failure" else "Complete"
            (folder / "done.txt").write_text(f"{said}\n")
        stamp = job.finished.timestamp()
        begin = f"SQL_{job.numbers[0]}_{job.numbers[-1]}_"
        for path in [place] if place.is_file() else folder.iterdir():
            if not self.run.style.flat or path == place or path.name.startswith(begin):
                os.utime(path, (stamp, stamp))
        self.there.append(job)

    def path(self, job: Job) -> str:
        """The batch as reports name it: its folder, or a file where there are several batches."""
        place = self._place(job)
        if not self.run.style.flat:
            return str(place if place.is_dir() else place.parent)
        if len(self.there) == 1:
            return str(self.folder)
        if job.format == SQLCSV:
            return str(place / f"SQL_{job.numbers[0]}_{job.numbers[-1]}_{IMAGE}.CSV")
        return str(place)

    def left_anything(self, job: Job) -> bool:
        """Whether there is any file of a job: else nobody can name it."""
        place = self._place(job)
        return place.is_file() or (place.is_dir() and any(place.iterdir()))

    def folder_of(self, job: Job) -> Path:
        """What names one job's output alone, where each has a folder."""
        return Path(self.path(job))

    def _place(self, job: Job) -> Path:
        """The file of a job, or the folder of its files."""
        folder = self.folder if self.run.style.flat else self.folder / job.name
        if job.format == H5:
            return folder / f"{job.name}.h5"
        return folder / f"{job.name}.db" if job.format == SQLITE else folder
