"""Confines errors to one batch: all reading of sources passes through `contained`."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cpexport.errors import AS_WRITTEN, CpexportError, LimitError, SourceError, WidthError
from cpexport.files.explained import unreadable
from cpexport.sources.base import Source


@contextmanager
def contained(source: Source | Path, *passing: type[Exception]) -> Iterator[None]:
    """Turns every error that reading a source, or a path, can raise into a `SourceError` with its
    path.

    Errors of the types `passing` are the caller's, and stay as they are.

    Errors that cpexport raises on purpose stay as they are. For an unexpected error, the message
    says so and tells the user how to report it.
    """
    path = source if isinstance(source, Path) else source.path
    try:
        yield
    except passing:
        raise
    except WidthError as error:
        advice = "move it out of OUTPUTS, or load it into a separate destination"
        raise SourceError(path, str(error), advice) from error
    except LimitError as error:
        raise SourceError(path, str(error), f"{AS_WRITTEN}, or move it out of OUTPUTS") from error
    except CpexportError:
        raise
    except OSError as error:
        raise gone(path, error) from error
    except MemoryError as error:
        raise SourceError(
            path,
            "does not fit into memory",
            "use fewer --jobs, or a machine with more memory",
        ) from error
    except Exception as error:
        command = shlex.join(["python", "-m", "cpexport.structure", str(path)])
        raise SourceError(
            path,
            f"its content is unexpected ({type(error).__name__}: {error})",
            f"please report this with the output of `{command}`, which lists names and types "
            "but no data",
        ) from error


def gone(path: Path, error: OSError) -> SourceError:
    """The error for a source whose files cannot be read.

    Often a job has just renamed its folder.
    """
    return unreadable(path, error, "make it readable, or move it out of OUTPUTS")
