"""The processes of this machine that belong to jobs: which run, and their command lines."""

import os
from contextlib import suppress
from pathlib import Path


def runs_here(process: str) -> bool:
    """Whether a process of this machine runs and belongs to a job or to a shell's run."""
    try:
        os.kill(int(process), 0)
    except PermissionError:
        # The process exists but belongs to another user.
        pass
    except (OSError, ValueError, OverflowError):
        return False
    # Process numbers are reused; Linux tells what this one runs.
    return _is_job(Path("/proc", process))


def _is_job(process: Path) -> bool:
    try:
        command = (process / "cmdline").read_bytes()
    except FileNotFoundError:
        return not Path("/proc/self").exists()
    except OSError:
        return True
    return b"task.sh" in command or b"submit.sh" in command


def command_lines() -> bytes | None:
    """The command lines of all processes of this machine; None if they cannot be read."""
    if not Path("/proc/self").exists():
        return None
    lines = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdecimal():
                lines.append((process / "cmdline").read_bytes())
    return b"\n".join(lines)
