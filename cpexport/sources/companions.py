"""Files of other formats in a batch's folder, which are not used, and the reports about them.

They should be of the same job. Files that list other image sets are reported; their content is
never loaded.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cpexport.cellprofiler.features import IMAGE
from cpexport.errors import RunningError, SourceError
from cpexport.imagesets import ImageSets
from cpexport.sources.base import Source
from cpexport.sources.spreadsheet.csv_file import CsvFile
from cpexport.sources.spreadsheet.file_groups import header_of
from cpexport.sources.sqlite.source import listed


@dataclass(frozen=True)
class Companions:
    """The CSV and SQLite files in a batch's folder that are not used.

    `tables` are the files of `csv` that list image sets, and `jobs` are sources for the "MySQL /
    CSV" files. `used` are the other batches of the folder; their image sets are read too.
    """

    csv: tuple[Path, ...] = ()
    databases: tuple[Path, ...] = ()
    tables: tuple[Path, ...] = ()
    jobs: tuple[Source, ...] = ()
    used: tuple[Source, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that `left_out` reads."""
        sources = (*self.jobs, *self.used)
        return (
            *self.tables,
            *self.databases,
            *(file for source in sources for file in source.files),
        )

    def note(self, used: str) -> tuple[str, ...]:
        """The note that the format in `used` was read instead of these files; empty without files.

        >>> Companions(csv=(Path("Image.csv"), Path("Cells.csv"))).note("the .h5 is")
        ('the .h5 is used, not the 2 CSV files next to it',)
        """
        return (f"{used} used, not the {self._counted} next to it",) if self._number else ()

    def advised(self, error: SourceError) -> SourceError:
        """The error of the used format, with the advice that the other files can replace it."""
        if not self._number or isinstance(error, RunningError):
            return error
        what = self._counted.lstrip("0123456789 ")
        advice = f"{error.advice}, or move it out of OUTPUTS to use the {what} next to it"
        return SourceError(error.path, error.problem, advice)

    def left_out(self, present: ImageSets, used: str) -> dict[str, str]:
        """The files that list image sets missing from `present`, each with advice for the user.

        `present` are the image sets of the format in `used`. A damaged file is skipped, because it
        is not used anyway.
        """
        reasons = {}
        for path, image_sets in self._listed():
            if extra := image_sets - present:
                for source in self.used:
                    with suppress(SourceError), source.open() as opened:
                        extra = extra - ImageSets.of(opened.identities.numbers)
            if extra:
                reasons[str(path)] = (
                    f"lists image sets {extra}, which {used} does not have; move the files of "
                    "each format into a folder of their own"
                )
        return reasons

    def _listed(self) -> Iterator[tuple[Path, ImageSets]]:
        for path in self.tables:
            with suppress(SourceError):
                header = header_of(path)
                if isinstance(header, CsvFile) and header.kind == IMAGE:
                    yield path, ImageSets.of(header.image_sets()[0])
        for path in self.databases:
            with suppress(SourceError):
                yield path, listed(path)
        for job in self.jobs:
            with suppress(SourceError), job.open() as opened:
                yield job.files[0], ImageSets.of(opened.identities.numbers)

    @property
    def _number(self) -> int:
        return len(self.csv) + len(self.databases)

    @property
    def _counted(self) -> str:
        kinds = ["CSV"] * bool(self.csv) + ["SQLite"] * bool(self.databases)
        return f"{self._number} {' and '.join(kinds)} file{'s' * (self._number > 1)}"


NOTHING = Companions()
