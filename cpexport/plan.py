"""Plans: the jobs that run what a batch file lists, each with a folder and a command of its own."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cpexport.batchfile import BatchFile, digest
from cpexport.errors import SourceError
from cpexport.imagesets import ImageSets
from cpexport.jobs import Job, folder_for, overlap, split
from cpexport.settings import Settings


@dataclass(frozen=True)
class Task:
    """One job of a plan. `number` counts from 1; `time` in minutes and `memory` in MiB are its own
    limits, None where the site's default holds."""

    number: int
    job: Job
    folder: Path
    time: int | None = None
    memory: int | None = None


@dataclass(frozen=True)
class Plan:
    """The jobs to submit. `sha256` is the batch file's, `outputs` the folder of their folders.

    `origin` is what `plans.origin` says of a plan that is written into a folder, so that it is
    known again when that is moved or copied. `known` are the records of submissions that it was
    made with, as in `Records.recorded`: those are not in its way when it is submitted.
    """

    batch_file: Path
    sha256: str
    outputs: Path
    tasks: tuple[Task, ...]
    settings: Settings
    origin: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, str] = field(default_factory=dict)

    @property
    def image_sets(self) -> ImageSets:
        """All that the jobs run."""
        return ImageSets.from_ranges(r for t in self.tasks for r in t.job.image_sets.ranges)

    def command(self, task: Task) -> tuple[str, ...]:
        """The words of a job's command line.

        Always with a folder for its temporary files, which are as large as its measurements, and a
        done file: without one CellProfiler exits with 0 whatever happened (CellProfiler 4.2.8,
        __main__.py, run_pipeline_headless).
        """
        return command(self.batch_file, task.job, task.folder)

    def as_json(self) -> dict[str, Any]:
        """The plan as `cpexport plan --format json` has it, with every job's command."""
        jobs = [
            {
                **_brief(task),
                "first": task.job.first,
                "last": task.job.last,
                "group": task.job.group,
                "command": self.command(task),
            }
            for task in self.tasks
        ]
        return self._said(jobs)

    def as_text(self) -> str:
        """The plan as `plan.json` has it: a line for each job, whose folder and limits are in
        `jobs.tsv`."""
        marked = self._said(["@jobs@"])
        lines = ",\n".join(f"    {json.dumps(_brief(task))}" for task in self.tasks)
        text = json.dumps(marked, indent=2, ensure_ascii=False)
        return text.replace('    "@jobs@"', lines, 1) + "\n"

    def _said(self, jobs: list[Any]) -> dict[str, Any]:
        return {
            # First, where jobs find the id at once (scripts/moved.sh).
            **self.origin,
            "batch_file": str(self.batch_file),
            "sha256": self.sha256,
            "image_sets": len(self.image_sets),
            "jobs": jobs,
            "outputs": str(self.outputs),
            "settings": self.settings.as_json(),
        }


def _brief(task: Task) -> dict[str, Any]:
    return {"task": task.number, "image_sets": str(task.job.image_sets)}


@dataclass(frozen=True)
class Planned:
    """What an earlier plan said, as far as it matters afterwards.

    `id`, `folder` and `beside` are those of `plans.origin`; None where an older version did not
    write them.
    """

    path: Path
    batch_file: Path
    sha256: str
    outputs: Path
    settings: Settings
    id: str | None = None
    folder: Path | None = None
    beside: str | None = None


def plan(
    batch_file: BatchFile,
    outputs: Path,
    settings: Settings | None = None,
) -> Plan:
    """The jobs that run all of a batch file: without a size in the settings one image set a job,
    or one group where the batch file is grouped.

    Raises:
        SourceError: it lists nothing to run, or a group that no command line can say.
    """
    settings = settings or Settings()
    refuse_nothing(batch_file)
    if settings.by_group and not batch_file.members:
        raise SourceError(
            batch_file.path, "is not grouped", "leave out --by-group, or set groups in the pipeline"
        )
    jobs = split(batch_file, batch_file.planned, settings.size or 1, by_group=settings.by_group)
    return numbered(
        batch_file, outputs, [(job, settings.time, settings.memory) for job in jobs], settings
    )


def numbered(
    batch_file: BatchFile,
    outputs: Path,
    jobs: Sequence[tuple[Job, int | None, int | None]],
    settings: Settings,
) -> Plan:
    """A plan of these jobs, each with its limits of time and memory, in this order."""
    tasks: list[Task] = []
    taken: set[str] = set()
    for number, (job, time, memory) in enumerate(jobs, start=1):
        folder = folder_for(job, outputs, taken)
        taken.add(folder.name)
        tasks.append(Task(number, job, folder, time, memory))
    sha256 = digest(batch_file.path)
    return Plan(batch_file.path, sha256, outputs, tuple(tasks), settings)


def command(batch_file: Path, job: Job, folder: Path) -> tuple[str, ...]:
    """The words of the command that runs a job into a folder."""
    return (
        *("cellprofiler", "-c", "-r", "-p", str(batch_file), *job.selection),
        *("-o", str(folder), "-t", str(folder / "tmp"), "-d", str(folder / "done.txt")),
    )


def refuse_nothing(batch_file: BatchFile) -> None:
    """Refuses a batch file of which nothing can be run.

    Raises:
        SourceError: no image set, or no module.
    """
    advice = "see what CreateBatchFiles said, and make the batch file again"
    if not batch_file.planned:
        raise SourceError(batch_file.path, "lists no image set", advice)
    if not any(module.enabled for module in batch_file.pipeline.modules):
        raise SourceError(batch_file.path, "holds no pipeline", advice)


def read_plan(path: Path) -> Planned | None:
    """What a `plan.json` says; None where another program wrote that file.

    Raises:
        SourceError: it is one of ours and damaged, or two of its jobs run the same image set.
    """
    try:
        said = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(
            path, f"cannot be read: {error}", "restore it, or take it away"
        ) from error
    if not isinstance(said, Mapping) or not {"batch_file", "sha256", "jobs"} <= said.keys():
        return None
    try:
        jobs = [Job(ImageSets.parse(job["image_sets"]), str(job["task"])) for job in said["jobs"]]
        settings = Settings.from_json(said["settings"])
        planned = Planned(
            path,
            Path(said["batch_file"]),
            str(said["sha256"]),
            Path(said["outputs"]),
            settings,
            said.get("id"),
            Path(said["folder"]) if "folder" in said else None,
            said.get("beside"),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SourceError(path, f"not a plan: {error}", "make the plan again") from error
    if twice := overlap(jobs):
        raise SourceError(path, f"plans {twice.words} twice", "make the plan again")
    return planned
