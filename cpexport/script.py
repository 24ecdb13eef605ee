"""Writes CSV files and the script that imports them, for whoever has only those and a client."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cpexport.importer import analyst, mysql, sqlite
from cpexport.importer.contents import ANALYST, SQLITE, Form
from cpexport.importer.folder import Folder
from cpexport.importer.state import Written
from cpexport.load import Report
from cpexport.paths import PathMap
from cpexport.runs import load_runs
from cpexport.shape import Shape
from cpexport.succession import Consent
from cpexport.survey import Progress
from cpexport.workers import THREAD, Workers


@dataclass(frozen=True)
class Script:
    """What is in a folder: the file to run, what was loaded, and how many files of data there are
    and were written now."""

    file: Path
    form: Form
    loaded: Report
    files: int
    written: int

    @property
    def command(self) -> str:
        """What is to be done with it."""
        folder, name = shlex.quote(str(self.file.parent)), self.form.script
        if self.form.kind == ANALYST:
            return f"open {self.file.parent / analyst.PROPERTIES} with CellProfiler Analyst"
        client = "sqlite3 FILE" if self.form.kind == SQLITE else "mysql --local-infile=1 DATABASE"
        return f"cd {folder} && {client} < {name}"


def script(
    arguments: Sequence[Path],
    out: Path,
    form: Form,
    *,
    batch_file: Path | None = None,
    prefix: str = "",
    shape: Shape | None = None,
    paths: PathMap | None = None,
    consent: Consent = Consent(),  # noqa: B008 (it is frozen)
    workers: Workers = THREAD,
    progress: Progress = lambda done: None,
) -> Script:
    """Writes the files of all that is complete below OUTPUTS into the folder `out`.

    It loads into a destination of its own there first, so that it knows again what is there: files
    of batches that have not changed stay as they are. The script comes last; until then the one
    before finds files missing or other than it knows, and stops. Killed anywhere and run again, the
    folder ends up the same.

    Raises:
        UsageError: the folder is another's, or holds a script of another form.
        SourceError, CollisionError, SinkError: as `load`.
    """
    with Folder(out, form, prefix) as folder:
        loaded = load_runs(
            arguments,
            folder.url,
            batch_file=batch_file,
            prefix=prefix,
            shape=shape,
            paths=paths,
            consent=consent,
            workers=workers,
            progress=progress,
        )
        files, new = written(folder, prefix, progress)
    return Script(out / form.script, form, loaded, files, new)


def written(folder: Folder, prefix: str, progress: Progress) -> tuple[int, int]:
    """Brings the files of a folder up to what its destination holds, the script last: how many
    files of data there are, and how many were written now."""
    form, done = folder.form, Written(folder, prefix, progress)
    files = [file for unit in done.contents.units for file in unit.files]
    folder.note(done.notes())
    if form.kind == ANALYST:
        for name, text in analyst.files(done.contents, form, folder.url, folder.path).items():
            folder.write(name, text.encode())
    else:
        texts = (sqlite if form.kind == SQLITE else mysql).script(done.contents, form)
        folder.write(form.script, "".join(texts).encode("utf-8", "surrogatepass"))
    folder.clear(frozenset(file.name for file in files))
    return len(files), done.written
