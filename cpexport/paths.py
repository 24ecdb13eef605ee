"""Where pictures lie, as people's desks see it in place of the cluster."""

import re
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import quote, unquote

import pyarrow as pa

from cpexport.errors import UsageError
from cpexport.features import TEXT

BATCH: Final = "batch"
"""What `--path-map` takes in place of a pair: those of the batch file."""

_FEATURE = re.compile(r"(?:Objects)?(PathName|FileName|URL)_")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_WINDOWS = re.compile(r"[A-Za-z]:(?:[\\/]|$)|\\\\")
_SLASHES = re.compile(r"^/{3,}")
_ONE_SLASH = re.compile(r"file:/(?!/)")
_DRIVE = re.compile(r"///([A-Za-z])[:|]/")


@dataclass(frozen=True)
class PathMap:
    """Folders of the cluster, each with what people call it: a folder, of Windows or not, or a URL.

    The longest that a path begins with counts, whole names only: `/data` is no beginning of
    `/database`. Windows' folders are matched without regard to case.

    >>> paths = PathMap.parse(["/data=/mnt/lab", r"/data/P1=Z:\\P1"])
    >>> paths.path("/data/P2/a.tif"), paths.path("/data/P1/b.tif"), paths.path("/database/a.tif")
    ('/mnt/lab/P2/a.tif', 'Z:\\\\P1\\\\b.tif', None)
    >>> PathMap.parse(["/data=https://images.lab.org/data"]).url("file:/data/a%20b.tif")
    'https://images.lab.org/data/a%20b.tif'

    CellProfiler 5 begins paths with three slashes, which are one, and URLs as others do.

    >>> paths.path("///data/P2"), PathMap.parse(["/data=/mnt"]).url("file:///data/a.tif")
    ('/mnt/lab/P2', 'file:///mnt/a.tif')
    """

    pairs: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, words: Iterable[str], besides: Iterable[tuple[str, str]] = ()) -> Self:
        """The mapping of words `CLUSTER=LOCAL`, and of pairs besides.

        Raises:
            UsageError: not a pair of absolute paths, or two for one folder of the cluster.
        """
        found: dict[str, str] = {}
        for word in words:
            cluster, _, local = word.partition("=")
            if not (_absolute(cluster) and (_absolute(local) or _is_url(local))):
                raise UsageError(
                    f"--path-map {word}: write CLUSTER=LOCAL, a whole path and a whole path or URL"
                )
            local = _folder(local)
            if found.setdefault(_bare(cluster), local) != local:
                raise UsageError(f"--path-map has {cluster} twice")
        for cluster, local in besides:
            found.setdefault(_bare(cluster), _folder(local))
        return cls(tuple(sorted(found.items(), key=lambda pair: (-len(pair[0]), pair))))

    def inverse(self) -> "PathMap":
        """What leads back to the cluster, as far as no two folders got one name.

        >>> PathMap.parse([r"/data=Z:\\lab"]).inverse().path(r"Z:\\lab\\P1")
        '/data/P1'
        """
        found = ((_bare(local), cluster) for cluster, local in self.pairs)
        return PathMap(tuple(sorted(found, key=lambda pair: (-len(pair[0]), pair))))

    def same(self, other: Self) -> bool:
        """Whether both map all paths alike. Version 0.1.0 kept slashes at the ends of folders."""
        one, two = ({(c, _folder(local)) for c, local in map.pairs} for map in (self, other))
        return one == two

    def __str__(self) -> str:
        """The options that ask for it."""
        return " ".join(f"--path-map {shlex.quote('='.join(pair))}" for pair in self.pairs)

    def path(self, path: str) -> str | None:
        """A path as people see it; None if it is in none of the folders."""
        path = _SLASHES.sub("/", path)
        for cluster, local in self.pairs:
            rest = _below(cluster, path)
            if rest is not None:
                return _joined(local, rest)
        return None

    def url(self, url: str) -> str | None:
        """A `file:` URL as people see it, with as many slashes as before; None as in `path`."""
        path = self.path(to_path(url))
        if path is None:
            return None
        mapped = to_url(path)
        long = url.lower().startswith("file:///") and _ONE_SLASH.match(mapped)
        return mapped.replace("file:/", "file:///", 1) if long else mapped

    def mapped(self, rows: pa.RecordBatch) -> tuple[pa.RecordBatch, int]:
        """Rows of features with `PathName_`, `URL_`, and `FileName_` where it is a whole path, as
        people see them, and how many of their paths are in none of the folders, and stay."""
        if not self.pairs:
            return rows, 0
        arrays, strange = [], 0
        for field, array in zip(rows.schema, rows.columns, strict=True):
            feature = _FEATURE.match(field.name)
            if feature and field.type == TEXT:
                array, stay = self._column(feature[1], array)
                strange += stay
            arrays.append(array)
        return pa.RecordBatch.from_arrays(arrays, schema=rows.schema), strange

    def prepended(self) -> str:
        """What stands before all paths, where that is all that differs.

        Raises:
            UsageError: something else differs.
        """
        found = set()
        for cluster, local in self.pairs:
            if not local.rstrip("/").endswith(cluster) or _WINDOWS.match(cluster):
                raise UsageError(
                    f"--path-map {cluster}={local}: a properties file can only put something "
                    f"before {cluster}; load with --path-map, which changes the paths themselves"
                )
            found.add(local.rstrip("/").removesuffix(cluster))
        if len(found) > 1:
            raise UsageError("a properties file can put only one thing before all paths")
        return "".join(found)

    def _column(self, kind: str, column: pa.StringArray) -> tuple[pa.StringArray, int]:
        applies, map = _KINDS[kind]
        coded = column.dictionary_encode()
        texts, strange = [], set()
        for code, text in enumerate(coded.dictionary.to_pylist()):
            new = map(self, text) if applies(text) else text
            if new is None:
                strange.add(code)
            texts.append(text if new is None else new)
        stay = sum(code in strange for code in coded.indices.to_pylist()) if strange else 0
        return pa.array(texts, TEXT).take(coded.indices), stay


def to_path(url: str) -> str:
    """The path of a `file:` URL as CellProfiler reads it, on Windows too (CellProfiler 4.2.8,
    utilities/pathname.py; Python's nturl2path).

    >>> to_path("file:/data/a%20b.tif"), to_path("file:///Z:/a.tif"), to_path("file:////nas/a.tif")
    ('/data/a b.tif', 'Z:\\\\a.tif', '\\\\\\\\nas\\\\a.tif')
    """
    rest = url[len("file:") :]
    drive = _DRIVE.match(rest)
    path = unquote(rest, errors="surrogateescape")
    if drive:
        return f"{drive[1]}:" + path[5:].replace("/", "\\")
    if rest.startswith("////"):
        return path[2:].replace("/", "\\")
    return path[2:] if rest.startswith("///") else path


def to_url(path: str) -> str:
    """The `file:` URL of a path, with one slash, as CellProfiler writes it; a URL stays one.

    >>> to_url("/data/a b.tif"), to_url("Z:\\\\a.tif"), to_url("https://images.lab.org/a.tif")
    ('file:/data/a%20b.tif', 'file:///Z:/a.tif', 'https://images.lab.org/a.tif')
    """
    if _is_url(path):
        return path
    if not _WINDOWS.match(path):
        return "file:" + quote(path, errors="surrogateescape")
    slashed = path.replace("\\", "/")
    if slashed[1] == ":":
        return f"file:///{slashed[0]}:" + quote(slashed[2:], errors="surrogateescape")
    return "file://" + quote(slashed, errors="surrogateescape")


def _below(cluster: str, path: str) -> str | None:
    """What follows a folder in a path, with slashes; None if the path is not in it."""
    if _WINDOWS.match(cluster):
        cluster, path = cluster.replace("\\", "/"), path.replace("\\", "/")
        same = path[: len(cluster)].lower() == cluster.lower()
    else:
        same = path.startswith(cluster)
    rest = path[len(cluster) :]
    return rest if same and rest[:1] in ("", "/") else None


def _joined(local: str, rest: str) -> str:
    if _is_url(local):
        return local.rstrip("/") + quote(rest, errors="surrogateescape")
    if not rest:
        return local
    return _bare(local) + (rest.replace("/", "\\") if _WINDOWS.match(local) else rest)


def _bare(folder: str) -> str:
    return folder.rstrip("\\/" if _WINDOWS.match(folder) else "/")


def _folder(local: str) -> str:
    """A folder or URL without a slash at its end; a root keeps it."""
    if _is_url(local):
        return local.rstrip("/")
    bare = _bare(local)
    return f"{bare}\\" if bare.endswith(":") else bare or local


def _absolute(path: str) -> bool:
    return path.startswith("/") or _WINDOWS.match(path) is not None


def _is_url(text: str) -> bool:
    return _URL.match(text) is not None and not text.lower().startswith("file:")


_KINDS: Final[dict[str, tuple[Callable[[str], bool], Callable[[PathMap, str], str | None]]]] = {
    # Where the cluster is Windows, batch files made elsewhere have whole paths in FileName_.
    "FileName": (lambda text: _absolute(text or ""), PathMap.path),
    "PathName": (lambda text: bool(text) and not _is_url(text), PathMap.path),
    "URL": (lambda text: (text or "").lower().startswith("file:"), PathMap.url),
}
