"""The request of a load: outputs, destination and options, in one value."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cpexport.derived.wells import Wells
from cpexport.loading.given_numbers import LedgerNumbers
from cpexport.loading.numbering import Numbering
from cpexport.loading.succession import Consent
from cpexport.sinks.ledger_store import LedgerStore
from cpexport.tables.options import TableOptions
from cpexport.tables.path_map import PathMap


@dataclass(frozen=True)
class LoadRequest:
    """A load, its dry run, its verification, or the script that does the same.

    outputs: folders or files that hold job outputs. For commands on several runs each one is a run,
        and can be written NAME=FOLDER.
    to: the destination URL.
    batch_file: the batch file of the jobs; None to find it near the outputs.
    lists: LoadData's lists of the image sets to run, if there is no batch file.
    prefix: table name prefix.
    shape: how the tables look; None to keep the destination's choice, or CellProfiler's default.
    paths: how image paths change; None for the destination's mapping, or none.
    wells: tables of wells to make in addition to the existing ones.
    key: the features that identify image sets whose jobs count from 1; empty to find them.
    consent: what the user allows; it is not stored.
    run_folders: for commands on several runs, the outputs of each run by its name, if its place in
        paths names it; otherwise empty.
    run: the run that all of `outputs` belong to, if the destination numbers runs.
    one_of_several: whether there are other such runs, whose plates `lists` can have.
    indexes: whether loads make indexes for queries; None for the destination's choice, or else yes.
    again: whether what a user removed from the destination is loaded again.
    allow_empty: whether jobs may still run, so that an empty result is no error.
    """

    outputs: tuple[Path, ...]
    to: str
    batch_file: Path | None = None
    lists: tuple[Path, ...] = ()
    prefix: str = ""
    shape: TableOptions | None = None
    paths: PathMap | None = None
    wells: Wells | None = None
    key: tuple[str, ...] = ()
    consent: Consent = field(default_factory=Consent)
    run_folders: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    run: str | None = None
    one_of_several: bool = False
    indexes: bool | None = None
    again: bool = False
    allow_empty: bool = False

    def of_run(
        self, name: str, outputs: tuple[Path, ...], *, several: bool = False
    ) -> "LoadRequest":
        """Returns the same request for one run; `several` is whether there are others."""
        return replace(self, outputs=outputs, run_folders={}, run=name, one_of_several=several)

    def numbering(self, ledger: LedgerStore) -> Numbering:
        """How this numbers image sets in the destination with this ledger."""
        several = self.one_of_several and bool(self.lists)
        return Numbering(self.key, LedgerNumbers(ledger), several)
