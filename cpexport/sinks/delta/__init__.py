"""Folders of Delta Lake tables, which any reader of Delta can read while a load writes.

The files, their ledger and its transactions are those of `sinks/parquet`, and the ledger alone is
the truth: one load at a time commits. The `_delta_log` of each table is a copy of what the ledger
says about it. A load updates the logs every few seconds and at its end.

1. A log has only files that are in their places and that a committed ledger names.
2. Each update is one commit for each table that changed: files added, files removed, new columns
   and types together.
3. The log of images comes last: a reader that sees a new image set also sees its objects.
4. While a log may be behind, the folder of staged files exists, with or without files.
5. Each commit has the transaction `cpexport` with the commit's own version. If a log has later
   commits that change files or columns, another program wrote them, and a load is refused.

What a kill can leave, and how the next load that opens the folder mends it: staged files that no
ledger names are deleted; committed files that are not in their places move there; logs that are
behind, all or some, are compared with the ledger and updated; replaced files are deleted, those
that a log had only after a quarter of an hour, as readers may still need them.
"""

from cpexport.sinks.capabilities import Capabilities

CAPABILITIES = Capabilities(max_columns=1_000_000, infinities=True, views=False, concurrent=True)
