"""Helpers for tests of submit.sh: real and simulated schedulers, and the calls that they get."""

import re
import sys

from support.clusters import Cluster
from support.lab import STAND_IN, Lab, program

COUNT = "SELECT count(*) FROM Per_Image"


def on(cluster: Cluster, lab: Lab) -> Lab:
    lab.environment = {**lab.environment, **cluster.env}
    return lab


def arrays(said: str) -> list[str]:
    return re.findall(r"are array job (\d+)", said)


def last(said: str) -> str:
    """The id of the last job, which loads."""
    return str(re.findall(r"^job (\d+) runs after them", said, re.MULTILINE)[0])


def records(lab: Lab) -> dict[str, list[str]]:
    """What was recorded of each array: its id, the number of its jobs, and their image sets."""
    folder = lab.run / "outputs" / "status"
    return {path.name: path.read_text().split()[1:] for path in sorted(folder.glob("*.submitted"))}


def timed(lab: Lab, seconds: float) -> None:
    """Makes CellProfiler record when it begins and ends, and take some time in between."""
    (lab.home / "bin" / "cellprofiler").unlink()
    note = f"date +%s.%N >>{lab.home}/times.$$"
    script = (
        f'{note}\nsleep {seconds}\n{sys.executable} {STAND_IN} "$@"\ncode=$?\n{note}\nexit $code'
    )
    program(lab, "cellprofiler", script)


def most_at_once(lab: Lab) -> int:
    events = []
    for path in lab.home.glob("times.*"):
        begun, ended = map(float, path.read_text().split())
        events += [(begun, 1), (ended, -1)]
    running = most = 0
    for _, change in sorted(events):
        running += change
        most = max(most, running)
    return most


def played(lab: Lab, answer: str = "echo 7", **commands: str) -> None:
    """Simulates a Slurm that records the arguments of sbatch and answers."""
    program(lab, "sbatch", f"printf '%s\\n' \"$@\" END >>{lab.home}/told\n{answer}")
    for name, script in {"scontrol": "exit 1", "sacctmgr": "exit 1", **commands}.items():
        program(lab, name, script)


def told(lab: Lab) -> list[list[str]]:
    path = lab.home / "told"
    calls = path.read_text().split("END\n") if path.exists() else []
    return [call.splitlines() for call in calls if call]


def sizes(lab: Lab) -> list[str]:
    """The values of `--array` that sbatch got."""
    words = [word for call in told(lab) for word in call]
    return [word.removeprefix("--array=") for word in words if word.startswith("--array=")]
