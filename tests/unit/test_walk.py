"""Folders are walked: regular files, each folder once, and nothing that programs hide."""

import os
import socket
from pathlib import Path

import pytest

from cpexport.errors import SourceError
from cpexport.files.listed import is_hidden
from cpexport.files.walk import walk


def listed(top: Path) -> dict[str, tuple[str, ...]]:
    return {str(one.path.relative_to(top)): one.names for one in walk(top)}


class TestFiles:
    def test_only_regular_files_and_links_to_them_are_listed(self, tmp_path: Path) -> None:
        top = tmp_path / "run"
        top.mkdir()
        (top / "Image.csv").write_text("x")
        (top / "link.csv").symlink_to(top / "Image.csv")
        os.mkfifo(top / "Cells.csv")
        (top / "zero.csv").symlink_to("/dev/zero")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(os.fspath(top / "done.txt"))

            assert listed(top) == {".": ("Image.csv", "link.csv")}

    def test_a_link_that_leads_nowhere_is_listed(self, tmp_path: Path) -> None:
        """As git-annex leaves it: whoever reads it says so."""
        (tmp_path / "Image.csv").symlink_to(tmp_path / "gone")

        assert listed(tmp_path) == {".": ("Image.csv",)}

    @pytest.mark.parametrize(
        "name",
        ["._Image.csv", ".DS_Store", "~$Image.csv", ".#Image.csv", "#Image.csv#", "Image.csv~"],
    )
    def test_what_programs_hide_is_not(self, name: str, tmp_path: Path) -> None:
        (tmp_path / name).write_text("x")
        (tmp_path / "#1_Image.csv").write_text("x")

        assert is_hidden(name)
        assert listed(tmp_path) == {".": ("#1_Image.csv",)}

    def test_hidden_folders_are_not_but_one_that_is_named_is(self, tmp_path: Path) -> None:
        for name in (".snapshot", "__MACOSX", "run"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "Image.csv").write_text("x")

        assert listed(tmp_path) == {".": (), "run": ("Image.csv",)}
        assert listed(tmp_path / ".snapshot") == {".": ("Image.csv",)}


class TestFolders:
    def test_they_come_in_order_of_name_those_above_first(self, tmp_path: Path) -> None:
        for name in ("b", "a/deep", "c"):
            (tmp_path / name).mkdir(parents=True)

        assert list(listed(tmp_path)) == [".", "a", "a/deep", "b", "c"]

    def test_a_link_that_leads_above_or_into_the_system_is_named_and_not_followed(
        self, tmp_path: Path
    ) -> None:
        top = tmp_path / "screen" / "run"
        top.mkdir(parents=True)
        (tmp_path / "screen" / "other.csv").write_text("x")
        (tmp_path / "elsewhere").mkdir()
        for name, to in (("a", "/proc/self"), ("b", ".."), ("c", "/"), ("d", "../../elsewhere")):
            (top / name).symlink_to(to)
        (top / "e").symlink_to(top)
        found = {one.path.name: [why for _, why in one.closed] for one in walk(top)}

        assert found == {
            "run": [],
            "a": [f"is a link to /proc/{os.getpid()}, which is not followed"],
            "b": [f"is a link to {top.parent}, which is not followed"],
            "c": ["is a link to /, which is not followed"],
            "d": [],
        }

    def test_whoever_waits_is_told_how_many_files_were_seen(self, tmp_path: Path) -> None:
        for name in ("a/1", "a/2", "b/3"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("x")
        reported: list[int] = []
        list(walk(tmp_path, reported.append))

        assert reported == [0, 2, 3]

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
    def test_one_that_cannot_be_listed_is_named(self, tmp_path: Path) -> None:
        closed = tmp_path / "closed"
        closed.mkdir(mode=0)
        found = [one.closed for one in walk(tmp_path) if one.closed]

        assert found == [((closed, "cannot be listed: Permission denied"),)]
        with pytest.raises(SourceError, match="cannot be listed"):
            list(walk(closed))
