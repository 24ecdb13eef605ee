"""`--dask`: batches are decoded by the workers of a real Dask cluster."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.dask_cluster import DaskCluster
from support.datasets import content, leftovers
from support.fixtures import Ran, unpacked, values_of

from cpexport import __version__, load

pytest.importorskip("distributed")

Run = Callable[..., Ran]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """A scheduler with one worker."""
    cluster = DaskCluster(tmp_path_factory.mktemp("dask"))
    cluster.worker()
    yield cluster
    cluster.close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[DaskCluster]:
    """A scheduler for one test, without workers."""
    home = tmp_path / "dask"
    home.mkdir()
    cluster = DaskCluster(home)
    yield cluster
    cluster.close()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[object]]]:
    database = tmp_path_factory.mktemp("expected") / "screen.sqlite"
    load(outputs(), database)
    return values_of(database)


def outputs() -> Path:
    return unpacked("10_ranges") / "outputs"


def test_a_load_by_dask_is_equal_and_verifies(
    cluster: DaskCluster, cpexport: Run, tmp_path: Path, expected: object
) -> None:
    database = tmp_path / "screen.sqlite"

    scratch = tmp_path / "scratch"
    scratch.mkdir()

    def run(command: str, where: object) -> Ran:
        words = (command, outputs(), "--to", database, "--dask", where)
        return cpexport(*words, env={"TMPDIR": str(scratch)})

    loaded, again = run("load", cluster.scheduler_file), run("load", cluster.address)
    verified = run("verify", cluster.address)

    assert (loaded.status, again.status, verified.status) == (0, 0, 0), loaded.err + verified.err
    assert "4 loaded, 0 already loaded" in loaded.out
    assert "0 loaded, 4 already loaded" in again.out
    assert values_of(database) == expected
    assert not list(scratch.iterdir())


def test_a_load_by_dask_into_parquet_is_equal_to_one_without(
    cluster: DaskCluster, cpexport: Run, tmp_path: Path
) -> None:
    """Its workers write the files, into a folder that they see under another relative path."""
    for name, dask in (("one", ("--dask", cluster.address)), ("other", ())):
        ran = cpexport("load", outputs(), "--to", f"parquet:{name}", *dask, cwd=tmp_path)
        assert ran.status == 0, ran.err

    assert content(tmp_path / "one") == content(tmp_path / "other")
    assert leftovers(tmp_path / "one") == set()


def test_a_script_takes_dask_too(cluster: DaskCluster, cpexport: Run, tmp_path: Path) -> None:
    ran = cpexport("script", outputs(), "--out", tmp_path / "s", "--dask", cluster.address)

    assert ran.status == 0, ran.err
    assert (tmp_path / "s" / "README.txt").exists()


class TestTrouble:
    def test_a_worker_that_is_killed_costs_no_batch(
        self, own: DaskCluster, tmp_path: Path, expected: object
    ) -> None:
        first = own.worker()
        database = tmp_path / "screen.sqlite"
        with loading(database, "--dask", own.address) as begun:
            wait_for(lambda: stopped_at_first_batch(database, begun))
            first.kill()
            begun.send_signal(signal.SIGCONT)
            assert begun.stderr
            assert "waiting for a worker" in begun.stderr.readline()
            own.worker()
            out, err = begun.communicate(timeout=120)

        assert begun.returncode == 0, err
        assert "4 loaded" in out
        assert values_of(database) == expected

    def test_a_scheduler_that_is_killed_ends_the_load_with_a_line(
        self, own: DaskCluster, cpexport: Run, tmp_path: Path, expected: object
    ) -> None:
        own.worker()
        database = tmp_path / "screen.sqlite"
        with loading(database, "--dask", own.address) as begun:
            wait_for(lambda: stopped_at_first_batch(database, begun))
            own.scheduler.kill()
            begun.send_signal(signal.SIGCONT)
            _, err = begun.communicate(timeout=120)
        again = cpexport("load", outputs(), "--to", database)

        assert begun.returncode not in (0, 3)
        assert "Dask's scheduler no longer answers; what was loaded stays" in err
        assert "Traceback" not in err
        assert again.status == 0
        assert values_of(database) == expected

    def test_a_worker_with_another_version_is_named_and_not_used(
        self, own: DaskCluster, cpexport: Run, tmp_path: Path
    ) -> None:
        older = tmp_path / "older" / "cpexport-0.1.0.dist-info"
        older.mkdir(parents=True)
        (older / "METADATA").write_text("Metadata-Version: 2.1\nName: cpexport\nVersion: 0.1.0\n")
        own.worker({"PYTHONPATH": str(older.parent)})
        words = ("load", outputs(), "--to", tmp_path / "screen.sqlite", "--dask", own.address)
        alone = cpexport(*words)
        own.worker()
        ran = cpexport(*words)

        why = f"has cpexport 0.1.0, not {__version__}"
        assert alone.status not in (0, 3)
        assert "no Dask worker can be used" in alone.err
        assert why in alone.err
        assert ran.status == 0
        assert why in ran.err
        assert "4 loaded" in ran.out

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a worker its own disk")
    def test_a_worker_without_the_shared_folder_is_named_and_not_used(
        self, own: DaskCluster, cpexport: Run, tmp_path: Path
    ) -> None:
        shared = tmp_path / "shared"
        shared.mkdir()
        hide = 'mount -t tmpfs none "$0" && exec "$@"'
        own.worker(command=("unshare", "--mount", "sh", "-c", hide, str(shared)))
        words = ("load", outputs(), "--to", tmp_path / "screen.sqlite", "--dask", own.address)
        environment = {"TMPDIR": str(shared)}
        alone = cpexport(*words, env=environment)
        own.worker()
        ran = cpexport(*words, env=environment)

        why = f"does not see what is in {shared}; set TMPDIR to a folder that all hosts share"
        assert alone.status not in (0, 3)
        assert why in alone.err
        assert ran.status == 0, ran.err
        assert "4 loaded" in ran.out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (
            ("--dask", "nothing"),
            "neither an address such as tcp://HOST:8786, nor a scheduler file such",
        ),
        (("--dask", "slurm"), "cores"),
        (("--dask", "slurm", "--dask-option", "cores"), "write NAME=VALUE"),
        (("--dask-option", "cores=2"), "--dask-option needs --dask"),
        (("--dask", "tcp://127.0.0.1:1", "--jobs", "2"), "--jobs describes the jobs of --dask"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(
    cpexport: Run, tmp_path: Path, words: tuple[str, ...], why: str
) -> None:
    ran = cpexport("load", outputs(), "--to", tmp_path / "screen.sqlite", *words)

    assert (ran.status, ran.out) == (2, "")
    assert why in ran.err
    assert not (tmp_path / "screen.sqlite").exists()


def test_without_dask_a_line_says_what_to_install(cpexport: Run, tmp_path: Path) -> None:
    (tmp_path / "distributed.py").write_text("raise ImportError('gone', name='distributed')\n")
    words = ("load", outputs(), "--to", tmp_path / "s.sqlite", "--dask", "tcp://127.0.0.1:1")
    ran = cpexport(*words, env={"PYTHONPATH": str(tmp_path)})

    assert ran.status == 2
    assert "--dask needs the package distributed; run: pip install 'cpexport[dask]'" in ran.err


def loading(database: Path, *words: str) -> "subprocess.Popen[str]":
    """A load that stops itself after its first batch; SIGCONT lets it go on."""
    code = (
        "import os, signal, sys\n"
        "from cpexport.cli.main import main\n"
        "from cpexport.loading import dask_executor, dask_workers\n"
        "from cpexport.loading.writer import LoadWriter\n"
        "dask_executor.ANSWER = dask_workers.ANSWER = 2\n"
        "count = LoadWriter._count\n"
        "def counted(self, *words):\n"
        "    count(self, *words)\n"
        "    if self.loaded == 1:\n"
        "        os.kill(os.getpid(), signal.SIGSTOP)\n"
        "LoadWriter._count = counted\n"
        "sys.exit(main())\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, "load", str(outputs()), "--to", str(database), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def stopped_at_first_batch(database: Path, begun: "subprocess.Popen[str]") -> bool:
    assert begun.poll() is None, begun.communicate()
    state = Path(f"/proc/{begun.pid}/stat").read_text().rpartition(")")[2].split()[0]
    if state != "T" or not database.exists():
        return False
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        return bool(connection.execute("SELECT count(*) FROM _cpexport_batches").fetchone()[0])


def wait_for(ready: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < until
        time.sleep(0.05)
