"""How SQLite opens a file: its settings, and what it does about a write-ahead log."""

from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from cpexport.sinks.sqlite.between_readers import WAIT
from cpexport.sinks.sqlite.errors import writable

# The records of wide tables waste a fifth of SQLite's default pages of 4 KiB.
_PAGE: Final = 16_384
# Pages that a transaction changes stay in memory, up to 256 MB of them: to write the first of them
# before the commit, SQLite would lock everybody out until then.
_SPILL: Final = 16_384

PRAGMAS: Final = (
    WAIT,
    f"PRAGMA page_size = {_PAGE}",
    # With FULL a power cut soon after a commit can bring its journal back, and so undo it: only
    # EXTRA syncs the folder after the journal is deleted (sqlite.org/pragma.html).
    "PRAGMA synchronous = EXTRA",
    f"PRAGMA cache_spill = {_SPILL}",
    "PRAGMA foreign_keys = OFF",
    # A table is rebuilt under another name while views may refer to it.
    "PRAGMA legacy_alter_table = ON",
)
"""What every connection sets."""


def uri(path: Path, *, writing: bool) -> str:
    """What SQLite is to open. To read a file with a write-ahead log, it makes files next to it;
    where it cannot, and no log is there, it must not look for one."""
    log = path.with_name(f"{path.name}-wal")
    if writing or writable(path.parent) or log.exists() or not _has_log(path):
        return str(path)
    return f"file:{quote(str(path.absolute()))}?immutable=1"


def _has_log(path: Path) -> bool:
    """Whether the file is one with a write-ahead log (sqlite.org/fileformat.html, 1.3.3)."""
    with suppress(OSError), path.open("rb") as stream:
        return stream.read(20)[18:] == b"\2\2"
    return False
