"""Finds the list of LoadData that planned a run whose jobs count their own image sets from 1."""

import hashlib
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.image_set_list import read_lists
from cpexport.errors import SourceError
from cpexport.files.opening import open_regular
from cpexport.loading.numbering import Renumbered
from cpexport.spelling import counted

_OUTPUTS, _LISTS = "analysis", "load_data_csv"
_NAMES: Final = ("load_data.csv", "load_data.csv.gz")


def numbered_by_list_near(
    outputs: Iterable[Path], numbered: Callable[[BatchFile], Renumbered | None]
) -> tuple[Renumbered | None, tuple[str, ...]]:
    """Returns image sets as `numbered` by the list that lies in the folders of `outputs` or next to
    them, or by the lists of their plates in the Cell Painting Gallery, and notes about it.

    It is taken only if all lists there are alike, and if it has every image set that jobs left.
    """
    tops = [top if top.is_dir() else top.parent for top in outputs]
    folders = dict.fromkeys(folder for top in tops for folder in (top, top.absolute().parent))
    paths = [path for folder in folders for name in _NAMES if (path := folder / name).is_file()]
    try:
        alike = {_digest(path): path for path in reversed(paths)}
        if len(alike) > 1:
            some = ", ".join(map(str, alike.values()))
            return None, (f"several lists of image sets ({some}); name the right one with --plan",)
        lists = paths[:1] or [path for top in tops for path in _of_plates(top)]
        if not lists:
            return None, ()
        found = numbered(read_lists(lists))
    except SourceError as error:
        return None, (f"{error.path}: {error.problem}, so it is not used",)
    except OSError as error:
        where = error.filename or "a list of image sets"
        return None, (f"{where}: cannot be read ({error.strerror or error}), so it is not used",)
    if found is None:
        return None, (f"{lists[0]}: it cannot identify image sets, so it is not used",)
    if found.unplanned:
        advice = f"if the jobs ran with it, add --plan {shlex.quote(str(lists[0]))}"
        problem = f"lacks {counted(found.unplanned, 'image set')} of these outputs"
        return None, (f"{lists[0]}: {problem}, so it is not used; {advice}",)
    more = f" and {counted(len(lists) - 1, 'more list')}" if len(lists) > 1 else ""
    says = "say" if more else "says"
    note = f"{lists[0]}{more} {says} which image sets were planned; name others with --plan"
    return found, (note,)


def _of_plates(top: Path) -> list[Path]:
    """The lists of plates in a workspace of the Cell Painting Gallery that has these outputs:
    `analysis/BATCH/PLATE` belongs to `load_data_csv/BATCH/PLATE/load_data.csv`.
    """
    top = top.absolute()
    inside = [p for p in (top, *top.parents) if p.name == _OUTPUTS and (p.parent / _LISTS).is_dir()]
    workspace = inside[-1].parent if inside else top
    place = top.relative_to(inside[-1]).parts[:2] if inside else ()
    found = workspace.joinpath(_LISTS, *place).glob("*/" * (2 - len(place)) + _NAMES[0])
    return sorted(found)


def _digest(path: Path) -> bytes:
    with open_regular(path) as stream:
        return hashlib.file_digest(stream, "sha256").digest()
