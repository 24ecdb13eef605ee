"""What identifies the images of an image set: their files, folders, planes, and metadata.

Image set numbers are not reliable: when a job runs, CellProfiler renumbers a LoadData list whose
groups are not contiguous (CellProfiler 4.2.8, reorder_image_measurements), and every screen counts
from 1. Files are reliable if their contents or folders are known; their names alone are not,
because microscopes use the same names on every plate. One file can contain many images (.nd2, .lif,
.czi, .flex, stacks); then the plane shows which one is meant. `same_image` compares them.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

FILE: Final = "FileName_"
DIGEST: Final = "MD5Digest_"
METADATA: Final = "Metadata_"
_PATH, _URL, _FOLDER = "PathName_", "URL_", "Folder_"
_LEVELS = 5

# NamesAndTypes derives the first two from the plane in the file, and the third from its folder.
_NOT_IDENTITY = frozenset({"Metadata_Frame", "Metadata_Series", "Metadata_FileLocation"})
# The position of an image within its file, by channel. CellProfiler 4 writes Series, Frame, Channel
# (4.2.8, namesandtypes.py), 5 also C, Z and T (5.0.0.dev784, namesandtypes.py). LoadData keeps the
# column names of its list: Image_Series_DNA keeps its Image_.
_PLANES = ("Series", "Frame", "Index", "Channel", "C", "Z", "T")
_PLANE = re.compile(rf"(?:Image_)?((?:{'|'.join(_PLANES)})_(.+))")
FIRST: Final = ("", "0", "0.0", "-1", "-1.0")
"""The plane values of the first image in a file, which can be its only one."""
# A drive, or the scheme of a URL.
_ROOT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_SLASHES = re.compile(r"[/\\]+")


def identifies_images(feature: str) -> bool:
    """Whether an image feature is part of what identifies an image.

    >>> [identifies_images(f) for f in ("FileName_DNA", "Metadata_Well", "Height_DNA")]
    [True, True, False]
    """
    begins = (FILE, METADATA, DIGEST, _PATH, _URL)
    return feature.startswith(begins) and feature not in _NOT_IDENTITY


def telling(features: Iterable[str]) -> list[str]:
    """Selects the image features of an output that `Identities.of` needs.

    A plane is needed only for a channel that is read from a file, because features of other modules
    can have similar names.

    >>> telling(["FileName_DNA", "PathName_DNA", "URL_DNA", "URL_ER", "Width_DNA"])
    ['FileName_DNA', 'PathName_DNA', 'URL_ER']
    >>> telling(["FileName_DNA", "Series_DNA", "Image_Frame_DNA", "T_Test"])
    ['FileName_DNA', 'Series_DNA', 'Image_Frame_DNA']
    """
    present = dict.fromkeys(features)

    def needed(feature: str) -> bool:
        if plane := _PLANE.fullmatch(feature):
            return FILE + plane[2] in present or _URL + plane[2] in present
        channel = feature.removeprefix(_URL)
        has_path = FILE + channel in present and _PATH + channel in present
        return identifies_images(feature) and not (feature.startswith(_URL) and has_path)

    return list(filter(needed, present))


def is_plane(feature: str) -> bool:
    """Whether a feature is the position of a channel's image within its file.

    >>> [is_plane(feature) for feature in ("Series_DNA", "Image_Frame_DNA", "Series")]
    [True, True, False]
    """
    return _PLANE.fullmatch(feature) is not None


def planes(channel: str) -> list[str]:
    """The features that can give the position of a channel's image within its file."""
    return [f"{part}_{channel}" for part in _PLANES]


@dataclass(frozen=True)
class Identities:
    """What identifies the images of image sets, as text.

    There is one column per feature, and one row per image set.

    `numbers` is ascending. `columns` has `FileName_`, `MD5Digest_` and `Metadata_` features, and
    features of `planes`. `folders` has for each channel the last folders of the path, at most five,
    with slashes on every system: `screen/Plate1/Images`. Unknown values are null.
    """

    numbers: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    columns: Mapping[str, pa.StringArray] = field(default_factory=dict)
    folders: Mapping[str, pa.StringArray] = field(default_factory=dict)

    @classmethod
    def of(
        cls, numbers: npt.NDArray[np.int64], features: Mapping[str, pa.StringArray]
    ) -> "Identities":
        """Returns the identities of an output's images, from the features that `telling` selects.

        The folder comes from `PathName_`, else from `URL_`, else from `FileName_`, which is an
        absolute path if the batch file was made for a Windows cluster (CellProfiler 4.2.8,
        createbatchfiles.py).
        """
        begins = (FILE, METADATA, DIGEST)
        columns = {name: column for name, column in features.items() if name.startswith(begins)}
        for name, column in features.items():
            if plane := _PLANE.fullmatch(name):
                columns.setdefault(plane[1], features.get(plane[1], column))
        folders: dict[str, pa.StringArray] = {}
        for channel in dict.fromkeys(_channels(features)):
            path, url = features.get(_PATH + channel), features.get(_URL + channel)
            file = columns.get(FILE + channel)
            if file is None and url is not None:
                columns[FILE + channel] = _each(url, file_name)
            folder = None if path is None else _each(path, _ends)
            for whole in (url, file):
                if whole is not None and (folder is None or folder.null_count):
                    above = _each(whole, _above)
                    folder = above if folder is None else pc.coalesce(folder, above)
            if folder is not None and folder.null_count < len(folder):
                folders[channel] = folder
        return cls(numbers, columns, folders)

    def __len__(self) -> int:
        return len(self.numbers)

    def select(self, numbers: Sequence[int] | npt.NDArray[np.int64]) -> "Identities":
        """Returns the rows of these image sets, as far as they are present."""
        wanted = np.unique(np.asarray(numbers, np.int64))
        rows = np.searchsorted(self.numbers, wanted)
        in_range = rows < len(self.numbers)
        rows, wanted = rows[in_range], wanted[in_range]
        rows = rows[self.numbers[rows] == wanted]
        return self.take(rows)

    def take(self, rows: npt.NDArray[np.int64]) -> "Identities":
        """Returns these rows in the given order; `numbers` has the same order."""
        indices = pa.array(rows)
        return Identities(
            self.numbers[rows],
            {name: column.take(indices) for name, column in self.columns.items()},
            {name: column.take(indices) for name, column in self.folders.items()},
        )

    def without(self, features: Collection[str]) -> "Identities":
        """Returns the same without some features, such as flags that a module measured."""
        kept = {name: column for name, column in self.columns.items() if name not in features}
        return replace(self, columns=kept)

    def plain(self) -> "Identities":
        """Returns only names and metadata, which is all that version 0.1.0 recorded."""
        kept = {name: c for name, c in self.columns.items() if name.startswith((FILE, METADATA))}
        return Identities(self.numbers, kept)

    def texts(self) -> Iterator[str]:
        """Yields one JSON object per image set, sorted by number.

        Features are sorted, and nulls are left out.
        """
        all_columns = {**self.columns, **{_FOLDER + name: c for name, c in self.folders.items()}}
        names = sorted(all_columns)
        texts = [all_columns[name].to_pylist() for name in names]
        for row in range(len(self.numbers)):
            values = {n: t[row] for n, t in zip(names, texts, strict=True) if t[row] is not None}
            yield json.dumps(values, ensure_ascii=False, separators=(",", ":"))

    def keys(self, features: Sequence[str]) -> list[tuple[str, ...]] | None:
        """The values of some features, one tuple per image set; None if a feature is missing."""
        if not features or any(feature not in self.columns for feature in features):
            return None
        texts = [self.columns[f].fill_null("").to_pylist() for f in features]
        return list(zip(*texts, strict=True))


def stacked(parts: Sequence[Identities]) -> Identities:
    """Returns the rows of all parts, in their order; all have the same columns, and there is one at
    least."""
    first = parts[0]
    if len(parts) == 1:
        return first
    return Identities(
        np.concatenate([part.numbers for part in parts]),
        {name: pa.concat_arrays([part.columns[name] for part in parts]) for name in first.columns},
        {name: pa.concat_arrays([part.folders[name] for part in parts]) for name in first.folders},
    )


def from_texts(numbers: Sequence[int], texts: Sequence[str]) -> Identities:
    """Returns the identities that `Identities.texts` wrote; `numbers` must be ascending."""
    rows = [json.loads(identity) for identity in texts]
    names = sorted({name for row in rows for name in row})
    columns = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in names}
    folders = {name: columns.pop(name) for name in names if name.startswith(_FOLDER)}
    return Identities(
        np.asarray(numbers, np.int64),
        columns,
        {name.removeprefix(_FOLDER): column for name, column in folders.items()},
    )


def file_name(path: str) -> str | None:
    """The last part of a path, also of a Windows path, or of a URL.

    >>> file_name(r"Z:\\P1\\a b.tif"), file_name("file:/data/a%20b.tif")
    ('a b.tif', 'a b.tif')
    """
    parts = _parts(path)
    return parts[-1] if parts else None


def _channels(features: Iterable[str]) -> Iterator[str]:
    for feature in features:
        for begin in (FILE, _PATH, _URL):
            if feature.startswith(begin):
                yield feature.removeprefix(begin)


def _parts(path: str) -> list[str]:
    """The names in a path or URL, without its drive or scheme.

    CellProfiler 5 begins paths with `///`.

    >>> _parts("file:///Z:/P1/a%20b.tif"), _parts("///data/P1/"), _parts("")
    (['P1', 'a b.tif'], ['data', 'P1'], [])
    """
    parts = [part for part in _SLASHES.split(path) if part]
    if parts and _ROOT.fullmatch(parts[0]):
        if len(parts[0]) > 2:
            parts = [unquote(part, errors="surrogateescape") for part in parts]
        del parts[: 2 if len(parts) > 1 and _ROOT.fullmatch(parts[1]) else 1]
    return parts


def _ends(folder: str) -> str | None:
    return "/".join(_parts(folder)[-_LEVELS:]) or None


def _above(path: str) -> str | None:
    return "/".join(_parts(path)[:-1][-_LEVELS:]) or None


def _each(texts: pa.StringArray, change: Callable[[str], str | None]) -> pa.StringArray:
    """Applies `change` to each text, once per distinct text; null stays."""
    coded = texts.dictionary_encode()
    changed = [None if text is None else change(text) for text in coded.dictionary.to_pylist()]
    return pa.array(changed, pa.string()).take(coded.indices)
