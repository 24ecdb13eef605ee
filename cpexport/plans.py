"""Plans found below OUTPUTS: which folder is whose, also when a run was moved or copied.

A plan says absolute paths. When `run` was moved and another run was planned in its place, those
paths lead to the outputs of the other one. So a plan is read from where it lies now, and a folder
elsewhere is followed only if it is known to be that plan's own.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from cpexport.batch import LeftOut
from cpexport.errors import SourceError
from cpexport.jobs import PLAN, STATUS, STATUS_SUFFIXES
from cpexport.plan import Plan, Planned, read_plan
from cpexport.sinks.urls import file_url


@dataclass(frozen=True)
class Plans:
    """The plans, the newest last, with paths as they are now. `away` are the folders of their
    outputs that lie elsewhere; `left_out` are plans of which something is not looked at."""

    plans: tuple[Planned, ...] = ()
    away: tuple[Path, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()


def origin(plan: Plan, folder: Path) -> dict[str, str]:
    """What a plan says of itself in the `folder` that it is written into: an `id` of its own, that
    folder, and the id of the plan that lies `beside` its outputs, which can be itself."""
    id = uuid4().hex[:12]
    home = plan.outputs.parent
    beside = id if _same(home, folder) else _id_in(home)
    return {"id": id, "folder": str(folder), "beside": beside}


def read_plans(paths: Iterable[Path], outputs: Sequence[Path]) -> Plans:
    """What the plans in these files say, and those beside folders of `outputs`.

    A file that is damaged or cannot be read is left out, and named.
    """
    found: list[tuple[int, Planned]] = []
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
                near = _read(path)
            except SourceError as error:
                left_out.append(LeftOut(error.path, f"{error.problem}; {error.advice}"))
                continue
            found += [one for one in near if _same(one[1].outputs, top)]
    found.sort(key=lambda one: one[0])
    plans = tuple(planned for _, planned in found)
    away = [p.outputs for p in plans if p.outputs.is_dir() and not _below(p.outputs, outputs)]
    others = [p for p in plans if p.outputs in away and not _is_own(p)]
    left_out += [
        LeftOut(
            str(planned.path),
            f"its outputs were to go to {planned.outputs}, which holds those of another plan; "
            "name the folder that has them now, or remove this file",
        )
        for planned in others
    ]
    return Plans(
        plans,
        tuple(dict.fromkeys(p.outputs for p in plans if p.outputs in away and p not in others)),
        tuple(left_out),
        tuple(
            f"{p.path}: moved or copied from {p.folder}; its outputs are those in {p.outputs}"
            for p in plans
            if p.folder and not _same(p.folder, p.path.parent)
        ),
    )


def _read(path: Path) -> list[tuple[int, Planned]]:
    """The plan in a file, with when it was written; none where another program wrote that file."""
    planned = read_plan(path)
    try:
        written = path.stat().st_mtime_ns
    except OSError:
        # Gone meanwhile.
        return []
    return [(written, _here(planned))] if planned else []


def _here(planned: Planned) -> Planned:
    """A plan with paths as they are now, if its folder was moved or copied with what is near it."""
    now = planned.path.absolute().parent
    beside = now / planned.outputs.name
    # Before plans said their folder, that of the first plan of a run held the outputs, too.
    was = planned.folder or (planned.outputs.parent if beside.is_dir() else now)
    if _same(was, now):
        return planned
    outputs = _moved(planned.outputs, was, now)
    if not outputs.is_dir() or not _is_own(replace(planned, outputs=outputs)):
        outputs = planned.outputs
    batch_file = planned.batch_file
    if not batch_file.exists() and (moved := _moved(batch_file, was, now)).exists():
        batch_file = moved
    settings = planned.settings
    for old, new in ((was, now), (planned.outputs.parent, outputs.parent)):
        settings = replace(settings, to=_to(settings.to, old, new))
    return replace(planned, outputs=outputs, batch_file=batch_file, settings=settings, folder=was)


def _is_own(planned: Planned) -> bool:
    """Whether the folder of a plan's outputs is the one that it was planned for, or its jobs ran
    in, and not one of another plan that was made in its place."""
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
    """Whether a file is not there, or was written before another one."""
    try:
        return path.stat().st_mtime_ns <= other.stat().st_mtime_ns
    except OSError:
        return not path.exists()


def _id_in(folder: Path) -> str:
    """The id of the plan in a folder; empty where there is none, or one that does not say it."""
    try:
        planned = read_plan(folder / PLAN) if (folder / PLAN).is_file() else None
    except SourceError:
        return ""
    return (planned.id or "") if planned else ""


def _moved(path: Path, was: Path, now: Path) -> Path:
    """A path that is to `now` as it was to the folder `was`."""
    return Path(os.path.normpath(now / os.path.relpath(path, was)))


def _to(to: str | None, was: Path, now: Path) -> str | None:
    """The destination of a plan, which moves with its folder if it is a file in it."""
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
