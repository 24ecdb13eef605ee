"""The README.txt of a script's folder, for the person who runs the script.

The texts are next to the modules of each kind of script, with places of the form `${name}`.
"""

import textwrap
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from string import Template
from typing import Final

from cpexport import __version__
from cpexport.sql_script.manifest import DATA, MYSQL, SETS, Manifest, ScriptOptions
from cpexport.sql_script.mysql.requirements import RIGHTS
from cpexport.sql_script.stops import MARK, OF_SERVERS, OF_SQLITE, Stop

NAME: Final = "README.txt"

_NEW: Final = """
Once there are thousands of batches, and more come, import-new.sql takes less time. It reads only
the files of batches that the SQLite file lacks, and writes import-next.sql into this folder:

    sqlite3 screen.sqlite < import-new.sql
"""
_WIDTH = 100
_UNITS = ("bytes", "KB", "MB", "GB", "TB")


def readme(contents: Manifest, form: ScriptOptions) -> str:
    """The text for a script of the kind MYSQL or SQLITE."""
    of_server = form.kind == MYSQL
    files = [file for unit in contents.units for file in unit.files]
    template = Template((Path(__file__).parent / form.kind / NAME).read_text("utf-8"))
    return template.substitute(
        version=__version__,
        script=form.script,
        batches=len(contents.units),
        image_sets=sum(len(unit.entry.loaded) for unit in contents.units),
        rights=_wrapped(", ".join(RIGHTS), "      "),
        tables=_counts(contents),
        stops="\n\n".join(_explained(OF_SERVERS if of_server else OF_SQLITE, of_server)),
        example=files[0].name if files else f"{DATA}/...",
        files=f"{DATA}/" if form.header else "SQL_*.CSV",
        count=len(files),
        new="" if form.old_names else _NEW,
        size=_size(sum(file.size for file in files)),
    )


def _counts(contents: Manifest) -> str:
    """How many rows the files have for each table."""
    rows = Counter(dict.fromkeys(contents.layout.tables, 0))
    for unit in contents.units:
        rows.update({file.table: file.rows for file in unit.files if file.table != SETS})
    width = max(map(len, rows), default=0)
    return "\n".join(f"    {table:{width}}  {count}" for table, count in rows.items())


def _explained(stops: Iterable[Stop], marked: bool) -> Iterable[str]:
    """A paragraph for each message: what the client shows, and the advice."""
    for stop in stops:
        yield f"{MARK if marked else ''}{stop.shown}\n{_wrapped(stop.advice, '    ')}"


def _wrapped(text: str, indent: str) -> str:
    return textwrap.fill(
        text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )


def _size(count: int) -> str:
    """A number of bytes for people.

    >>> _size(999), _size(1_250_000)
    ('999 bytes', '1.2 MB')
    """
    power = 0
    while count >= 1000 ** (power + 1) and power + 1 < len(_UNITS):
        power += 1
    return f"{count / 1000**power:.{1 if power else 0}f} {_UNITS[power]}"
