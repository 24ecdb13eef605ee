"""Databases on MySQL and MariaDB servers."""

from cpexport.sinks.capabilities import Capabilities

# The number of doubles, with names of any length, that fit on either server (`row_size`).
CAPABILITIES = Capabilities(max_columns=750, read_by_analyst=True, indexes=True, server=True)
