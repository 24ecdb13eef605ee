"""Sequences and sets that keep only some bytes of each item in memory."""

import errno
import os
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from cpexport.files import digest_set, spool
from cpexport.files.digest_set import DigestSet
from cpexport.files.spool import Picked, Spool
from cpexport.loading.known_folders import Signatures

ITEMS = [("x" * (n % 50), n) for n in range(200)]


def full_after(size: int) -> Callable[[int, bytes, int], int]:
    """A `pwrite` to a disk with so much room."""
    real = os.pwrite

    def pwrite(file: int, data: bytes, offset: int) -> int:
        if offset >= size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(file, data[: size - offset], offset)

    return pwrite


@pytest.fixture(params=["file", "full disk", "no folder", "small"])
def spooled(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Spool[tuple[str, int]]:
    """The items in a file, in memory because files cannot be written, or in memory as too few."""
    if request.param != "small":
        monkeypatch.setattr(spool, "_BLOCK", 64)
    if request.param == "no folder":
        monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    if request.param == "full disk":
        monkeypatch.setattr(os, "pwrite", full_after(5000))
    return Spool(ITEMS)


def test_items_come_back_in_any_order(spooled: Spool[tuple[str, int]]) -> None:
    assert list(spooled) == ITEMS
    assert spooled == ITEMS
    assert [spooled[place] for place in (199, 0, -1, 7)] == [
        ITEMS[place] for place in (199, 0, -1, 7)
    ]
    assert spooled[3:6] == ITEMS[3:6]
    assert list(Picked(spooled, [5, 2])) == [ITEMS[5], ITEMS[2]]
    assert pickle.loads(pickle.dumps(spooled)) == ITEMS


def test_an_item_can_be_replaced(spooled: Spool[tuple[str, int]]) -> None:
    spooled[4] = ("long" * 1000, -1)

    assert list(spooled) == [*ITEMS[:4], ("long" * 1000, -1), *ITEMS[5:]]


def test_what_is_shared_stays_one_object() -> None:
    shared = {"a": 1}
    spooled: Spool[tuple[dict[str, int], Path]] = Spool()
    spooled.share(shared)
    spooled.append((shared, Path("a")))
    spooled.append((dict(shared), Path("b")))

    assert spooled[0][0] is shared
    assert spooled[1] == (shared, Path("b"))
    assert spooled[1][0] is not shared


def test_a_set_of_digests_knows_each_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest_set, "_FEW", 8)
    texts = [f"{n}\udcff" for n in range(100)]
    found, other = DigestSet(), DigestSet()

    assert [found.add(text) for text in (*texts, *texts)] == [True] * 100 + [False] * 100
    assert all(text in found for text in texts)
    assert "100" not in found
    assert found.isdisjoint(other)
    assert other.add(texts[50])
    assert not found.isdisjoint(other)


def test_signatures_are_found_in_whatever_order_they_came() -> None:
    texts = [f"{n:064x}" for n in (5, 3, 9, 1)]
    found = Signatures()
    found.extend(pa.array(texts))
    assert [text in found for text in (*texts, f"{4:064x}")] == [True] * 4 + [False]

    found.append(f"{4:064x}")
    assert len(found) == len(list(found)) == 5
    assert all(text in found for text in (*texts, f"{4:064x}"))
