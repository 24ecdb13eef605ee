"""Outputs in several formats in one folder: what is said of those that are not used.

They should be of the same job. Those that list other image sets are named: nothing of them is read.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cpexport.batch import Source
from cpexport.errors import RunningError, SourceError
from cpexport.features import IMAGE
from cpexport.imagesets import ImageSets
from cpexport.sources.csvfile import CsvFile
from cpexport.sources.csvgroups import header_of
from cpexport.sources.database import listed


@dataclass(frozen=True)
class Beside:
    """Files beside those of a batch that are not used: CSV files and SQLite files.

    `tables` are those of `csv` that list image sets, `jobs` the batches that those of "MySQL / CSV"
    would be. `used` are the other batches of the folder, whose image sets are read as well.
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
        return (*self.tables, *self.databases, *(file for one in sources for file in one.files))

    def note(self, used: str) -> tuple[str, ...]:
        """That what is `used` was taken and not these files; nothing if there are none.

        >>> Beside(csv=(Path("Image.csv"), Path("Cells.csv"))).note("the .h5 is")
        ('the .h5 is used, not the 2 CSV files beside it',)
        """
        return (f"{used} used, not the {self._counted} beside it",) if self._many else ()

    def advised(self, error: SourceError) -> SourceError:
        """The error of what is used, with the advice that other files can be used instead."""
        if not self._many or isinstance(error, RunningError):
            return error
        what = self._counted.lstrip("0123456789 ")
        advice = f"{error.advice}, or take it away to use the {what} beside it"
        return SourceError(error.path, error.problem, advice)

    def left_out(self, held: ImageSets, used: str) -> dict[str, str]:
        """Those of the files that list image sets which are not among those `held` by what is
        `used`, and what to do about it. A damaged one is passed over, as it is not used."""
        found = {}
        for path, image_sets in self._listed():
            if more := image_sets - held:
                for source in self.used:
                    with suppress(SourceError), source.open() as opened:
                        more = more - ImageSets.of(opened.pictures.numbers)
            if more:
                found[str(path)] = (
                    f"lists image sets {more}, which {used} does not have; put the files of each "
                    "format into a folder of their own"
                )
        return found

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
                yield job.files[0], ImageSets.of(opened.pictures.numbers)

    @property
    def _many(self) -> int:
        return len(self.csv) + len(self.databases)

    @property
    def _counted(self) -> str:
        kinds = ["CSV"] * bool(self.csv) + ["SQLite"] * bool(self.databases)
        return f"{self._many} {' and '.join(kinds)} file{'s' * (self._many > 1)}"


NOTHING = Beside()
