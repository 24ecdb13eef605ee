"""Translates the paths of images from the cluster to what users see on their workstations."""

import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote, unquote

import pyarrow as pa

from cpexport.cellprofiler.batch_file import read_batch_file
from cpexport.cellprofiler.features import TEXT
from cpexport.errors import UsageError
from cpexport.spelling import closest, suggest

BATCH: Final = "batch"
"""The word that `--path-map` accepts instead of a pair: it takes the batch file's mappings."""

_FEATURE = re.compile(r"(?:Objects)?(PathName|FileName|URL)_")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_WINDOWS = re.compile(r"[A-Za-z]:(?:[\\/]|$)|\\\\")
_SLASHES = re.compile(r"^/{3,}")
_ONE_SLASH = re.compile(r"file:/(?!/)")
_DRIVE = re.compile(r"///([A-Za-z])[:|]/")


@dataclass(frozen=True)
class PathMap:
    """Folders of the cluster, each with its local form: a folder, a Windows folder, or a URL.

    The longest matching folder counts, and only whole names match: `/data` does not match
    `/database`. Windows folders match in any case.

    >>> paths = PathMap.parse(["/data=/mnt/lab", r"/data/P1=Z:\\P1"])
    >>> paths.path("/data/P2/a.tif"), paths.path("/data/P1/b.tif"), paths.path("/database/a.tif")
    ('/mnt/lab/P2/a.tif', 'Z:\\\\P1\\\\b.tif', None)
    >>> PathMap.parse(["/data=https://images.lab.org/data"]).url("file:/data/a%20b.tif")
    'https://images.lab.org/data/a%20b.tif'

    CellProfiler 5 begins paths with three slashes, which count as one, and URLs in the usual way.

    >>> paths.path("///data/P2"), PathMap.parse(["/data=/mnt"]).url("file:///data/a.tif")
    ('/mnt/lab/P2', 'file:///mnt/a.tif')
    """

    pairs: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, words: Iterable[str], more: Iterable[tuple[str, str]] = ()) -> Self:
        """Returns the mapping of words `CLUSTER=LOCAL`, and of the further pairs in `more`.

        Raises:
            UsageError: a word is not a pair of absolute paths, or a folder of the cluster has two
                pairs.
        """
        local_by_cluster: dict[str, str] = {}
        for word in words:
            cluster, _, local = word.partition("=")
            if not (_absolute(cluster) and (_absolute(local) or _is_url(local))):
                message = (
                    f"--path-map {word}: write CLUSTER=LOCAL, where CLUSTER is an absolute "
                    "path and LOCAL an absolute path or a URL"
                )
                raise UsageError(suggest(message, closest(word, [BATCH])))
            local = _folder(local)
            if local_by_cluster.setdefault(_bare(cluster), local) != local:
                raise UsageError(f"--path-map has two values for {cluster}; leave one out")
        for cluster, local in more:
            local_by_cluster.setdefault(_bare(cluster), _folder(local))
        return cls(tuple(sorted(local_by_cluster.items(), key=lambda pair: (-len(pair[0]), pair))))

    def inverse(self) -> "PathMap":
        """Returns the mapping back to the cluster, unless two folders have the same local form.

        >>> PathMap.parse([r"/data=Z:\\lab"]).inverse().path(r"Z:\\lab\\P1")
        '/data/P1'
        """
        pairs = ((_bare(local), cluster) for cluster, local in self.pairs)
        return PathMap(tuple(sorted(pairs, key=lambda pair: (-len(pair[0]), pair))))

    def same(self, other: Self) -> bool:
        """Whether both map all paths in the same way.

        Version 0.1.0 kept slashes at the ends of folders, so those are ignored.
        """
        one, two = ({(c, _folder(local)) for c, local in map.pairs} for map in (self, other))
        return one == two

    def __str__(self) -> str:
        """The command-line options that give this mapping."""
        return " ".join(f"--path-map {shlex.quote('='.join(pair))}" for pair in self.pairs)

    def path(self, path: str) -> str | None:
        """Returns the local form of a path; None if no folder of the mapping contains it."""
        path = _SLASHES.sub("/", path)
        for cluster, local in self.pairs:
            rest = _below(cluster, path)
            if rest is not None:
                return _joined(local, rest)
        return None

    def url(self, url: str) -> str | None:
        """Returns the local form of a `file:` URL, or None like `path`.

        The number of slashes after `file:` stays.
        """
        path = self.path(to_path(url))
        if path is None:
            return None
        mapped = to_url(path)
        has_three_slashes = url.lower().startswith("file:///") and _ONE_SLASH.match(mapped)
        return mapped.replace("file:/", "file:///", 1) if has_three_slashes else mapped

    def mapped(self, rows: pa.RecordBatch) -> tuple[pa.RecordBatch, int]:
        """Returns rows with local paths, and the number of paths that no folder contains.

        Translates the features `PathName_`, `URL_`, and `FileName_` where it is an absolute path.
        Paths outside all folders stay as they are.
        """
        if not self.pairs:
            return rows, 0
        arrays, unmapped = [], 0
        for field, array in zip(rows.schema, rows.columns, strict=True):
            feature = _FEATURE.match(field.name)
            if feature and field.type == TEXT:
                array, count = self._column(feature[1], array)
                unmapped += count
            arrays.append(array)
        return pa.RecordBatch.from_arrays(arrays, schema=rows.schema), unmapped

    def prepended(self) -> str:
        """The text to put before all paths, if that is the only difference.

        Raises:
            UsageError: the mapping changes paths in another way.
        """
        prefixes = set()
        for cluster, local in self.pairs:
            if not local.rstrip("/").endswith(cluster) or _WINDOWS.match(cluster):
                raise UsageError(
                    f"--path-map {cluster}={local}: a properties file can only add text "
                    f"before {cluster}; load with --path-map, which changes the paths "
                    "themselves"
                )
            prefixes.add(local.rstrip("/").removesuffix(cluster))
        if len(prefixes) > 1:
            raise UsageError(
                "a properties file can add only one text before all paths; load with --path-map, "
                "which changes the paths themselves"
            )
        return "".join(prefixes)

    def _column(self, kind: str, column: pa.StringArray) -> tuple[pa.StringArray, int]:
        applies, map = _KINDS[kind]
        coded = column.dictionary_encode()
        texts, unmapped = [], set()
        for code, text in enumerate(coded.dictionary.to_pylist()):
            new = map(self, text) if applies(text) else text
            if new is None:
                unmapped.add(code)
            texts.append(text if new is None else new)
        count = sum(code in unmapped for code in coded.indices.to_pylist()) if unmapped else 0
        return pa.array(texts, TEXT).take(coded.indices), count


def to_path(url: str) -> str:
    """Returns the path of a `file:` URL as CellProfiler reads it, also for Windows.

    See CellProfiler 4.2.8, utilities/pathname.py, and Python's nturl2path.

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
    """Returns the `file:` URL of a path, with one slash as CellProfiler writes it; keeps a URL.

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
    """The rest of a path after a folder, with slashes; None if the path is not in the folder."""
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
    """A folder or URL without the slash at its end; a root keeps its slash."""
    if _is_url(local):
        return local.rstrip("/")
    bare = _bare(local)
    return f"{bare}\\" if bare.endswith(":") else bare or local


def _absolute(path: str) -> bool:
    return path.startswith("/") or _WINDOWS.match(path) is not None


def _is_url(text: str) -> bool:
    return _URL.match(text) is not None and not text.lower().startswith("file:")


_KINDS: Final[dict[str, tuple[Callable[[str], bool], Callable[[PathMap, str], str | None]]]] = {
    # On a Windows cluster, batch files made elsewhere have absolute paths in FileName_.
    "FileName": (lambda text: _absolute(text or ""), PathMap.path),
    "PathName": (lambda text: bool(text) and not _is_url(text), PathMap.path),
    "URL": (lambda text: (text or "").lower().startswith("file:"), PathMap.url),
}


def read_path_map(words: Sequence[str], batch_file: Path | None) -> PathMap:
    """Returns the mapping of the `--path-map` words: pairs, and `batch` for the batch file's pairs.

    The batch file's pairs lead from the cluster back to the computer where it was made.

    Raises:
        UsageError: a word is not a pair, or the batch file is missing or has no mappings.
        SourceError: the batch file cannot be read.
    """
    pairs: list[tuple[str, str]] = []
    if BATCH in words:
        if batch_file is None:
            raise UsageError("--path-map batch needs the batch file; name it with --batch")
        mappings = read_batch_file(batch_file).path_mappings
        if not mappings:
            raise UsageError(f"{batch_file} maps no paths; write --path-map CLUSTER=LOCAL")
        pairs = [(cluster, local) for local, cluster in mappings]
    return PathMap.parse([word for word in words if word != BATCH], pairs)
