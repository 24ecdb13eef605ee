"""Starts Grid Engine on this machine for the tests, and stops it by pid afterwards.

It is Debian's package with its own cell; the cell that the package makes is not touched.
"""

import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from support.clusters import Cluster, free_ports, running, user_name

# Files of the package from which a cell is made.
_PROGRAMS = Path("/usr/lib/gridengine")
_SHARED = Path("/usr/share/gridengine")


class GridEngine(Cluster):
    """Grid Engine with a queue of four slots."""

    name = "Grid Engine"
    commands = ("sge_qmaster", "sge_execd", "qsub", "qstat", "qconf", "qdel")
    list_jobs = ("qstat", "-u", "*")
    end_jobs = ("qdel", "-u", "*")

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.env = {"SGE_ROOT": str(home), "SGE_CELL": "default"}

    def unfinished(self, job_ids: Sequence[object]) -> list[str]:
        wanted = set(map(str, job_ids))
        lines = self.must(*self.list_jobs).splitlines()
        return [line for line in lines if wanted.intersection(line.split()[:1])]

    def _prepare(self) -> None:
        ports = map(str, free_ports(2))
        self.env |= zip(("SGE_QMASTER_PORT", "SGE_EXECD_PORT"), ports, strict=True)
        home, user = self.home, user_name()
        common, spool = home / "default" / "common", home / "spool"
        for folder in (common, spool / "db", spool / "qmaster" / "job_scripts", spool / "execd"):
            folder.mkdir(parents=True)
        for name in ("bin", "lib", "utilbin", "util"):
            (home / name).symlink_to(Path("/var/lib/gridengine") / name)
        (common / "act_qmaster").write_text(f"{self.host}\n")
        # All names that a connection on loopback may seem to come from mean the same host.
        names = {"localhost"}
        with suppress(OSError):
            name, aliases, _ = socket.gethostbyaddr("127.0.0.1")
            names |= {name, *aliases}
        (common / "host_aliases").write_text(" ".join([self.host, *sorted(names - {self.host})]))
        bootstrap = _changed(
            (_SHARED / "default-bootstrap").read_text(),
            # A user other than root can run it too, if only that user's jobs run.
            admin_user=user,
            spooling_params=f"{spool}/db",
            qmaster_spool_dir=f"{spool}/qmaster",
        )
        (common / "bootstrap").write_text(bootstrap)
        configuration = _changed(
            (_SHARED / "default-configuration").read_text(),
            execd_spool_dir=f"{spool}/execd",
            # Root may also run jobs, without mail about them.
            min_uid="0",
            min_gid="0",
            administrator_mail="none",
            # A login shell would take PATH from this machine's /etc/profile, in spite of -V.
            login_shells="none",
            # With these intervals qacct knows a job as soon as it has ended.
            reporting_params="accounting=true reporting=false flush_time=00:00:01 "
            "accounting_flush_time=00:00:00 joblog=false sharelog=00:00:00",
        )
        self.must(_PROGRAMS / "spoolinit", "berkeleydb", "libspoolb", spool / "db", "init")
        for words in (
            ("configuration", self._written("configuration", configuration)),
            ("complexes", _SHARED / "util/resources/centry"),
            ("usersets", _SHARED / "util/resources/usersets"),
            ("managers", user),
        ):
            self.must(_PROGRAMS / "spooldefaults", *words)

    def _start(self) -> None:
        self.launch("qmaster", "sge_qmaster", SGE_ND="1")
        self.until(lambda: self.run("qconf", "-sh").status == 0, "answering")
        self.must("qconf", "-as", self.host)
        self.launch("execd", "sge_execd", SGE_ND="1")
        self.until(lambda: self.host in self.run("qconf", "-sel").out, "joined")
        schedule = _changed(self.must("qconf", "-ssconf"), schedule_interval="0:0:1")
        self.must("qconf", "-Msconf", self._written("schedule", schedule))
        queue = _changed(
            self.must("qconf", "-sq"),
            qname="short.q",
            hostlist=self.host,
            slots="4",
            shell="/bin/bash",
            load_thresholds="NONE",
            pe_list="NONE",
        )
        self.must("qconf", "-Aq", self._written("queue", queue))
        # A letter at the end of the line would be a state that keeps jobs away.
        free = re.compile(r"^short\.q@.* lx-\S+ *$", re.M)
        self.until(lambda: bool(free.search(self.must("qstat", "-f"))), "free")

    def _written(self, name: str, text: str) -> Path:
        """Writes a file for commands that read settings only from files."""
        file = self.home / name
        file.write_text(text)
        return file


def _changed(settings: str, **changes: str) -> str:
    """Replaces values in lines of names and values."""
    for name, value in changes.items():
        settings, count = re.subn(rf"(?m)^{name}\s.*$", f"{name} {value}", settings)
        assert count == 1, name
    return settings


@pytest.fixture(scope="session")
def grid_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridEngine]:
    yield from running(GridEngine(tmp_path_factory.mktemp("grid_engine")))
