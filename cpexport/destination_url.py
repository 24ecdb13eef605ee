"""Finds the destination that a user means: a URL, or a file name with a known ending."""

import re
from pathlib import Path
from typing import Final

from cpexport.errors import UsageError
from cpexport.spelling import closest, suggest

SCHEMES: Final = {
    "sqlite:///": "FILE",
    "duckdb:///": "FILE",
    "parquet:": "FOLDER",
    "delta:": "FOLDER",
    "mysql+pymysql://": "USER@HOST/DB",
}
"""How a destination URL begins, and what follows."""

_FORMS: Final = [f"{scheme}{rest}" for scheme, rest in SCHEMES.items()]
FORMS: Final = f"{', '.join(_FORMS[:-1])} or {_FORMS[-1]}"
"""The forms of a destination URL, for messages."""

_KINDS: Final = {
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
    ".db": "sqlite",
    ".db3": "sqlite",
    ".duckdb": "duckdb",
    ".ddb": "duckdb",
    ".parquet": "parquet",
    ".delta": "delta",
}
FOLDERS: Final = ("parquet", "delta")
"""The kinds of destination that are folders."""

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+]+:")
# SQLAlchemy reads URLs like this: a password can contain a ?.
_QUERY: Final = re.compile(r"[^:]+://(?:[^:/]*(?::[^@]*)?@)?[^?]*\?(.*)", re.DOTALL)
# Up to the last @, as people forget to write %40 for one in a password.
_PASSWORD: Final = re.compile(r"(://[^:/]*):.*@", re.DOTALL)
_SECRET: Final = re.compile(r"([?&]pass(?:word|wd)=)[^&\s]*")
_TEXTS: Final = (".csv", ".tsv", ".txt", ".sql")
# DuckDB's file signature follows a checksum of 8 bytes (duckdb.org, storage/internals).
_DUCKDB: Final = (8, b"DUCK")


def destination_url(text: str) -> str:
    """Returns the URL of the destination that `--to` names; a URL stays as it is.

    >>> destination_url("results.duckdb"), destination_url("out.parquet/")
    ('duckdb:///results.duckdb', 'parquet:out.parquet')

    Raises:
        UsageError: the text is neither a URL nor a file name with a known ending.
    """
    if _SCHEME.match(text):
        return text
    path = Path(text)
    suffix = path.suffix.lower()
    if suffix in _TEXTS:
        raise UsageError(
            f"--to {text}: load writes databases and Parquet; for CSV files with an import "
            "script, use cpexport script OUTPUTS --out FOLDER"
        )
    kind = _KINDS.get(suffix)
    if kind is None:
        message = (
            f"--to {text}: neither a URL nor a file name that ends in {', '.join(_KINDS)}; "
            f"write {FORMS}"
        )
        meant = closest(suffix, _KINDS) if suffix else None
        raise UsageError(suggest(message, meant and str(path.with_suffix(meant))))
    if kind in FOLDERS:
        return f"{kind}:{path}"
    return file_url("duckdb" if kind == "sqlite" and _is_duckdb(path) else kind, path)


def is_destination_url(text: str) -> bool:
    """Whether a text begins like the URL of a destination; a path has only one slash after it.

    >>> [is_destination_url(t) for t in ("duckdb:/a.duckdb", "parquet:a", "mariadb:b.h5", "a:b")]
    [True, True, True, False]
    """
    kind, colon, _ = text.partition(":")
    return bool(colon) and kind.partition("+")[0] in {*_KINDS.values(), "mysql", "mariadb"}


def file_url(kind: str, path: Path) -> str:
    """Returns the URL of a file, whatever characters its name contains.

    >>> file_url("sqlite", Path("50% of a?b.sqlite"))
    'sqlite:///50%25 of a%3Fb.sqlite'

    Raises:
        UsageError: the path has bytes that are not UTF-8.
    """
    from sqlalchemy.engine import URL

    try:
        return URL.create(kind, database=str(path)).render_as_string()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{str(path)!r} has bytes in its name that are not UTF-8; rename it, or choose "
            "another file"
        ) from error


def folder_of(url: str) -> Path | None:
    """Returns the folder that a URL's file is in; None if it is not the URL of a file.

    >>> folder_of("sqlite:///out/a.sqlite"), folder_of("parquet:out"), folder_of("a://me@host/b")
    (PosixPath('out'), None, None)
    """
    scheme = next(
        (one for one, rest in SCHEMES.items() if rest == "FILE" and url.startswith(one)), ""
    )
    return Path(url.removeprefix(scheme)).parent if scheme else None


def query_of(url: str) -> str | None:
    """Returns the text after the `?` that begins the query of a URL; None if the URL has no query.

    >>> query_of("mysql+pymysql://me:a?b@host/screens?ssl_required=true"), query_of("sqlite:///a?")
    ('ssl_required=true', '')
    """
    match = _QUERY.match(url)
    return match[1] if match else None


def without_password(url: str) -> str:
    """Returns a URL with `***` for its password; a text without a password stays as it is.

    >>> without_password("mysql+pymysql://me:s@cret@host/screens"), without_password("a://b:1/c@d")
    ('mysql+pymysql://me:***@host/screens', 'a://b:***@d')
    """
    return _SECRET.sub(r"\1***", _PASSWORD.sub(r"\1:***@", url))


def _is_duckdb(path: Path) -> bool:
    """Whether a file is DuckDB's. SQLite and DuckDB share the ending `.db`."""
    position, signature = _DUCKDB
    try:
        with path.open("rb") as stream:
            return stream.read(position + len(signature))[position:] == signature
    except OSError:
        return False
