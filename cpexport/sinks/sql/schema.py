"""The tables of data as SQLAlchemy declares them. `ledger_schema` has those of the ledger."""

from collections.abc import Iterable
from typing import Any, Final

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable

from cpexport.cellprofiler.experiment import EXPERIMENTS
from cpexport.cellprofiler.features import IMAGE, INTEGER, NULL, PLACES, REAL, TABLE_NUMBER, TEXT
from cpexport.tables.layout import Column, Layout, Table

# Names and texts that differ in case are different, as in SQLite.
MYSQL: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_row_format": "DYNAMIC",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}
SAMPLED_PAGES: Final = 2000
"""From how many pages servers count the values of an index. The 20 pages of their default have some
sixty rows of a wide table, from which they take 32,000 image sets where 800 are."""
_SAMPLED: Final[dict[str, Any]] = {"mysql_stats_sample_pages": str(SAMPLED_PAGES)}
PLACE_LENGTH: Final = 255
"""The most characters of a plate or a well on servers, where an index cannot hold a whole TEXT. A
column with a longer one becomes TEXT."""
LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql")
_PLACE: Final[sa.types.TypeEngine[Any]] = sa.Text().with_variant(
    mysql.VARCHAR(PLACE_LENGTH), "mysql"
)
_REAL: Final[sa.types.TypeEngine[Any]] = sa.REAL().with_variant(mysql.DOUBLE(), "mysql")
# Made once: a table has thousands of columns.
_SQL_TYPES: Final[dict[pa.DataType, sa.types.TypeEngine[Any]]] = {
    INTEGER: sa.Integer().with_variant(mysql.BIGINT(), "mysql"),
    pa.binary(): sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql"),
    TEXT: sa.Text(),
}
TYPE_NAMES: dict[pa.DataType, str] = {
    NULL: "none yet",
    INTEGER: "integer",
    REAL: "real",
    TEXT: "text",
}
TYPES = {name: type for type, name in TYPE_NAMES.items()}


def experiment_tables() -> tuple[sa.Table, sa.Table]:
    """CellProfiler's tables Experiment and Experiment_Properties, which all prefixes share
    (exporttodatabase.py, create_experiment_table and the statements before it)."""
    data = sa.MetaData()
    experiments = sa.Table(
        "Experiment",
        data,
        sa.Column("experiment_id", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text),
        **MYSQL,
    )
    properties = sa.Table(
        "Experiment_Properties",
        data,
        sa.Column("experiment_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("object_name", sa.String(200), primary_key=True),
        sa.Column("field", sa.String(200), primary_key=True),
        sa.Column("value", LONG_TEXT),
        **MYSQL,
    )
    return experiments, properties


def experiment_table(prefix: str, numbered: bool, measured: Iterable[str] = ()) -> sa.Table:
    """CellProfiler's table Per_Experiment, which says what ran and when: one row, or one for each
    run if runs are `numbered`. `measured` names its columns of measurements of a whole run."""
    columns = [sa.Column(f.name, sql_type(f.type)) for f in EXPERIMENTS]
    columns += [sa.Column(name, sql_type(REAL)) for name in measured]
    if numbered:
        columns.insert(0, _key(TABLE_NUMBER))
    return sa.Table(f"{prefix}Per_Experiment", sa.MetaData(), *columns, **MYSQL)


def relationship_tables(prefix: str, numbered: bool) -> tuple[sa.Table, sa.Table]:
    """CellProfiler's tables of relationships: the types, and the pairs of objects
    (exporttodatabase.py, create_relationship_table_stmts).

    Both image sets of a pair are from one run. If `numbered`, its `TableNumber` is the first
    column.
    """
    data = sa.MetaData()
    types = sa.Table(
        f"{prefix}Per_RelationshipTypes",
        data,
        _key("relationship_type_id"),
        sa.Column("module_number", sa.Integer),
        sa.Column("relationship", sa.String(255)),
        sa.Column("object_name1", sa.String(255)),
        sa.Column("object_name2", sa.String(255)),
        sa.UniqueConstraint(
            "relationship_type_id",
            "module_number",
            "relationship",
            "object_name1",
            "object_name2",
            name=f"{prefix}Per_RelationshipTypesUnique",
        ),
        **MYSQL,
    )
    numbers = ["image_number1", "object_number1", "image_number2", "object_number2"]
    run = [TABLE_NUMBER] if numbered else []
    pairs = sa.Table(
        f"{prefix}Per_Relationships",
        data,
        *(sa.Column(name, sa.Integer, nullable=False) for name in run),
        sa.Column("relationship_type_id", sa.Integer),
        *(sa.Column(name, sa.Integer) for name in numbers),
        sa.ForeignKeyConstraint(
            ["relationship_type_id"],
            [types.c.relationship_type_id],
            name=f"{prefix}Per_RRTypeIdFK",
        ),
        sa.UniqueConstraint(
            *run, "relationship_type_id", *numbers, name=f"{prefix}Per_RelationshipUnique"
        ),
        **MYSQL,
    )
    for side in ("1", "2"):
        sa.Index(
            f"{prefix}Per_IRelationships{side}",
            *(pairs.c[name] for name in run),
            pairs.c[f"image_number{side}"],
            pairs.c[f"object_number{side}"],
            pairs.c.relationship_type_id,
        )
    return types, pairs


def relationship_view(prefix: str, numbered: bool, dialect: Dialect) -> str:
    """The statement that makes CellProfiler's view of pairs with their types."""
    columns = (
        "T.module_number, T.relationship, T.object_name1, T.object_name2, "
        "R.image_number1, R.object_number1, R.image_number2, R.object_number2"
    )
    if numbered:
        columns = f"R.{TABLE_NUMBER}, {columns}"
    quote = dialect.identifier_preparer.quote
    view, types, pairs = (
        quote(f"{prefix}Per_Relationship{end}") for end in ("sView", "Types", "s")
    )
    return (
        f"CREATE VIEW {view} AS SELECT {columns} FROM {types} T JOIN {pairs} R "
        "ON T.relationship_type_id = R.relationship_type_id"
    )


def names(layout: Layout, prefix: str) -> list[str]:
    """The tables and views that a destination must have under a prefix."""
    own = ("Experiment", "Relationships", "RelationshipTypes", "RelationshipsView")
    return [*layout.tables, *(f"{prefix}Per_{name}" for name in own)]


def data_table(table: Table, name: str | None = None) -> sa.Table:
    """A data table with its primary key; `name` replaces the table's name."""
    key = [_key(column) for column in table.key]
    rest = [sa.Column(c.name, _column_type(c)) for c in table.columns]
    return sa.Table(name or table.name, sa.MetaData(), *key, *rest, **MYSQL, **_SAMPLED)


def is_place(column: Column) -> bool:
    """Whether a column has the plates or the wells, as texts."""
    return column.object == IMAGE and column.feature in PLACES and column.type == TEXT


def _column_type(column: Column) -> sa.types.TypeEngine[Any]:
    if column.feature.startswith("Thumbnail_"):
        return LONG_TEXT
    return _PLACE if is_place(column) else sql_type(column.type)


def create(table: sa.Table, dialect: Dialect) -> list[str]:
    """The statements that make a table and its indexes."""
    create = str(CreateTable(table).compile(dialect=dialect)).strip()
    statements = [create.replace(", \n", ",\n")]
    indexes = sorted(table.indexes, key=lambda index: str(index.name))
    return statements + [str(CreateIndex(index).compile(dialect=dialect)) for index in indexes]


def add_column(table: sa.Table, column: str, dialect: Dialect) -> str:
    """The statement that adds one of a table's declared columns to it."""
    name = dialect.identifier_preparer.format_table(table)
    return f"ALTER TABLE {name} ADD COLUMN {CreateColumn(table.c[column]).compile(dialect=dialect)}"


def sql_type(type: pa.DataType) -> sa.types.TypeEngine[Any]:
    """The SQL type for an Arrow type; REAL for a column that never had a value."""
    return _SQL_TYPES.get(type, _REAL)


def _key(name: str) -> sa.Column[int]:
    """A column of a primary key, without autoincrement: the rows bring its values."""
    return sa.Column(name, sa.Integer, primary_key=True, autoincrement=False)
