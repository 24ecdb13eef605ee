"""Opens Parquet destinations, with what a load that was cut off left to do."""

from pathlib import Path

from cpexport.errors import UsageError
from cpexport.files.scratch import delete_left_behind
from cpexport.sinks.opening import Opening
from cpexport.sinks.parquet.dataset import Folder, settle
from cpexport.sinks.parquet.ledger_file import LedgerFile
from cpexport.sinks.parquet.parts import PARTS
from cpexport.sinks.parquet.table_store import ParquetTableStore
from cpexport.sinks.sql.ledger_store import SqlLedger
from cpexport.sinks.sql.sink import LedgerSink
from cpexport.tables.options import VIEW, TableOptions


class _Ledger(SqlLedger):
    """The ledger in the folder's SQLite file."""

    def __init__(self, file: LedgerFile, folder: Folder, prefix: str, run: str | None) -> None:
        super().__init__(file, prefix, run)
        self._file, self._folder = file, folder

    def metadata(self) -> dict[str, str]:
        # Readers do not find the files of a load that was cut off, so what was computed from
        # those counts as missing.
        unfinished = not self._file.writing and self._folder.unsettled
        return {} if unfinished else super().metadata()


def open_parquet(path: str, opening: Opening) -> LedgerSink:
    """Opens a folder; see `registry.open_sink`. The first batch makes it; if that batch fails, the
    folder is removed again."""
    return open_folder(path, opening, ParquetTableStore)


def open_folder(path: str, opening: Opening, store: type[ParquetTableStore]) -> LedgerSink:
    """Opens a folder whose tables are those of a class."""
    prefix = opening.prefix
    if not path or path.startswith("//"):
        raise UsageError(f"--to names no folder; write {store.kind}:FOLDER")
    if opening.shape is not None and opening.shape.layout == VIEW:
        raise UsageError(
            f"a {store.title} folder cannot have views; use --objects separate or combined"
        )
    if prefix.startswith(("_", ".")) or {"/", "=", "@"} & set(prefix):
        raise UsageError(
            f"--prefix {prefix}: for {store.title}, it must not begin with _ or ., nor contain "
            "/, = or @"
        )
    file = LedgerFile(Path(path), store.kind, writing=opening.writing)
    folder = store.folder_type(file)
    ledger = _Ledger(file, folder, prefix, opening.run)

    def tables(shape: TableOptions) -> ParquetTableStore:
        return store(file, folder, prefix, shape)

    sink = LedgerSink.opened(file, ledger, opening, tables)
    if opening.writing:
        delete_left_behind(folder.path, PARTS)
        if folder.unsettled:
            settle(file, folder)
    return sink
