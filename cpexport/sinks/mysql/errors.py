"""Explains errors of MySQL, MariaDB and PyMySQL, and tells users what to do."""

import re

from pymysql import err

from cpexport.errors import OutcomeUnknownError, RetryError, SinkError

_AGAIN = "nothing was kept of the batch; run it again"
_ASK = "ask who runs the server"
_LOST = "the connection was lost"

# The numbers are those of MySQL's and MariaDB's error references, which agree below 1900.
_RETRY = {
    1062: "another wrote the same meanwhile",
    1205: "a lock was held by another for too long",
    1213: "a deadlock with another",
    1412: "a table was changed by another meanwhile",
    3101: "another member of the cluster was first",
}
_REFUSED = {
    1021: ("the server's disk is full", "make room there and run it again"),
    1040: ("the server has too many connections", "run it again later, with fewer loads at once"),
    1044: ("the user must not use this database", "grant the privileges in sql/grants.sql"),
    1045: ("user or password is refused", "see ~/.my.cnf, MYSQL_PWD, and the user in the URL"),
    1049: ("there is no such database", "create it first: CREATE DATABASE ... utf8mb4"),
    1114: ("the server's disk is full", "make room there and run it again"),
    1117: ("a table is wider than the server allows", "report it: tables are cut to its limits"),
    1118: ("a table is wider than the server allows", "report it: tables are cut to its limits"),
    1130: ("the server lets nobody in from this machine", _ASK),
    1142: ("the user lacks a privilege", "grant the privileges in sql/grants.sql"),
    1143: ("the user lacks a privilege", "grant the privileges in sql/grants.sql"),
    1153: ("a row is larger than the server takes", "raise max_allowed_packet there"),
    1203: ("the user has too many connections", "run it again later, with fewer loads at once"),
    1227: ("the user lacks a privilege", "grant the privileges in sql/grants.sql"),
    1290: ("the server takes no changes: it is read-only", "choose the server that is written to"),
    1698: ("user or password is refused", "see ~/.my.cnf, MYSQL_PWD, and the user in the URL"),
    1836: ("the server takes no changes: it is read-only", "choose the server that is written to"),
    1969: ("a statement took longer than the server allows", "raise max_statement_time there"),
    2026: ("TLS as wanted cannot be had", "see ssl_... in the URL or in the option file"),
    2061: ("the password can be sent by TLS only", "have TLS: see ssl_... in the URL"),
    3024: ("a statement took longer than the server allows", "raise max_execution_time there"),
}
_LOCAL_OFF = {1148, 3948, 4166}
# The connection was closed, shut down, killed, idle for too long, or broken by the network.
_GONE = {0, 1053, 1077, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 2006, 2013, 2014, 2055, 4031}
_NO_SERVER = {2002, 2003, 2005}


def refusal(name: str, error: BaseException) -> SinkError:
    """Converts the driver's error to a `SinkError` about the destination `name`."""
    code, text = _parts(error)
    if code in _RETRY:
        return RetryError(name, f"{_RETRY[code]} ({code})", _AGAIN)
    if code in _NO_SERVER:
        return SinkError(name, f"no server answers ({_inner(text)})", "see its host and port")
    if code in _GONE or isinstance(error, err.InterfaceError):
        if re.search(r"timed? ?out", f"{text} {error}"):
            return SinkError(name, "the server did not answer in time", _AGAIN)
        return SinkError(name, _LOST, _AGAIN)
    if code in _LOCAL_OFF:
        return SinkError(name, "LOAD DATA LOCAL is off", "SET GLOBAL local_infile = 1 there")
    if isinstance(error, RuntimeError):
        return SinkError(
            name, "the server asked for a file of this machine, and got nothing", "do not trust it"
        )
    if code in _REFUSED:
        problem, advice = _REFUSED[code]
        return SinkError(name, f"{problem} ({code}: {text})", advice)
    problem = f"the server says: {text}" + (f" ({code})" if code else "")
    return SinkError(name, problem, "nothing was kept of the batch; see what the server says")


def at_commit(name: str, error: BaseException) -> SinkError:
    """The same for an error of COMMIT: only for some of these is it certain that nothing was
    kept."""
    refused = refusal(name, error)
    if isinstance(refused, RetryError):
        return refused
    return OutcomeUnknownError(
        name, f"{refused.problem} while it committed", "run it again: it looks whether it is there"
    )


def _parts(error: BaseException) -> tuple[int, str]:
    """MySQL's number of an error (-1 if it has none), and its text."""
    if isinstance(error, err.Error) and error.args and isinstance(error.args[0], int):
        return error.args[0], str(error.args[-1])
    return -1, str(error) or type(error).__name__


def _inner(text: str) -> str:
    """The system's reason within PyMySQL's text, such as `[Errno 111] Connection refused`."""
    found = re.search(r"\((?:\[Errno [^]]*\] )?(.*)\)$", text)
    return found[1] if found else text
