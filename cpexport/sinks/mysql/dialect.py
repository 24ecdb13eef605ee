"""How SQLAlchemy writes SQL for MySQL and MariaDB. Works without PyMySQL."""

from typing import Final

from sqlalchemy.dialects.mysql import pymysql

# With PyMySQL's own paramstyle, SQLAlchemy would double each percent sign in a name.
DIALECT = pymysql.MySQLDialect_pymysql(paramstyle="named")

# SELECT * leaves an invisible column out (MySQL 8.0.23 and newer, Invisible Columns).
_ROW_KEY: Final = "_cpexport_row BIGINT UNSIGNED NOT NULL AUTO_INCREMENT INVISIBLE PRIMARY KEY"


def quoted(name: str) -> str:
    """A name quoted for SQL."""
    return DIALECT.identifier_preparer.quote_identifier(name)


def with_key(create: str) -> str:
    """The statement that makes a table without a primary key, with a key that no one sees: some
    servers make no table without one."""
    return create.replace("(\n", f"(\n\t{_ROW_KEY},\n", 1)
