"""What jobs' outputs were found to hold when they were last looked at, to look only once.

It is kept in the user's own cache, `$XDG_CACHE_HOME/cpexport` or `~/.cache/cpexport`, one file for
each choice of OUTPUTS. It may be deleted at any time, and nothing depends on it but time.
"""

import os
import pickle
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

import xxhash

from cpexport.batch import Evidence, Source

# A file written later than this before it was looked at may have been written once more since,
# within one tick of the clock that gives it its times.
_SETTLED = 2.0
_KEPT = 90 * 86_400
_Entries = dict[str, tuple[str, Evidence]]


class Remembered:
    """Evidence of the outputs below some folders, by what their files were when it was found."""

    def __init__(self, outputs: Iterable[Path]) -> None:
        places = "\0".join(sorted(str(path.resolve()) for path in outputs))
        self._file = _home() / f"{_digest(places)}-{_code()}.pickle"
        self._entries = _read(self._file)
        self._changed = False

    def evidence(self, source: Source, key: str) -> Evidence | None:
        """What was found of a source when its key was the same; else None."""
        before, found = self._entries.get(str(source.path), ("", None))
        return found if key and key == before else None

    def key(self, source: Source) -> str:
        """What a source's evidence depends on; empty where it is better looked at again."""
        if source.evidence_files is None:
            return ""
        said = [repr(source)]
        newest = 0
        try:
            for file in source.evidence_files:
                stat = file.stat()
                newest = max(newest, stat.st_mtime_ns, stat.st_ctime_ns)
                said.append(
                    f"{file.resolve()} {stat.st_dev} {stat.st_ino} {stat.st_size} "
                    f"{stat.st_mtime_ns} {stat.st_ctime_ns}"
                )
        except OSError:
            return ""
        return "" if newest / 1e9 > time.time() - _SETTLED else _digest("\0".join(said))

    def note(self, source: Source, key: str, evidence: Evidence) -> None:
        """Remembers what was found, if `key` from before is what it would be now."""
        if key and key == self.key(source):
            self._entries[str(source.path)] = (key, evidence)
            self._changed = True

    def keep(self) -> None:
        """Writes what is new, if it can be written; whoever comes last of several wins."""
        if not self._changed or not self._file.is_absolute():
            return
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            number, name = tempfile.mkstemp(dir=self._file.parent)
            try:
                with os.fdopen(number, "wb") as file:
                    pickle.dump(self._entries, file, pickle.HIGHEST_PROTOCOL)
                Path(name).replace(self._file)
            except BaseException:
                Path(name).unlink()
                raise
            for other in self._file.parent.iterdir():
                if other.stat().st_mtime < time.time() - _KEPT:
                    other.unlink()


def _home() -> Path:
    said = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # A user without a name and HOME has none: `~` stays as it is, and nothing is kept.
    home = Path(os.path.expanduser("~/.cache"))  # noqa: PTH111 - which raises
    return (said if said.is_absolute() else home) / "cpexport"


def _read(file: Path) -> _Entries:
    try:
        with file.open("rb") as stream:
            # A pickle can do anything: only one's own is read.
            if os.fstat(stream.fileno()).st_uid != os.getuid():
                return {}
            found: _Entries = pickle.load(stream)
    except Exception:
        # Damaged, it is as good as not there, whatever comes of reading it.
        return {}
    return found


@cache
def _code() -> str:
    """This cpexport, to the letter: another one may find something else in the same files."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    return _digest("\0".join(file.read_text("utf-8") for file in files))


def _digest(text: str) -> str:
    return xxhash.xxh3_128_hexdigest(os.fsencode(text))
