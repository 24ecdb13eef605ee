"""Which pictures stand behind image set numbers: their files, where those lie, and metadata.

Image set numbers can lie: CellProfiler renumbers a LoadData list whose groups are not contiguous
when a job runs (CellProfiler 4.2.8, reorder_image_measurements), and every screen counts from 1.
Files do not, as far as their contents or folders are known: microscopes call the files of every
plate alike. One file can hold many pictures (.nd2, .lif, .czi, .flex, stacks): then the plane tells
which of them is meant. `samepictures` compares them.
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

# NamesAndTypes sets these two by the plane of the file, and the third by its folder.
_NOT_IDENTITY = frozenset({"Metadata_Frame", "Metadata_Series", "Metadata_FileLocation"})
# The place of a picture within its file, by channel. CellProfiler 4 writes Series, Frame, Channel
# (4.2.8, namesandtypes.py), 5 also C, Z and T (5.0.0.dev784, namesandtypes.py). LoadData takes the
# columns of its list as they are called: Image_Series_DNA keeps its Image_.
_PLANES = ("Series", "Frame", "Index", "Channel", "C", "Z", "T")
_PLANE = re.compile(rf"(?:Image_)?((?:{'|'.join(_PLANES)})_(.+))")
FIRST: Final = ("", "0", "0.0", "-1", "-1.0")
"""What planes say of the first picture of a file, which can be the only one."""
# A drive, or the scheme of a URL.
_ROOT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_SLASHES = re.compile(r"[/\\]+")


def tells_pictures_apart(feature: str) -> bool:
    """Whether an image feature is part of what identifies a picture.

    >>> [tells_pictures_apart(f) for f in ("FileName_DNA", "Metadata_Well", "Height_DNA")]
    [True, True, False]
    """
    begins = (FILE, METADATA, DIGEST, _PATH, _URL)
    return feature.startswith(begins) and feature not in _NOT_IDENTITY


def telling(features: Iterable[str]) -> list[str]:
    """Those of an output's image features that `Pictures.of` needs.

    A plane is needed only of a channel that is read from a file: other modules could call a feature
    alike.

    >>> telling(["FileName_DNA", "PathName_DNA", "URL_DNA", "URL_ER", "Width_DNA"])
    ['FileName_DNA', 'PathName_DNA', 'URL_ER']
    >>> telling(["FileName_DNA", "Series_DNA", "Image_Frame_DNA", "T_Test"])
    ['FileName_DNA', 'Series_DNA', 'Image_Frame_DNA']
    """
    given = dict.fromkeys(features)

    def needed(feature: str) -> bool:
        if plane := _PLANE.fullmatch(feature):
            return FILE + plane[2] in given or _URL + plane[2] in given
        channel = feature.removeprefix(_URL)
        known = FILE + channel in given and _PATH + channel in given
        return tells_pictures_apart(feature) and not (feature.startswith(_URL) and known)

    return list(filter(needed, given))


def is_plane(feature: str) -> bool:
    """Whether a feature says where in its file a channel's picture is.

    >>> [is_plane(feature) for feature in ("Series_DNA", "Image_Frame_DNA", "Series")]
    [True, True, False]
    """
    return _PLANE.fullmatch(feature) is not None


def planes(channel: str) -> list[str]:
    """The features that can say where in its file a channel's picture is."""
    return [f"{part}_{channel}" for part in _PLANES]


@dataclass(frozen=True)
class Pictures:
    """What is known of pictures by image set, as text: one column a feature, one row an image set.

    `numbers` is ascending. `columns` are `FileName_`, `MD5Digest_` and `Metadata_` features, and
    those of `planes`; `folders` are the last folders in which the files lie, by channel:
    `screen/Plate1/Images`, five at most, with slashes whatever the system. What is not known of an
    image set is null.
    """

    numbers: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    columns: Mapping[str, pa.StringArray] = field(default_factory=dict)
    folders: Mapping[str, pa.StringArray] = field(default_factory=dict)

    @classmethod
    def of(
        cls, numbers: npt.NDArray[np.int64], features: Mapping[str, pa.StringArray]
    ) -> "Pictures":
        """The pictures of an output that has these features, those that `telling` chose.

        A file's folder is that of its `PathName_`, or else of its `URL_`, or of its `FileName_`,
        which is a whole path where a batch file was made for a cluster of Windows (CellProfiler
        4.2.8, createbatchfiles.py).
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
            found = None if path is None else _each(path, _ends)
            for whole in (url, file):
                if whole is not None and (found is None or found.null_count):
                    above = _each(whole, _above)
                    found = above if found is None else pc.coalesce(found, above)
            if found is not None and found.null_count < len(found):
                folders[channel] = found
        return cls(numbers, columns, folders)

    def __len__(self) -> int:
        return len(self.numbers)

    def select(self, numbers: Sequence[int] | npt.NDArray[np.int64]) -> "Pictures":
        """Only these image sets, those that are here."""
        wanted = np.unique(np.asarray(numbers, np.int64))
        rows = np.searchsorted(self.numbers, wanted)
        here = rows < len(self.numbers)
        rows, wanted = rows[here], wanted[here]
        rows = rows[self.numbers[rows] == wanted]
        return self.take(rows)

    def take(self, rows: npt.NDArray[np.int64]) -> "Pictures":
        """The image sets in these rows, in their order; `numbers` is as those are."""
        take = pa.array(rows)
        return Pictures(
            self.numbers[rows],
            {name: column.take(take) for name, column in self.columns.items()},
            {name: column.take(take) for name, column in self.folders.items()},
        )

    def without(self, features: Collection[str]) -> "Pictures":
        """The same without some features, such as flags that a module measured."""
        kept = {name: column for name, column in self.columns.items() if name not in features}
        return replace(self, columns=kept)

    def plain(self) -> "Pictures":
        """Names and metadata only, which is what version 0.1.0 knew."""
        kept = {name: c for name, c in self.columns.items() if name.startswith((FILE, METADATA))}
        return Pictures(self.numbers, kept)

    def identities(self) -> Iterator[str]:
        """One JSON object an image set, in order of number, features sorted, nulls left out."""
        known = {**self.columns, **{_FOLDER + name: c for name, c in self.folders.items()}}
        names = sorted(known)
        texts = [known[name].to_pylist() for name in names]
        for row in range(len(self.numbers)):
            said = {n: t[row] for n, t in zip(names, texts, strict=True) if t[row] is not None}
            yield json.dumps(said, ensure_ascii=False, separators=(",", ":"))

    def keys(self, features: Sequence[str]) -> list[tuple[str, ...]] | None:
        """The values of some features, an image set a tuple; None if one of them is not here."""
        if not features or any(feature not in self.columns for feature in features):
            return None
        texts = [self.columns[f].fill_null("").to_pylist() for f in features]
        return list(zip(*texts, strict=True))


def from_identities(numbers: Sequence[int], identities: Sequence[str]) -> Pictures:
    """The pictures that `Pictures.identities` wrote down; `numbers` ascending."""
    rows = [json.loads(identity) for identity in identities]
    names = sorted({name for row in rows for name in row})
    columns = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in names}
    folders = {name: columns.pop(name) for name in names if name.startswith(_FOLDER)}
    return Pictures(
        np.asarray(numbers, np.int64),
        columns,
        {name.removeprefix(_FOLDER): column for name, column in folders.items()},
    )


def file_name(path: str) -> str | None:
    """The last part of a path, of Windows too, or of a URL.

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
    """The names in a path or URL, without its drive or scheme; CellProfiler 5 begins with `///`.

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
    """The texts changed one by one, each that repeats only once; null stays."""
    coded = texts.dictionary_encode()
    changed = [None if text is None else change(text) for text in coded.dictionary.to_pylist()]
    return pa.array(changed, pa.string()).take(coded.indices)
