"""Helpers for tests of submit.sh: real and simulated schedulers, and the calls that they get."""

import re
import sys

from support.clusters import Cluster
from support.site import FAKE_CELLPROFILER, Site, program

COUNT = "SELECT count(*) FROM Per_Image"


def on(cluster: Cluster, site: Site) -> Site:
    site.environment = {**site.environment, **cluster.env}
    return site


def arrays(said: str) -> list[str]:
    return re.findall(r"are array job (\d+)", said)


def last(said: str) -> str:
    """The id of the last job, which loads."""
    return str(re.findall(r"^job (\d+) runs after them", said, re.MULTILINE)[0])


def records(site: Site) -> dict[str, list[str]]:
    """What was recorded of each array: its id, the number of its jobs, and their image sets."""
    folder = site.run / "outputs" / "status"
    return {path.name: path.read_text().split()[1:] for path in sorted(folder.glob("*.submitted"))}


def timed(site: Site, seconds: float) -> None:
    """Makes CellProfiler record when it begins and ends, and take some time in between."""
    (site.home / "bin" / "cellprofiler").unlink()
    note = f"date +%s.%N >>{site.home}/times.$$"
    command = f'{sys.executable} {FAKE_CELLPROFILER} "$@"'
    script = f"{note}\nsleep {seconds}\n{command}\ncode=$?\n{note}\nexit $code"
    program(site, "cellprofiler", script)


def most_at_once(site: Site) -> int:
    events = []
    for path in site.home.glob("times.*"):
        begun, ended = map(float, path.read_text().split())
        events += [(begun, 1), (ended, -1)]
    running = most = 0
    for _, change in sorted(events):
        running += change
        most = max(most, running)
    return most


def played(site: Site, answer: str = "echo 7", **commands: str) -> None:
    """Simulates a Slurm that records the arguments of sbatch and answers."""
    program(site, "sbatch", f"printf '%s\\n' \"$@\" END >>{site.home}/received\n{answer}")
    for name, script in {"scontrol": "exit 1", "sacctmgr": "exit 1", **commands}.items():
        program(site, name, script)


def received(site: Site) -> list[list[str]]:
    path = site.home / "received"
    calls = path.read_text().split("END\n") if path.exists() else []
    return [call.splitlines() for call in calls if call]


def sizes(site: Site) -> list[str]:
    """The values of `--array` that sbatch got."""
    words = [word for call in received(site) for word in call]
    return [word.removeprefix("--array=") for word in words if word.startswith("--array=")]
