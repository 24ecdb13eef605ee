"""A small disk of its own that can be filled, where root may mount one; else a folder."""

import os
import subprocess
from pathlib import Path

_PAGE = 4096


class Disk:
    """Made by `mounted`, gone by `close`."""

    def __init__(self, folder: Path, mebibytes: int = 256) -> None:
        folder.mkdir()
        self.folder, self.full = folder, False
        words = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "none", str(folder)]
        done = os.getuid() == 0 and subprocess.run(words, capture_output=True, check=False)
        self.is_mounted = bool(done) and done.returncode == 0 if done else False

    @property
    def _filler(self) -> Path:
        return self.folder / ".filler"

    def fill(self, pages: int) -> str:
        """Leaves room for so many pages; nothing where the disk is not one of its own."""
        if not self.is_mounted:
            return ""
        free = os.statvfs(self.folder)
        size = free.f_bavail * free.f_frsize
        with self._filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size - size % _PAGE)
        size = self._filler.stat().st_size
        os.truncate(self._filler, max(size - pages * _PAGE, 0))
        self.full = True
        return f"room for {pages} pages"

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)
        self.full = False

    def close(self) -> None:
        if self.is_mounted:
            subprocess.run(["umount", "-l", str(self.folder)], check=True)
