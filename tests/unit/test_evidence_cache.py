"""What outputs were found to hold is remembered, until their files are touched."""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.fixtures import Ran, rewritten, unpacked

from cpexport._sqlite_adbc import Connection
from cpexport.imagesets import ImageSets
from cpexport.loading.survey import survey
from cpexport.sources.hdf5.source import Hdf5Source
from cpexport.sources.spreadsheet.source import SpreadsheetSource


@dataclass
class Looks:
    """Which batches were looked at."""

    names: list[str] = field(default_factory=list)

    def since(self) -> list[str]:
        names, self.names = sorted(self.names), []
        return names


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Looks:
    """Counts real inspections; nothing is remembered from before."""
    seen = Looks()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for kind in (Hdf5Source, SpreadsheetSource):

        def inspect(self: Hdf5Source, real: Callable[..., object] = kind.inspect) -> object:
            seen.names.append(self.path.name)
            return real(self)

        monkeypatch.setattr(kind, "inspect", inspect)
    return seen


def settled(folder: Path) -> Path:
    """The folder, all its files written longer ago than clocks tick."""
    newest = max(file.stat().st_ctime for file in folder.rglob("*"))
    time.sleep(max(newest + 2.1 - time.time(), 0))
    return folder


def complete(outputs: Path) -> list[tuple[str, str, ImageSets, ImageSets]]:
    return [
        (batch.source.path.name, batch.reason, batch.image_sets, batch.complete)
        for batch in survey([outputs]).batches
    ]


@pytest.mark.parametrize(
    "name", ["10_ranges", "12_failed", "13_groups", "40_spreadsheet", "70_cp319", "20_sqlite"]
)
def test_a_second_look_finds_the_same(looks: Looks, name: str) -> None:
    outputs = unpacked(name)

    first, second = survey([outputs]), survey([outputs])

    assert [b.features for b in second.batches] == [b.features for b in first.batches]
    assert complete(outputs) == [
        (b.source.path.name, b.reason, b.image_sets, b.complete) for b in first.batches
    ]


def test_what_was_not_touched_is_not_looked_at_again(looks: Looks) -> None:
    outputs = unpacked("10_ranges") / "outputs"

    first = complete(outputs)
    names = looks.since()
    second = complete(outputs)

    assert names == ["batch_13_18", "batch_19_24", "batch_1_6", "batch_7_12"]
    assert looks.since() == []
    assert second == first


def test_a_file_changed_behind_its_times_is_looked_at_again(
    looks: Looks, copy: Callable[..., Path]
) -> None:
    outputs = settled(copy("11_h5_and_csv", "outputs"))
    complete(outputs)
    looks.since()
    (file,) = (outputs / "batch_7_12").glob("*.h5")
    before = file.stat()

    rewritten(file, "Experiment", "Exit_Status", lambda old: ["Failure" for _ in old])
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    again = complete(outputs)

    assert looks.since() == ["batch_7_12"]
    assert [reason for name, reason, *_ in again if name == "batch_7_12"] != [""]


def test_a_file_replaced_by_another_as_long_and_as_old_is_looked_at_again(
    looks: Looks, copy: Callable[..., Path]
) -> None:
    outputs = settled(copy("10_ranges", "outputs"))
    complete(outputs)
    looks.since()
    file = outputs / "batch_1_6" / "Image.csv"
    before, text = file.stat(), file.read_bytes()

    other = file.with_name("other")
    other.write_bytes(text.replace(b"\r\n6,", b"\r\n5,") if b"\r\n6," in text else text[::-1])
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(file)
    complete(outputs)

    assert looks.since() == ["batch_1_6"]


def test_what_was_written_just_now_is_not_remembered(
    looks: Looks, copy: Callable[..., Path]
) -> None:
    outputs = copy("10_ranges", "outputs/batch_1_6")
    (outputs / "Image.csv").touch()

    complete(outputs)
    complete(outputs)

    assert looks.since() == ["batch_1_6"] * 2


def test_a_damaged_memory_is_as_good_as_none(looks: Looks, tmp_path: Path) -> None:
    outputs = unpacked("10_ranges") / "outputs"
    first = complete(outputs)
    (file,) = (tmp_path / "cache" / "cpexport").iterdir()
    whole = file.read_bytes()

    for damaged in (b"", whole[: len(whole) // 2], whole[::-1], b"cos\nsystem\n", os.urandom(999)):
        file.write_bytes(damaged)
        looks.since()
        assert complete(outputs) == first
        assert len(looks.since()) == 4
    assert complete(outputs) == first
    assert looks.since() == []


@pytest.mark.parametrize("planted", ["link", "writable", "folder"])
def test_a_memory_that_others_can_write_is_not_read(
    looks: Looks, tmp_path: Path, planted: str
) -> None:
    outputs = unpacked("10_ranges") / "outputs"
    complete(outputs)
    home = tmp_path / "cache" / "cpexport"
    (file,) = home.iterdir()
    if planted == "link":
        file.symlink_to(file.rename(tmp_path / "elsewhere"))
    else:
        (file if planted == "writable" else home).chmod(0o777)
    looks.since()

    complete(outputs)

    assert len(looks.since()) == 4


def test_evidence_that_was_changed_in_the_memory_is_not_used(looks: Looks, tmp_path: Path) -> None:
    outputs = unpacked("10_ranges") / "outputs"
    first = complete(outputs)
    (file,) = (tmp_path / "cache" / "cpexport").iterdir()
    connection = Connection(str(file))
    connection.rows("UPDATE evidence SET evidence = replace(evidence, 'present', 'absent')")
    connection.close()
    looks.since()

    assert complete(outputs) == first
    assert len(looks.since()) == 4


def test_where_nothing_can_be_remembered_all_is_looked_at(
    looks: Looks, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    outputs = unpacked("10_ranges") / "outputs"
    (tmp_path / "file").write_text("")

    # A file where the folder should be, and a name that no file system takes.
    for place in ("file", 300 * "x"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / place))
        assert complete(outputs) == complete(outputs)
        assert len(looks.since()) == 8


def test_check_says_the_same_when_it_remembers(
    cpexport: Callable[..., Ran], tmp_path: Path
) -> None:
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    words = ("check", unpacked("12_failed") / "outputs", "--format", "json", "--quiet")

    first = cpexport(*words, env=env)
    remembered = len(list((tmp_path / "cache" / "cpexport").iterdir()))
    second = cpexport(*words, env=env)
    shutil.rmtree(tmp_path / "cache")
    third = cpexport(*words, env=env)

    assert remembered == 1
    assert first.out == second.out == third.out != ""
    assert first.status == second.status == third.status
