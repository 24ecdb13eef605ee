"""Adds what is in the wells to a destination; implements `cpexport.annotate`."""

from collections.abc import Iterable
from dataclasses import replace

from cpexport.api.arguments import FilePath, paths, url
from cpexport.commands import annotate as commands
from cpexport.commands.annotate import AnnotateReport
from cpexport.errors import UsageError


def annotate(
    layouts: FilePath | Iterable[FilePath],
    to: FilePath,
    *,
    prefix: str = "",
    forget: bool = False,
    defaults_file: FilePath | None = None,
    missing_ok: bool = False,
) -> AnnotateReport:
    """Adds what is in the wells, such as compounds and doses, to a destination.

    It makes the table `Per_Well_Treatment`, with a row for each well, and the view
    `Per_Image_Treatment`, with a row for each image set. Later loads keep them. In another call,
    the wells of the new layout get its columns, and keep their others.

    >>> import cpexport
    >>> from pathlib import Path
    >>> loaded = cpexport.load("screen/outputs", "screen.sqlite")
    >>> rows = ["Well,Compound", *(f"{row}{n},DMSO" for row in "AB" for n in (1, 2, 3))]
    >>> size = Path("layout.csv").write_text("\\n".join(rows))
    >>> report = cpexport.annotate("layout.csv", "screen.sqlite")
    >>> report.columns, report.wells, report.is_complete
    (('Compound',), 12, True)

    layouts: CSV files (also with tabs or semicolons) with a row for each well, a
        `barcode_platemap.csv` of the Cell Painting Gallery, or a folder with one: one path or
        several. Wells are called A1, A01 or a01, or have a row and a column. Without plates, a
        layout is that of every plate.
    to: the destination: a URL as for `--to`, or a file name.
    prefix: what the names of all tables begin with.
    forget: whether to forget what was added before.
    defaults_file: the option file of a MySQL or MariaDB server; by default ~/.my.cnf.
    missing_ok: whether `report.exit_status` is 0 even if wells do not match.

    Wells that do not match are in the report and raise nothing: `report.not_there` and
    `report.without`.

    Raises:
        UsageError: there is no layout, or columns of layouts cannot have their names.
        SourceError: a layout cannot be read, or has other values for a well in two places.
        SinkError: the destination is empty, names no wells, or cannot be written.
    """
    where, files = url(to, defaults_file), paths(layouts)
    assert where is not None
    if not files:
        raise UsageError("name a layout: cpexport annotate layout.csv --to screen.sqlite")
    return replace(commands.annotate(where, prefix, files, forget=forget), missing_ok=missing_ok)
