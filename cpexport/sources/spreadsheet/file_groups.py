"""Groups the CSV files of a folder by job, using their names and headers."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cpexport.cellprofiler.features import EXPERIMENT, IMAGE
from cpexport.errors import SourceError
from cpexport.files.kinds import HDF5, SQLITE, is_pointer
from cpexport.files.unpacked import plain_name, plain_stem
from cpexport.sources.spreadsheet.csv_bytes import first_lines, no_text
from cpexport.sources.spreadsheet.csv_file import CsvFile, open_csv

_IMAGE_CSV = re.compile(r"(.*)Image", re.DOTALL)
# Columns of CellProfiler's tables, and columns that mark a table of image sets without ImageNumber.
_TABLE = re.compile(rb"ImageNumber|^Module,Module Number|^Key,Value")
_IMAGE_TABLE = re.compile(rb"(^|[,;|\t\"])(Count|ModuleError|ExecutionTime|MD5Digest|Group)_")
# The beginnings of CellProfiler's other outputs, as `first_lines` returns them.
_NO_TABLES = (HDF5[:5], SQLITE)
_SAMPLE = 1 << 16

Header = CsvFile | SourceError
"""A file's header, or why it cannot be read."""


@dataclass(slots=True)
class CsvGroup:
    """The CSV files of one job, whose names begin with `prefix`.

    `images` is whether a table of image sets is among them. `experiment` is an Experiment.csv of
    the whole run, for what these files lack. `adopted` are the members of `files` that had another
    name or folder.
    """

    prefix: str
    files: list[Path]
    images: bool = True
    experiment: Path | None = None
    adopted: list[Path] = field(default_factory=list)

    @property
    def says_how_it_ran(self) -> bool:
        """Whether the job's own Experiment.csv is among the files."""
        return self.holds(f"{self.prefix}{EXPERIMENT}")

    @property
    def image_file(self) -> Path:
        """The path that stands for the job if other jobs share its folder."""
        stem = f"{self.prefix}{IMAGE}"
        first = self.files[0].with_name(f"{stem}.csv")
        return next((path for path in self.files if plain_stem(path) == stem), first)

    @property
    def experiment_file(self) -> Path | None:
        """The job's own Experiment.csv."""
        stem = f"{self.prefix}{EXPERIMENT}"
        return next((path for path in self.files if plain_stem(path) == stem), None)

    @property
    def is_experiment_only(self) -> bool:
        """Whether only the job's Experiment.csv is here, so its tables must be elsewhere."""
        return not self.images and self.says_how_it_ran

    def holds(self, stem: str) -> bool:
        """Whether a file has this name, without its suffix."""
        return any(plain_stem(path) == stem for path in self.files)

    def has_own(self, stem: str) -> bool:
        """Whether a file that was not adopted has this name, without its suffix."""
        return any(plain_stem(path) == stem and path not in self.adopted for path in self.files)


@dataclass(frozen=True, slots=True)
class Stray:
    """A CSV file of CellProfiler's without a job whose files have the same prefix."""

    path: Path
    header: Header

    @property
    def kind(self) -> str:
        """As `CsvFile.kind`; empty if the header cannot be read."""
        return self.header.kind if isinstance(self.header, CsvFile) else ""


@dataclass(frozen=True)
class CsvFolder:
    """The CSV files of one folder: `groups` by prefix, and files that belong to no group."""

    groups: dict[str, CsvGroup]
    strays: tuple[Stray, ...] = ()


def csv_folder(files: Iterable[Path]) -> CsvFolder:
    """Groups the CSV files of a folder.

    A prefix is the text before `Image` in the name of a table of image sets. A file belongs to the
    longest prefix that begins its name. Without a table of image sets, the files form one group if
    CellProfiler wrote any of them. A group can have files of any kind, because only headers of
    possible tables of image sets are read.
    """
    files = list(files)
    prefixes = [prefix for path in files for prefix in _prefix(path)]
    if not prefixes:
        return _without_image(files)
    groups = {prefix: CsvGroup(prefix, []) for prefix in prefixes}
    strays = []
    for path in files:
        mine = [prefix for prefix in prefixes if path.name.startswith(prefix)]
        if mine:
            groups[max(mine, key=len)].files.append(path)
        elif (header := header_of(path)) is not None:
            strays.append(Stray(path, header))
    return CsvFolder(dict(sorted(groups.items())), tuple(strays))


def header_of(path: Path) -> Header | None:
    """A file's header; None if the file is empty or not CellProfiler's."""
    try:
        return open_csv(path)
    except SourceError as error:
        return error


def _prefix(path: Path) -> list[str]:
    """The text before `Image` in the name of a table of image sets, damaged or not."""
    match = _IMAGE_CSV.fullmatch(plain_stem(path))
    if not match:
        return []
    header = header_of(path)
    if isinstance(header, CsvFile):
        is_image_table = header.kind == IMAGE
    else:
        is_image_table = header is not None or _is_damaged_image(path)
    return [match[1]] if is_image_table else []


def _without_image(files: list[Path]) -> CsvFolder:
    headers = {path: header for path in files if (header := header_of(path)) is not None}
    kinds = {header.kind for header in headers.values() if isinstance(header, CsvFile)}
    if not headers and not any(map(_is_damaged, files)):
        return CsvFolder({})
    experiments = [p for p, h in headers.items() if isinstance(h, CsvFile) and h.kind == EXPERIMENT]
    prefix = plain_stem(experiments[0]).removesuffix(EXPERIMENT) if experiments else ""
    if not all(path.name.startswith(prefix) for path in headers):
        prefix = ""
    return CsvFolder({prefix: CsvGroup(prefix, files, IMAGE in kinds)})


def _is_damaged_image(path: Path) -> bool:
    """Whether a file without a header was a table of image sets, as its name suggests."""
    line, _ = first_lines(path)
    cut = not line.endswith(b"\n") and (b"," in line or b"\t" in line)
    recognized = _IMAGE_TABLE.search(line) is not None or no_text(path) is not None
    return not _text(line) or cut or recognized


def _is_damaged(path: Path) -> bool:
    """Whether a file without a header was CellProfiler's, as far as its content shows."""
    line, _ = first_lines(path)
    if line.startswith(_NO_TABLES):
        return True
    if not plain_name(path).lower().endswith(".csv"):
        return False
    text = _text(line)
    return not text or _TABLE.search(text) is not None or is_pointer(path)


def _text(line: bytes) -> bytes:
    """The beginning of a line without NUL bytes, which come from UTF-16 or a failing disk."""
    return line[:_SAMPLE].replace(b"\0", b"")
