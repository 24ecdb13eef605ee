"""Views of the tables under the names that pycytominer's `SingleCells` reads.

pycytominer 1.7.1 (cyto_utils/cells.py) expects what cytominer-database made: `Image` and a table
for each compartment, joined by `TableNumber` and `ImageNumber`, with image columns without
`Image_`. Views provide that at no cost. CytoTable 1.2.6 does not see them, as it lists only tables.
"""

from collections.abc import Iterator

from sqlalchemy.engine import Dialect

from cpexport.cellprofiler.features import IMAGE, IMAGE_NUMBER, OBJECT_NUMBER, TABLE_NUMBER
from cpexport.tables.layout import Layout, Table

# The mark is within the statement, where SQLite keeps it.
_MARK = "/* made by cpexport */"


def statements(layout: Layout, dialect: Dialect, width: int) -> dict[str, str]:
    """The statement that makes each view of a layout without a prefix, by the view's name.

    A view has `TableNumber` (always 1 if runs are not numbered), `ImageNumber`, `ObjectNumber` for
    objects, and all columns of all parts of the table. The number of an object has no second
    column: under its own name, pycytominer would take it for a measurement. Object types with more
    than `width` columns have no view. Nor have those whose name could be a table's: CellProfiler
    allows objects called `Per_Cells`.
    """
    views = {}
    for name in sorted(layout.objects, key=lambda name: (name != IMAGE, name)):
        columns = list(_columns(name, layout.parts(name), dialect))
        reserved = "per_" in name.lower() or name.lower().startswith("sqlite_")
        if not reserved and len(columns) <= width:
            views[name] = _statement(name, columns, layout.parts(name), dialect)
    return views


def made_here(statement: str) -> bool:
    """Whether a view's statement is one that `statements` made, for this or another layout."""
    return _MARK in statement


def _statement(name: str, columns: list[str], parts: tuple[Table, ...], dialect: Dialect) -> str:
    quote = dialect.identifier_preparer.quote_identifier
    keys = ", ".join(quote(key) for key in parts[0].key)
    tables = quote(parts[0].name)
    for part in parts[1:]:
        tables += f" JOIN {quote(part.name)} USING ({keys})"
    listed = ",\n\t".join(columns)
    return f"CREATE VIEW {quote(name)} AS {_MARK} SELECT\n\t{listed}\nFROM {tables}"


def _columns(name: str, parts: tuple[Table, ...], dialect: Dialect) -> Iterator[str]:
    quote = dialect.identifier_preparer.quote_identifier
    keys = (TABLE_NUMBER, IMAGE_NUMBER, OBJECT_NUMBER)
    own = parts[0].key
    values = [] if own[0] == TABLE_NUMBER else ["1"]
    values += [quote(key) for key in own]
    for value, shown in zip(values, keys, strict=False):
        yield _as(value, quote(shown))
    columns = [column.name for part in parts for column in part.columns]
    # A column keeps its whole name if another column already has the short one.
    taken = {known.lower() for known in (*keys, *columns)}
    for column in columns:
        short = column.removeprefix(f"{IMAGE}_") if name == IMAGE else column
        yield _as(quote(column), quote(column if short.lower() in taken else short))


def _as(column: str, shown: str) -> str:
    return column if column == shown else f"{column} AS {shown}"
