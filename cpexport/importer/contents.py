"""What a script imports: its files batch by batch, and what is said of the whole run."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cpexport.errors import UsageError
from cpexport.ledger import Entry
from cpexport.shape import Shape
from cpexport.sinks.schema import KEPT
from cpexport.sinks.sql import literal
from cpexport.sinks.sqlexperiment import FIRST
from cpexport.sinks.sqlledger import OWN
from cpexport.tables import Layout

MYSQL: Final = "mysql"
SQLITE: Final = "sqlite"
ANALYST: Final = "cpa"
DIALECTS: Final = (MYSQL, SQLITE)

DATA: Final = "data"
"""The folder below with the files, where they are not called as CellProfiler did."""

SETS: Final = "_cpexport_sets"
"""The ledger's table that has a file of each batch: of its image sets."""

LASTING: Final = str((*OWN, *KEPT))
"""Settings that stay true when a batch is written, as SQL has them."""

Kind = tuple[int, str, str, str]
"""A kind of relationships: module, relationship, and both types of objects."""

_PLAIN = re.compile(r"[^0-9A-Za-z_]")


@dataclass(frozen=True)
class Form:
    """Who is to read the files: a `kind` of script, MYSQL, SQLITE or ANALYST, and whether files
    are called as CellProfiler up to 3.1.9 called them, and have no header then."""

    kind: str = MYSQL
    old_names: bool = False

    @classmethod
    def parse(cls, dialect: str | None, *, old_names: bool, analyst: bool) -> "Form":
        """The form that these words ask for.

        Raises:
            UsageError: they do not go together.
        """
        if analyst and (dialect or old_names):
            raise UsageError("--cpa has files of its own: leave --dialect and the names away")
        return cls(ANALYST if analyst else dialect or MYSQL, old_names)

    @property
    def script(self) -> str:
        """The file that imports the others."""
        return "SQL_SETUP.SQL" if self.old_names else "import.sql"

    @property
    def header(self) -> bool:
        """Whether the first line of a file has its columns' names."""
        return not self.old_names and self.kind != ANALYST

    def file(self, run: int, entry: Entry, what: str) -> str:
        """The name of a batch's file; of two batches, the first image sets differ."""
        first, last = entry.loaded.first, entry.loaded.last
        what = _PLAIN.sub(lambda found: f"_{ord(found[0]):x}_", what)
        numbers = f"{run}_{first}_{last}" if run else f"{first}_{last}"
        if self.kind == ANALYST:
            # Its first letters may be no folder, and the ending says which table it is.
            return f"batch_{numbers}_{what.lower()}.csv"
        return f"SQL_{numbers}_{what}.CSV" if self.old_names else f"{DATA}/{numbers}_{what}.csv"


@dataclass(frozen=True)
class DataFile:
    """One file: rows of one table. `columns` are in the file's order; `crc` is the sum of the
    CRC-32 of its lines, without their ends; `sha3` is of all of it; `size` in bytes."""

    name: str
    table: str
    columns: tuple[str, ...]
    rows: int
    lines: int
    size: int
    crc: int
    sha3: str

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "DataFile":
        """What `vars` gave, and JSON has kept."""
        return cls(**{**said, "columns": tuple(said["columns"])})


@dataclass(frozen=True)
class Unit:
    """One batch of a run: its entry in the ledger, and its files. No files where newer batches
    have brought all its image sets."""

    run: int
    entry: Entry
    files: tuple[DataFile, ...]

    @property
    def key(self) -> str:
        return f"{self.run}:{self.entry.signature}"

    @property
    def digests(self) -> Mapping[str, str]:
        """The digest of all by an empty name, and of each file by its table."""
        return {"": self.digest, **{file.table: file.sha3 for file in self.files}}

    @property
    def digest(self) -> str:
        """The same for the same rows of the same batch, whenever and wherever they are written."""
        entry = self.entry
        said = [entry.signature, entry.fingerprint, str(entry.loaded), entry.state, entry.reason]
        files = [[file.table, file.columns, file.sha3] for file in self.files]
        return hashlib.sha3_256(json.dumps([said, files]).encode()).hexdigest()


@dataclass(frozen=True)
class Said:
    """What is said of one run as a whole: its row of Per_Experiment (columns of
    `experiment.EXPERIMENTS`), its name and rows (object type, field, value) in Experiment and
    Experiment_Properties, and what was noted of it."""

    experiment: tuple[Any, ...] | None = None
    name: str = ""
    properties: tuple[tuple[str, str, str], ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def first(self) -> int:
        """The first image set of the job that said what is in `experiment`."""
        return int(self.notes.get(FIRST, "0"))

    @property
    def passing(self) -> dict[str, str]:
        """The notes that the next batch makes untrue."""
        return {name: value for name, value in self.notes.items() if name not in KEPT}


@dataclass(frozen=True)
class Contents:
    """All of a script. `layout` is that of the tables it makes; `runs` are the runs by name, and
    `said` what is said of each by number, 0 where they are not numbered. `kinds` of relationships
    are numbered from 1 in the files."""

    prefix: str
    shape: Shape
    layout: Layout
    units: tuple[Unit, ...]
    runs: Mapping[str, int]
    said: Mapping[int, Said]
    kinds: tuple[Kind, ...]


def replacements(contents: Contents) -> Iterator[str]:
    """Statements, without their end, that enter which batches took the place of others: both are
    there by then."""
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
