"""The log of one Delta table, which says what files and columns it has.

Format: PROTOCOL.md of delta-io/delta, reader version 1 and writer version 2, which all readers
know. Commits are written here, as deltalake has no function that adds and removes files in one
commit, or that changes columns in it. It reads logs, and writes their checkpoints.
"""

import errno
import json
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from cpexport import __version__
from cpexport.cellprofiler.features import IMAGE_NUMBER, INTEGER, REAL, TEXT
from cpexport.errors import ChangedError
from cpexport.sinks.parquet.data_file import File
from cpexport.sinks.parquet.dataset import sync

_APP: Final = "cpexport"
_TYPES: Final = {INTEGER: "long", REAL: "double", TEXT: "string", pa.binary(): "binary"}
# Readers read all commits since the last checkpoint.
_CHECKPOINT: Final = 20
# exFAT has no links, for example.
_NO_LINKS: Final = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
_CHANGES: Final = frozenset({"add", "remove", "metaData", "protocol"})


class TableLog:
    """The log of the table in a folder, as it is when this is made, and after each `commit`.

    name: the destination, for messages.

    Raises:
        ChangedError: the log cannot be read, or another program changed the table.
    """

    def __init__(self, table: Path, name: str) -> None:
        self._table, self._name = table, name
        self._version = -1
        self.files: frozenset[str] = frozenset()
        self._schema: Any = None
        self._id, self._created = str(uuid.uuid4()), _now()
        try:
            if DeltaTable.is_deltatable(str(table)):
                self._read(DeltaTable(table))
        except (DeltaError, OSError, ValueError) as error:
            raise self._changed(f"cannot be read: {error}") from error

    @property
    def current(self) -> bool:
        """Whether no other process has committed since."""
        return not self._path(self._version + 1).exists()

    def commit(self, files: Sequence[File], schema: pa.Schema | None) -> None:
        """Makes the table have exactly these files, in one commit; in none if it has them.

        schema: its columns; None for those that it has.

        Raises:
            ChangedError: another program commits to the table, too.
            OSError: the disk is full.
        """
        names = frozenset(file.name for file in files)
        shape = self._schema if schema is None else _shape(schema)
        if names == self.files and shape == self._schema:
            return
        version, now = self._version + 1, _now()
        numbered = any(field["name"] == IMAGE_NUMBER for field in shape["fields"])
        actions: list[Mapping[str, Any]] = [
            {"commitInfo": {"timestamp": now, "operation": "WRITE", "engineInfo": _ENGINE}},
            {"txn": {"appId": _APP, "version": version, "lastUpdated": now}},
        ]
        if not version:
            actions.append({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}})
        if shape != self._schema:
            actions.append({"metaData": self._meta_data(shape, numbered=numbered)})
        for gone in sorted(self.files - names):
            removed = {"path": gone, "deletionTimestamp": now, "dataChange": True}
            actions.append({"remove": removed})
        for file in files:
            if file.name not in self.files:
                actions.append({"add": self._added(file, now, numbered=numbered)})
        self._write(version, "".join(f"{json.dumps(action)}\n" for action in actions))
        self._version, self.files, self._schema = version, names, shape
        if version and version % _CHECKPOINT == 0:
            # It only saves readers time.
            with suppress(DeltaError, OSError):
                DeltaTable(self._table).create_checkpoint()

    def _read(self, table: DeltaTable) -> None:
        self._version = table.version()
        ours = table.transaction_version(_APP)
        if ours is None:
            raise self._changed("has a log that cpexport did not write")
        for version in range(ours + 1, self._version + 1):
            with self._path(version).open("rb") as lines:
                if any(_CHANGES & json.loads(line).keys() for line in lines):
                    raise self._changed(f"was changed by another program (version {version})")
        self.files = frozenset(uri.rpartition("/")[2] for uri in table.file_uris())
        self._schema = json.loads(table.schema().to_json())
        meta = table.metadata()
        self._id, self._created = str(meta.id), meta.created_time or self._created

    def _meta_data(self, shape: Any, *, numbered: bool) -> Mapping[str, Any]:
        return {
            "id": self._id,
            "format": {"provider": "parquet", "options": {}},
            "schemaString": json.dumps(shape),
            "partitionColumns": [],
            # Statistics of thousands of columns would make the log as large as the table.
            "configuration": {"delta.dataSkippingStatsColumns": IMAGE_NUMBER} if numbered else {},
            "createdTime": self._created,
        }

    def _added(self, file: File, now: int, *, numbered: bool) -> Mapping[str, Any]:
        stats: dict[str, Any] = {"numRecords": file.rows}
        if file.last and numbered:
            stats |= {
                "minValues": {IMAGE_NUMBER: file.first},
                "maxValues": {IMAGE_NUMBER: file.last},
                "nullCount": {IMAGE_NUMBER: 0},
            }
        return {
            "path": file.name,
            "partitionValues": {},
            "size": (self._table / file.name).stat().st_size,
            "modificationTime": now,
            "dataChange": True,
            "stats": json.dumps(stats),
        }

    def _write(self, version: int, text: str) -> None:
        """Writes a commit, whole or not at all, unless another program has written it."""
        place = self._path(version)
        # Readers know such names as those of commits that are not complete.
        part = place.with_name(f"_commit_{_APP}.json.tmp")
        place.parent.mkdir(exist_ok=True)
        with part.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        try:
            _move_new(part, place)
        except FileExistsError as error:
            raise self._changed(f"was changed by another program (version {version})") from error
        sync(place.parent)
        sync(self._table)

    def _path(self, version: int) -> Path:
        return self._table / "_delta_log" / f"{version:020}.json"

    def _changed(self, problem: str) -> ChangedError:
        return ChangedError(
            self._name, f"{self._table.name} {problem}", "load its outputs into a new destination"
        )


_ENGINE: Final = f"cpexport/{__version__}"


def _move_new(part: Path, place: Path) -> None:
    """Moves a file to a place where none is; raises FileExistsError if one is."""
    try:
        # Unlike a rename, a link never replaces a file.
        os.link(part, place)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if place.exists():
            raise FileExistsError(place) from error
        part.rename(place)
    else:
        part.unlink()


def _shape(schema: pa.Schema) -> Any:
    """Columns as a log has them."""
    fields = [
        {"name": field.name, "type": _TYPES[field.type], "nullable": True, "metadata": {}}
        for field in schema
    ]
    return {"type": "struct", "fields": fields}


def _now() -> int:
    return time.time_ns() // 1_000_000
