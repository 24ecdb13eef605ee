"""Ends a script for MariaDB and MySQL with what makes queries fast: indexes, and statistics."""

from collections.abc import Collection, Iterator

from cpexport.sinks.sql import schema
from cpexport.sinks.sql.database import quoted
from cpexport.sinks.sql.indexes import TableIndex
from cpexport.sinks.sql.ledger_settings import INDEXES
from cpexport.sinks.sql.schema import PLACE_LENGTH
from cpexport.sql_script.manifest import Manifest
from cpexport.sql_script.mysql.statements import RUN, SKIP, literal


def indexes(contents: Manifest) -> Iterator[str]:
    """Makes the indexes that queries need, once all rows are there."""
    yield SKIP
    texts = {column.name for column in contents.layout.columns if schema.is_place(column)}
    for index in contents.indexes:
        yield _query_index(index, [c for c in index.columns if c in texts], contents.prefix)


def count_values(contents: Manifest) -> str:
    """Makes the server count the values of all tables, as loads do, if the script has brought a
    tenth of all batches or more."""
    ours = f"SELECT COUNT(*) FROM _cpexport_batches WHERE prefix = {literal(contents.prefix)}"
    tables = literal(f"ANALYZE TABLE {', '.join(map(quoted, contents.layout.tables))}")
    much = f"@loaded AND @loaded * 10 >= ({ours})"
    return f"{SKIP}SET @s = IF(@ok AND {much},\n  {tables}, 'DO 0');\n{RUN}"


def _query_index(index: TableIndex, texts: Collection[str], prefix: str) -> str:
    """Statements that make an index for queries, if the table has none with these columns, and
    unless a load has chosen to have none. Of a TEXT in `texts`, as older versions made plates and
    wells, it has the first characters."""
    table, columns = literal(index.table), literal(",".join(index.columns))
    existing = (
        "SELECT COUNT(*) FROM (SELECT GROUP_CONCAT(column_name ORDER BY seq_in_index) AS names "
        "FROM information_schema.statistics WHERE table_schema = DATABASE() "
        f"AND table_name = {table} GROUP BY index_name) x WHERE names = {columns}"
    )
    ours = f"prefix = {literal(prefix)} AND name = {literal(INDEXES)}"
    chosen = f"SELECT COUNT(*) FROM _cpexport_settings WHERE {ours} AND value = 'no'"
    type = (
        "SELECT MIN(data_type) FROM information_schema.columns WHERE table_schema = DATABASE() "
        f"AND table_name = {table} AND column_name ="
    )
    statement = literal(index.statement())
    for column in texts:
        length = f"IF(({type} {literal(column)}) LIKE '%text', '({PLACE_LENGTH})', '')"
        named = literal(quoted(column))
        statement = f"REPLACE({statement}, {named}, CONCAT({named}, {length}))"
    wanted = f"@ok AND ({existing}) = 0 AND ({chosen}) = 0"
    return f"SET @s = IF({wanted},\n  {statement}, 'DO 0');\n{RUN}"
