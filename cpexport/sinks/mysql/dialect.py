"""How SQLAlchemy writes SQL for MySQL and MariaDB. Works without PyMySQL."""

from sqlalchemy.dialects.mysql import pymysql

# With PyMySQL's own paramstyle, SQLAlchemy would double each percent sign in a name.
DIALECT = pymysql.MySQLDialect_pymysql(paramstyle="named")


def quoted(name: str) -> str:
    """A name quoted for SQL."""
    return DIALECT.identifier_preparer.quote_identifier(name)
