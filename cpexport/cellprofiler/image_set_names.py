"""Names image sets for people: by plate, well and site, or else by the name of an image file.

Labs choose their own metadata tags, so the usual ones are recognized in any spelling:
`Metadata_Plate`, `Metadata_plate_id`, `Metadata_WellRow` and `Metadata_WellColumn`,
`Metadata_Field`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Self

from cpexport.cellprofiler.image_identity import FILE, FIRST, Identities, planes
from cpexport.imagesets import ImageSets

_PLATE = ("plate", "platename", "plateid", "platenumber", "platebarcode", "assayplatebarcode")
_PLATES = (*_PLATE, "barcode")
_WELL = ("well", "wellname", "wellid", "wellposition", "wellnumber")
_ROW = ("wellrow", "row", "rowid")
_COLUMN = ("wellcolumn", "wellcol", "column", "col", "colid")
# Each key is the word used in the name; its values are the tags.
_PARTS = {
    "site": ("site", "siteid", "sitenumber"),
    "field": ("field", "fieldid", "fieldnumber", "fieldindex", "fieldofview", "fov"),
    "time": ("timepoint", "time", "timeindex", "timeid"),
}
_MOST = 20
_AT_ONCE = 1000


@dataclass(frozen=True)
class PlaceFeatures:
    """The metadata features that say where an image set is; each is empty if there is none.

    row, column: of the well, for labs that do not name the well as a whole.
    parts: the features of the site, the field and the time point, by the word for it in a name.

    >>> found = PlaceFeatures.among(["Metadata_plate_id", "Metadata_WellRow", "Metadata_FOV"])
    >>> found.plate, found.well, found.row, found.parts
    ('Metadata_plate_id', '', 'Metadata_WellRow', {'field': 'Metadata_FOV'})
    """

    plate: str = ""
    well: str = ""
    row: str = ""
    column: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def among(cls, features: Iterable[str]) -> Self:
        """Finds them among the image features of an output or a destination."""
        tags = {
            re.sub(r"[^a-z0-9]", "", name.removeprefix("Metadata_").lower()): name
            for name in features
            if name.startswith("Metadata_")
        }

        def first(words: Iterable[str]) -> str:
            return next((tags[word] for word in words if word in tags), "")

        parts = {word: name for word, known in _PARTS.items() if (name := first(known))}
        return cls(first(_PLATES), first(_WELL), first(_ROW), first(_COLUMN), parts)

    @property
    def key(self) -> tuple[str, ...]:
        """All of them that identify an image set together; empty without a well."""
        row_and_column = (self.row, self.column) if self.row and self.column else ()
        well = (self.well,) if self.well else row_and_column
        return (*filter(None, [self.plate]), *well, *self.parts.values()) if well else ()


@dataclass(frozen=True)
class Name:
    """One image set's name: its `place`, such as `P1 B02`, and its `part`, such as `site 1`."""

    place: str
    part: str = ""

    def __str__(self) -> str:
        return f"{self.place} {self.part}".strip()


def named(identities: Identities, image_sets: ImageSets) -> Mapping[int, Name]:
    """The names of image sets, as far as their images give one. They are made when they are asked
    for, as a million may be missing."""
    return _Names(identities, image_sets)


class _Names(Mapping[int, Name]):
    """Names by image set number; keeps those of a few image sets near the last one."""

    def __init__(self, identities: Identities, image_sets: ImageSets) -> None:
        self._identities = identities
        self._image_sets = image_sets & ImageSets.of_array(identities.numbers)
        self._near: tuple[int, dict[int, Name]] = -1, {}

    def __getitem__(self, number: int) -> Name:
        if number not in self._image_sets:
            raise KeyError(number)
        return self._beside(number)[number]

    def __iter__(self) -> Iterator[int]:
        return (number for number in self._image_sets if number in self._beside(number))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return next(iter(self), None) is not None

    def __repr__(self) -> str:
        return repr(dict(self))

    def _beside(self, number: int) -> dict[int, Name]:
        place = number // _AT_ONCE
        if place != self._near[0]:
            span = ImageSets.span(max(place * _AT_ONCE, 1), (place + 1) * _AT_ONCE - 1)
            self._near = place, _named(self._identities, span & self._image_sets)
        return self._near[1]


def _named(identities: Identities, image_sets: ImageSets) -> dict[int, Name]:
    selected = identities.select(list(image_sets))
    texts = {name: column.to_pylist() for name, column in selected.columns.items()}
    channels = sorted(n.removeprefix(FILE) for n in texts if n.startswith(FILE))
    features = PlaceFeatures.among(texts)
    plates, wells = texts.get(features.plate, []), texts.get(features.well, [])
    rows, columns = texts.get(features.row, []), texts.get(features.column, [])
    parts = {word: texts[name] for word, name in features.parts.items()}
    names: dict[int, Name] = {}
    for place, number in enumerate(selected.numbers.tolist()):
        well = _at(wells, place) or well_of(_at(rows, place), _at(columns, place))
        part = part_of({word: _at(values, place) for word, values in parts.items()})
        name = Name(" ".join(filter(None, (_at(plates, place), well))), part)
        if not well:
            file = next((f for c in channels if (f := _file(texts, c, place))), "")
            name = Name(file) if file else name
        if str(name):
            names[number] = name
    return names


def listed(image_sets: ImageSets, names: Mapping[int, Name]) -> list[str]:
    """Image sets with their names, one entry per well.

    A long list has only the first entries, and the number of further image sets.

    >>> listed(ImageSets.parse("9,24"), {9: Name("P1 B02", "site 1"), 24: Name("P2 B03", "site 2")})
    ['9 (P1 B02 site 1)', '24 (P2 B03 site 2)']
    """
    entries: list[str] = []
    shown = 0
    for entry, count in _entries(image_sets, names):
        if len(entries) == _MOST:
            return [*entries, f"and {len(image_sets) - shown:,} more"]
        entries.append(entry)
        shown += count
    return entries


def _entries(image_sets: ImageSets, names: Mapping[int, Name]) -> Iterator[tuple[str, int]]:
    """Yields each entry of a list, and its number of image sets.

    The time grows with the number of names and ranges: one number can be a billion, and all before
    it missing.
    """
    has_name = image_sets & ImageSets.of(names)
    pieces = merge(
        ((number, number, names[number].place) for number in has_name),
        ((first, last, None) for first, last in (image_sets - has_name).ranges),
    )
    for place, group in groupby(pieces, itemgetter(2)):
        sets = ImageSets.from_ranges((first, last) for first, last, _ in group)
        if place is None:
            for first, last in sets.ranges:
                yield str(ImageSets.span(first, last)), last - first + 1
        else:
            parts = [part for part in dict.fromkeys(names[n].part for n in sets) if part]
            yield f"{sets} ({' '.join([place, *_united(parts)])})", len(sets)


def _united(parts: Sequence[str]) -> list[str]:
    """`site 1` for one part of a well, `sites 1-4` for several."""
    if len(parts) < 2:
        return list(parts)
    word = parts[0].split(" ")[0]
    return [f"{word}s", _together([part.removeprefix(f"{word} ") for part in parts])]


def _together(values: Sequence[str]) -> str:
    """`1-4,7` for numbers, `a,b` for other texts."""
    if all(re.fullmatch(r"[1-9][0-9]{0,8}", value) for value in values):
        return str(ImageSets.of(map(int, values)))
    return ",".join(values)


def _file(texts: Mapping[str, list[str | None]], channel: str, place: int) -> str:
    """The file of a channel, and which of its images if it is not the first."""
    parts = [_at(texts[FILE + channel], place)]
    for feature in planes(channel):
        value = _at(texts.get(feature, []), place)
        if value not in FIRST:
            parts.append(f"{feature.removesuffix(f'_{channel}').lower()} {value}")
    return " ".join(parts) if parts[0] else ""


def _at(values: Sequence[str | None], place: int) -> str:
    return (values[place] or "") if values else ""


def part_of(values: Mapping[str, str]) -> str:
    """The part of a well, such as `site 1`, from a value for each word; empty values do not count.

    >>> part_of({"site": "1", "field": "", "time": "3"})
    'site 1 time 3'
    """
    return " ".join(f"{word} {value}" for word, value in values.items() if value)


def well_of(row: str, column: str) -> str:
    """The well of a row and a column; empty if one of them is.

    Numbered rows are kept as numbers, because some labs count from 0.

    >>> well_of("B", "2"), well_of("1", "2"), well_of("B", "")
    ('B02', 'row 1 column 2', '')
    """
    if not (row and column):
        return ""
    if row.isalpha():
        return f"{row}{column.zfill(2)}"
    return f"row {row} column {column}"
