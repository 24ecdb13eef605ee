"""Writes CSV files and a script that imports them, for users who have only a database client."""

import logging
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cpexport._sql_files import sql_file
from cpexport._stopwatch import Stopwatch
from cpexport.commands.load_report import LoadReport
from cpexport.commands.runs import load_runs
from cpexport.loading.progress import Progress
from cpexport.loading.request import LoadRequest
from cpexport.loading.workers import THREAD, ExecutorSpec
from cpexport.sql_script import cpa, readme
from cpexport.sql_script.export import Exporter
from cpexport.sql_script.folder import Folder
from cpexport.sql_script.manifest import ANALYST, MYSQL, SQLITE, Manifest, ScriptOptions
from cpexport.sql_script.mysql import script as mysql
from cpexport.sql_script.sqlite import script as sqlite

_log = logging.getLogger(__name__)
_GRANTS = "grants.sql"


@dataclass(frozen=True)
class Script:
    """A folder with a script.

    file: the script to run.
    loaded: the report of the load.
    files, written: how many data files there are, and how many were written now.
    """

    file: Path
    form: ScriptOptions
    loaded: LoadReport
    files: int
    written: int

    def to_dict(self) -> dict[str, Any]:
        """The report as `cpexport script --format json` prints it: that of the load, and files."""
        return {
            **self.loaded.to_dict(),
            "script": str(self.file),
            "files": self.files,
            "files_written": self.written,
        }

    @property
    def command(self) -> str:
        """What the user has to do with the script."""
        folder, name = shlex.quote(str(self.file.parent)), self.form.script
        if self.form.kind == ANALYST:
            return f"open {self.file.parent / cpa.PROPERTIES} with CellProfiler Analyst"
        client = "sqlite3 FILE" if self.form.kind == SQLITE else "mysql --local-infile=1 DATABASE"
        return f"cd {folder} && {client} < {name}"


def script(
    request: LoadRequest,
    out: Path,
    form: ScriptOptions,
    workers: ExecutorSpec = THREAD,
    progress: Progress = lambda done: None,
) -> Script:
    """Writes data files and a script for all that is complete below `request.outputs` to `out`.

    It first loads into its own destination in that folder, not into the request's, so it knows what
    the folder holds: the files of unchanged batches stay as they are. The script is written last;
    until then, the previous script finds missing or changed files, and stops. If it is killed at
    any point and run again, the folder ends up the same.

    Raises:
        UsageError: the folder was not made by this command, or holds a script of another form.
        SourceError, CollisionError, SinkError: as `load`.
    """
    with Folder(out, form, request.prefix) as folder:
        loaded = load_runs(replace(request, to=folder.url), workers, progress)
        clock = Stopwatch()
        files, new = written(folder, request.prefix, progress)
    _log.info("%s: %d of %d data files written in %s", out, new, files, clock)
    return Script(out / form.script, form, loaded, files, new)


def written(folder: Folder, prefix: str, progress: Progress) -> tuple[int, int]:
    """Updates the files of a folder to what its destination holds, the script last.

    Returns how many data files there are, and how many were written now.
    """
    of_batches: tuple[str, ...] = ()
    form, done = folder.form, Exporter(folder, prefix, progress)
    files = [file for unit in done.contents.units for file in unit.files]
    folder.note(done.notes())
    if form.kind == ANALYST:
        for name, text in cpa.files(done.contents, form, folder.url, folder.path).items():
            folder.write(name, text.encode())
    else:
        _explain(folder, done.contents)
        texts = (sqlite if form.kind == SQLITE else mysql).script(done.contents, form)
        of_batches = _write_batches(folder, done.contents)
        folder.write(form.script, "".join(texts).encode("utf-8", "surrogatepass"))
    folder.clear(frozenset((*(file.name for file in files), *of_batches)))
    return len(files), done.written


def _write_batches(folder: Folder, contents: Manifest) -> tuple[str, ...]:
    """Writes the script that imports only what a SQLite file lacks, and the files that it reads;
    returns their names."""
    if folder.form.kind != SQLITE or folder.form.old_names:
        return ()
    texts = dict(sqlite.files_of_batches(contents, folder.form))
    for name, text in texts.items():
        folder.write(name, text.encode("utf-8", "surrogatepass"))
    new = "".join(sqlite.script_of_new(contents, folder.form))
    folder.write(sqlite.NEW, new.encode("utf-8", "surrogatepass"))
    return tuple(texts)


def _explain(folder: Folder, contents: Manifest) -> None:
    """Writes the files for the person who runs the script. Leaves a README.txt that is not from
    cpexport, and a grants.sql into which someone may have put names."""
    text = readme.readme(contents, folder.form)
    existing = folder.path / readme.NAME
    heading = text.partition("\n")[0].encode()
    if not existing.exists() or existing.read_bytes().startswith(heading):
        folder.write(readme.NAME, text.encode("utf-8", "surrogatepass"))
    if folder.form.kind == MYSQL and not (folder.path / _GRANTS).exists():
        folder.write(_GRANTS, sql_file(_GRANTS).encode())
