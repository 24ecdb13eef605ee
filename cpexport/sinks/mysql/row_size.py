"""How wide a table of InnoDB can be: a full row must fit in half a page.

Measured on MariaDB 10.11 and MySQL 9.7, which agree on rows. MariaDB reports some rows as too wide
only when the first full row comes, and also limits the definition of a table. Here that limit
applies to both, so that tables are the same on either server.
"""

import pyarrow as pa

from cpexport.cellprofiler.features import NULL, TEXT
from cpexport.tables.capacity import TableCapacity

# Bytes that a page needs for itself; and a record, for its header (5) and its transaction (13).
_PAGE, _RECORD = 132, 18
# Up to 40 bytes of a text that does not fit may stay in the row, and one byte has their number.
_TEXT, _NUMBER = 41, 8
_COLUMNS = 1017
# The definition has about 64 KiB; each column takes its name and a few more bytes.
_DEFINITION, _OF_COLUMN = 65_000, 19
# Twelve numbers in every part can become texts later without making it too wide.
_RESERVE = 400


def capacity(page_size: int = 16_384) -> TableCapacity:
    """The capacity of a table on a server: bits of a row, columns, bytes of the definition.

    >>> capacity().sizes
    (61657, 1017, 65000)
    """
    row = min((page_size - _PAGE) // 2, 16_383) - _RECORD - _RESERVE
    # The NULL bits of a row fill whole bytes.
    return TableCapacity((8 * row - 7, _COLUMNS, _DEFINITION), _cost)


def _cost(name: str, type: pa.DataType) -> tuple[int, int, int]:
    size = _TEXT if type in (TEXT, NULL) else _NUMBER
    return 8 * size + 1, 1, len(name.encode()) + _OF_COLUMN
