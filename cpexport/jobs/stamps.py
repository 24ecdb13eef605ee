"""Reads the stamps in jobs' folders: the digests of their batch files, as `sha256sum` writes."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cpexport.errors import LeftOut
from cpexport.files.opening import read_text

_STAMP = re.compile(r"([0-9a-f]{64})\s")


@dataclass(frozen=True)
class Stamps:
    """The digest in each job's folder; `left_out` are stamps without one."""

    sha256: Mapping[Path, str] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()


def read_stamps(paths: Iterable[Path]) -> Stamps:
    """Reads these stamps. A damaged or unreadable stamp is left out and reported."""
    digests: dict[Path, str] = {}
    left_out: list[LeftOut] = []
    for path in paths:
        try:
            text = read_text(path)
        except FileNotFoundError:
            # A folder is renamed when its job is complete, which may be at this moment.
            continue
        except OSError as error:
            why = f"cannot be read ({error.strerror})"
        else:
            if match := _STAMP.match(text):
                digests[path.parent] = match[1]
                continue
            why = "is damaged" if text.strip("\0\n ") else "is empty"
        advice = "check that its job ran with this batch file, then remove this stamp"
        left_out.append(LeftOut(str(path), f"{why} and does not name a batch file; {advice}"))
    return Stamps(digests, tuple(left_out))
