"""How wide a table of InnoDB can be, in bytes: a full row of it must fit in half a page.

Measured on MariaDB 10.11 and MySQL 9.7, which agree on rows; MariaDB finds some of it out at the
first full row only, and has a limit for the definition of a table besides. That holds here for
both, so that tables are the same on either.
"""

import pyarrow as pa

from cpexport.features import NULL, TEXT
from cpexport.room import Room

# A page's own 132 bytes; a record's header of 5, and 13 for its transaction.
_PAGE, _RECORD = 132, 18
# Of a text that has no place in the row 40 bytes may stay, and one says how many.
_TEXT, _NUMBER = 41, 8
_COLUMNS = 1017
# 64 KiB, of which a column takes its name and some more.
_DEFINITION, _OF_COLUMN = 65_000, 19
# Twelve numbers may become texts in every part without it getting too wide.
_RESERVE = 400


def room(page_size: int = 16_384) -> Room:
    """What a table of a server holds: bits of a row, columns, bytes of its definition.

    >>> room().sizes
    (61657, 1017, 65000)
    """
    row = min((page_size - _PAGE) // 2, 16_383) - _RECORD - _RESERVE
    # The bits that say NULL come in whole bytes.
    return Room((8 * row - 7, _COLUMNS, _DEFINITION), _cost)


def _cost(name: str, type: pa.DataType) -> tuple[int, int, int]:
    size = _TEXT if type in (TEXT, NULL) else _NUMBER
    return 8 * size + 1, 1, len(name.encode()) + _OF_COLUMN
