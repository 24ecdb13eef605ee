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

from cpexport.files.walk import Listed
from cpexport.jobs.stamps import Stamps
from cpexport.loading.cache_file import CacheFile
from cpexport.loading.inspection import Inspected, Known
from cpexport.sources.detect import Found
from cpexport.sources.folder_content import Place

FOLDERS: Final = (
    "folders (state TEXT, signature TEXT, stamp TEXT, sources INTEGER, UNIQUE (state, signature))"
)
"""The table of the cache: a row for each source, with the number of sources in its folder."""
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
        self._above: set[str] = set()

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
        self._above.add(listed.real.rpartition(os.sep)[0])
        return True

    @property
    def stamps(self) -> frozenset[str]:
        """The digests of batch files in the stamps of folders that were passed over."""
        texts = self._rows.filter(pa.array(self._passed))["stamp"]
        return frozenset(pc.unique(texts).to_pylist()) - {""}

    def known(self, others: Iterable[str]) -> Collection[str]:
        """The signatures of the batches in folders that were passed over, and those of others."""
        passed = self._rows.filter(pa.array(self._passed))["signature"]
        return Signatures(passed, pa.array(list(others), pa.string()))

    def allow(self, found: Found) -> bool:
        """Whether nothing that was found can concern a folder that was passed over."""
        if not self._passed.any():
            return True
        jobs = [place.folder.path for place in found.listed if place.is_a_jobs]
        beginnings = tuple(os.path.join(os.path.realpath(path), "") for path in jobs)  # noqa: PTH118
        above_jobs = any(f"{folder}{os.sep}".startswith(beginnings) for folder in self._above)
        return not above_jobs and all(place.is_plain for place in found.listed)

    def note(self, found: Found, items: Sequence[Inspected], stamps: Stamps) -> None:
        """Stores the folders that are new, if their batches depend on nothing elsewhere."""
        states = np.array([place.state for place in found.listed], f"S{_USED}")
        new = (~np.isin(states, self._cached)).tolist()
        reported = {Path(left.path).parent for left in found.not_read}
        places = [
            place
            for place, is_new in zip(found.listed, new, strict=True)
            if is_new and _is_a_batches(place) and place.folder.path not in reported
        ]
        if not places or not all(place.is_plain for place in found.listed):
            return
        homes = _homes(items)
        rows: dict[str, list[Any]] = {name: [] for name in _NOTHING.column_names}
        if 2 * (int(self._passed.sum()) + len(states)) < len(self._cached):
            # Most of what is stored was changed or deleted since.
            self._file.write("DELETE FROM folders WHERE ?", {"all": [1]})
            rows = self._rows.filter(pa.array(self._passed)).to_pydict()
        for place in places:
            signatures = homes.get(place.folder.path, [])
            stamp = stamps.sha256.get(place.folder.path, "")
            if all(signatures) and bool(stamp) == place.folder.stamped:
                for signature in signatures:
                    row = (place.state.decode(), signature, stamp, len(signatures))
                    for column, value in zip(rows.values(), row, strict=True):
                        column.append(value)
        self._file.write("INSERT OR IGNORE INTO folders VALUES (?, ?, ?, ?)", rows)


class Signatures(Collection[str]):
    """Signatures of sources, sorted in one array: there can be a million."""

    def __init__(self, *texts: pa.ChunkedArray | pa.Array) -> None:
        self._texts = np.sort(np.concatenate([_fixed(some, _LENGTH, _LENGTH) for some in texts]))

    def __len__(self) -> int:
        return len(self._texts)

    def __iter__(self) -> Iterator[str]:
        return (text.decode() for text in self._texts)

    def __contains__(self, signature: object) -> bool:
        wanted = str(signature).encode()
        place = np.searchsorted(self._texts, wanted)
        return bool(place < len(self._texts) and self._texts[place] == wanted)


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


def _is_a_batches(place: Place) -> bool:
    """Whether a folder has nothing that belongs to no batch."""
    folder = place.folder
    return bool(place.state) and not (folder.unread or folder.packed or folder.batch_file)


def _homes(items: Iterable[Inspected]) -> dict[Path, list[str]]:
    """The signatures of the sources in each folder; an empty one for what depends on more."""
    homes: dict[Path, list[str]] = {}
    for item in items:
        files = item.source.evidence_files or ()
        folders = {file.parent for file in (*item.source.files, *files)}
        for folder in folders or {item.source.path}:
            alone = len(folders) == 1
            homes.setdefault(folder, []).append(item.signature if alone and files else "")
    return homes


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
