"""Says what a destination or a job's files hold; implements `cpexport.info`."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cpexport.api.arguments import FilePath, Words, paths, url, word_list
from cpexport.destination_url import FOLDERS, file_url
from cpexport.errors import UsageError

if TYPE_CHECKING:
    from cpexport.commands.info import InfoReport
    from cpexport.commands.info_files import FilesInfo


def info(
    outputs: FilePath | Iterable[FilePath] = (),
    *,
    to: FilePath | None = None,
    column: Words = (),
    prefix: str = "",
    defaults_file: FilePath | None = None,
) -> "InfoReport | FilesInfo":
    """What a destination, a job's output or a batch file holds. Changes nothing.

    >>> import cpexport
    >>> loaded = cpexport.load("screen/outputs", "screen.sqlite")
    >>> found = cpexport.info("screen.sqlite")
    >>> found.batches, found.is_whole, [(plate.name, plate.wells) for plate in found.plates]
    (22, True, [('P1', 6), ('P2', 6)])
    >>> job = cpexport.info("screen/outputs/P1-A01-1")
    >>> [(batch.format, batch.state, batch.features["Nuclei"]) for batch in job.batches]
    [('spreadsheet', 'complete', 86)]

    outputs: a destination's file or folder; or else files and folders that jobs left, or a batch
        file: one path or several.
    to: the destination, in place of `outputs`: a URL as for `--to`, or a file name.
    column: one name or several, of columns or features of one object type, such as
        `Nuclei_AreaShape_Area`: where they are, and the query that reads them.
    prefix: what the names of all tables begin with.
    defaults_file: the option file of a MySQL or MariaDB server; by default ~/.my.cnf.

    Returns `InfoReport` for a destination, else `FilesInfo`.

    Raises:
        UsageError: a column does not exist, the columns are of several object types, or there are
            both `outputs` and `to`, or a destination with other files.
        SinkError: the destination does not exist, cannot be read, or is empty.
        SourceError: a path does not exist, or holds nothing of CellProfiler.
    """
    named = paths(outputs)
    if bool(named) == (to is not None):
        raise UsageError("name a destination with --to, or files: cpexport info FILE")
    where = url(to, defaults_file)
    if where is None and len(named) == 1:
        where = _destination(named[0])
    if where is not None:
        from cpexport.commands import info as destinations

        return destinations.info(where, prefix, word_list(column))
    if several := [path for path in named if _destination(path)]:
        raise UsageError(f"{several[0]}: a destination of cpexport; name it alone")
    if word_list(column) or prefix:
        option = "--column" if word_list(column) else "--prefix"
        raise UsageError(f"{named[0]}: not a destination of cpexport, so leave out {option}")
    from cpexport.commands.info_files import info_files

    return info_files(named)


def one_by_one(outputs: Sequence[Path]) -> Iterator[tuple[Path, ...]]:
    """Yields each destination among files alone, and all other files together."""
    homes = [path for path in outputs if _destination(path)]
    yield from ((path,) for path in homes)
    if rest := tuple(path for path in outputs if path not in homes):
        yield rest


def _destination(path: Path) -> str | None:
    """The URL of a destination in a file or folder; None for anything else."""
    from cpexport.sinks.own_files import kind_of

    if str(path).startswith(tuple(f"{kind}:" for kind in FOLDERS)):
        return str(path)
    kind = kind_of(path)
    if kind is None:
        return None
    return f"{kind}:{path}" if kind in FOLDERS else file_url(kind, path)
