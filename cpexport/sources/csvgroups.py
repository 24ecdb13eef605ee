"""Which CSV files of one folder are one job's, by their names and headers."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cpexport.errors import SourceError
from cpexport.features import EXPERIMENT, IMAGE
from cpexport.filekinds import HDF5, SQLITE, is_pointer
from cpexport.sources.csvbytes import first_lines, no_text
from cpexport.sources.csvfile import CsvFile, open_csv

_IMAGE_CSV = re.compile(r"(.*)Image", re.DOTALL)
# Columns of CellProfiler's tables; and those that tell one of image sets which lacks ImageNumber.
_TABLE = re.compile(rb"ImageNumber|^Module,Module Number|^Key,Value")
_IMAGE_TABLE = re.compile(rb"(^|[,;|\t\"])(Count|ModuleError|ExecutionTime|MD5Digest|Group)_")
# What begins CellProfiler's other outputs, in a first line as `first_lines` has it.
_NO_TABLES = (HDF5[:5], SQLITE)
_SAMPLE = 1 << 16

Header = CsvFile | SourceError
"""What a file begins with, or why that cannot be read."""


@dataclass
class CsvGroup:
    """The CSV files of one job, called alike: their names begin with `prefix`.

    `images` is whether a table of image sets is among them; `experiment` an Experiment.csv that
    says of the whole run what these files do not, and `adopted` are those of `files` that were
    called otherwise or lay elsewhere.
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
        """Stands for the job where it is not the only one of its folder."""
        stem = f"{self.prefix}{IMAGE}"
        first = self.files[0].with_name(f"{stem}.csv")
        return next((path for path in self.files if path.stem == stem), first)

    @property
    def experiment_file(self) -> Path | None:
        """The job's own Experiment.csv."""
        stem = f"{self.prefix}{EXPERIMENT}"
        return next((path for path in self.files if path.stem == stem), None)

    @property
    def is_experiment_only(self) -> bool:
        """Whether the job's tables must be elsewhere, as only its Experiment.csv is here."""
        return not self.images and self.says_how_it_ran

    def holds(self, stem: str) -> bool:
        """Whether there is a file of this name, without its suffix."""
        return any(path.stem == stem for path in self.files)

    def has_own(self, stem: str) -> bool:
        """The same, of the files that were not adopted."""
        return any(path.stem == stem and path not in self.adopted for path in self.files)


@dataclass(frozen=True)
class Stray:
    """A CSV file of CellProfiler's that belongs to no job whose files are called alike."""

    path: Path
    header: Header

    @property
    def kind(self) -> str:
        """As `CsvFile.kind`; empty where the header cannot be read."""
        return self.header.kind if isinstance(self.header, CsvFile) else ""


@dataclass(frozen=True)
class CsvFolder:
    """The CSV files of one folder: `groups` by prefix, and what belongs to none of them."""

    groups: dict[str, CsvGroup]
    strays: tuple[Stray, ...] = ()


def csv_folder(files: Iterable[Path]) -> CsvFolder:
    """The CSV files of a folder as jobs left them.

    A file belongs to the longest prefix that begins it, prefixes being what stands before `Image`
    in the names of tables of image sets. Without such a table the files of a folder are one group
    if CellProfiler wrote any of them. In a group, files of any kind are: only the headers of what
    might be a table of image sets are read.
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
    """What a file begins with; None if it is none of CellProfiler's, or empty."""
    try:
        return open_csv(path)
    except SourceError as error:
        return error


def _prefix(path: Path) -> list[str]:
    """What stands before `Image` in the name of a table of image sets, damaged or not."""
    found = _IMAGE_CSV.fullmatch(path.stem)
    if not found:
        return []
    header = header_of(path)
    if isinstance(header, CsvFile):
        ours = header.kind == IMAGE
    else:
        ours = header is not None or _is_damaged_image(path)
    return [found[1]] if ours else []


def _without_image(files: list[Path]) -> CsvFolder:
    headers = {path: header for path in files if (header := header_of(path)) is not None}
    kinds = {header.kind for header in headers.values() if isinstance(header, CsvFile)}
    if not headers and not any(map(_is_damaged, files)):
        return CsvFolder({})
    experiments = [p for p, h in headers.items() if isinstance(h, CsvFile) and h.kind == EXPERIMENT]
    prefix = experiments[0].stem.removesuffix(EXPERIMENT) if experiments else ""
    if not all(path.name.startswith(prefix) for path in headers):
        prefix = ""
    return CsvFolder({prefix: CsvGroup(prefix, files, IMAGE in kinds)})


def _is_damaged_image(path: Path) -> bool:
    """Whether a file without a header was a table of image sets, which its name says already."""
    line, _ = first_lines(path)
    cut = not line.endswith(b"\n") and (b"," in line or b"\t" in line)
    told = _IMAGE_TABLE.search(line) is not None or no_text(path) is not None
    return not _text(line) or cut or told


def _is_damaged(path: Path) -> bool:
    """Whether a file without a header was one of CellProfiler's, as far as that can be told."""
    line, _ = first_lines(path)
    if line.startswith(_NO_TABLES):
        return True
    if path.suffix.lower() != ".csv":
        return False
    text = _text(line)
    return not text or _TABLE.search(text) is not None or is_pointer(path)


def _text(line: bytes) -> bytes:
    """The beginning of a line without NUL bytes, which UTF-16 has, and a disk that fails leaves."""
    return line[:_SAMPLE].replace(b"\0", b"")
