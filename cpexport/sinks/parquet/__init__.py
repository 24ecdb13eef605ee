"""Folders of Parquet files.

A folder is what its ledger says. Files are staged, the ledger's commit is the batch's, and
`Folder.publish` puts them in place after every commit and whenever the folder is opened. A table
whose files are being replaced is unreadable meanwhile, so that no reader gets rows twice.
"""

from cpexport.sinks.capabilities import Capabilities

CAPABILITIES = Capabilities(max_columns=1_000_000, infinities=True, views=False, concurrent=True)
