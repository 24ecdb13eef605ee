"""Caches the evidence of job outputs, so that unchanged files are inspected only once."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

import pyarrow as pa

from cpexport.files.walk import SETTLED
from cpexport.loading import evidence_json
from cpexport.loading.cache_file import CacheFile, digest
from cpexport.sources.base import Evidence, Source
from cpexport.sources.spreadsheet.source import SpreadsheetSource

EVIDENCE: Final = "evidence (path TEXT PRIMARY KEY, key TEXT, evidence TEXT, digest TEXT)"
SHARED: Final = "shared (digest TEXT PRIMARY KEY, text TEXT)"
"""The cache's tables. Paths are stored as digests; `digest` is that of the row itself."""
_AT_ONCE: Final = 200
_DAMAGED: Final = (ValueError, KeyError, TypeError, AttributeError, IndexError, pa.ArrowException)


class EvidenceCache:
    """The evidence of outputs below some folders, keyed by the state of their files."""

    def __init__(self, file: CacheFile) -> None:
        self._file = file
        self._reader = evidence_json.Reader(self._text)
        self._noted: dict[str, list[str]] = {"path": [], "key": [], "evidence": [], "digest": []}
        self._shared: dict[str, str] = {}

    def evidence(self, keys: Mapping[Path, str]) -> dict[Path, Evidence]:
        """Returns the cached evidence of sources by path, of those whose key is still the same."""
        found: dict[Path, Evidence] = {}
        rest = iter([path for path, key in keys.items() if key])
        while some := {digest(str(path)): path for path in islice(rest, _AT_ONCE)}:
            places = ",".join("?" * len(some))
            rows = self._file.table(f"SELECT * FROM evidence WHERE path IN ({places})", *some)
            for row in rows.to_pylist() if rows is not None else ():
                with suppress(*_DAMAGED):
                    path = some[row["path"]]
                    whole = row["digest"] == _digest_of(row["path"], row["key"], row["evidence"])
                    if whole and row["key"] == keys[path]:
                        found[path] = self._reader.evidence(row["evidence"])
        return found

    def key(self, source: Source) -> str:
        """Returns a digest of what a source's evidence depends on; empty if it cannot be cached."""
        if source.evidence_files is None:
            return ""
        parts = [_described(source)]
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
        return "" if newest / 1e9 > time.time() - SETTLED else digest("\0".join(parts))

    def note(self, source: Source, key: str, evidence: Evidence) -> None:
        """Stores evidence if the source's `key`, taken before the inspection, has not changed."""
        if not key or key != self.key(source):
            return
        try:
            text = evidence_json.to_json(evidence, self._share)
        except KeyError:
            return
        path = digest(str(source.path))
        row = (path, key, text, _digest_of(path, key, text))
        for column, value in zip(self._noted.values(), row, strict=True):
            column.append(value)
        if len(self._noted["path"]) >= _AT_ONCE:
            self.keep()

    def keep(self) -> None:
        """Writes new evidence to disk, if possible; of several processes the last one wins."""
        shared = {"digest": list(self._shared), "text": list(self._shared.values())}
        self._file.write("INSERT OR REPLACE INTO shared VALUES (?, ?)", shared)
        self._file.write("INSERT OR REPLACE INTO evidence VALUES (?, ?, ?, ?)", self._noted)
        self._noted = {name: [] for name in self._noted}

    def _share(self, text: str) -> str:
        key = digest(text)
        self._shared[key] = text
        return key

    def _text(self, key: str) -> str:
        rows = self._file.table("SELECT text FROM shared WHERE digest = ?", key)
        for text in rows["text"].to_pylist() if rows is not None else ():
            if digest(text) == key:
                return str(text)
        raise KeyError(key)


def _digest_of(*parts: str) -> str:
    return digest("\0".join(parts))


def _described(source: Source) -> str:
    """A source as text, with the digest of its pipeline, whose text is long."""
    if isinstance(source, SpreadsheetSource) and source.hint:
        return f"{replace(source, hint=None)!r} {source.hint.digest}"
    return repr(source)
