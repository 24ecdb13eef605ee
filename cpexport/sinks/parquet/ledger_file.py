"""The SQLite file with the ledger of a Parquet destination."""

import shlex
from contextlib import suppress
from pathlib import Path
from typing import Final

from cpexport.errors import SinkError
from cpexport.sinks.own_files import LEDGERS, folder_kind
from cpexport.sinks.sqlite.connection import Connection
from cpexport.sinks.sqlite.errors import writable

# If a load failed or was killed at its first batch, the folder may have only such files.
_OURS: Final = "_cpexport"


class LedgerFile(Connection):
    """The folder's ledger, in a SQLite file. The folder is made before it."""

    def __init__(self, folder: Path, kind: str, *, writing: bool = True) -> None:
        self.folder, self._kind = folder, kind
        super().__init__(folder / LEDGERS[kind], f"{kind}:{folder}", writing=writing)

    @property
    def title(self) -> str:
        """The folder's name."""
        return self.folder.absolute().name

    def size(self) -> int:
        """The bytes of all files in the folder. A load may delete some meanwhile."""
        sizes = 0
        for file in self.folder.rglob("*"):
            with suppress(FileNotFoundError):
                sizes += file.stat().st_size if file.is_file() else 0
        return sizes

    def _refuse_unusable(self) -> None:
        folder, home = self.folder, self.folder.absolute().parent
        if not folder.exists():
            if not home.is_dir():
                raise SinkError(
                    self.name,
                    f"the folder {home} does not exist",
                    f"create it: mkdir -p {shlex.quote(str(home))}",
                )
            if not writable(home):
                raise SinkError(
                    self.name, f"the folder {home} is read-only", "choose another folder"
                )
        elif not folder.is_dir():
            raise SinkError(self.name, "not a folder", "name a folder")
        elif self.path.exists():
            super()._refuse_unusable()
        elif (kind := folder_kind(folder)) is not None:
            raise SinkError(
                self.name, f"the folder holds tables of {kind}", f"write {kind}:{folder}"
            )
        elif any(not path.name.startswith(_OURS) for path in folder.iterdir()):
            raise SinkError(
                self.name,
                "contains files that cpexport did not create",
                "name a new or empty folder",
            )
        elif self.writing and not writable(folder):
            raise SinkError(self.name, "read-only", "make it writable, or choose another folder")
