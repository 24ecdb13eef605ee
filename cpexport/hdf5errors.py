"""Why an HDF5 file cannot be read: errors that name it, for whatever h5py raises."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cpexport.errors import RunningError, SourceError
from cpexport.hdf5own import LeadsElsewhereError

AGAIN = "run its image sets again"
"""What to do about a file that is damaged."""

_POINTER = b"version https://git-lfs"


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns whatever h5py raises for a damaged file into a `SourceError` that names it."""
    try:
        yield
    except LeadsElsewhereError as error:
        problem = f"{error}, and CellProfiler never writes such; nothing of this file is read"
        raise SourceError(path, problem, "leave it out of OUTPUTS") from error
    except (LookupError, MemoryError, OSError, RuntimeError, ValueError, TypeError) as error:
        text = str(error.args[0] if error.args else error)
        raise SourceError(path, f"damaged, HDF5 says: {text}", AGAIN) from error


def opening(path: Path, error: OSError) -> SourceError:
    """Why a file could not be opened."""
    text = str(error)
    if isinstance(error, BlockingIOError) or "unable to lock file" in text:
        return RunningError(
            path, "locked, a job is still writing it", "wait until the job has ended"
        )
    if isinstance(error, PermissionError) or "Permission denied" in text:
        return SourceError(path, "may not be read", "ask its owner for permission to read")
    if isinstance(error, FileNotFoundError) or "No such file" in text:
        return SourceError(path, "does not exist", "check the path")
    if path.stat().st_size == 0:
        return SourceError(path, "empty (0 bytes)", AGAIN)
    if "truncated" in text:
        return SourceError(path, "cut off: the file is shorter than it says", AGAIN)
    if "signature not found" in text:
        with path.open("rb") as file:
            if file.read(len(_POINTER)) == _POINTER:
                advice = "run `git lfs pull` where it was cloned"
                return SourceError(path, "a Git LFS pointer, not the file itself", advice)
        return SourceError(path, "not an HDF5 file", AGAIN)
    return SourceError(path, f"damaged, HDF5 says: {text}", AGAIN)
