"""Where a MySQL or MariaDB server is and who asks: from a URL, an option file, the environment."""

import configparser
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL

from cpexport.errors import SinkError, UsageError

# Seconds. Long statements are silent until they end; nothing else takes so long.
_TIMEOUTS = {"connect_timeout": 10, "read_timeout": 600, "write_timeout": 600}
_FLAGS = ("ssl_disabled", "ssl_required", "ssl_verify_cert", "ssl_verify_identity")
_WORDS = ("unix_socket", "ssl_ca", "ssl_cert", "ssl_key")
_FILES = ("read_default_file", "read_default_group")
_FILE = "~/.my.cnf"
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_DRIVERS = {f"{kind}{driver}" for kind in ("mysql", "mariadb") for driver in ("", "+pymysql")}


@dataclass(frozen=True)
class Address:
    """A database on a server. `name` is its URL as people may see it, without a password."""

    name: str
    database: str
    options: Mapping[str, Any] = field(repr=False)
    """What PyMySQL's Connection takes, the password among it."""

    @property
    def local(self) -> bool:
        """Whether what is sent there stays on this machine."""
        host = self.options.get("host", "localhost")
        return "unix_socket" in self.options or host in ("localhost", "127.0.0.1", "::1")


def address(url: URL) -> Address:
    """What a URL says, then an option file's group [client], then MYSQL_PWD for a password.

    The file is `?read_default_file=`, or else ~/.my.cnf if there is one. As for MySQL's own
    clients, a URL that names a host takes no socket from a file. Other parts of the query are
    `unix_socket`, PyMySQL's `ssl_...`, and seconds: `connect_timeout` and so on.

    Raises:
        UsageError: another driver, no database, or something in the query that is none of these.
        SinkError: the option file cannot be read.
    """
    if url.drivername not in _DRIVERS:
        raise UsageError(f"{url.drivername}: not a driver for it; write mysql+pymysql://")
    shown = URL.create("mysql+pymysql", url.username, None, url.host, url.port, url.database)
    name = shown.render_as_string()
    if not url.database:
        raise UsageError(f"{name} names no database; write mysql+pymysql://USER@HOST/DATABASE")
    query = {key: value for key, value in url.query.items() if isinstance(value, str)}
    unknown = [key for key in url.query if key not in (*_TIMEOUTS, *_FLAGS, *_WORDS, *_FILES)]
    if unknown or len(query) < len(url.query):
        wrong = ", ".join(unknown) or "something twice"
        raise UsageError(f"{name} has {wrong} in it; see the README for what it may have")
    found = _of_file(query)
    if url.host:
        found.pop("unix_socket", None)
    found |= {key: query[key] for key in _WORDS if key in query}
    found |= {key: _flag(name, key, query[key]) for key in _FLAGS if key in query}
    found |= {key: _seconds(name, key, query.get(key), of) for key, of in _TIMEOUTS.items()}
    said = {"host": url.host, "port": url.port, "user": url.username, "password": url.password}
    found |= {key: value for key, value in said.items() if value}
    found.setdefault("password", os.environ.get("MYSQL_PWD", ""))
    # As bytes, since PyMySQL would take it for Latin-1.
    found["password"] = str(found["password"]).encode()
    tls = {key: found.pop(key) for key in (*_FLAGS, *_WORDS[1:]) if key in found}
    return Address(name, url.database, {**found, **_tls(name, tls), "database": url.database})


def _of_file(query: Mapping[str, str]) -> dict[str, Any]:
    """PyMySQL's arguments out of an option file (dev.mysql.com/doc, option-files)."""
    said = query.get("read_default_file")
    path = Path(said or _FILE).expanduser()
    if said is None and not path.exists():
        return {}
    parser = configparser.RawConfigParser(
        allow_no_value=True, strict=False, delimiters=("=",), comment_prefixes=("#", ";", "!")
    )
    try:
        # The parser's own message would have the line in it, and so maybe a password.
        parser.read_string(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise SinkError(path, f"cannot be read: {reason}", "name another option file") from None
    except configparser.Error:
        raise SinkError(path, "not an option file of MySQL's", "mend or rename it") from None
    group = query.get("read_default_group", "client")
    options = dict(parser.items(group)) if parser.has_section(group) else {}
    values = {key.replace("_", "-"): _value(value) for key, value in options.items()}
    found: dict[str, Any] = {
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
        found["port"] = int(values["port"])
    mode = values.get("ssl-mode", "").upper()
    verify = values.get("ssl-verify-server-cert", "0").lower() in ("", *_TRUE)
    if verify or mode == "VERIFY_IDENTITY":
        found["ssl_verify_identity"] = True
    elif mode == "VERIFY_CA":
        found["ssl_verify_cert"] = True
    elif mode == "REQUIRED":
        found["ssl_required"] = True
    elif mode == "DISABLED":
        found["ssl_disabled"] = True
    return found


def _tls(name: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """None at all, or as wanted; without a word of it, as PyMySQL does: if the server has it.

    The context is not PyMySQL's own, which would not look at the host's name without `ssl_ca`.
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
        raise SinkError(name, f"no TLS: {error.strerror or error}", "see ssl_... there") from error
    # MySQL's own certificates, made at its first start, would not pass (PyMySQL says so too).
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.check_hostname = identity
    verify = identity or wanted.get("ssl_verify_cert", authority is not None)
    context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    return {"ssl": context}


def _value(text: str | None) -> str:
    """What stands behind `=`: in quotes as it is, else up to a comment."""
    text = (text or "").strip()
    if text[:1] in ("'", '"') and text.find(text[0], 1) > 0:
        return text[1 : text.index(text[0], 1)]
    return text.partition("#")[0].strip()


def _flag(name: str, key: str, text: str) -> bool:
    if text.lower() not in _TRUE + _FALSE:
        raise UsageError(f"{name}: {key} is true or false")
    return text.lower() in _TRUE


def _seconds(name: str, key: str, text: str | None, otherwise: int) -> int:
    if text is None:
        return otherwise
    if not text.isdecimal() or not int(text):
        raise UsageError(f"{name}: {key} is a number of seconds")
    return int(text)
