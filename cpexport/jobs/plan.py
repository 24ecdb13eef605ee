"""Plans the jobs that run the image sets of a batch file, each with its own folder and command."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.pipeline_use import PipelineUse
from cpexport.errors import SourceError, UsageError
from cpexport.files.opening import read_small
from cpexport.imagesets import ImageSets
from cpexport.jobs.settings import Settings
from cpexport.jobs.split import Job, folder_for, overlap, split
from cpexport.outcome import DONE, stamped

LIST = "load_data.csv"
"""The list of the image sets of all jobs, in the folder of a plan without a batch file."""
PIPELINE = "pipeline.cppipe"
"""The pipeline that runs this list, in the same folder."""
LISTS = "lists"
"""The folder of lists for single jobs, in the same folder."""

# Bytes of a plan: 10^6 jobs take 60 MB.
_LONGEST = 1 << 28


@dataclass(frozen=True)
class Task:
    """One job of a plan.

    number: counts from 1.
    time, memory: the job's own limits, in minutes and MiB; None for the site's default.
    """

    number: int
    job: Job
    folder: Path
    time: int | None = None
    memory: int | None = None


@dataclass(frozen=True)
class Plan:
    """The jobs to submit.

    sha256: the digest of the batch file.
    outputs: the folder that holds the jobs' folders.
    origin: from `plans.origin` for a plan that is written into a folder; it identifies the plan
        after that folder is moved or copied.
    known: the records of submissions that existed when the plan was made, as in
        `Records.recorded`; they do not prevent its submission.
    pipelines: the pipeline that the jobs run.
    warnings: why some jobs may run in vain, each with what to do.
    lists: the folder of the lists that LoadData reads, if each job has a list of its own.
    """

    batch_file: Path
    sha256: str
    outputs: Path
    tasks: tuple[Task, ...]
    settings: Settings
    origin: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, str] = field(default_factory=dict)
    pipelines: tuple[PipelineUse, ...] = ()
    warnings: tuple[str, ...] = ()
    lists: Path | None = None

    @property
    def exit_status(self) -> int:
        """0: a plan that cannot be made is an error."""
        return DONE

    @property
    def image_sets(self) -> ImageSets:
        """All image sets that the jobs run."""
        return ImageSets.from_ranges(r for t in self.tasks for r in t.job.image_sets.ranges)

    def command(self, task: Task) -> tuple[str, ...]:
        """The words of a job's command line.

        They always name a folder for temporary files, which are as large as the measurements, and a
        done file: without one CellProfiler exits with 0 even if it failed (CellProfiler 4.2.8,
        __main__.py, run_pipeline_headless).
        """
        if self.lists is None:
            words = inputs(self.batch_file, self.settings.pipeline) + task.job.selection
        else:
            words = inputs(self.list_of(task), self.settings.pipeline)
        return command(words, task.folder, self.settings.plugins)

    def list_of(self, task: Task) -> Path:
        """The list of a job that has its own."""
        assert self.lists is not None
        return self.lists / f"{task.folder.name}.csv"

    def to_dict(self) -> dict[str, Any]:
        """The plan as `cpexport plan --format json` prints it."""
        return stamped(self.exit_status, self.fields())

    def fields(self) -> dict[str, Any]:
        """The plan with every job's command, as a part of another JSON report."""
        jobs = [
            {
                **_brief(task),
                "first": task.job.first,
                "last": task.job.last,
                "group": task.job.group,
                "command": list(self.command(task)),
            }
            for task in self.tasks
        ]
        return self._with_jobs(jobs) | {
            "pipelines": [pipeline.to_dict() for pipeline in self.pipelines],
            "warnings": list(self.warnings),
        }

    def as_text(self) -> str:
        """The text of `plan.json`: a line for each job; `jobs.tsv` has the folders and limits."""
        outline = self._with_jobs(["@jobs@"])
        lines = ",\n".join(f"    {json.dumps(_brief(task))}" for task in self.tasks)
        text = json.dumps(outline, indent=2, ensure_ascii=False)
        return text.replace('    "@jobs@"', lines, 1) + "\n"

    def _with_jobs(self, jobs: list[Any]) -> dict[str, Any]:
        return {
            # First, so that jobs find the id at once (templates/moved.sh).
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
class SavedPlan:
    """The part of an earlier plan that later commands need.

    `id`, `folder` and `beside` come from `plans.origin`; None if an older version wrote the plan.
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
    """Plans the jobs that run all image sets of a batch file.

    Without a size in the settings, each job runs one image set, or one group if the batch file is
    grouped.

    Raises:
        SourceError: it lists nothing to run, or a group that no command line can select.
    """
    settings = settings or Settings()
    check_not_empty(batch_file)
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
    """Returns a plan of these jobs in this order, each with its limits of time and memory."""
    tasks: list[Task] = []
    taken: set[str] = set()
    for number, (job, time, memory) in enumerate(jobs, start=1):
        folder = folder_for(job, outputs, taken)
        taken.add(folder.name)
        tasks.append(Task(number, job, folder, time, memory))
    lists = batch_file.path.parent / LISTS if batch_file.own_lists else None
    planned = Plan(batch_file.path, batch_file.sha256, outputs, tuple(tasks), settings, lists=lists)
    pipeline, version = batch_file.pipeline.digest, batch_file.version
    use = PipelineUse(pipeline, version, len(tasks), planned.image_sets)
    return replace(planned, pipelines=(use,))


def inputs(batch_file: Path, pipeline: str | None = None) -> tuple[str, ...]:
    """The words that name a batch file, or the list of LoadData that a pipeline runs."""
    if pipeline is None:
        return ("-p", str(batch_file))
    return ("-p", pipeline, "--data-file", str(batch_file))


def command(words: Sequence[str], folder: Path, plugins: str | None = None) -> tuple[str, ...]:
    """The words of the command that runs a job and writes to a folder.

    `words` name the inputs and select the image sets.
    """
    return (
        *("cellprofiler", "-c", "-r", *words),
        *("-o", str(folder), "-t", str(folder / "tmp"), "-d", str(folder / "done.txt")),
        *(("--plugins-directory", plugins) if plugins else ()),
    )


def pipeline_of(batch_file: BatchFile) -> str | None:
    """The pipeline that jobs run a list with; None for a batch file, which has its own."""
    if batch_file.pipeline_file is None:
        return None
    will_be_written = batch_file.text is not None
    return str(batch_file.path.parent / PIPELINE if will_be_written else batch_file.pipeline_file)


def check_commands(plan: BatchFile) -> None:
    """Refuses lists that a printed command line cannot name.

    Raises:
        UsageError: there are several, or CellProfiler cannot read one as it is.
    """
    if plan.is_list and (len(plan.lists) > 1 or plan.path.suffix.lower() == ".gz"):
        what = "several lists" if len(plan.lists) > 1 else "a compressed list"
        raise UsageError(
            f"CellProfiler reads one list that is not compressed; name a folder for {what} as one "
            "with --out or --resubmit"
        )


def check_not_empty(batch_file: BatchFile) -> None:
    """Refuses a batch file with nothing to run.

    Raises:
        SourceError: it has no image set, or no module.
    """
    if batch_file.is_list:
        return
    advice = "read the messages of CreateBatchFiles, and create the batch file again"
    if not batch_file.planned:
        raise SourceError(batch_file.path, "lists no image sets", advice)
    if not any(module.enabled for module in batch_file.pipeline.modules):
        raise SourceError(batch_file.path, "contains no pipeline", advice)


def read_plan(path: Path) -> SavedPlan | None:
    """Reads a `plan.json`; returns None if another program wrote the file.

    Raises:
        SourceError: the plan is damaged, or two of its jobs run the same image set.
    """
    try:
        saved = json.loads(read_small(path, _LONGEST))
    except (OSError, ValueError, RecursionError) as error:
        why = (isinstance(error, OSError) and error.strerror) or error
        raise SourceError(
            path, f"cannot be read: {why}", "restore it, or move it out of OUTPUTS"
        ) from error
    if not isinstance(saved, Mapping) or not {"batch_file", "sha256", "jobs"} <= saved.keys():
        return None
    try:
        jobs = [Job(ImageSets.parse(job["image_sets"]), str(job["task"])) for job in saved["jobs"]]
        settings = Settings.from_json(saved["settings"])
        planned = SavedPlan(
            path,
            Path(saved["batch_file"]),
            str(saved["sha256"]),
            Path(saved["outputs"]),
            settings,
            saved.get("id"),
            Path(saved["folder"]) if "folder" in saved else None,
            saved.get("beside"),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SourceError(path, f"not a plan: {error}", "plan again with cpexport plan") from error
    if twice := overlap(jobs):
        raise SourceError(path, f"plans {twice.words} twice", "plan again with cpexport plan")
    return planned
