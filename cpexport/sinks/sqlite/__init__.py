"""SQLite files."""

from cpexport.sinks.capabilities import Capabilities

# SQLITE_MAX_COLUMN of common builds of SQLite: other programs could not open a wider table.
CAPABILITIES = Capabilities(max_columns=2000, read_by_analyst=True, indexes=True)
