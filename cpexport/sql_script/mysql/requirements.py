"""What a script for MariaDB and MySQL needs of a server, checked before anything is changed.

Rights are looked up in information_schema, as clients cannot read the rows of SHOW GRANTS. It lists
what was granted to a user directly, but neither what the user has by a role nor, in MariaDB, by
PUBLIC. So the script trusts it only where the user has no role and some right of its own on the
database. For others, the server itself refuses the first statement that is not allowed.
"""

from collections.abc import Iterator
from typing import Final

from cpexport.sql_script import stops
from cpexport.sql_script.mysql.statements import Variable, check, literal

RIGHTS: Final = (
    "SELECT",
    "INSERT",
    "DELETE",
    "CREATE",
    "ALTER",
    "INDEX",
    "DROP",
    "REFERENCES",
    "CREATE VIEW",
    "CREATE TEMPORARY TABLES",
)
"""The rights on the database that the script needs, as grants name them. MariaDB asks for
REFERENCES nowhere."""

# information_schema has 'name'@'host', and CURRENT_USER() no quotes. A name can contain an @.
_USER = """\
SET @user = CURRENT_USER();
SET @host = SUBSTRING_INDEX(@user, '@', -1);
SET @grantee = CONCAT('''', LEFT(@user, CHAR_LENGTH(@user) - CHAR_LENGTH(@host) - 1), '''@''',
  @host, '''');
"""
# A grant on databases has a pattern with % and _.
_GRANTED = """\
SET @granted = (SELECT GROUP_CONCAT(DISTINCT privilege_type) FROM (
  SELECT privilege_type, grantee, '%' AS pattern FROM information_schema.user_privileges UNION ALL
  SELECT privilege_type, grantee, table_schema FROM information_schema.schema_privileges UNION ALL
  SELECT privilege_type, grantee, table_schema FROM information_schema.table_privileges) p
  WHERE privilege_type <> 'USAGE'
  AND CONVERT(grantee USING utf8mb4) COLLATE utf8mb4_bin = @grantee
  AND CONVERT(DATABASE() USING utf8mb4) LIKE CONVERT(pattern USING utf8mb4) COLLATE utf8mb4_bin);
"""

# Some servers make no table without a primary key.
_LINES = """\
CREATE TEMPORARY TABLE cpexport_lines (line BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  crc INT UNSIGNED NOT NULL) ENGINE=InnoDB;
"""


def checks(script: str) -> Iterator[str]:
    """Stops without a database, without a right, where the server takes no files, or where the
    client cannot send the file of the script itself: in another folder, or with `local_infile`
    off."""
    yield check("DATABASE() IS NOT NULL", stops.NO_DATABASE)
    yield _USER + _GRANTED
    names = ",\n  ".join(f"IF({_lacked(right)}, {literal(right)}, NULL)" for right in RIGHTS)
    yield f"SET @lacks = NULLIF(CONCAT_WS(', ', {names}), '');\n"
    conclusive = "@granted IS NOT NULL AND COALESCE(CURRENT_ROLE(), 'NONE') = 'NONE'"
    yield check(
        f"@lacks IS NULL OR NOT ({conclusive})",
        stops.LACKS_RIGHTS,
        user=Variable("@user"),
        rights=Variable("@lacks"),
    )
    yield check("@@GLOBAL.local_infile", stops.NO_LOCAL_INFILE)
    yield _LINES + read_lines(script)
    yield check("@lines > 0", stops.NOT_SENT, script=script)


def read_lines(name: str) -> str:
    """Reads a file; sets `@lines` to the number of its lines, `@crc` to the sum of their CRC-32."""
    return f"""DELETE FROM cpexport_lines;
LOAD DATA LOCAL INFILE {literal(name)} INTO TABLE cpexport_lines CHARACTER SET binary
  FIELDS TERMINATED BY '\\0' ESCAPED BY '' LINES TERMINATED BY '\\n' (@line) SET crc = CRC32(@line);
SELECT COUNT(*), COALESCE(SUM(crc), 0) FROM cpexport_lines INTO @lines, @crc;
"""


def _lacked(right: str) -> str:
    lacked = f"NOT FIND_IN_SET({literal(right)}, @granted)"
    return f"{lacked} AND VERSION() NOT LIKE '%MariaDB%'" if right == "REFERENCES" else lacked
