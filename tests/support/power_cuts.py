"""A disk that can lose its power: an ext4 file system in a file, for root."""

import fcntl
import os
import shutil
import struct
import subprocess
from pathlib import Path

# EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH: nothing more gets to the disk, not even what
# the journal of the file system holds.
_SHUTDOWN, _NO_LOG_FLUSH = 0x8004587D, 2
# Not on the PATH of everybody who can run it.
_MKFS = shutil.which("mkfs.ext4", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


class NoDiskError(Exception):
    """Why such a disk cannot be had."""


class Disk:
    """A disk of its own, which can lose its power.

    Raises:
        NoDiskError: it cannot be made here.
    """

    def __init__(self, home: Path) -> None:
        if os.geteuid() != 0 or _MKFS is None:
            raise NoDiskError("a power cut needs root and mkfs.ext4")
        self.image, self.folder = home / "disk.img", home / "disk"
        self.folder.mkdir()
        with self.image.open("wb") as file:
            file.truncate(300 << 20)
        try:
            self._run(_MKFS, "-q", self.image)
            self.mount()
        except (subprocess.CalledProcessError, OSError) as error:
            raise NoDiskError(
                f"a power cut needs a loop mount, which this machine refuses: {error}"
            ) from error

    def _run(self, *words: object) -> None:
        subprocess.run([str(word) for word in words], check=True, capture_output=True)

    def mount(self) -> None:
        self._run("mount", "-o", "loop", self.image, self.folder)

    def unmount(self) -> None:
        self._run("umount", self.folder)

    def cut_power(self) -> None:
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(folder)

    def close(self) -> None:
        subprocess.run(["umount", "--lazy", self.folder], check=False, capture_output=True)
