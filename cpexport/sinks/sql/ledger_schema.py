"""The ledger's tables as SQLAlchemy declares them.

Their names begin with `_cpexport_`. No name contains the name of a compartment, as CytoTable would
take such a table for data. One set of these tables serves all prefixes. `table_number` is 0 where
runs are not numbered, and for what all runs share.
"""

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from cpexport.sinks.sql.schema import LONG_TEXT, MYSQL

VERSION = "2"
KEPT = ("wells", "experiment_first")
"""The computed settings that a new batch does not invalidate: they say what they apply to."""

_NAME = sa.Text().with_variant(mysql.VARCHAR(64), "mysql")
_own = sa.MetaData()
BATCHES = sa.Table(
    "_cpexport_batches",
    _own,
    sa.Column("batch_id", sa.Integer, primary_key=True),
    sa.Column("prefix", _NAME, nullable=False),
    sa.Column("table_number", sa.Integer, nullable=False),
    sa.Column("path", LONG_TEXT, nullable=False),
    sa.Column("format", LONG_TEXT, nullable=False),
    sa.Column("signature", _NAME, nullable=False),
    sa.Column("fingerprint", LONG_TEXT, nullable=False),
    sa.Column("image_sets", LONG_TEXT, nullable=False),
    sa.Column("complete", LONG_TEXT, nullable=False),
    sa.Column("refused", LONG_TEXT, nullable=False),
    sa.Column("group_tags", LONG_TEXT, nullable=False),
    sa.Column("state", LONG_TEXT, nullable=False),
    sa.Column("reason", LONG_TEXT, nullable=False),
    sa.Column("finished", LONG_TEXT, nullable=False),
    sa.Column("modified_ns", sa.BigInteger, nullable=False),
    sa.Column("cellprofiler", LONG_TEXT),
    sa.Column("pipeline_sha256", LONG_TEXT),
    sa.Column("loaded_utc", LONG_TEXT, nullable=False),
    sa.Column("cpexport", LONG_TEXT, nullable=False),
    sa.UniqueConstraint("prefix", "table_number", "signature"),
    **MYSQL,
)
RUNS = sa.Table(
    "_cpexport_runs",
    _own,
    sa.Column("prefix", _NAME, primary_key=True),
    sa.Column("table_number", sa.Integer, primary_key=True),
    sa.Column("name", _NAME, nullable=False),
    sa.UniqueConstraint("prefix", "name"),
    **MYSQL,
)
TABLES = sa.Table(
    "_cpexport_tables",
    _own,
    sa.Column("batch_id", sa.Integer, primary_key=True),
    sa.Column("table_name", _NAME, primary_key=True),
    sa.Column("row_count", sa.BigInteger, nullable=False),
    sa.Column("missing_count", sa.BigInteger, nullable=False),
    sa.Column("infinite_count", sa.BigInteger, nullable=False),
    sa.Column("infinite_columns", LONG_TEXT, nullable=False),
    **MYSQL,
)
SETS = sa.Table(
    "_cpexport_sets",
    _own,
    sa.Column("prefix", _NAME, primary_key=True),
    sa.Column("table_number", sa.Integer, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("batch_id", sa.Integer, nullable=False),
    sa.Column("identity", LONG_TEXT, nullable=False),
    **MYSQL,
)
COLUMNS = sa.Table(
    "_cpexport_columns",
    _own,
    sa.Column("prefix", _NAME, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("object_name", LONG_TEXT, nullable=False),
    sa.Column("feature", LONG_TEXT, nullable=False),
    sa.Column("table_name", _NAME, nullable=False),
    sa.Column("column_name", LONG_TEXT, nullable=False),
    sa.Column("type", LONG_TEXT, nullable=False),
    **MYSQL,
)
SETTINGS = sa.Table(
    "_cpexport_settings",
    _own,
    sa.Column("prefix", _NAME, primary_key=True),
    sa.Column("table_number", sa.Integer, primary_key=True),
    sa.Column("name", _NAME, primary_key=True),
    sa.Column("value", LONG_TEXT, nullable=False),
    **MYSQL,
)
MEASURED = sa.Table(
    "_cpexport_measured",
    _own,
    sa.Column("batch_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("feature", sa.String(255), primary_key=True),
    sa.Column("value", sa.REAL().with_variant(mysql.DOUBLE(), "mysql")),
    **MYSQL,
)
"""What jobs measured of their whole run, as CalculateStatistics does; NULL for a value that is not
a finite number."""

REPLACED = sa.Table(
    "_cpexport_replaced",
    _own,
    sa.Column("batch_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("by_batch_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("set_count", sa.Integer, nullable=False),
    **MYSQL,
)
"""How many image sets of a batch another batch has replaced."""

FEATURES = sa.Table(
    "_cpexport_features",
    _own,
    sa.Column("batch_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("digest", _NAME, nullable=False),
    **MYSQL,
)
"""The set of features of each batch, by its digest."""

FEATURE_SETS = sa.Table(
    "_cpexport_feature_sets",
    _own,
    sa.Column("digest", _NAME, primary_key=True),
    # Without it, of two processes that enter the same set, the second waits for the first.
    sa.Column("batch_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("features", LONG_TEXT, nullable=False),
    **MYSQL,
)
"""Sets of features, as `RecordedFeatures.as_json` writes them, with the first batch of each. Most
batches of a run have the same."""

NUMBERS = sa.Table(
    "_cpexport_numbers",
    _own,
    sa.Column("prefix", _NAME, primary_key=True),
    sa.Column("table_number", sa.Integer, primary_key=True),
    sa.Column("digest", _NAME, primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
    **MYSQL,
)
"""The image set that has a key, by the key's digest, where jobs number their own image sets. It
stays when the image set is replaced."""

SCRIPTED = sa.Table(
    "_cpexport_script",
    sa.MetaData(),
    sa.Column("prefix", _NAME, primary_key=True),
    sa.Column("table_number", sa.Integer, primary_key=True),
    sa.Column("signature", _NAME, primary_key=True),
    sa.Column("table_name", _NAME, primary_key=True),
    sa.Column("digest", _NAME, nullable=False),
    **MYSQL,
)
"""The batches that a script loaded: the digest of each file by table, and of all files under an
empty name. Only a script makes this table."""

REMOVED = sa.Table(
    "_cpexport_removed",
    sa.MetaData(),
    sa.Column("prefix", _NAME, primary_key=True),
    sa.Column("table_number", sa.Integer, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("batch_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("chosen_by", LONG_TEXT, nullable=False),
    sa.Column("removed_utc", LONG_TEXT, nullable=False),
    sa.Column("cpexport", LONG_TEXT, nullable=False),
    **MYSQL,
)
"""The image sets that a user removed, with each batch that had completed them by then, and the
options that chose them. Only the first removal makes this table."""


def own_tables() -> list[sa.Table]:
    """The ledger's tables."""
    return list(_own.sorted_tables)
