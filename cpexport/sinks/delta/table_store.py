"""Delta destinations: each table is a folder of Parquet files with a log that says which count."""

from typing import ClassVar

from cpexport.errors import SinkError
from cpexport.sinks.capabilities import Capabilities
from cpexport.sinks.delta import CAPABILITIES
from cpexport.sinks.delta.folder import DeltaFolder
from cpexport.sinks.opening import Opening
from cpexport.sinks.parquet.dataset import Folder, settle
from cpexport.sinks.parquet.opening import open_folder
from cpexport.sinks.parquet.table_store import ParquetTableStore
from cpexport.sinks.sql.sink import LedgerSink


def open_delta(path: str, opening: Opening) -> LedgerSink:
    """Opens a folder; see `registry.open_sink`. The first batch makes it; if that batch fails, the
    folder is removed again."""
    return open_folder(path, opening, DeltaTableStore)


class DeltaTableStore(ParquetTableStore):
    """The tables of a folder."""

    kind: ClassVar = "delta"
    title: ClassVar = "Delta Lake"
    folder_type: ClassVar[type[Folder]] = DeltaFolder

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    def _publish_all(self, *, failed: bool) -> None:
        if not (self._file.writing and self._folder.unsettled):
            return
        try:
            settle(self._file, self._folder, last=True)
        except SinkError:
            # After an error, that one is what users must see; the next load updates the logs.
            if not failed:
                raise
