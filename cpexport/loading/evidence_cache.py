"""Caches the evidence of job outputs, so that unchanged files are inspected only once.

The cache is in the user's cache folder, `$XDG_CACHE_HOME/cpexport` or `~/.cache/cpexport`, with one
file for each choice of OUTPUTS. It may be deleted at any time; it only saves time.
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

from cpexport.sources.base import Evidence, Source

# Seconds. A file written less than this before its inspection may have been written again since,
# within the same tick of the file system's clock.
_SETTLED = 2.0
_KEPT = 90 * 86_400
_Entries = dict[str, tuple[str, Evidence]]


class EvidenceCache:
    """The evidence of outputs below some folders, keyed by the state of their files."""

    def __init__(self, outputs: Iterable[Path]) -> None:
        places = "\0".join(sorted(str(path.resolve()) for path in outputs))
        self._file = _home() / f"{_digest(places)}-{_code()}.pickle"
        self._entries = _read(self._file)
        self._changed = False

    def evidence(self, source: Source, key: str) -> Evidence | None:
        """Returns the cached evidence of a source if its key is still the same; else None."""
        cached_key, evidence = self._entries.get(str(source.path), ("", None))
        return evidence if key and key == cached_key else None

    def key(self, source: Source) -> str:
        """Returns a digest of what a source's evidence depends on; empty if it cannot be cached."""
        if source.evidence_files is None:
            return ""
        parts = [repr(source)]
        newest = 0
        try:
            for file in source.evidence_files:
                stat = file.stat()
                newest = max(newest, stat.st_mtime_ns, stat.st_ctime_ns)
                parts.append(
                    f"{file.resolve()} {stat.st_dev} {stat.st_ino} {stat.st_size} "
                    f"{stat.st_mtime_ns} {stat.st_ctime_ns}"
                )
        except OSError:
            return ""
        return "" if newest / 1e9 > time.time() - _SETTLED else _digest("\0".join(parts))

    def note(self, source: Source, key: str, evidence: Evidence) -> None:
        """Stores evidence if the source's `key`, taken before the inspection, has not changed."""
        if key and key == self.key(source):
            self._entries[str(source.path)] = (key, evidence)
            self._changed = True

    def keep(self) -> None:
        """Writes new evidence to disk, if possible; of several processes the last one wins."""
        if not self._changed or not self._file.is_absolute():
            return
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor, name = tempfile.mkstemp(dir=self._file.parent)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    pickle.dump(self._entries, file, pickle.HIGHEST_PROTOCOL)
                Path(name).replace(self._file)
            except BaseException:
                Path(name).unlink()
                raise
            for other in self._file.parent.iterdir():
                if other.stat().st_mtime < time.time() - _KEPT:
                    other.unlink()


def _home() -> Path:
    chosen = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # A user without a name and HOME has no home: `~` stays as it is, and nothing is cached.
    # Path.expanduser would raise an error.
    home = Path(os.path.expanduser("~/.cache"))  # noqa: PTH111
    return (chosen if chosen.is_absolute() else home) / "cpexport"


def _read(file: Path) -> _Entries:
    try:
        with file.open("rb") as stream:
            # A pickle can run any code, so only the user's own file is read.
            if os.fstat(stream.fileno()).st_uid != os.getuid():
                return {}
            entries: _Entries = pickle.load(stream)
    except Exception:
        # A damaged cache counts as absent, whatever error it causes.
        return {}
    return entries


@cache
def _code() -> str:
    """A digest of this package's code, as another version may find something else in a file."""
    files = sorted(Path(__file__).parents[1].rglob("*.py"))
    return _digest("\0".join(file.read_text("utf-8") for file in files))


def _digest(text: str) -> str:
    return xxhash.xxh3_128_hexdigest(os.fsencode(text))
