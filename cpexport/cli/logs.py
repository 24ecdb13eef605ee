"""Shows what the package logs: on stderr, and in the file of `--log-file`."""

import logging
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from cpexport import __version__
from cpexport._stopwatch import Stopwatch
from cpexport.cli.screens import Command
from cpexport.destination_url import without_password
from cpexport.errors import UsageError, one_line

VERBOSE: Final = "cpexport.verbose"
LOG_FILE: Final = "cpexport.log_file"
"""Keys of click's context under which the options put their values."""

_LIBRARIES: Final = ("h5py", "numpy", "pyarrow", "SQLAlchemy", "adbc-driver-sqlite", "PyMySQL")
_OPTIONAL: Final = ("duckdb",)
_URL = re.compile(r"\S*://\S*")
_log = logging.getLogger(__name__)


class LoggedCommand(Command):
    """A command with `-v` and `--log-file`, which tells the log how it began and ended."""

    def invoke(self, context: click.Context) -> Any:
        quiet = bool(context.params.get("quiet"))
        verbose, file = context.meta.get(VERBOSE, False), context.meta.get(LOG_FILE)
        with _on_stderr(quiet, verbose), _in_file(file):
            clock = Stopwatch()
            if _log.isEnabledFor(logging.INFO):
                _log_begin(context.obj or ())
            try:
                status = super().invoke(context)
            except BaseException as error:
                # Only the file gets this: a terminal gets one line, or Python's own traceback.
                _log.error("ended after %s by %s", clock, type(error).__name__, exc_info=True)
                raise
            _log.info("ended after %s with exit status %s", clock, status)
            return status


class _StderrHandler(logging.Handler):
    """Writes what the package logs to stderr, above what is drawn there.

    What is logged here is left out: the command line says it in its own way.
    """

    def emit(self, record: logging.LogRecord) -> None:
        if record.name != __name__:
            begin = "info" if record.levelno < logging.WARNING else "cpexport"
            click.echo(f"{begin}: {_without_passwords(one_line(record.getMessage()))}", err=True)


class _FileHandler(logging.FileHandler):
    """Appends to a log file; says so once on stderr if that becomes impossible, and goes on."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, encoding="utf-8", errors="backslashreplace")
        self._failed = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        if not self._failed:
            self._failed = True
            error = sys.exception()
            reason = getattr(error, "strerror", None) or error
            click.echo(f"cpexport: --log-file {self.baseFilename}: {reason}", err=True)

    def close(self) -> None:
        # What could not be written is tried once more.
        with suppress(OSError):
            super().close()


class _Formatter(logging.Formatter):
    """A line with the local time, the level, the module and the process; then any traceback."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).astimezone().isoformat(" ", "milliseconds")
        text = one_line(record.getMessage())
        lines = [f"{time} {record.levelname} {record.name}[{record.process}]: {text}"]
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            lines.append(record.exc_text)
        return _without_passwords("\n".join(lines))


def _without_passwords(text: str) -> str:
    return _URL.sub(lambda url: without_password(url[0]), text)


@contextmanager
def _attached(handler: logging.Handler, level: int) -> Iterator[None]:
    """Gives what the package logs from `level` on to a handler."""
    logger = logging.getLogger("cpexport")
    before = logger.level
    handler.setLevel(level)
    logger.addHandler(handler)
    logger.setLevel(min(level, logger.getEffectiveLevel()))
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
        handler.close()


@contextmanager
def _on_stderr(quiet: bool, verbose: bool) -> Iterator[None]:
    if quiet:
        yield
        return
    with _attached(_StderrHandler(), logging.INFO if verbose else logging.WARNING):
        yield


@contextmanager
def _in_file(file: Path | None) -> Iterator[None]:
    """Appends to a log file, if there is one.

    Raises:
        UsageError: it cannot be written.
    """
    if file is None:
        yield
        return
    try:
        handler = _FileHandler(file)
    except OSError as error:
        raise UsageError(
            f"--log-file {file}: cannot be written: {error.strerror}; name another file"
        ) from error
    handler.setFormatter(_Formatter())
    with _attached(handler, logging.DEBUG):
        yield


def _log_begin(words: Sequence[str]) -> None:
    """Logs what a reader of the log has to know: the command line, the versions, the machine."""
    # Most commands write no log, and need not wait for these.
    import platform
    import shlex

    line = shlex.join(map(without_password, words))
    _log.info("cpexport %s begins: cpexport %s", __version__, line)
    _log.info("on %s, in %s, with Python %s", platform.node(), Path.cwd(), sys.version)
    _log.info("%s; %s", platform.platform(), ", ".join(_versions()))


def _versions() -> Iterator[str]:
    from importlib.metadata import PackageNotFoundError, version

    for name in (*_LIBRARIES, *_OPTIONAL):
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            continue
