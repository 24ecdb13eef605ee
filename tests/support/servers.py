"""Starts real MariaDB and MySQL servers for the tests, with their own folders and ports.

`server` is a fixture for each of the two in turn; `database` is a fresh database for each test.
Tests are skipped if a server is not installed: `install_servers.sh` installs MariaDB, and
`fetch_mysql.sh` (`make test-mysql`) gets MySQL into build/mysql.
"""

import itertools
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
import pytest

from support.clusters import free_ports

USER, PASSWORD = "loader", "canary-of-the-tests"
KINDS = ("mariadb", "mysql")
MYSQL = Path(__file__).parents[2] / "build" / "mysql"

# Daemons are in a folder that is not on every user's PATH.
_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
_SECONDS_TO_START = 60
_OPTIONS = (
    # Small and quick to start, and as durable as servers are by default.
    "--innodb-buffer-pool-size=128M",
    "--innodb-flush-log-at-trx-commit=1",
    "--innodb-lock-wait-timeout=5",
    "--skip-name-resolve",
    "--bind-address=127.0.0.1",
    "--max-connections=60",
)
_OF_KIND = {
    # What is killed here is a server and never the machine, so nothing has to reach the disk.
    "mariadb": (
        "--innodb-log-file-size=64M",
        "--skip-log-bin",
        "--innodb-flush-method=nosync",
        "--debug-no-sync",
    ),
    # No binary log: after a kill, a test would have to wait for its recovery.
    "mysql": (
        "--mysqlx=0",
        "--innodb-redo-log-capacity=128M",
        "--skip-log-bin",
        "--local-infile=1",
    ),
}
_counter = itertools.count(1)


class ServerError(Exception):
    """Why a server is not available."""


class Server:
    """One private server: `mariadb` or `mysql`, with TLS, on `port` and on a socket. `options` are
    more options of its command line.

    Raises:
        ServerError: it is not installed, or does not start.
    """

    def __init__(self, kind: str, home: Path, *options: str) -> None:
        self.kind, self.home, self._more = kind, home, options
        self.socket = home / "socket"
        (self.port,) = free_ports(1)
        self._process: subprocess.Popen[bytes] | None = None
        # Its own folder: a server that starts deletes the files of others in its temporary folder.
        (home / "tmp").mkdir()
        self._program = [*_command(kind, "server"), f"--datadir={home / 'data'}"]
        self._program.append(f"--tmpdir={home / 'tmp'}")
        if os.getuid() == 0:
            self._program.append("--user=root")
        self._certificate()
        self._initialise()
        self.start()
        with self.connect(user="root", password="") as root, root.cursor() as cursor:
            cursor.execute(f"CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}'")
        self._greet()

    def start(self) -> None:
        """Starts the server; returns when it answers."""
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                # The kernel kills it when the process that runs the tests ends, for any reason.
                ["setpriv", "--pdeathsig", "KILL", *self._program, *self._options()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.home,
            )
        until = time.monotonic() + _SECONDS_TO_START
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                raise ServerError(f"{self.kind} does not start: {self.log()}")
            time.sleep(0.1)

    def restart(self) -> None:
        self.start()
        self._greet()

    def kill(self) -> None:
        """Kills the server at once, like a power failure."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def log(self) -> str:
        """The first errors in the server's log, or else its last lines."""
        lines = (self.home / "log").read_text(errors="replace").splitlines()
        return " / ".join([line for line in lines if "ERROR" in line][:2] or lines[-2:])

    def connect(self, **options: Any) -> "pymysql.Connection[Any]":
        """A plain connection with autocommit; by default for the test user and by socket."""
        defaults = {"user": USER, "password": PASSWORD, "unix_socket": str(self.socket)}
        return pymysql.connect(**{**defaults, "autocommit": True, "charset": "utf8mb4", **options})

    def rows(self, sql: str, *values: object, **options: Any) -> list[tuple[Any, ...]]:
        """Runs a statement as root; returns its rows."""
        options = {"user": "root", "password": "", **options}
        with self.connect(**options) as connection, connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            return list(cursor.fetchall())

    @contextmanager
    def setting(self, name: str, value: object) -> Iterator[None]:
        """Gives a global variable another value, for connections made in the meantime."""
        ((before,),) = self.rows(f"SELECT @@GLOBAL.{name}")
        self.rows(f"SET GLOBAL {name} = %s", value)
        try:
            yield
        finally:
            self.rows(f"SET GLOBAL {name} = %s", before)

    @property
    def certificate(self) -> Path:
        """The server's self-signed certificate, for localhost and 127.0.0.1."""
        return self.home / "certificate.pem"

    def client(self, *words: str) -> list[str]:
        """The command line of the server's own client, as the test user."""
        command = [*_command(self.kind, "client"), f"--socket={self.socket}"]
        return [*command, f"--user={USER}", f"--password={PASSWORD}", *words]

    def dump(self, database: str) -> bytes:
        """A database with its views as SQL, by the server's own program."""
        words = ["--no-tablespaces", "--skip-lock-tables", "--user=root", database]
        command = [*_command(self.kind, "dump"), f"--socket={self.socket}", *words]
        return subprocess.run(command, capture_output=True, check=True).stdout

    def restore(self, database: str, dump: bytes) -> None:
        """Runs SQL such as that of `dump` in a database, as root."""
        words = [f"--socket={self.socket}", "--user=root", database]
        command = [*_command(self.kind, "client"), *words]
        subprocess.run(command, input=dump, capture_output=True, check=True)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def _options(self) -> tuple[str, ...]:
        return (
            *_OPTIONS,
            *_OF_KIND[self.kind],
            *self._more,
            f"--port={self.port}",
            f"--socket={self.socket}",
            f"--pid-file={self.home / 'pid'}",
            f"--secure-file-priv={self.home}",
            f"--ssl-cert={self.certificate}",
            f"--ssl-key={self.home / 'key.pem'}",
        )

    def _initialise(self) -> None:
        if self.kind == "mysql":
            words = [*self._program, "--initialize-insecure"]
        else:
            words = ["mariadb-install-db", "--no-defaults", f"--datadir={self.home / 'data'}"]
            words += [f"--tmpdir={self.home / 'tmp'}"]
            words += ["--auth-root-authentication-method=normal", "--skip-test-db"]
            words += ["--user=root"] if os.getuid() == 0 else []
        with (self.home / "log").open("ab") as log:
            env = {**os.environ, "PATH": _PATH}
            if subprocess.run(words, stdout=log, stderr=log, env=env, check=False).returncode:
                raise ServerError(f"{self.kind} makes no data folder: {self.log()}")

    def _certificate(self) -> None:
        words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        words += ["-subj", "/CN=localhost"]
        words += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        words += ["-keyout", str(self.home / "key.pem"), "-out", str(self.certificate)]
        if subprocess.run(words, capture_output=True, check=False).returncode:
            raise ServerError("openssl makes no certificate")

    def _greet(self) -> None:
        # After its first login MySQL caches a user, who then needs no TLS to log in again.
        self.connect().close()


@dataclass(frozen=True)
class Database:
    """A database in which the test user may do everything."""

    server: Server
    name: str

    def url(self, query: str = "ssl_disabled=true", port: int | None = None) -> str:
        """The URL of the database, with the test user's name and password."""
        place = f"127.0.0.1:{port or self.server.port}/{self.name}"
        return f"mysql+pymysql://{USER}:{PASSWORD}@{place}" + (f"?{query}" if query else "")

    def connect(self, **options: Any) -> "pymysql.Connection[Any]":
        return self.server.connect(database=self.name, **options)

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Runs a statement in the database as root, with a plain driver; returns its rows."""
        return self.server.rows(sql, *values, database=self.name)


def _command(kind: str, part: str) -> list[str]:
    if kind == "mariadb":
        name = {"server": "mariadbd", "client": "mariadb", "dump": "mariadb-dump"}[part]
        found = shutil.which(name, path=_PATH)
        if found is None or shutil.which("mariadb-install-db", path=_PATH) is None:
            raise ServerError(f"{name} is not installed: tests/install_servers.sh, as root")
        return [found, "--no-defaults"]
    if not MYSQL.is_dir():
        raise ServerError("MySQL is not in build/mysql: make test-mysql gets it, if it can be had")
    # MySQL's libraries are newer than this system's.
    loader = next(MYSQL.glob("usr/lib/*/ld-linux-*.so.*"))
    command = [str(loader), "--library-path", str(loader.parent)]
    if part != "server":
        name = {"client": "mysql", "dump": "mysqldump"}[part]
        return [*command, str(MYSQL / "usr/bin" / name), "--no-defaults"]
    folders = [f"--basedir={MYSQL / 'usr'}", f"--lc-messages-dir={MYSQL / 'usr/share/mysql'}"]
    return [*command, str(MYSQL / "usr/sbin/mysqld"), "--no-defaults", *folders]


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, Server | ServerError]]:
    """The servers that tests have used, or why one is not available; all are deleted at the end."""
    made: dict[str, Server | ServerError] = {}
    yield made
    for server in made.values():
        if isinstance(server, Server):
            server.kill()
            shutil.rmtree(server.home, ignore_errors=True)


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest, servers: dict[str, Server | ServerError]) -> Server:
    """MariaDB and MySQL in turn."""
    return _started(request.param, servers)


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    """A fresh database on each server in turn."""
    with _fresh(server) as made:
        yield made


@pytest.fixture
def databases(servers: dict[str, Server | ServerError]) -> Iterator[Callable[[str], Database]]:
    """A function that makes a fresh database on the server of a kind."""
    with ExitStack() as made:
        yield lambda kind: made.enter_context(_fresh(_started(kind, servers)))


def _started(kind: str, servers: dict[str, Server | ServerError]) -> Server:
    if kind not in servers:
        # The path of a socket must be short.
        home = Path(tempfile.mkdtemp(prefix=f"{kind}-"))
        try:
            servers[kind] = Server(kind, home)
        except (ServerError, OSError) as error:
            shutil.rmtree(home, ignore_errors=True)
            servers[kind] = error if isinstance(error, ServerError) else ServerError(str(error))
    found = servers[kind]
    if isinstance(found, ServerError):
        pytest.skip(str(found))
    return found


@contextmanager
def another(kind: str, *options: str) -> Iterator[Database]:
    """A fresh database on a server that no other test uses, started with these options."""
    home = Path(tempfile.mkdtemp(prefix=f"{kind}-"))
    try:
        server = Server(kind, home, *options)
    except (ServerError, OSError) as error:
        shutil.rmtree(home, ignore_errors=True)
        pytest.skip(str(error))
    try:
        with _fresh(server) as database:
            yield database
    finally:
        server.kill()
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _fresh(server: Server) -> Iterator[Database]:
    name = f"test_{next(_counter)}"
    server.rows(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    server.rows(f"GRANT ALL ON {name}.* TO {USER}@'%'")
    yield Database(server, name)
    server.rows(f"REVOKE ALL ON {name}.* FROM {USER}@'%'")
    server.rows(f"DROP DATABASE {name}")
