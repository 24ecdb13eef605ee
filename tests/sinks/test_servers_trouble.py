"""Servers that are slow, full, or want what they must not have; and others who hold locks."""

import json
import os
import shutil
import signal
import socket
import ssl
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url
from support.background_loads import Loader, until
from support.fixtures import unpacked
from support.on_servers import differences, load, rest
from support.servers import PASSWORD, Database, Server, ServerError

from cpexport.errors import SinkError
from cpexport.sinks.mysql.connection import Connection

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def outputs() -> Path:
    """Jobs of an image set each."""
    return unpacked("40_spreadsheet") / "outputs"


@contextmanager
def locked(database: Database) -> Iterator[Callable[[], None]]:
    """The row that loads lock first, held by another; what is called waits until a load has waited
    for it in vain, and gives it back."""
    waits = "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
    with (
        database.server.setting("innodb_lock_wait_timeout", 1),
        database.connect(autocommit=False) as other,
        other.cursor() as cursor,
    ):
        cursor.execute("SELECT * FROM _cpexport_settings FOR UPDATE")

        def release() -> None:
            stop = time.monotonic() + 60
            while database.rows(waits) == [(0,)]:
                assert time.monotonic() < stop
                # Asked more often, it would answer as it did the last time.
                time.sleep(0.2)
            time.sleep(1.5)
            other.rollback()

        yield release


@pytest.mark.parametrize("words", [(), ("--wells", "mean")])
def test_what_was_tried_again_is_counted_in_a_note(
    database: Database, outputs: Path, words: tuple[str, ...]
) -> None:
    first, second = outputs / "P1-A01-1", outputs / "P1-A01-2"
    assert load(first, "--to", database.url()) == 0
    with locked(database) as release:
        # Wells alone, where all batches are there.
        loader = Loader(database.url(), first if words else second, *words)
        release()
        status, out, err = loader.end()

    assert status == 0, err
    (note,) = [note for note in json.loads(out)["notes"] if "retried" in note]
    assert note.endswith(" times, because other processes were writing to it")
    assert 1 <= int(note.split()[-9]) <= 5
    if words:
        assert database.rows("SELECT count(*) FROM Per_Well_avg") == [(1,)]
    else:
        assert database.rows("SELECT count(*) FROM Per_Image") == [(2,)]


class Rogue:
    """A server that greets as a real one does, with TLS by its own certificate or without, and then
    wants the password in clear text. `given` is what it is told after that."""

    def __init__(self, real: Server, tls: bool) -> None:
        self._real, self._tls = real, tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.asked, self.given = False, b""
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._thread.join(20)
        self._listener.close()

    def _answer(self) -> None:
        client, _ = self._listener.accept()
        with (
            client,
            suppress(OSError),
            socket.create_connection(("127.0.0.1", self._real.port)) as real,
        ):
            client.settimeout(10)
            client.sendall(real.recv(4096))
            talk: Any = client
            if self._tls:
                client.recv(36)
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(self._real.certificate, self._real.home / "key.pem")
                talk = context.wrap_socket(client, server_side=True)
            talk.recv(4096)
            wanted = b"\xfemysql_clear_password\0"
            number = b"\x03" if self._tls else b"\x02"
            talk.sendall(struct.pack("<I", len(wanted))[:3] + number + wanted)
            self.asked = True
            while more := talk.recv(4096):
                self.given += more


# PyMySQL leaves the socket open to which it could not connect.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("tls", [False, True])
def test_a_server_that_nobody_knows_does_not_get_the_password(
    database: Database, tls: bool
) -> None:
    rogue = Rogue(database.server, tls)
    query = "read_timeout=5" if tls else "ssl_disabled=true&read_timeout=5"
    connection = Connection(make_url(database.url(query, rogue.port)))
    with pytest.raises(SinkError, match="in clear text") as error:
        connection.rows("SELECT 1")
    connection.close()
    rogue.end()

    assert rogue.asked
    # A goodbye at most.
    assert len(rogue.given) <= 5
    assert PASSWORD.encode() not in rogue.given
    assert PASSWORD not in str(error.value)


def test_a_server_that_stands_still_for_a_while_delays_a_load_only(
    database: Database, outputs: Path, tmp_path: Path
) -> None:
    some = sorted(outputs.iterdir())[:6]
    loader = Loader(database.url(), *some)
    names = f"SELECT count(*) FROM information_schema.tables WHERE table_schema = '{database.name}'"
    until(lambda: database.rows(f"{names} AND table_name = '_cpexport_columns'") == [(1,)])
    os.kill(database.server.pid, signal.SIGSTOP)
    try:
        time.sleep(4)
        assert not loader.ended
    finally:
        os.kill(database.server.pid, signal.SIGCONT)
    status, _, err = loader.end()

    assert status == 0, err
    file = tmp_path / "quiet.sqlite"
    assert load(*some, "--to", f"sqlite:///{file}") == 0
    assert (differences(database, file), rest(database)) == ([], [])


def test_a_full_disk_of_a_server_leaves_whole_batches_and_a_line(
    small_disk: Callable[[int], Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    disk = small_disk(200_000)
    home = Path(tempfile.mkdtemp(prefix="full-"))
    try:
        (home / "data").symlink_to(disk)
        try:
            full = Server("mariadb", home)
        except ServerError as error:
            pytest.skip(str(error))
        try:
            _fill_and_load(full, disk, tmp_path, capfd)
        finally:
            full.kill()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _fill_and_load(
    full: Server, disk: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    full.rows("CREATE DATABASE screens CHARACTER SET utf8mb4")
    full.rows("GRANT ALL ON screens.* TO loader@'%'")
    database, outputs = Database(full, "screens"), unpacked("10_ranges") / "outputs"
    assert load(outputs / "batch_1_6", "--to", database.url()) == 0
    file = tmp_path / "quiet.sqlite"
    assert load(outputs / "batch_1_6", "--to", f"sqlite:///{file}") == 0
    filler = disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(65536))
    os.truncate(filler, filler.stat().st_size - 300_000)
    capfd.readouterr()
    status = load(outputs, "--to", database.url())
    (line,) = capfd.readouterr().err.splitlines()
    filler.unlink()
    # MariaDB ends itself where it cannot write its own log.
    full.kill()
    full.restart()

    assert status == 1
    assert line.startswith("cpexport: mysql+pymysql://")
    # Batches that had room before are there, and others not at all.
    held = database.rows("SELECT count(*) FROM _cpexport_sets")
    assert held == database.rows("SELECT count(*) FROM Per_Image")
    assert held < [(24,)]
    assert load(outputs, "--to", database.url()) == 0
    assert load(outputs, "--to", f"sqlite:///{file}") == 0
    assert differences(database, file) == []
