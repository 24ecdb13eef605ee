"""Starts real schedulers on this machine for the tests, and stops them by pid afterwards.

`slurm` is a fixture, and so is `grid_engine` in `grid_engine`. Tests are skipped if a scheduler is
not installed or does not start; `install_schedulers.sh` installs both. Each scheduler writes only
to its own home, and other schedulers on the machine are not touched.
"""

import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest

from support.fixtures import Ran

# Daemons are in a folder that is not on every user's PATH.
_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"

# When the parent dies, ends the jobs with the command in its arguments, and kills the pids that it
# has read.
_GUARD = """
while read -r pid; do pids="$pids $pid"; done
timeout 10 "$@"
sleep 10
kill -KILL $pids
"""

# Reports to slurmctld that a job has ended, as salloc does.
_COMPLETE = """
import ctypes, sys
slurm = ctypes.CDLL(sys.argv[1], mode=ctypes.RTLD_GLOBAL)
slurm.slurm_init(None)
sys.exit(slurm.slurm_complete_job(int(sys.argv[2]), 0))
"""

_CONF = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={home}/munge.socket,cred_expire=10
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/%n
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.%n.pid
# Neither systemd nor cgroups, and more CPUs than there may be. What ignores SIGTERM outlives its
# parent, and is still found by its process group.
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
# Defaults that sites have, and tests should meet.
MaxArraySize=1001
AccountingStorageType=accounting_storage/none
# Jobs start at once and again after 10 s (cred_expire), are killed only if they do not end within
# 10 s, and are remembered for an hour.
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0
KillWait=10
MinJobAge=3600
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=4 RealMemory=16000
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=4 RealMemory=16000
PartitionName=short Nodes=n1,n2 Default=YES DefaultTime=10 MaxTime=60 DefMemPerCPU=1000
"""

C = TypeVar("C", bound="Cluster")


class ClusterError(Exception):
    """Why a scheduler or a job is not in the expected state."""


def free_ports(number: int) -> list[int]:
    """Returns free ports of loopback, outside the range of outgoing connections.

    They depend on the pid, so that two test runs that start at once get different ports.
    """
    first, ports = 12000 + os.getpid() % 1000 * 20, []
    for port in range(first, first + 20):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            ports.append(port)
    if len(ports) < number:
        raise ClusterError(f"the ports {first} to {first + 19} are in use")
    return ports[:number]


def user_name() -> str:
    """The user's name, by which schedulers know users; in a container a user may have none."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        raise ClusterError(f"the user {os.getuid()} has no name") from None


def _command(words: Sequence[object]) -> list[str]:
    return [shutil.which(str(words[0]), path=_PATH) or str(words[0]), *map(str, words[1:])]


class Cluster(ABC):
    """A scheduler with its daemons, which write logs `*.log` in its home."""

    name: str
    commands: Sequence[str]  # The programs that it needs.
    list_jobs: Sequence[str]  # Lists the jobs that have not ended.
    end_jobs: Sequence[str]
    env: dict[str, str]  # Makes commands use this scheduler and no other.

    def __init__(self, home: Path) -> None:
        self.home, self.host = home, socket.gethostname().split(".")[0]
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._ready = False

    def start(self) -> None:
        """Returns when jobs can run.

        Raises:
            ClusterError: they cannot; nothing is left running.
        """
        for name in self.commands:
            if not shutil.which(name, path=_PATH):
                raise ClusterError(f"not installed ({name} is missing): make schedulers, as root")
        self._prepare()
        self._guard = subprocess.Popen(
            ["sh", "-c", _GUARD, "guard", *self.end_jobs],
            env={**os.environ, **self.env},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            self._start()
            self._ready = True
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends the jobs and then the daemons, whatever their state."""
        try:
            if self._ready:
                self.run(*self.end_jobs)
                self.until(lambda: not self.run(*self.list_jobs).out, "without jobs", 20)
        finally:
            self._ready = False
            for daemon in self._daemons.values():
                daemon.terminate()
            for daemon in self._daemons.values():
                # The daemons have nothing to save.
                with suppress(subprocess.TimeoutExpired):
                    daemon.wait(timeout=2)
                daemon.kill()
                daemon.wait()
            self._daemons.clear()
            # Killed, because other processes may soon have the pids that it knows.
            self._guard.kill()
            self._guard.communicate()

    def run(self, *words: object, cwd: Path | None = None, text: str = "") -> Ran:
        """Runs a command that uses this scheduler; `text` is its stdin."""
        done = subprocess.run(
            _command(words),
            cwd=cwd or self.home,
            env={**os.environ, **self.env},
            input=text,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Ran(done)

    def wait(self, job_ids: Sequence[object], timeout: float = 120) -> None:
        """Returns when all tasks of these jobs have ended."""
        self.until(lambda: not self.unfinished(job_ids), "done with the jobs", timeout)

    @abstractmethod
    def unfinished(self, job_ids: Sequence[object]) -> list[str]:
        """The scheduler's lines about the tasks of these jobs that have not ended."""

    @abstractmethod
    def _prepare(self) -> None:
        """Writes the files that the daemons need, and completes `env`."""

    @abstractmethod
    def _start(self) -> None:
        """Launches the daemons and waits for them."""

    def must(self, *words: object) -> str:
        """Returns the output of a command that must succeed."""
        ran = self.run(*words)
        if ran.status != 0:
            raise ClusterError(f"{words[0]}: {(ran.err or ran.out).strip()}")
        return ran.out

    def launch(self, name: str, *words: object, **env: str) -> None:
        """Starts a daemon, which must stay in the foreground."""
        with (self.home / f"{name}.log").open("wb") as log:
            daemon = subprocess.Popen(
                _command(words),
                cwd=self.home,
                env={**os.environ, **self.env, **env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._daemons[name] = daemon
        assert self._guard.stdin is not None
        self._guard.stdin.write(b"%d\n" % daemon.pid)
        self._guard.stdin.flush()

    def until(self, condition: Callable[[], bool], what: str, timeout: float = 60) -> None:
        """Waits until a condition holds.

        Raises:
            ClusterError: it did not hold in time, or a daemon died.
        """
        deadline = time.monotonic() + timeout
        while not condition():
            dead = [name for name, daemon in self._daemons.items() if daemon.poll() is not None]
            if dead or time.monotonic() > deadline:
                name = [*self._daemons, *dead][-1]
                log = (self.home / f"{name}.log").read_text(errors="replace").splitlines()
                why = f"{name} ended" if dead else f"not {what} after {timeout:g} s"
                raise ClusterError(f"{why}, {name} says: {' | '.join(log[-3:])}")
            # Most conditions start a command of the scheduler, which takes the CPU from its jobs.
            time.sleep(0.2)


class Slurm(Cluster):
    """Slurm with two nodes of four CPUs."""

    name = "Slurm"
    commands = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol")
    list_jobs = ("squeue", "-h")
    end_jobs = ("scancel", "--me")

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.env = {"SLURM_CONF": str(home / "slurm.conf")}

    def time_out(self, job_id: object) -> None:
        """Makes a job, or task `12_3`, exceed its time limit soon after it has started.

        slurmctld looks for such jobs every 30 s, which no setting changes. But a job that is
        reported as ended when its time is over gets TIMEOUT at once, and is killed in the same way.
        """
        running = ("squeue", "-h", "-t", "R", "-j", job_id, "-o", "%A")
        self.until(lambda: self.must(*running) != "", f"running {job_id}")
        number = self.must(*running).strip()
        self.must("scontrol", "update", f"JobId={job_id}", "EndTime=now+1")
        time.sleep(2.1)  # Slurm counts in whole seconds.
        for library in Path("/usr/lib").glob("*/slurm*/libslurmfull.so"):
            self.must(sys.executable, "-c", _COMPLETE, library, number)

    def until_waiting(self, job_id: object, reason: str) -> None:
        """Returns when Slurm says for which reason a job waits; until it has looked, it says None.

        `reason` is a word of squeue such as `BeginTime`, and holds for all tasks of an array.
        """

        def waits() -> bool:
            return set(self.run("squeue", "-h", "-j", job_id, "-o", "%r").out.split()) == {reason}

        self.until(waits, f"waiting for {reason}")

    def unfinished(self, job_ids: Sequence[object]) -> list[str]:
        return self.must("squeue", "-h", "-r", "-j", ",".join(map(str, job_ids))).splitlines()

    def _prepare(self) -> None:
        home = self.home
        for folder in ("state", "n1", "n2"):
            (home / folder).mkdir(exist_ok=True)
        (home / "munge.key").touch(mode=0o600)
        (home / "munge.key").write_bytes(os.urandom(1024))
        conf = _CONF.format(home=home, host=self.host, user=user_name(), ports=free_ports(3))
        (home / "slurm.conf").write_text(conf)
        # From 23.11 on Slurm needs cgroups unless this file disables them; earlier versions do not
        # know the setting.
        year, month = map(int, re.findall(r"\d+", self.must("slurmctld", "-V"))[:2])
        if (year, month) >= (23, 11):
            (home / "cgroup.conf").write_text("CgroupPlugin=disabled\n")

    def _start(self) -> None:
        socket, key = self.home / "munge.socket", self.home / "munge.key"
        munged = ("munged", "--foreground", "--force", f"--socket={socket}", f"--key-file={key}")
        files = (f"--pid-file={self.home}/munged.pid", f"--seed-file={self.home}/munge.seed")
        self.launch("munged", *munged, *files)
        self.until(socket.exists, "listening")
        self.launch("slurmctld", "slurmctld", "-D", "-i")
        self.until(lambda: self.run("scontrol", "ping").status == 0, "answering")
        for node in ("n1", "n2"):
            self.launch(f"slurmd.{node}", "slurmd", "-D", "-N", node)
        idle = ("sinfo", "-h", "-N", "-t", "idle", "-o", "%N")
        self.until(lambda: len(self.run(*idle).out.split()) == 2, "idle")


def running(cluster: C) -> Iterator[C]:
    """Yields the cluster while it runs, for a fixture; skips the test if it does not start."""
    try:
        cluster.start()
    except ClusterError as reason:
        pytest.skip(f"{cluster.name} does not run here: {reason}")
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    yield from running(Slurm(tmp_path_factory.mktemp("slurm")))
