"""Reads the stamps in jobs' folders: the digests of their batch files, as `sha256sum` writes."""

import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cpexport.errors import LeftOut
from cpexport.files.opening import read_text
from cpexport.jobs.split import STAMP

_STAMP = re.compile(r"([0-9a-f]{64})\s")


@dataclass(frozen=True)
class Stamps:
    """The digests in the folders of jobs.

    sha256: each digest, by the first folder that has it.
    of_folders: for each folder in order, the place of its digest in `sha256`; -1 without one.
    left_out: stamps without a digest.
    """

    sha256: Mapping[Path, str] = field(default_factory=dict)
    of_folders: Sequence[int] = ()
    left_out: tuple[LeftOut, ...] = ()

    def each(self) -> Iterator[str]:
        """The digest of each folder, in order; empty without one."""
        digests = [*self.sha256.values(), ""]
        return (digests[place] for place in self.of_folders)


def read_stamps(folders: Iterable[Path]) -> Stamps:
    """Reads the stamps of these folders. A damaged or unreadable one is left out and reported."""
    digests: dict[str, Path] = {}
    places: dict[str, int] = {}
    of_folders = array("i")
    left_out: list[LeftOut] = []
    for folder in folders:
        try:
            digest, why = _digest(folder / STAMP)
        except FileNotFoundError:
            # A folder is renamed when its job is complete, which may be at this moment.
            digest, why = "", ""
        if why:
            advice = "check that its job ran with this batch file, then remove this stamp"
            reason = f"{why} and does not name a batch file; {advice}"
            left_out.append(LeftOut(str(folder / STAMP), reason))
        elif digest:
            digests.setdefault(digest, folder)
        of_folders.append(places.setdefault(digest, len(places)) if digest else -1)
    by_folder = {folder: digest for digest, folder in digests.items()}
    return Stamps(by_folder, of_folders, tuple(left_out))


def _digest(stamp: Path) -> tuple[str, str]:
    """The digest in a stamp, or else why there is none.

    Raises:
        FileNotFoundError: there is no such file.
    """
    try:
        text = read_text(stamp)
    except FileNotFoundError:
        raise
    except OSError as error:
        return "", f"cannot be read ({error.strerror})"
    if match := _STAMP.match(text):
        return match[1], ""
    return "", "is damaged" if text.strip("\0\n ") else "is empty"
