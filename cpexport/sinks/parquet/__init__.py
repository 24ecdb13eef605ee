"""Folders of Parquet files."""

from cpexport.sinks.capabilities import Capabilities

CAPABILITIES = Capabilities(max_columns=1_000_000, infinities=True, views=False)
