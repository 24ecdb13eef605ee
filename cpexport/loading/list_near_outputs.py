"""Finds the list of LoadData that planned a run whose jobs count their own image sets from 1."""

import hashlib
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.image_keys import keys_of
from cpexport.cellprofiler.image_set_list import key_of, read_lists
from cpexport.errors import SourceError
from cpexport.files.opening import open_regular
from cpexport.loading.numbering import Renumbered
from cpexport.spelling import counted

_OUTPUTS, _LISTS = "analysis", "load_data_csv"
_NAMES: Final = ("load_data.csv", "load_data.csv.gz")


def list_near(
    outputs: Iterable[Path], found: Renumbered
) -> tuple[BatchFile | None, tuple[str, ...]]:
    """Returns the list that lies in the folders of `outputs` or next to them, or the lists of their
    plates in the Cell Painting Gallery, and notes about it.

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
        listed = read_lists(lists) if lists else None
        if listed is None or key_of(listed) != found.key:
            return None, ()
    except (OSError, SourceError):
        # It may be any file: the user did not name it.
        return None, ()
    planned = set(keys_of(listed.pictures, found.key))
    unknown = sum(key not in planned for key in found.given)
    if unknown:
        advice = f"if the jobs ran with it, add --plan {shlex.quote(str(listed.path))}"
        problem = f"lacks {counted(unknown, 'image set')} of these outputs, so it is not used"
        return None, (f"{listed.path}: {problem}; {advice}",)
    more = f" and {counted(len(lists) - 1, 'more list')}" if len(lists) > 1 else ""
    says = "say" if more else "says"
    note = f"{listed.path}{more} {says} which image sets were planned; name others with --plan"
    return listed, (note,)


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
