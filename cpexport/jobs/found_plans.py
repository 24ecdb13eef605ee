"""Reads the plans below OUTPUTS and finds their folders, even if a run was moved or copied.

A plan has absolute paths. If a run was moved and another run was planned in its place, those paths
lead to the outputs of the other run. So paths are taken relative to where the plan lies now, and a
folder elsewhere is used only if it is known to belong to this plan.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from cpexport.destination_url import file_url
from cpexport.errors import LeftOut, SourceError
from cpexport.jobs.plan import Plan, SavedPlan, read_plan
from cpexport.jobs.split import PLAN, STATUS, STATUS_SUFFIXES


@dataclass(frozen=True)
class Plans:
    """The plans, the newest last, with their present paths.

    away: folders of their outputs that lie outside the given outputs.
    left_out: plans that cannot be read or whose outputs are not found.
    notes: for the user, about moved plans.
    """

    plans: tuple[SavedPlan, ...] = ()
    away: tuple[Path, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()


def origin(plan: Plan, folder: Path) -> dict[str, str]:
    """Returns what identifies a plan that is written into `folder`.

    `id` is its new id, `folder` that folder, and `beside` the id of the plan next to its outputs,
    which can be itself.
    """
    id = uuid4().hex[:12]
    home = plan.outputs.parent
    neighbour = id if _same(home, folder) else _id_in(home)
    return {"id": id, "folder": str(folder), "beside": neighbour}


def read_plans(paths: Iterable[Path], outputs: Sequence[Path]) -> Plans:
    """Reads the plans in these files, and the plans next to the folders of `outputs`.

    A damaged or unreadable file is left out and reported.
    """
    found: list[tuple[int, SavedPlan]] = []
    left_out: list[LeftOut] = []
    for path in paths:
        try:
            found += _read(path)
        except SourceError as error:
            left_out.append(LeftOut(error.path, f"{error.problem}; {error.advice}"))
    known = {os.path.realpath(path) for path in paths}
    for top in outputs:
        path = top.absolute().parent / PLAN
        if path.is_file() and os.path.realpath(path) not in known:
            try:
                plans_nearby = _read(path)
            except SourceError as error:
                left_out.append(LeftOut(error.path, f"{error.problem}; {error.advice}"))
                continue
            found += [item for item in plans_nearby if _same(item[1].outputs, top)]
    found.sort(key=lambda item: item[0])
    plans = tuple(planned for _, planned in found)
    away = [p.outputs for p in plans if p.outputs.is_dir() and not _below(p.outputs, outputs)]
    others = [p for p in plans if p.outputs in away and not _is_own(p)]
    left_out += [
        LeftOut(
            str(planned.path),
            f"its outputs should be in {planned.outputs}, but that folder has the outputs of "
            "another plan; name the folder that has them now, or remove this file",
        )
        for planned in others
    ]
    return Plans(
        plans,
        tuple(dict.fromkeys(p.outputs for p in plans if p.outputs in away and p not in others)),
        tuple(left_out),
        tuple(
            f"{p.path}: moved or copied from {p.folder}; cpexport uses the outputs in {p.outputs}"
            for p in plans
            if p.folder and not _same(p.folder, p.path.parent)
        ),
    )


def _read(path: Path) -> list[tuple[int, SavedPlan]]:
    """The plan in a file, after its time of writing; empty if another program wrote the file."""
    planned = read_plan(path)
    try:
        written = path.stat().st_mtime_ns
    except OSError:
        # Deleted since it was read.
        return []
    return [(written, _here(planned))] if planned else []


def _here(planned: SavedPlan) -> SavedPlan:
    """Returns a plan with its present paths, even if its folder was moved or copied together with
    what is near it."""
    now = planned.path.absolute().parent
    near = now / planned.outputs.name
    # Before plans recorded their folder, the folder of a run's first plan also held the outputs.
    was = planned.folder or (planned.outputs.parent if near.is_dir() else now)
    if _same(was, now):
        return planned
    outputs = _moved(planned.outputs, was, now)
    if not outputs.is_dir() or not _is_own(replace(planned, outputs=outputs)):
        outputs = planned.outputs
    batch_file = planned.batch_file
    if not batch_file.exists() and (moved := _moved(batch_file, was, now)).exists():
        batch_file = moved
    settings = planned.settings
    if settings.pipeline and not Path(settings.pipeline).exists():
        pipeline = _moved(Path(settings.pipeline), was, now)
        settings = replace(settings, pipeline=str(pipeline))
    for old, new in ((was, now), (planned.outputs.parent, outputs.parent)):
        settings = replace(settings, to=_to(settings.to, old, new))
    return replace(planned, outputs=outputs, batch_file=batch_file, settings=settings, folder=was)


def _is_own(planned: SavedPlan) -> bool:
    """Whether a plan's outputs folder is the one it was planned for or its jobs ran in, and not
    that of another plan made in its place."""
    home = planned.outputs.parent
    if _same(home, planned.path.parent):
        return True
    if planned.id is None:
        return _is_older(home / PLAN, planned.path)
    try:
        names = [path.name for path in (planned.outputs / STATUS).iterdir()]
    except OSError:
        names = []
    begins = f"{planned.id}."
    if any(name.startswith(begins) and name.endswith(STATUS_SUFFIXES) for name in names):
        return True
    return _id_in(home) == planned.beside


def _is_older(path: Path, other: Path) -> bool:
    """Whether a file does not exist, or was written no later than another one."""
    try:
        return path.stat().st_mtime_ns <= other.stat().st_mtime_ns
    except OSError:
        return not path.exists()


def _id_in(folder: Path) -> str:
    """The id of the plan in a folder; empty if there is no plan, or a plan without an id."""
    try:
        planned = read_plan(folder / PLAN) if (folder / PLAN).is_file() else None
    except SourceError:
        return ""
    return (planned.id or "") if planned else ""


def _moved(path: Path, was: Path, now: Path) -> Path:
    """Returns the path that has the same place relative to `now` as `path` had to `was`."""
    return Path(os.path.normpath(now / os.path.relpath(path, was)))


def _to(to: str | None, was: Path, now: Path) -> str | None:
    """Returns the destination of a plan; a file inside the folder `was` moves with it to `now`."""
    kind, _, rest = (to or "").partition(":")
    if to is None or rest.startswith("///"):
        inside, new = (file_url(kind, folder / "x")[:-1] for folder in (was, now))
    else:
        inside, new = (f"{kind}:{folder}/" for folder in (was, now))
    return new + to.removeprefix(inside) if to and to.startswith(inside) else to


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _below(folder: Path, outputs: Iterable[Path]) -> bool:
    tops = {top.resolve() for top in outputs}
    return bool(tops & {folder.resolve(), *folder.resolve().parents})
