"""Names runs: as their users do, or by the ends of their paths that distinguish them."""

import shlex
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from cpexport.errors import UsageError
from cpexport.files.places import path_of


@dataclass(frozen=True)
class Named:
    """One argument OUTPUTS, as the user wrote it, and the name of its run; empty if it has none."""

    outputs: Path
    name: str


def outputs_of(argument: Path) -> Path:
    """The outputs in an argument OUTPUTS or NAME=OUTPUTS."""
    given = _given(argument)
    return argument if given is None else given.outputs


def named(arguments: Sequence[Path], known: Collection[str] = ()) -> list[Named]:
    """Returns the name of each argument OUTPUTS or NAME=OUTPUTS, in their order.

    An argument without a name gets the longest of the `known` names (runs of the destination) that
    ends its path. A new run gets the shortest end of its path that no other argument and no known
    run has: `outputs`, or `plate1/outputs` if `plate2/outputs` is an argument too.

    >>> [run.name for run in named([Path("/a/plate1/out"), Path("/a/plate2/out"), Path("/b")])]
    ['plate1/out', 'plate2/out', 'b']
    >>> [run.name for run in named([Path("/a/plate1/out")], {"out"})]
    ['out']

    Raises:
        UsageError: two arguments could be the same known run.
    """
    given = [_given(argument) for argument in arguments]
    free = set(known) - {run.name for run in given if run}
    paths = [argument.resolve() for argument in arguments]
    pairs = list(zip(given, paths, strict=True))
    names = [run.name if run else _known(path, free) for run, path in pairs]
    if twice := [name for name, count in Counter(names).items() if name in free and count > 1]:
        raise UsageError(
            f"more than one of OUTPUTS could be the run {twice[0]!r} of the destination; name "
            "them, for example "
            f"{shlex.quote(f'{twice[0]}={_first(twice[0], names, arguments)}')}"
        )
    taken = {*known, *(name for name in names if name)}
    others = [path for run, path in pairs if not run]
    new = [
        _new(path, others, taken) if name is None else name
        for path, name in zip(paths, names, strict=True)
    ]
    return [
        Named(outputs_of(argument), name) for argument, name in zip(arguments, new, strict=True)
    ]


def _first(name: str, names: Sequence[str | None], arguments: Sequence[Path]) -> Path:
    """The first argument that could be the run of this name."""
    return next(arg for arg, other in zip(arguments, names, strict=True) if other == name)


def _given(argument: Path) -> Named | None:
    """Parses NAME=OUTPUTS; None if the argument is only a path.

    It is a path if it exists as written, or if it has a slash before its `=` and what follows does
    not exist.
    """
    name, equals, outputs = str(argument).partition("=")
    if not equals or argument.exists() or ("/" in name and not path_of(outputs).exists()):
        return None
    return Named(path_of(outputs), name if outputs else "")


def _ends(path: Path) -> list[str]:
    """The ends of a path, from its last part to the whole path."""
    parts = path.parts[1:]
    return ["/".join(parts[start:]) for start in range(len(parts) - 1, -1, -1)]


def _known(path: Path, known: Collection[str]) -> str | None:
    return next((end for end in reversed(_ends(path)) if end in known), None)


def _new(path: Path, others: Sequence[Path], taken: Collection[str]) -> str:
    """The shortest end of a path that ends neither another path nor a taken name."""
    rivals = [f"/{other.as_posix().lstrip('/')}" for other in others if other != path]
    rivals += [f"/{name}" for name in taken]
    ends = _ends(path)
    unique = (end for end in ends if not any(rival.endswith(f"/{end}") for rival in rivals))
    return next(unique, ends[-1] if ends else "")
