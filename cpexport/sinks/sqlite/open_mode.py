"""How SQLite is to open a file that may have a write-ahead log."""

from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from cpexport.sinks.sqlite.errors import writable


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
