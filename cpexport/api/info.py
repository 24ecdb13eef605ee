"""Says what a destination holds, for the command `info`."""

from cpexport.api.arguments import FilePath, Words, url, word_list
from cpexport.commands import info as commands
from cpexport.commands.info import InfoReport


def info(
    to: FilePath,
    *,
    column: Words = (),
    prefix: str = "",
    defaults_file: FilePath | None = None,
) -> InfoReport:
    """What a destination holds: tables, rows, batches; and where columns are. Changes nothing.

    to: the destination: a URL as for `--to`, or a file name.
    column: one name or several, of columns or features of one object type, such as
        `Nuclei_AreaShape_Area`.
    prefix: what the names of all tables begin with.
    defaults_file: the option file of a MySQL or MariaDB server; by default ~/.my.cnf.

    Raises:
        UsageError: a column does not exist, or the columns are of several object types.
        SinkError: the destination does not exist, cannot be read, or is empty.
    """
    where = url(to, defaults_file)
    assert where is not None
    return commands.info(where, prefix, word_list(column))
