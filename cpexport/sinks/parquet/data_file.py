"""A file of a table of a Parquet destination, and what it is called."""

from dataclasses import dataclass
from typing import Final

from cpexport.imagesets import ImageSets
from cpexport.sinks.parquet.writer import ParquetWriter

# Readers of `**/*.parquet` must not take a staged file for data. Version 0.1.0 had no such suffix.
STAGED: Final = ".part"


@dataclass(frozen=True)
class File:
    """A file of a table: its numbers of rows and columns, and its first and last image set (0 for
    none). `light` is whether it is uncompressed; see `ParquetWriter`."""

    table: str
    name: str
    rows: int
    columns: int
    first: int
    last: int
    light: int

    @property
    def values(self) -> int:
        return self.rows * self.columns

    def may_have(self, image_sets: ImageSets) -> bool:
        """Whether the file can have rows of these image sets."""
        return self.last > 0 and bool(ImageSets.span(max(self.first, 1), self.last) & image_sets)


def staged_name(table: str, name: str) -> str:
    """The name of a new file until it is in its place."""
    return f"{table}@{name}.parquet{STAGED}"


def file_of(table: str, writer: ParquetWriter) -> File:
    """A file that a writer has completed, with its image sets in its name."""
    span = f"{writer.first:09}-{writer.last:09}-" if writer.last else ""
    name = span + writer.path.name.rpartition("@")[2].removesuffix(STAGED)
    size = (writer.rows, len(writer.schema))
    return File(table, name, *size, writer.first, writer.last, int(writer.light))
