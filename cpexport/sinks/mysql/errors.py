"""Explains errors of MySQL, MariaDB and PyMySQL, and tells users what to do."""

import re

from pymysql import err

from cpexport.errors import OutcomeUnknownError, RetryError, SinkError

_AGAIN = "nothing of the batch was stored; run the command again"
_ASK = "ask the server's administrator"
_LOST = "the connection was lost"

# The numbers come from MySQL's and MariaDB's error references, which agree below 1900.
_RETRY = {
    1062: "another process wrote the same at the same time",
    1020: "another process changed the same rows at the same time",
    1205: "another process held a lock for too long",
    1213: "a deadlock with another process",
    1412: "another process changed a table at the same time",
    3101: "another member of the cluster was first",
}
_CREDENTIALS = (
    "check the user in the URL, the option file (~/.my.cnf, or that of --defaults-file), and "
    "MYSQL_PWD"
)
_REFUSED = {
    1021: ("the server's disk is full", "free some space there and run the command again"),
    1040: (
        "the server has too many connections",
        "run the command again later, with fewer loads at once",
    ),
    1044: (
        "the user has no access to this database",
        "grant the privileges that this prints: cpexport script --grants",
    ),
    1045: (
        "the server refused the user or password",
        _CREDENTIALS,
    ),
    1049: (
        "the database does not exist",
        "create it first: CREATE DATABASE NAME CHARACTER SET utf8mb4",
    ),
    1114: ("the server's disk is full", "free some space there and run the command again"),
    1117: ("a table is wider than the server allows", "report this as a bug"),
    1118: ("a table is wider than the server allows", "report this as a bug"),
    1130: ("the server accepts no connections from this machine", _ASK),
    1142: (
        "the user lacks a privilege",
        "grant the privileges that this prints: cpexport script --grants",
    ),
    1143: (
        "the user lacks a privilege",
        "grant the privileges that this prints: cpexport script --grants",
    ),
    1153: ("a row is larger than the server accepts", "increase max_allowed_packet on the server"),
    1203: (
        "the user has too many connections",
        "run the command again later, with fewer loads at once",
    ),
    1227: (
        "the user lacks a privilege",
        "grant the privileges that this prints: cpexport script --grants",
    ),
    1290: ("the server accepts no changes: it is read-only", "choose a server that can be written"),
    1698: (
        "the server refused the user or password",
        _CREDENTIALS,
    ),
    1836: ("the server accepts no changes: it is read-only", "choose a server that can be written"),
    1969: (
        "a statement took longer than the server allows",
        "increase max_statement_time on the server",
    ),
    1792: (
        "the server accepts no changes: its transactions are read-only",
        "choose a server that can be written",
    ),
    1050: ("another program made a table of the same name", "run the command again"),
    1054: (
        "a column is missing, which another program deleted or renamed",
        "restore it, or load the outputs into a new database",
    ),
    1146: (
        "a table is missing, which another program deleted or renamed",
        "restore it, or load the outputs into a new database",
    ),
    1451: (
        "a foreign key of another program prevents this",
        "delete the rows that it protects, or drop it, and run the command again",
    ),
    4119: (
        "a table keeps its history, which the server does not let grow by columns",
        "set system_versioning_alter_history=KEEP on the server",
    ),
    3750: ("the server makes no table without a primary key", _ASK),
    2026: ("the requested TLS connection failed", "check ssl_... in the URL or in the option file"),
    2061: ("the server accepts the password only over TLS", "turn on TLS with ssl_... in the URL"),
    3024: (
        "a statement took longer than the server allows",
        "increase max_execution_time on the server",
    ),
}
# The text names the option.
_PREVENTED = 1290
_PREVENTS = ("an option of the server prevents this", _ASK)
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
        return SinkError(name, f"no server answers ({_inner(text)})", "check its host and port")
    if code in _GONE or isinstance(error, err.InterfaceError):
        if re.search(r"timed? ?out", f"{text} {error}"):
            return SinkError(name, "the server did not answer in time", _AGAIN)
        return SinkError(name, _LOST, _AGAIN)
    if code in _LOCAL_OFF:
        return SinkError(
            name, "LOAD DATA LOCAL is off", "turn it on at the server: SET GLOBAL local_infile = 1"
        )
    if isinstance(error, RuntimeError):
        return SinkError(
            name,
            "the server asked for a file of this machine; nothing was sent",
            "do not use this server",
        )
    if code in _REFUSED:
        problem, advice = _REFUSED[code]
        if code == _PREVENTED and "read-only" not in text.replace("_", "-"):
            problem, advice = _PREVENTS
        return SinkError(name, f"{problem} ({code}: {text})", advice)
    problem = f"the server reports: {text}" + (f" ({code})" if code else "")
    return SinkError(
        name, problem, "nothing of the batch was stored; correct the cause, or report this as a bug"
    )


def at_commit(name: str, error: BaseException) -> SinkError:
    """The same for an error of COMMIT: only for some of these is it certain that nothing was
    kept."""
    refused = refusal(name, error)
    if isinstance(refused, RetryError):
        return refused
    return OutcomeUnknownError(
        name,
        f"{refused.problem} during the commit",
        "run the command again; it checks whether the batch is stored",
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
