"""The folder for decoded batches, which lasts as long as a load."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_SCRATCH = "cpexport-scratch-"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for decoded batches, deleted at the end.

    First deletes the folders that this user's killed loads left behind.
    """
    home = Path(tempfile.gettempdir())
    for folder in home.glob(f"{_SCRATCH}*"):
        process = folder.name.removeprefix(_SCRATCH).partition("-")[0]
        # Another load that starts at the same time may delete the same folder.
        with suppress(FileNotFoundError):
            own = folder.stat().st_uid == os.getuid()
            if own and process.isdecimal() and not _runs(int(process)):
                shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{_SCRATCH}{os.getpid()}-") as scratch:
        yield Path(scratch)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
