"""Decodes rows of the binary protocol, which prepared statements return, many rows at once.

A row is a zero, a bit for each column that says whether it is NULL, and the values of the others:
eight bytes for a DOUBLE or BIGINT, and a length before a text. With the columns of eight bytes
first, the numbers of all rows are one array.
Format: https://mariadb.com/kb/en/resultset-row, and MySQL's internals, Binary Protocol Resultset.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from pymysql.constants import FIELD_TYPE

from cpexport.cellprofiler.features import INTEGER, NULL, REAL

Value = tuple[Any, int]
"""A value, and the offset after it."""

# The first two bits belong to no column.
_SPARE: Final = 2
_LONG_LENGTHS: Final = {0xFC: 2, 0xFD: 3, 0xFE: 8}
_WIDE: Final = {FIELD_TYPE.DOUBLE: REAL, FIELD_TYPE.LONGLONG: INTEGER}


def _text(row: bytes, at: int) -> Value:
    length = row[at]
    at += 1
    if length >= 0xFB:
        size = _LONG_LENGTHS[length]
        length = int.from_bytes(row[at : at + size], "little")
        at += size
    return row[at : at + length].decode(), at + length


def _number(form: str) -> Callable[[bytes, int], Value]:
    packed = struct.Struct(form)
    return lambda row, at: (packed.unpack_from(row, at)[0], at + packed.size)


_OTHERS: Final[dict[int, Callable[[bytes, int], Value]]] = {
    FIELD_TYPE.TINY: _number("<b"),
    FIELD_TYPE.SHORT: _number("<h"),
    FIELD_TYPE.INT24: _number("<i"),
    FIELD_TYPE.LONG: _number("<i"),
    FIELD_TYPE.LONGLONG: _number("<q"),
    FIELD_TYPE.DOUBLE: _number("<d"),
    **dict.fromkeys(
        (
            *(FIELD_TYPE.VAR_STRING, FIELD_TYPE.STRING, FIELD_TYPE.VARCHAR, FIELD_TYPE.BLOB),
            *(FIELD_TYPE.TINY_BLOB, FIELD_TYPE.MEDIUM_BLOB, FIELD_TYPE.LONG_BLOB),
        ),
        _text,
    ),
}


class BinaryRows:
    """The rows of a query for columns of `schema`, the first `key` of which are its key.

    `order` is the order in which the query must ask for the columns.
    """

    def __init__(self, schema: pa.Schema, key: int) -> None:
        numbers = (INTEGER, REAL, NULL)
        wide = [n for n, type in enumerate(schema.types) if n >= key and type in numbers]
        self._schema, self._wide = schema, len(wide)
        first = set(wide)
        self.order = [*wide, *(n for n in range(len(schema)) if n not in first)]
        self._place = {column: place for place, column in enumerate(self.order)}
        self._others: list[Callable[[bytes, int], Value]] = []

    def takes(self, types: Sequence[int]) -> bool:
        """Whether the columns, in `order`, have types of the server that can be decoded: others
        come if someone has changed them."""
        declared = self._schema.types
        wanted = [declared[column] for column in self.order[: self._wide]]
        wide = zip(types[: self._wide], wanted, strict=True)
        rest = types[self._wide :]
        if any(
            _WIDE.get(has) not in (want, *([REAL] if want == NULL else [])) for has, want in wide
        ):
            return False
        if any(type not in _OTHERS for type in rest):
            return False
        self._others = [_OTHERS[type] for type in rest]
        return True

    def columns(self, rows: Sequence[bytes]) -> list[pa.Array]:
        """The columns of some rows, in the schema's order, with the schema's types.

        Raises:
            pyarrow.ArrowInvalid: a value is of another type.
        """
        bits = 1 + (len(self.order) + _SPARE + 7) // 8
        head = np.frombuffer(b"".join([row[1:bits] for row in rows]), np.uint8)
        null = np.unpackbits(head.reshape(len(rows), bits - 1), axis=1, bitorder="little")
        null = null[:, _SPARE : _SPARE + len(self.order)].astype(bool)
        present = ~null[:, : self._wide]
        ends = bits + 8 * present.sum(axis=1)
        content = b"".join([row[bits:end] for row, end in zip(rows, ends.tolist(), strict=True)])
        values = np.frombuffer(content, "<u8")
        if not present.all():
            known, values = values, np.zeros(present.shape, "<u8")
            values[present] = known
        by_column = np.ascontiguousarray(values.reshape(present.shape).T)
        others = self._parsed(rows, ends.tolist(), null[:, self._wide :].tolist())
        arrays = []
        for field, place in zip(
            self._schema, map(self._place.get, range(len(self.order))), strict=True
        ):
            assert place is not None
            if place >= self._wide:
                arrays.append(pa.array(others[place - self._wide], field.type))
                continue
            missing = null[:, place]
            if field.type == NULL and not missing.all():
                raise pa.ArrowInvalid(f"{field.name} has a value, and no batch has brought one")
            numbers = by_column[place].view(np.int64 if field.type == INTEGER else np.float64)
            mask = missing if missing.any() else None
            arrays.append(
                pa.nulls(len(rows)) if field.type == NULL else pa.array(numbers, mask=mask)
            )
        return arrays

    def _parsed(
        self, rows: Sequence[bytes], starts: list[int], null: list[list[bool]]
    ) -> list[list[Any]]:
        """The values of the columns after the wide ones, by column."""
        found: list[list[Any]] = [[] for _ in self._others]
        for row, at, is_null in zip(rows, starts, null, strict=True):
            for place, parse in enumerate(self._others):
                value = None
                if not is_null[place]:
                    value, at = parse(row, at)
                found[place].append(value)
        return found
