"""Encodes rows for MariaDB's bulk protocol: a prepared statement, and its values in binary.

MySQL has no such protocol.
Formats: https://mariadb.com/kb/en/connection, /com_stmt_bulk_execute, /com_stmt_prepare.
"""

import struct
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Bit 34 of the capabilities of client and server, whose upper half is in a field of its own.
_BULK_OPERATIONS = 1 << 2
# This bit marks a client or server as MySQL's, which has no upper half.
_MYSQL = 1
_LOGIN = struct.Struct("<IIB19sI")

# The protocol's numbers of types, each with a byte that says that it is signed.
_TYPES = (b"\xfd\0", b"\x08\0", b"\x05\0")
_TEXT, _INTEGER, _DOUBLE = range(3)
_SENDS_TYPES = 128
_CELL = np.dtype([("missing", "u1"), ("value", "<u8")])
# Long lengths: how many bytes they take, and the byte that precedes them.
_LENGTHS = ((2, 0xFC), (3, 0xFD), (8, 0xFE))
# Smaller packets are slower, as each executes a statement.
_PACKET = 2_000_000


def offered(greeting: bytes) -> bool:
    """Whether a server's first packet offers the bulk protocol."""
    # After its version come a number, half a salt, the capabilities, and last their upper half.
    lower = greeting.find(b"\0", 1) + 14
    if len(greeting) < lower + 18 or greeting[lower] & _MYSQL:
        return False
    return bool(greeting[lower + 14] & _BULK_OPERATIONS)


def asking(login: bytes) -> bytes | None:
    """Changes a login packet, or the request for TLS before it, to ask for the bulk protocol.

    Returns None if the packet cannot ask for it.
    """
    if len(login) < _LOGIN.size:
        return None
    able, packet, letters, rest, more = _LOGIN.unpack_from(login)
    if not able & _MYSQL or any(rest) or more:
        return None
    return (
        _LOGIN.pack(able & ~_MYSQL, packet, letters, rest, _BULK_OPERATIONS) + login[_LOGIN.size :]
    )


def ordered(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The same rows with texts first and doubles last, as `packets` needs them."""
    kinds = [_kind(type) for type in rows.schema.types]
    return rows.select(sorted(range(len(kinds)), key=kinds.__getitem__))


def packets(rows: pa.RecordBatch, most: int) -> Iterator[bytes]:
    """Encodes `ordered` rows in packets of at most `most` bytes, and of a few megabytes. The caller
    puts the number of the statement before each.

    A row larger than that has a packet of its own.
    """
    types = b"".join(_TYPES[_kind(type)] for type in rows.schema.types)
    head = struct.pack("<H", _SENDS_TYPES) + types
    room = min(most, _PACKET) - len(head)
    for part in _slices(rows, room):
        content, ends = _encoded(part)
        begin = 0
        while begin < ends[-1]:
            fit = np.searchsorted(ends, begin + room, side="right") - 1
            end = int(ends[max(fit, np.searchsorted(ends, begin, side="right"))])
            yield head + content[begin:end].tobytes()
            begin = end


def _kind(type: pa.DataType) -> int:
    """The place in `_TYPES` of the type as which values are sent."""
    if pa.types.is_floating(type):
        return _DOUBLE
    return _INTEGER if pa.types.is_integer(type) else _TEXT


def _slices(rows: pa.RecordBatch, room: int) -> Iterator[pa.RecordBatch]:
    """The rows in slices of about `room` bytes, and of at least one row."""
    texts = [column for column in rows.columns if _kind(column.type) == _TEXT]
    numbers = rows.num_columns - len(texts)
    row_size = numbers * _CELL.itemsize + sum(text.nbytes for text in texts) // rows.num_rows
    step = max(room // max(row_size, 1), 1)
    for start in range(0, rows.num_rows, step):
        yield rows.slice(start, step)


def _encoded(rows: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray]:
    """All rows as consecutive bytes, and the offset at which each row ends."""
    texts, integers, doubles = (
        [column for column in rows.columns if _kind(column.type) == kind]
        for kind in (_TEXT, _INTEGER, _DOUBLE)
    )
    content, ends = _numbers(integers, doubles, rows.num_rows)
    if not texts:
        return content, ends
    parts = [part for column in texts for part in _text(column)]
    offsets = pa.py_buffer(np.concatenate(([0], ends)).astype(np.int32))
    buffers = [None, offsets, pa.py_buffer(content)]
    parts.append(pa.Array.from_buffers(pa.binary(), rows.num_rows, buffers))
    joined = pc.binary_join_element_wise(*parts, b"")
    _, places, whole = joined.buffers()
    ends = np.frombuffer(places, np.int32, len(joined) + 1)[1:]
    return np.frombuffer(whole, np.uint8, int(ends[-1])), ends


def _numbers(
    integers: list[pa.Array], doubles: list[pa.Array], rows: int
) -> tuple[np.ndarray, np.ndarray]:
    """The rows' numbers as bytes, and the offset at which each row ends. A number is a byte that
    says whether it is missing and, if it is not, eight bytes of value."""
    cells = np.empty((rows, len(integers) + len(doubles)), _CELL)
    missing = np.zeros(cells.shape, bool)
    values = cells["value"]
    for place, column in enumerate(integers):
        if column.null_count:
            missing[:, place] = column.is_null().to_numpy(zero_copy_only=False)
            column = column.fill_null(0)
        values[:, place] = column.to_numpy().astype(np.int64, copy=False).view(np.uint64)
    for place, column in enumerate(doubles, len(integers)):
        numbers = column.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
        values[:, place] = numbers.view(np.uint64)
    finite = np.isfinite(values[:, len(integers) :].view(np.float64))
    np.logical_not(finite, out=missing[:, len(integers) :])
    cells["missing"] = missing
    content = cells.view(np.uint8).reshape(-1)
    if missing.any():
        kept = np.ones((*cells.shape, _CELL.itemsize), bool)
        kept[missing, 1:] = False
        content = content[kept.reshape(-1)]
    sizes = cells.shape[1] * _CELL.itemsize - 8 * missing.sum(axis=1)
    return content, np.cumsum(sizes)


def _text(column: pa.Array) -> tuple[pa.Array, pa.Array]:
    """The bytes before each text, which say whether it is missing and how long it is; and the
    texts."""
    # All columns of bytes are UTF-8.
    texts = column.cast(pa.string()).cast(pa.binary())
    lengths = pc.binary_length(texts).dictionary_encode(null_encoding="encode")
    heads = pa.array(map(_head, lengths.dictionary.to_pylist()), pa.binary())
    return heads.take(lengths.indices), texts.fill_null(b"")


def _head(length: int | None) -> bytes:
    if length is None:
        return b"\x01"
    if length < 251:
        return bytes((0, length))
    size, mark = next((s, m) for s, m in _LENGTHS if length < 1 << 8 * s)
    return bytes((0, mark)) + length.to_bytes(size, "little")
