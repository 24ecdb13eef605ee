"""The address and user of a MySQL or MariaDB server, from a URL, an option file, and MYSQL_PWD."""

import configparser
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL

from cpexport.errors import SinkError, UsageError
from cpexport.spelling import closest, suggest

# Seconds. A server sends nothing until a long statement ends; nothing else takes that long.
_TIMEOUTS = {"connect_timeout": 10, "read_timeout": 600, "write_timeout": 600}
_FLAGS = ("ssl_disabled", "ssl_required", "ssl_verify_cert", "ssl_verify_identity")
_WORDS = ("unix_socket", "ssl_ca", "ssl_cert", "ssl_key")
_FILES = ("read_default_file", "read_default_group")
_FILE = "~/.my.cnf"
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_DRIVERS = {f"{kind}{driver}" for kind in ("mysql", "mariadb") for driver in ("", "+pymysql")}


@dataclass(frozen=True)
class Address:
    """A database on a server. `name` is its URL for users to see, without a password."""

    name: str
    database: str
    options: Mapping[str, Any] = field(repr=False)
    """Arguments of PyMySQL's Connection, including the password."""

    @property
    def local(self) -> bool:
        """Whether the server is on this machine."""
        host = self.options.get("host", "localhost")
        return "unix_socket" in self.options or host in ("localhost", "127.0.0.1", "::1")


def address(url: URL) -> Address:
    """The address in a URL. What the URL leaves out comes from the group [client] of an option
    file; the password last from MYSQL_PWD.

    The file is `?read_default_file=`, or else ~/.my.cnf if it exists. As with MySQL's own clients,
    a URL that names a host takes no socket from a file. The query may also have `unix_socket`,
    PyMySQL's `ssl_...`, and `connect_timeout`, `read_timeout`, `write_timeout` in seconds.

    Raises:
        UsageError: another driver, no database, or an unknown name in the query.
        SinkError: the option file cannot be read.
    """
    if url.drivername not in _DRIVERS:
        raise UsageError(f"{url.drivername}: unsupported driver; write mysql+pymysql://")
    shown = URL.create("mysql+pymysql", url.username, None, url.host, url.port, url.database)
    name = shown.render_as_string()
    if not url.database:
        raise UsageError(f"{name} names no database; write mysql+pymysql://USER@HOST/DATABASE")
    query = {key: value for key, value in url.query.items() if isinstance(value, str)}
    allowed = (*_TIMEOUTS, *_FLAGS, *_WORDS, *_FILES)
    unknown = [key for key in url.query if key not in allowed]
    repeated = [key for key in url.query if key not in query]
    if unknown or repeated:
        wrong = f"unknown {unknown[0]}" if unknown else f"several values of {repeated[0]}"
        message = f"{name}: {wrong} after the ?; allowed are {', '.join(allowed)}"
        raise UsageError(suggest(message, *(closest(key, allowed) for key in unknown)))
    options = _of_file(query)
    if url.host:
        options.pop("unix_socket", None)
    options |= {key: query[key] for key in _WORDS if key in query}
    options |= {key: _flag(name, key, query[key]) for key in _FLAGS if key in query}
    options |= {
        key: _seconds(name, key, query.get(key), default) for key, default in _TIMEOUTS.items()
    }
    given = {"host": url.host, "port": url.port, "user": url.username, "password": url.password}
    options |= {key: value for key, value in given.items() if value}
    options.setdefault("password", os.environ.get("MYSQL_PWD", ""))
    # As bytes, since PyMySQL would encode a text as Latin-1.
    options["password"] = str(options["password"]).encode()
    tls = {key: options.pop(key) for key in (*_FLAGS, *_WORDS[1:]) if key in options}
    return Address(name, url.database, {**options, **_tls(name, tls), "database": url.database})


def _of_file(query: Mapping[str, str]) -> dict[str, Any]:
    """PyMySQL's arguments from an option file (dev.mysql.com/doc, option-files)."""
    named = query.get("read_default_file")
    path = Path(named or _FILE).expanduser()
    if named is None and not path.exists():
        return {}
    parser = configparser.RawConfigParser(
        allow_no_value=True, strict=False, delimiters=("=",), comment_prefixes=("#", ";", "!")
    )
    try:
        # The parser's own message quotes the line, which may have a password.
        parser.read_string(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise SinkError(path, f"cannot be read: {reason}", "name another option file") from None
    except configparser.Error:
        raise SinkError(path, "invalid MySQL option file", "fix or rename it") from None
    group = query.get("read_default_group", "client")
    options = dict(parser.items(group)) if parser.has_section(group) else {}
    values = {key.replace("_", "-"): _value(value) for key, value in options.items()}
    options_found: dict[str, Any] = {
        argument: values[key]
        for key, argument in {
            "user": "user",
            "password": "password",
            "host": "host",
            "socket": "unix_socket",
            "ssl-ca": "ssl_ca",
            "ssl-cert": "ssl_cert",
            "ssl-key": "ssl_key",
        }.items()
        if values.get(key)
    }
    if values.get("port", "").isdecimal():
        options_found["port"] = int(values["port"])
    mode = values.get("ssl-mode", "").upper()
    verify = values.get("ssl-verify-server-cert", "0").lower() in ("", *_TRUE)
    if verify or mode == "VERIFY_IDENTITY":
        options_found["ssl_verify_identity"] = True
    elif mode == "VERIFY_CA":
        options_found["ssl_verify_cert"] = True
    elif mode == "REQUIRED":
        options_found["ssl_required"] = True
    elif mode == "DISABLED":
        options_found["ssl_disabled"] = True
    return options_found


def _tls(name: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """PyMySQL's arguments for TLS; `ssl_disabled` turns it off. Without options this returns none,
    and PyMySQL uses TLS if the server offers it.

    PyMySQL's own context would not check the host's name without `ssl_ca`, so this makes another.
    """
    if wanted.get("ssl_disabled"):
        return {"ssl_disabled": True}
    if not any(wanted.values()):
        return {}
    authority, identity = wanted.get("ssl_ca"), wanted.get("ssl_verify_identity", False)
    try:
        context = ssl.create_default_context(cafile=authority)
        if wanted.get("ssl_cert"):
            context.load_cert_chain(wanted["ssl_cert"], wanted.get("ssl_key"))
    except OSError as error:
        raise SinkError(
            name,
            f"TLS cannot start: {error.strerror or error}",
            "check ssl_... in the URL or in the option file",
        ) from error
    # The certificates that MySQL makes at its first start fail the strict check, as PyMySQL notes.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.check_hostname = identity
    verify = identity or wanted.get("ssl_verify_cert", authority is not None)
    context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    return {"ssl": context}


def _value(text: str | None) -> str:
    """The value after `=`: the text in quotes, or else all up to a comment."""
    text = (text or "").strip()
    if text[:1] in ("'", '"') and text.find(text[0], 1) > 0:
        return text[1 : text.index(text[0], 1)]
    return text.partition("#")[0].strip()


def _flag(name: str, key: str, text: str) -> bool:
    if text.lower() not in _TRUE + _FALSE:
        raise UsageError(f"{name}: {key} must be true or false")
    return text.lower() in _TRUE


def _seconds(name: str, key: str, text: str | None, otherwise: int) -> int:
    if text is None:
        return otherwise
    if not text.isdecimal() or not int(text):
        raise UsageError(f"{name}: {key} must be a number of seconds")
    return int(text)
