"""Explains why an HDF5 file cannot be read: turns h5py's errors into errors with its path."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cpexport.cellprofiler.hdf5.storage_check import NeverWrittenError
from cpexport.errors import RERUN, RunningError, SourceError
from cpexport.files.explained import ExplainedError, unreadable
from cpexport.files.kinds import HDF5, another_kind
from cpexport.files.opening import NotRegularError, open_regular


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns any error that h5py raises for a damaged file into a `SourceError` with its path."""
    try:
        yield
    except ExplainedError as error:
        raise unreadable(path, error, "check the path") from error
    except NeverWrittenError as error:
        never = "CellProfiler never writes this, so cpexport reads nothing from the file"
        raise SourceError(path, f"{error}; {never}", "move it out of OUTPUTS") from error
    except MemoryError as error:
        problem = f"does not fit in memory: {error}" if error.args else "does not fit in memory"
        advice = "load it on a machine with more memory, or with fewer --jobs"
        raise SourceError(path, problem, advice) from error
    except UnicodeDecodeError as error:
        raise SourceError(path, "damaged: it has names that are not UTF-8", RERUN) from error
    except (LookupError, OSError, RuntimeError, ValueError, TypeError) as error:
        text = str(error.args[0] if error.args else error)
        raise SourceError(path, f"damaged; HDF5 reports: {text}", RERUN) from error


def opening(path: Path, error: OSError) -> SourceError:
    """The error for a file that could not be opened."""
    text = str(error)
    if isinstance(error, ExplainedError) and error.errno != errno.ENOENT:
        return unreadable(path, error, "check the path")
    if isinstance(error, BlockingIOError) or "unable to lock file" in text:
        return RunningError(
            path, "locked: a job is still writing it", "wait until the job has ended"
        )
    if isinstance(error, PermissionError) or "Permission denied" in text:
        return SourceError(
            path, "you have no permission to read it", "ask its owner for read permission"
        )
    if isinstance(error, FileNotFoundError) or "No such file" in text:
        return SourceError(path, "does not exist", "check the path")
    if isinstance(error, NotRegularError):
        return SourceError(path, f"cannot be read: {error.strerror}", "move it out of OUTPUTS")
    if path.stat().st_size == 0:
        return SourceError(path, "empty (0 bytes)", RERUN)
    if kind := another_kind(path, HDF5):
        return kind
    if "truncated" in text:
        return SourceError(path, "cut off: the file is shorter than its header states", RERUN)
    if "signature not found" in text:
        return _not_hdf5(path)
    return SourceError(path, f"damaged; HDF5 reports: {text}", RERUN)


def _not_hdf5(path: Path) -> SourceError:
    """The error for a file that does not begin like HDF5.

    If a disk has lost the file's first block, it begins with zeros, which no other file does.
    """
    with open_regular(path) as stream:
        first = stream.read(512)
    if not first.strip(b"\0"):
        return SourceError(path, "damaged: it starts with zeros", RERUN)
    return SourceError(
        path,
        "not an HDF5 file",
        "run its image sets again, or move it out of OUTPUTS if it is something else",
    )
