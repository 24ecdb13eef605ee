"""The stamps in jobs' folders: which batch file each was run with, as `sha256sum` writes it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cpexport.batch import LeftOut

_STAMP = re.compile(r"([0-9a-f]{64})\s")


@dataclass(frozen=True)
class Stamps:
    """The digest that each job's folder names; `left_out` are stamps that do not say one."""

    sha256: Mapping[Path, str] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()


def read_stamps(paths: Iterable[Path]) -> Stamps:
    """What these files say. One that is damaged or cannot be read is left out, and named."""
    found: dict[Path, str] = {}
    left_out: list[LeftOut] = []
    for path in paths:
        try:
            text = path.read_text("utf-8", "replace")
        except FileNotFoundError:
            # A folder is renamed when its job is complete, which may be now.
            continue
        except OSError as error:
            why = f"cannot be read ({error.strerror})"
        else:
            if match := _STAMP.match(text):
                found[path.parent] = match[1]
                continue
            why = "is damaged" if text.strip("\0\n ") else "is empty"
        advice = "see that its job was run with this batch file, and remove it"
        left_out.append(LeftOut(str(path), f"{why}, and does not name a batch file; {advice}"))
    return Stamps(found, tuple(left_out))
