"""Reads what is in the wells of plates: layouts that labs write, and the platemaps of the Cell
Painting Gallery.

A layout is a table with a row for each well: the plate (without it, the layout is that of every
plate), the well, or its row and column, and anything else. Names of these columns are recognized in
any spelling, as those of metadata are. A platemap of the Gallery is named by
`barcode_platemap.csv`, which has the plates (`Assay_Plate_Barcode`) and the name of each one's map
(`Plate_Map_Name`), a file in the folder `platemap` next to it (broad.io/CellPaintingGallery,
metadata).
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cpexport.cellprofiler.image_set_names import PlaceFeatures, well_of
from cpexport.cellprofiler.plate_positions import positions
from cpexport.errors import SourceError
from cpexport.files.kinds import another_kind
from cpexport.files.opening import read_small
from cpexport.spelling import counted

GALLERY: Final = "barcode_platemap.csv"
_MAPS: Final = "platemap"
_MAP_ENDINGS: Final = (".txt", ".tsv", ".csv")
_SEPARATORS: Final = "\t,;"
_SHOWN: Final = 3
# A spreadsheet writes semicolons where its numbers have decimal commas.
_WITH_COMMA: Final = re.compile(r"[-+]?[0-9]*,?[0-9]+([eE][-+]?[0-9]{1,3})?")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

Place = tuple[str, str]
"""A plate, empty for every plate, and a well: `A01`, or as it is written if it is no position."""


@dataclass(frozen=True)
class PlateLayout:
    """What is in wells.

    names: the columns, apart from plate and well.
    wells: the values of each well, by column; texts, without empty ones.
    """

    names: tuple[str, ...] = ()
    wells: Mapping[Place, Mapping[str, str]] = field(default_factory=dict)

    def joined(self, other: "PlateLayout") -> "PlateLayout":
        """Both layouts; the wells that `other` has get its columns, and keep their others."""
        wells = dict(self.wells)
        for place, values in other.wells.items():
            before = wells.get(place, {})
            kept = {name: text for name, text in before.items() if name not in other.names}
            wells[place] = {**kept, **values}
        return PlateLayout(tuple(dict.fromkeys((*self.names, *other.names))), wells)


def read_layouts(paths: Sequence[Path]) -> PlateLayout:
    """The layouts in some files, or in folders with a `barcode_platemap.csv`.

    Raises:
        SourceError: a file cannot be read, has no wells, or names a well twice with other values.
    """
    names: dict[str, None] = {}
    wells: dict[Place, Mapping[str, str]] = {}
    origin: dict[Place, Path] = {}
    for path, plate, table in _tables(paths):
        layout = _layout(path, plate, table)
        names.update(dict.fromkeys(layout.names))
        for place, values in layout.wells.items():
            if wells.setdefault(place, values) != values:
                both = f"{_where(place)} has other values in {origin[place]}"
                raise SourceError(path, both, "correct one of the two files")
            origin.setdefault(place, path)
    return PlateLayout(tuple(names), wells)


@dataclass(frozen=True)
class _Table:
    """A table of texts: its header, and its rows with their numbers."""

    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]

    def column(self, *words: str) -> int | None:
        """The place of the column with one of these names, whatever its spelling."""
        known = [re.sub("[^a-z0-9]", "", name.lower()) for name in self.header]
        return next((known.index(word) for word in words if word in known), None)


def _tables(paths: Sequence[Path]) -> Iterator[tuple[Path, str, _Table]]:
    """Yields each file with its table and the plate that it is for, empty if it says so itself."""
    for path in paths:
        if path.is_dir():
            path = path / GALLERY
        table = _read(path)
        of_map = table.column("platemapname")
        barcode = table.column("assayplatebarcode", "platebarcode", "barcode", "plate")
        if of_map is None or barcode is None or _places(table).key:
            yield path, "", table
            continue
        maps: dict[str, tuple[Path, _Table]] = {}
        for _, row in table.rows:
            name = row[of_map]
            if name not in maps:
                file = _map_file(path, name)
                maps[name] = file, _read(file)
            yield (maps[name][0], row[barcode], maps[name][1])


def _map_file(path: Path, name: str) -> Path:
    if not name or Path(name).name != name:
        raise SourceError(path, f"{name!r} is no name of a platemap", "correct it")
    home = path.parent / _MAPS
    for ending in _MAP_ENDINGS:
        if (home / f"{name}{ending}").exists():
            return home / f"{name}{ending}"
    raise SourceError(
        home / f"{name}.txt", "does not exist", f"put the platemap that {path.name} names there"
    )


def _read(path: Path) -> _Table:
    """The table in a file: with commas, tabs or semicolons; in UTF-8, UTF-16 or Windows-1252."""
    text = _text_of(path)
    lines = text.splitlines()
    head = next((line for line in lines if line.strip(_SEPARATORS + " ")), "")
    separator = max(_SEPARATORS, key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    cells = ((reader.line_num, tuple(cell.strip() for cell in row)) for row in reader)
    try:
        rows = [(number, row) for number, row in cells if any(row)]
    except csv.Error as error:
        raise SourceError(path, f"line {reader.line_num}: {error}", "correct the line") from error
    for number, row in rows:
        if any(_CONTROL.search(cell) for cell in row):
            # Filters of CellProfiler Analyst are single lines.
            problem = f"line {number} has a line break or control character in a cell"
            raise SourceError(path, problem, "remove it")
    if not rows:
        raise SourceError(path, "is empty", "name a layout with a header and a row for each well")
    (_, header), *below = rows
    names = [name.lower() for name in header if name]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise SourceError(path, f"has two columns {twice}", "rename one of them")
    for number, row in below:
        if len(row) != len(header):
            problem = f"line {number} has {counted(len(row), 'cell')}, the header {len(header)}"
            raise SourceError(path, problem, "correct the line")
    cells_of_rows = [row for _, row in below]
    if separator == ";" and below:
        cells_of_rows = [*zip(*map(_with_points, zip(*cells_of_rows, strict=True)), strict=True)]
    numbers = [number for number, _ in below]
    return _Table(header, tuple(zip(numbers, cells_of_rows, strict=True)))


def _with_points(column: Sequence[str]) -> Sequence[str]:
    """A column with decimal points, if all its cells are numbers, with commas where needed."""
    given = [cell for cell in column if cell]
    numbers = all(map(_WITH_COMMA.fullmatch, given)) and any("," in cell for cell in given)
    return [cell.replace(",", ".") for cell in column] if numbers else column


def _text_of(path: Path) -> str:
    try:
        content = read_small(path)
    except OSError as error:
        problem = error.strerror or str(error)
        raise SourceError(
            path, f"cannot be read: {problem}", "name a layout, a CSV file"
        ) from error
    if kind := another_kind(path):
        raise kind
    try:
        encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        return content.decode(encoding)
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _places(table: _Table) -> PlaceFeatures:
    """The columns of plate and well, as `Metadata_NAME`."""
    names = [f"Metadata_{name.removeprefix('Metadata_')}" for name in table.header if name]
    found = PlaceFeatures.among(names)
    # A site is no part of what is in a well.
    return PlaceFeatures(found.plate, found.well, found.row, found.column)


def _layout(path: Path, plate: str, table: _Table) -> PlateLayout:
    places = _places(table)
    if not places.key:
        raise SourceError(
            path,
            f"has no column of wells; its columns are {', '.join(filter(None, table.header))}",
            "call it Well, or name rows and columns Row and Column",
        )
    at = {f"Metadata_{n.removeprefix('Metadata_')}": i for i, n in enumerate(table.header) if n}
    own = [] if places.well else [places.row, places.column]
    used = {at[name] for name in filter(None, [places.plate, places.well, *own])}
    names = {place: name for place, name in enumerate(table.header) if name and place not in used}

    def spelled(row: Sequence[str]) -> str:
        if places.well:
            return row[at[places.well]]
        return well_of(row[at[places.row]], row[at[places.column]])

    found = positions({spelled(row) for _, row in table.rows})
    wells: dict[Place, Mapping[str, str]] = {}
    without = []
    for number, row in table.rows:
        well = spelled(row)
        if not well:
            without.append(number)
            continue
        position = found[well]
        on = plate or (row[at[places.plate]] if places.plate else "")
        place = on, position.name if position else well
        values = {name: row[index] for index, name in names.items() if row[index]}
        if wells.setdefault(place, values) != values:
            problem = f"line {number}: {_where(place)} has two rows with different values"
            raise SourceError(path, problem, "leave one row for each well")
    if without:
        lines = ", ".join(map(str, without[:_SHOWN]))
        raise SourceError(path, f"no well in line {lines}", "name the well, or delete the line")
    if not wells:
        raise SourceError(path, "has no rows", "add a row for each well")
    return PlateLayout(tuple(names.values()), wells)


def _where(place: Place) -> str:
    plate, well = place
    return f"well {well} of plate {plate}" if plate else f"well {well}"
