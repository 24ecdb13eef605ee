"""A set of texts, such as the paths of a million folders, with 16 bytes of memory for each."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import xxhash

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_FEW: Final = 4096


class DigestSet:
    """Texts, known by 128 bits of a digest of each. They can be paths that are not UTF-8."""

    def __init__(self) -> None:
        self._new: set[bytes] = set()
        self._sorted: npt.NDArray[np.bytes_] | None = None
        self._most = _FEW

    def add(self, text: str) -> bool:
        """Adds a text; returns whether it is new."""
        digest = _digest(text)
        if self._has(digest):
            return False
        self._new.add(digest)
        if len(self._new) > self._most:
            self._merge()
        return True

    def __contains__(self, text: str) -> bool:
        return self._has(_digest(text))

    def isdisjoint(self, other: "DigestSet") -> bool:
        """Whether no text is in both."""
        return not any(map(other._has, self._digests()))

    def _digests(self) -> Iterator[bytes]:
        yield from self._new
        if self._sorted is not None:
            # Arrays of bytes drop the NUL bytes at the end of each.
            yield from (digest.ljust(16, b"\0") for digest in self._sorted)

    def _has(self, digest: bytes) -> bool:
        if digest in self._new:
            return True
        if self._sorted is None:
            return False
        place = self._sorted.searchsorted(digest)
        return bool(place < len(self._sorted) and self._sorted[place] == digest.rstrip(b"\0"))

    def _merge(self) -> None:
        import numpy as np

        parts = [np.array(list(self._new), "S16")]
        if self._sorted is not None:
            parts.append(self._sorted)
        self._sorted = np.sort(np.concatenate(parts))
        self._new = set()
        self._most = max(_FEW, len(self._sorted) // 16)


def _digest(text: str) -> bytes:
    return xxhash.xxh3_128_digest(text.encode("utf-8", "surrogatepass"))
