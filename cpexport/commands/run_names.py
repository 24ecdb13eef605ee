"""Names runs: as their users do, by a pattern, or by the ends of their paths that distinguish
them."""

import re
import shlex
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cpexport.errors import SourceError, UsageError
from cpexport.files.places import path_of
from cpexport.sources.detect import find

_PLACE = re.compile(r"\{(\w+)\}")
_SOME = 3


@dataclass(frozen=True)
class Named:
    """The outputs of a run, as the user wrote them, and its name; empty if it has none."""

    outputs: tuple[Path, ...]
    name: str

    @property
    def first(self) -> Path:
        """The first of its outputs; most runs have one."""
        return self.outputs[0]


def by_pattern(arguments: Sequence[Path], pattern: str) -> Mapping[str, tuple[Path, ...]]:
    """Returns the folders of each run, by the name that a pattern finds in their paths.

    A pattern such as `*/{plate}/analysis` is that of folders below the arguments: `*` is any text
    in the name of a folder, and so are words in braces, whose texts are the run's name, with
    slashes between. Several folders can be of one run.

    Raises:
        UsageError: the pattern has no words in braces, finds nothing, or misses some outputs.
        SourceError: an argument is not a folder.
    """
    if not _PLACE.search(pattern) or pattern.startswith("/") or ".." in Path(pattern).parts:
        raise UsageError(
            f"--run-from {shlex.quote(pattern)}: not a pattern of folders below OUTPUTS such as "
            "'*/{plate}/analysis'"
        )
    wanted, glob = _expression(pattern), _PLACE.sub("*", pattern)
    folders: dict[str, list[Path]] = {}
    for argument in arguments:
        if not argument.is_dir():
            raise SourceError(argument, "is not a folder", "name the folder that holds the runs")
        for folder in sorted(path for path in argument.glob(glob) if path.is_dir()):
            if match := wanted.fullmatch(folder.relative_to(argument).as_posix()):
                folders.setdefault("/".join(match.groups()), []).append(folder)
    matched = {folder for some in folders.values() for folder in some}
    others = [
        str(source.path)
        for source in find(arguments).sources()
        if source.files and not matched & {source.path, *source.path.parents}
    ]
    if others or not folders:
        what = f"misses {', '.join(others[:_SOME])}" if folders else "finds no folder"
        more = f" and {len(others) - _SOME} more" if folders and len(others) > _SOME else ""
        raise UsageError(f"--run-from {shlex.quote(pattern)}: {what}{more}")
    return {name: tuple(some) for name, some in folders.items()}


def _expression(pattern: str) -> re.Pattern[str]:
    """A regular expression for paths; a word in braces takes as much as it can."""
    parts = re.split(r"(\*|\{\w+\})", Path(pattern).as_posix())
    texts = {"*": "[^/]*"}
    return re.compile(
        "".join(
            "([^/]+)" if _PLACE.fullmatch(part) else texts.get(part, re.escape(part))
            for part in parts
        )
    )


def outputs_of(argument: Path) -> Path:
    """The outputs in an argument OUTPUTS or NAME=OUTPUTS."""
    given = _given(argument)
    return argument if given is None else given.first


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
        Named((outputs_of(argument),), name) for argument, name in zip(arguments, new, strict=True)
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
    return Named((path_of(outputs),), name if outputs else "")


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
