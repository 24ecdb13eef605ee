"""Passes over folders whose batches a destination has, as long as nothing in them has changed.

A load of 100,000 batches with nothing new would otherwise look at the names and headers of all
files again. The cache has the state of each folder that one or more batches have for themselves,
and their signatures; the ledger says which of these are loaded.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cpexport.files.digest_set import DigestSet
from cpexport.files.listed import Listed
from cpexport.files.places import path_of, real
from cpexport.jobs.stamps import Stamps
from cpexport.loading.cache_file import CacheFile
from cpexport.loading.inspection import Inspected, Known
from cpexport.sources.detect import Found
from cpexport.sources.folder_content import Place

FOLDERS: Final = (
    "folders (state TEXT, signature TEXT, stamp TEXT, sources INTEGER, UNIQUE (state, signature))"
)
"""The table of the cache: a row for each source, with the number of sources in its folder."""
_INSERTED: Final = "INSERT OR IGNORE INTO folders VALUES (?, ?, ?, ?)"
_LENGTH: Final = 64
# Half of the digits of a SHA-256 are enough to tell signatures apart.
_USED: Final = 32
_FEW: Final = 1000
_Texts = npt.NDArray[np.bytes_]


class KnownFolders:
    """The folders below OUTPUTS with batches that are `known`."""

    def __init__(self, file: CacheFile, known: Known) -> None:
        self._file = file
        rows = _read(file)
        self._cached = np.unique(_fixed(rows["state"], _USED, _USED))
        self._rows = rows.filter(pa.array(_loaded(rows["signature"], known)))
        self._states = _fixed(self._rows["state"], _USED, _USED)
        self._sources = self._rows["sources"].to_numpy()
        self._order = np.argsort(self._states, kind="stable")
        self._sorted = self._states[self._order]
        self.begin()

    def begin(self) -> None:
        """Forgets which folders were passed over, before they are walked again."""
        self._passed = np.zeros(len(self._states), bool)
        self._next = 0
        self._above = DigestSet()

    def skip(self, listed: Listed) -> bool:
        """Whether all batches of a folder are known, and it is as it was."""
        if not listed.state or not len(self._states):
            return False
        # Folders are walked in the order in which they were stored.
        place = self._next
        if place == len(self._states) or self._states[place] != listed.state:
            found = np.searchsorted(self._sorted, listed.state)
            if found == len(self._sorted) or self._sorted[found] != listed.state:
                return False
            place = int(self._order[found])
        last = place
        while last < len(self._states) and self._states[last] == listed.state:
            last += 1
        if last - place != self._sources[place]:
            return False
        self._passed[place:last] = True
        self._next = last
        above = listed.real
        while above and self._above.add(above):
            above = above.rpartition(os.sep)[0]
        return True

    def has_passed(self, path: str) -> bool:
        """Whether a folder, by its path without links, or one below it was passed over."""
        return path in self._above

    @property
    def stamps(self) -> frozenset[str]:
        """The digests of batch files in the stamps of folders that were passed over."""
        texts = self._rows.filter(pa.array(self._passed))["stamp"]
        return frozenset(pc.unique(texts).to_pylist()) - {""}

    def known(self, others: "Signatures") -> "Signatures":
        """The signatures of the batches in folders that were passed over, and those of others."""
        others.extend(self._rows.filter(pa.array(self._passed))["signature"])
        return others

    def allow(self, found: Found) -> bool:
        """Whether nothing that was found can concern a folder that was passed over."""
        if not self._passed.any():
            return True
        jobs = (place.folder.path for place in found.listed if place.is_a_jobs)
        above_jobs = any(real(path) in self._above for path in jobs)
        return found.traits.plain and not above_jobs

    def noting(self, found: Found, stamps: Stamps) -> "FolderNotes":
        """Stores the folders that are new, if their batches depend on nothing elsewhere."""
        states = len(found.listed)
        kept = None
        if 2 * (int(self._passed.sum()) + states) < len(self._cached):
            # Most of what is stored was changed or deleted since.
            kept = self._rows.filter(pa.array(self._passed))
        return FolderNotes(self._file, found, stamps, self._cached, kept)


class FolderNotes:
    """Stores the folders with the batches of some sources, which come in the order of `found`.

    cached: the states that are stored already.
    kept: all that shall stay stored; None for everything.
    """

    def __init__(
        self,
        file: CacheFile,
        found: Found,
        stamps: Stamps,
        cached: _Texts,
        kept: pa.Table | None,
    ) -> None:
        self._file, self._cached, self._kept = file, cached, kept
        self._is_worth_it, self._apart = found.traits.plain, found.traits.apart
        self._reported = {path_of(left.path).parent for left in found.not_read}
        self._places = _stamped(found.listed, stamps)
        self._homes: dict[Path, list[str]] = {}
        self._rows: dict[str, list[Any]] = {name: [] for name in _NOTHING.column_names}

    def add(self, item: Inspected) -> None:
        """Takes the next source."""
        if not self._is_worth_it:
            return
        files = item.source.evidence_files or ()
        folders = {file.parent for file in (*item.source.files, *files)}
        if self._apart and self._homes.keys().isdisjoint(folders):
            # No later source is in the same folder.
            self._store()
        for folder in folders or {item.source.path}:
            alone = len(folders) == 1
            self._homes.setdefault(folder, []).append(item.signature if alone and files else "")

    def close(self) -> None:
        """Stores what is left, after the last source."""
        self._store()
        self._write()

    def _store(self) -> None:
        """Stores the folders of the sources that came since the last time."""
        while self._homes:
            place, stamp = next(self._places, (None, ""))
            if place is None:
                self._homes.clear()
            elif signatures := self._homes.pop(place.folder.path, []):
                is_whole = all(signatures) and bool(stamp) == place.folder.stamped
                if is_whole and self._is_new(place):
                    self._add(place, signatures, stamp)

    def _is_new(self, place: Place) -> bool:
        """Whether a folder is not stored yet, and has nothing that belongs to no batch."""
        folder = place.folder
        if not place.state or folder.unread or folder.packed or folder.batch_file:
            return False
        at = self._cached.searchsorted(place.state)
        if at < len(self._cached) and self._cached[at] == place.state:
            return False
        return folder.path not in self._reported

    def _add(self, place: Place, signatures: Sequence[str], stamp: str) -> None:
        for signature in signatures:
            row = (place.state.decode(), signature, stamp, len(signatures))
            for column, value in zip(self._rows.values(), row, strict=True):
                column.append(value)
        if len(self._rows["state"]) >= _FEW:
            self._write()

    def _write(self) -> None:
        rows, self._rows = self._rows, {name: [] for name in self._rows}
        if self._kept is not None and rows["state"]:
            self._file.write("DELETE FROM folders WHERE ?", {"all": [1]})
            self._file.write(_INSERTED, self._kept.to_pydict())
            self._kept = None
        self._file.write(_INSERTED, rows)


def _stamped(places: Iterable[Place], stamps: Stamps) -> Iterator[tuple[Place, str]]:
    """Each place with the digest in its stamp; empty without one."""
    digests = stamps.each()
    for place in places:
        yield place, next(digests, "") if place.folder.stamped else ""


class Signatures(Collection[str]):
    """Signatures of sources, sorted in one array when one is looked up: there can be a million."""

    def __init__(self) -> None:
        self._sorted = np.empty(0, f"S{_LENGTH}")
        self._parts: list[_Texts] = []
        self._new: list[str] = []

    def append(self, signature: str) -> None:
        self._new.append(signature)
        if len(self._new) >= _FEW:
            self._pack()

    def extend(self, texts: pa.ChunkedArray | pa.Array) -> None:
        self._parts.append(_fixed(texts, _LENGTH, _LENGTH))

    def __len__(self) -> int:
        return len(self._texts)

    def __iter__(self) -> Iterator[str]:
        return (text.decode() for text in self._texts)

    def __contains__(self, signature: object) -> bool:
        texts, wanted = self._texts, str(signature).encode()
        place = np.searchsorted(texts, wanted)
        return bool(place < len(texts) and texts[place] == wanted)

    def _pack(self) -> None:
        self.extend(pa.array(self._new, pa.string()))
        self._new = []

    @property
    def _texts(self) -> _Texts:
        if self._new:
            self._pack()
        if self._parts:
            self._sorted = np.sort(np.concatenate([self._sorted, *self._parts]))
            self._parts = []
        return self._sorted


def _read(file: CacheFile) -> pa.Table:
    """The cached rows; none if they are not what `note` writes."""
    rows = file.table("SELECT state, signature, stamp, sources FROM folders ORDER BY rowid")
    if rows is None or not rows.num_rows:
        return _NOTHING
    try:
        rows = rows.cast(_NOTHING.schema)
    except pa.ArrowException:
        return _NOTHING
    lengths = (("state", _USED), ("signature", _LENGTH))
    whole = all(
        pc.all(pc.equal(pc.binary_length(rows[name]), length)).as_py() for name, length in lengths
    )
    return rows if whole and not any(c.null_count for c in rows.columns) else _NOTHING


def _loaded(signatures: pa.ChunkedArray, known: Known) -> npt.NDArray[np.bool_]:
    """Which of the signatures are known. All that are known are read only for many."""
    wanted = _fixed(signatures, _LENGTH, _USED)
    if len(wanted) <= _FEW:
        few = known.settled_among(signatures.to_pylist())
        some: Iterable[pa.Array] = [pa.array(list(few), pa.string())]
    else:
        some = known.settled_signatures()
    loaded = (_fixed(texts, _LENGTH, _USED) for texts in some)
    return np.isin(wanted, np.concatenate([wanted[:0], *loaded]))


def _fixed(texts: pa.ChunkedArray | pa.Array, length: int, used: int) -> _Texts:
    """The first characters of the texts that have this length."""
    texts = texts.filter(pc.equal(pc.binary_length(texts), length))
    columns = _bytes(texts).reshape(-1, length)[:, :used]
    return np.ascontiguousarray(columns).view(f"S{used}").reshape(-1)


def _bytes(texts: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.uint8]:
    """The bytes of all texts."""
    chunks = texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]
    parts = []
    for chunk in chunks:
        # A copy, as a chunk can be a part of another one and share its bytes.
        whole = chunk.take(pa.array(np.arange(len(chunk))))
        if size := pc.sum(pc.binary_length(whole)).as_py():
            parts.append(np.frombuffer(whole.buffers()[2], np.uint8)[:size])
    return np.concatenate(parts) if parts else np.empty(0, np.uint8)


_NOTHING: Final = pa.table(
    {
        "state": pa.array([], pa.string()),
        "signature": pa.array([], pa.string()),
        "stamp": pa.array([], pa.string()),
        "sources": pa.array([], pa.int64()),
    }
)
