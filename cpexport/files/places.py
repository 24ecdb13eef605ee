"""Places of files and folders: paths of this machine, and of buckets (`s3://bucket/prefix`).

A `RemotePath` is a `Path`, and answers the questions that the program asks of paths. Everything
that opens one passes `files.opening`, and whatever lists one passes `files.walk`.
"""

import fnmatch
import os
from collections.abc import Iterator
from pathlib import Path, PosixPath
from stat import S_IFREG
from urllib.parse import unquote, urlsplit

import xxhash

from cpexport.errors import SourceError
from cpexport.files import listings
from cpexport.files.buckets import SCHEMES, Bucket, BucketError, Entry, bucket
from cpexport.files.explained import unreadable

_BEGINNINGS = frozenset(f"{scheme}:" for scheme in SCHEMES)


def path_of(text: str | os.PathLike[str]) -> Path:
    """The path that a user means by a path or a URL.

    >>> path_of("s3://bucket/plate 1"), path_of("file:///data/plate%201")
    (RemotePath('s3://bucket/plate 1'), PosixPath('/data/plate 1'))
    >>> path_of("outputs"), path_of(path_of("s3://bucket/a").parent)
    (PosixPath('outputs'), RemotePath('s3://bucket'))
    """
    path = Path(text)
    if isinstance(path, RemotePath) or not path.parts:
        return path
    beginning = path.parts[0].lower()
    if beginning in _BEGINNINGS and len(path.parts) > 1:
        return RemotePath(beginning, *path.parts[1:])
    if beginning == "file:":
        return Path(unquote(urlsplit("/" + "/".join(path.parts[1:])).path))
    return path


def real(path: str | os.PathLike[str]) -> str:
    """A path without links, as text."""
    return str(path) if isinstance(path, RemotePath) else os.path.realpath(path)


def is_on_disk(path: Path) -> bool:
    """Whether programs other than this one can open a path."""
    return not isinstance(path, RemotePath)


def state(path: Path) -> str:
    """What changes when a file does: its size and time, and in a bucket also its tag.

    Raises:
        OSError: it does not exist.
    """
    known = path.stat()
    # Times of objects are whole seconds.
    tag = f"\0{path.entry().tag}" if isinstance(path, RemotePath) else ""
    return f"{path.resolve()}\0{known.st_size}\0{known.st_mtime_ns}{tag}"


def listed(folder: Path, suffixes: tuple[str, ...]) -> Iterator[tuple[str, os.stat_result]]:
    """Yields the paths of the files in a folder that end so and are not hidden, each with what the
    system says about it; of a bucket, only what was listed.

    Raises:
        OSError: the folder cannot be listed.
    """
    if isinstance(folder, RemotePath):
        for name in listings.names(folder):
            if name.endswith(suffixes):
                yield str(folder / name), (folder / name).stat()
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or not entry.name.endswith(suffixes):
                continue
            try:
                yield entry.path, entry.stat()
            except FileNotFoundError:
                # Deleted since the folder was listed.
                continue


class RemotePath(PosixPath):
    """An object of a bucket, or all objects whose names begin with it and a slash: a folder.

    Its text is its URL, with the object's name as it is, not quoted. Python itself would write one
    slash after the colon.
    """

    __slots__ = ()

    def __str__(self) -> str:
        scheme, colon, rest = super().__str__().partition(":/")
        return f"{scheme}://{rest.lstrip('/')}" if colon else scheme

    def __fspath__(self) -> str:
        return str(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[type["RemotePath"], tuple[str, ...]]:
        return RemotePath, (str(self),)

    @property
    def key(self) -> str:
        """The name in the bucket; empty for the bucket itself."""
        return "/".join(self.parts[2:])

    @property
    def bucket(self) -> Bucket:
        """The bucket.

        Raises:
            UsageError: as `Bucket`.
        """
        return bucket(self.parts[0][:-1], self.parts[1])

    def entry(self) -> Entry:
        """What is known of the object; asks the bucket, unless it was listed.

        Raises:
            BucketError: it does not exist, or cannot be read.
        """
        return listings.entry(self) or self.bucket.entry(self.key)

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """The size and time of the object, and a number that changes with its tag as inode.

        Raises:
            BucketError: as `entry`.
        """
        entry = self.entry()
        seconds = entry.modified // 10**9
        inode = xxhash.xxh3_64_intdigest(entry.tag.encode())
        numbers = (S_IFREG | 0o444, inode, 0, 1, os.getuid(), 0, entry.size, *[seconds] * 3)
        return os.stat_result(numbers, {f"st_{n}_ns": entry.modified for n in ("mtime", "ctime")})

    def lstat(self) -> os.stat_result:
        return self.stat()

    def is_file(self, **_: bool) -> bool:
        if len(self.parts) < 3:
            return False
        try:
            return bool(self.entry())
        except BucketError:
            return False

    def is_dir(self, **_: bool) -> bool:
        """Whether there is an object below it, or it is a bucket.

        Raises:
            SourceError: the bucket cannot be listed.
        """
        if len(self.parts) < 2 or listings.is_folder(self):
            return len(self.parts) > 1
        if listings.entry(self):
            return False
        try:
            for page in self.bucket.pages(self.key):
                if any(key != self.key for key, _ in page):
                    listings.note_folder(self)
                    return True
        except BucketError as error:
            raise _unlisted(self, error) from error
        return not self.key

    def exists(self, **_: bool) -> bool:
        return self.is_file() or self.is_dir()

    def is_symlink(self) -> bool:
        return False

    def is_absolute(self) -> bool:
        return True

    def absolute(self) -> "RemotePath":
        return self

    def resolve(self, strict: bool = False) -> "RemotePath":
        return self

    def glob(self, pattern: str, **_: object) -> Iterator["RemotePath"]:  # type: ignore[override]
        """The files of this folder whose names match; only those that were listed."""
        for name in listings.names(self):
            if fnmatch.fnmatchcase(name, pattern):
                yield self / name


def _unlisted(path: RemotePath, error: BucketError) -> SourceError:
    return unreadable(path, error, "check the URL")
