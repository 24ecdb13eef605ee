"""Servers that are killed, stand still, are full, or have odd settings, and connections lost."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from days.disk import Disk
from support.proxy import ANY, Proxy, proxied
from support.servers import Database, Server, ServerError

from faults.places import SERVERS, OnServer
from faults.setup import CannotRunError, Row, Setup, Tried, spread
from faults.trials import Trials

_NEVER = 10**9
# Of a server that says nothing any more, in seconds.
_TIMEOUT = 3
_QUERY = f"ssl_disabled=true&read_timeout={_TIMEOUT}&write_timeout={_TIMEOUT}"

# Global variables that change what new sessions store, see or may send; each server has its own.
VARIABLES: tuple[tuple[str, object], ...] = (
    ("max_allowed_packet", 1024),
    ("max_allowed_packet", 20480),
    ("sql_select_limit", 2),
    ("sql_select_limit", 0),
    ("max_join_size", 1),
    ("autocommit", 0),
    ("completion_type", 1),
    ("completion_type", 2),
    ("sql_safe_updates", 1),
    ("sql_mode", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH,PIPES_AS_CONCAT"),
    ("sql_mode", "NO_AUTO_VALUE_ON_ZERO,IGNORE_SPACE,HIGH_NOT_PRECEDENCE,REAL_AS_FLOAT"),
    ("sql_mode", ""),
    ("sql_mode", "ORACLE"),
    ("default_storage_engine", "MyISAM"),
    ("enforce_storage_engine", "MyISAM"),
    ("innodb_strict_mode", 0),
    ("init_connect", "SET NAMES latin1"),
    ("init_connect", "SET SESSION sql_mode = ''"),
    ("init_connect", "this is no SQL"),
    ("character_set_server", "latin1"),
    ("collation_connection", "utf8mb4_general_ci"),
    ("wait_timeout", 1),
    ("interactive_timeout", 1),
    ("net_read_timeout", 1),
    ("lock_wait_timeout", 1),
    ("read_only", 1),
    ("super_read_only", 1),
    ("transaction_isolation", "READ-UNCOMMITTED"),
    ("tx_isolation", "SERIALIZABLE"),
    ("transaction_read_only", 1),
    ("tx_read_only", 1),
    ("foreign_key_checks", 0),
    ("unique_checks", 0),
    ("check_constraint_checks", 0),
    ("max_error_count", 0),
    ("sql_notes", 0),
    ("group_concat_max_len", 4),
    ("div_precision_increment", 0),
    ("time_zone", "+13:00"),
    ("max_statement_time", 0.002),
    ("max_execution_time", 1),
    ("local_infile", 0),
    ("sql_require_primary_key", 1),
    ("sql_generate_invisible_primary_key", 1),
    ("sql_if_exists", 1),
    ("explicit_defaults_for_timestamp", 0),
    ("tmp_table_size", 1024),
    ("max_sort_length", 8),
    ("max_user_connections", 1),
)


@contextmanager
def _between(setup: Setup, kind: str) -> Iterator[tuple[Proxy, Trials, int]]:
    """Trials on a database behind a proxy, and how many messages a quiet load sends."""
    home = setup.new(f"proxied-{kind}")
    with proxied(setup.server(kind).port) as proxy:
        place = setup.place(kind, home)
        assert isinstance(place, OnServer)
        place.port = proxy.port
        trials = Trials(place, setup.screen(home), setup.environment)
        proxy.at(ANY, number=_NEVER)
        place.put_back()
        trials.run()
        count = proxy.messages
        proxy.mend()
        yield proxy, trials, count


@contextmanager
def _impatient(trials: Trials) -> Iterator[None]:
    """Lets the command wait only so long for answers; the ones that follow have more patience."""
    place = trials.place
    assert isinstance(place, OnServer)
    patient, place.query = place.query, _QUERY
    try:
        yield
    finally:
        place.query = patient


@contextmanager
def _fault(trials: Trials, proxy: Proxy, where: str, how: str, number: int) -> Iterator[None]:
    proxy.at(ANY, where, how, number)
    try:
        with _impatient(trials):
            yield
    finally:
        proxy.mend()


def _lost(how: str, setup: Setup, kind: str) -> Tried:
    """The connection is lost at each message, before the server gets it, and after it answers."""
    with _between(setup, kind) as (proxy, trials, count):
        for number in spread(count):
            for where in ("before", "after"):
                during = _fault(trials, proxy, where, how, number)
                yield trials.attempt(f"{how} {where} message {number}", during)


@contextmanager
def _met(
    trials: Trials, proxy: Proxy, number: int, act: Callable[[], None], undo: Callable[[], None]
) -> Iterator[None]:
    """Acts when a message has come, which is held back meanwhile; undoes it in the end."""
    before, over = proxy.faults, threading.Event()
    acted = []

    def watch() -> None:
        while not over.wait(0.002):
            if proxy.faults > before:
                act()
                acted.append(True)
                proxy.release()
                return

    proxy.at(ANY, "before", "stall", number)
    thread = threading.Thread(target=watch)
    thread.start()
    try:
        with _impatient(trials):
            yield
    finally:
        over.set()
        thread.join()
        proxy.mend()
        if acted:
            undo()


def _killed(setup: Setup, kind: str) -> Tried:
    """The server is killed at each message, and starts again after the load has ended."""
    server = setup.server(kind)
    with _between(setup, kind) as (proxy, trials, count):
        for number in spread(count):
            during = _met(trials, proxy, number, server.kill, server.restart)
            yield trials.attempt(f"the server is killed at message {number}", during)


def _stopped(setup: Setup, kind: str) -> Tried:
    """The server gets SIGSTOP at each message, and goes on after the load has ended."""
    server = setup.server(kind)
    with _between(setup, kind) as (proxy, trials, count):
        for number in spread(count):
            signals = (partial(os.kill, server.pid, s) for s in (signal.SIGSTOP, signal.SIGCONT))
            during = _met(trials, proxy, number, *signals)
            yield trials.attempt(f"the server stands still at message {number}", during)


def _set(setup: Setup, kind: str) -> Tried:
    """Each variable in turn has an odd value for all new sessions."""
    server, trials = setup.server(kind), setup.trials(kind)
    there = {name.lower() for name, _ in server.rows("SHOW GLOBAL VARIABLES")}
    for name, value in VARIABLES:
        if name in there and (name, value) != ("sql_mode", "ORACLE" if kind == "mysql" else None):
            yield trials.attempt(f"{name} = {value}", server.setting(name, value))


@contextmanager
def _full(disk: Disk, pages: int, server: Server) -> Iterator[None]:
    disk.fill(pages)
    try:
        yield
    finally:
        disk.free()
        # A server may end where it cannot write its own log.
        server.kill()
        server.restart()


def _server_disk(setup: Setup, kind: str) -> Tried:
    """The disk of the server has room for so many pages only."""
    disk = Disk(setup.new(f"disk-{kind}"), 600)
    if not disk.is_mounted:
        raise CannotRunError("only root can mount a small disk, where the machine allows it")
    home = setup.new(f"full-{kind}")
    (home / "server").mkdir(parents=True)
    (home / "server" / "data").symlink_to(disk.folder)
    server = None
    try:
        server = Server(kind, home / "server")
        trials = Trials(_on(server, home, kind), setup.screen(home), setup.environment)
        for step in spread(64):
            pages = (step - 1) * 16
            yield trials.attempt(f"room for {pages} pages", _full(disk, pages, server))
    except ServerError as error:
        raise CannotRunError(str(error)) from error
    finally:
        if server is not None:
            server.kill()
        disk.close()


def _on(server: Server, home: Path, kind: str) -> OnServer:
    place = OnServer(home, kind, Database(server, "faults"))
    place.query = f"ssl_disabled=true&read_timeout={4 * _TIMEOUT}"
    return place


ROWS = (
    *(Row(f"connection-{how}", SERVERS, partial(_lost, how)) for how in ("cut", "reset", "stall")),
    Row("server-kill", SERVERS, _killed),
    Row("server-stop", SERVERS, _stopped),
    Row("server-settings", SERVERS, _set),
    Row("server-disk-full", SERVERS, _server_disk),
)
