"""The manifest of a script: the files that it imports by batch, and metadata of whole runs."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cpexport.errors import UsageError
from cpexport.sinks.ledger import Entry
from cpexport.sinks.sql.database import literal
from cpexport.sinks.sql.experiment_tables import FIRST
from cpexport.sinks.sql.indexes import TableIndex, query_indexes
from cpexport.sinks.sql.ledger_schema import KEPT
from cpexport.sinks.sql.ledger_settings import OWN
from cpexport.tables.layout import Layout
from cpexport.tables.options import TableOptions

MYSQL: Final = "mysql"
SQLITE: Final = "sqlite"
ANALYST: Final = "cpa"
DIALECTS: Final = (MYSQL, SQLITE)

DATA: Final = "data"
"""The subfolder with the data files, unless they have CellProfiler's old names."""

SETS: Final = "_cpexport_sets"
"""The ledger's table of image sets, for which each batch has a file."""

LASTING: Final = str((*OWN, *KEPT))
"""The settings that no batch invalidates, as a list in SQL."""

Kind = tuple[int, str, str, str]
"""A kind of relationship: module number, name, and both object types."""

_PLAIN = re.compile(r"[^0-9A-Za-z_]")


@dataclass(frozen=True)
class ScriptOptions:
    """What reads the files: the `kind` of script is MYSQL, SQLITE or ANALYST. With `old_names`,
    files are called as CellProfiler up to 3.1.9 called them, and have no header."""

    kind: str = MYSQL
    old_names: bool = False

    @classmethod
    def parse(cls, dialect: str | None, *, old_names: bool, analyst: bool) -> "ScriptOptions":
        """The options that a command line asks for.

        Raises:
            UsageError: they exclude each other.
        """
        if analyst and (dialect or old_names):
            raise UsageError(
                "--cpa writes its own files; leave out --dialect and --cellprofiler-names"
            )
        return cls(ANALYST if analyst else dialect or MYSQL, old_names)

    @property
    def script(self) -> str:
        """The name of the script, which imports the other files."""
        return "SQL_SETUP.SQL" if self.old_names else "import.sql"

    @property
    def header(self) -> bool:
        """Whether the first line of a data file has its columns' names."""
        return not self.old_names and self.kind != ANALYST

    def file(self, run: int, entry: Entry, what: str) -> str:
        """The name of a batch's file. It is unique, as the first image sets of two batches
        differ."""
        first, last = entry.loaded.first, entry.loaded.last
        what = _PLAIN.sub(lambda match: f"_{ord(match[0]):x}_", what)
        numbers = f"{run}_{first}_{last}" if run else f"{first}_{last}"
        if self.kind == ANALYST:
            # CellProfiler Analyst accepts no folder in the name, and tells the table by its end.
            return f"batch_{numbers}_{what.lower()}.csv"
        return f"SQL_{numbers}_{what}.CSV" if self.old_names else f"{DATA}/{numbers}_{what}.csv"


@dataclass(frozen=True)
class DataFile:
    """One data file, with rows of one table.

    columns: in the file's order.
    size: in bytes.
    crc: the sum of the CRC-32 of its lines, without their ends.
    sha3: the SHA3-256 of the whole file, in hexadecimal.
    """

    name: str
    table: str
    columns: tuple[str, ...]
    rows: int
    lines: int
    size: int
    crc: int
    sha3: str

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "DataFile":
        """The file that `asdict` and JSON have stored."""
        return cls(**{**stored, "columns": tuple(stored["columns"])})


@dataclass(frozen=True)
class BatchFiles:
    """One batch of a run: its entry in the ledger, and its files. It has no files if newer batches
    have replaced all its image sets."""

    run: int
    entry: Entry
    files: tuple[DataFile, ...]

    @property
    def key(self) -> str:
        return f"{self.run}:{self.entry.signature}"

    @property
    def digests(self) -> Mapping[str, str]:
        """The digest of each file by table, and of the whole batch under an empty name."""
        return {"": self.digest, **{file.table: file.sha3 for file in self.files}}

    @property
    def digest(self) -> str:
        """A digest of the batch and its rows, independent of when and where they were written."""
        entry = self.entry
        batch = [entry.signature, entry.fingerprint, str(entry.loaded), entry.state, entry.reason]
        files = [[file.table, file.columns, file.sha3] for file in self.files]
        return hashlib.sha3_256(json.dumps([batch, files]).encode()).hexdigest()


@dataclass(frozen=True)
class RunMetadata:
    """What the destination stores about one run as a whole.

    experiment: its row of Per_Experiment, with the columns of `experiment.EXPERIMENTS`.
    name: its name in Experiment.
    properties: its rows of Experiment_Properties: object type, field, value.
    notes: its settings in the ledger.
    """

    experiment: tuple[Any, ...] | None = None
    name: str = ""
    properties: tuple[tuple[str, str, str], ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def first(self) -> int:
        """The first image set of the job that wrote `experiment`."""
        return int(self.notes.get(FIRST, "0"))

    @property
    def passing(self) -> dict[str, str]:
        """The notes that the next batch invalidates."""
        return {name: value for name, value in self.notes.items() if name not in KEPT}


@dataclass(frozen=True)
class Manifest:
    """Everything that a script imports.

    layout: the tables that the script makes.
    units: the batches.
    runs: the numbers of the runs by name; empty if runs are not numbered.
    metadata: the metadata of each run by number; 0 if runs are not numbered.
    kinds: the kinds of relationships, numbered from 1 in the files.
    indexed: whether the script makes indexes for queries.
    """

    prefix: str
    shape: TableOptions
    layout: Layout
    units: tuple[BatchFiles, ...]
    runs: Mapping[str, int]
    metadata: Mapping[int, RunMetadata]
    kinds: tuple[Kind, ...]
    indexed: bool = True

    @property
    def indexes(self) -> tuple[TableIndex, ...]:
        """The indexes that the script makes for queries."""
        return tuple(query_indexes(self.layout, self.prefix)) if self.indexed else ()


def replacements(contents: Manifest) -> Iterator[str]:
    """Statements, without their `;`, that enter which batches replaced which. Both batches must be
    in the ledger by then."""
    for unit in contents.units:
        ours = f"prefix = {literal(contents.prefix)} AND {{0}}.table_number = {unit.run}"
        for signature, count in unit.entry.replaced.items():
            yield (
                f"INSERT INTO _cpexport_replaced SELECT o.batch_id, n.batch_id, {count} "
                f"FROM _cpexport_batches o JOIN _cpexport_batches n ON n.{ours.format('n')} "
                f"AND n.signature = '{signature}' WHERE o.{ours.format('o')} "
                f"AND o.signature = '{unit.entry.signature}' AND NOT EXISTS (SELECT 1 "
                "FROM _cpexport_replaced r WHERE r.batch_id = o.batch_id "
                "AND r.by_batch_id = n.batch_id)"
            )
