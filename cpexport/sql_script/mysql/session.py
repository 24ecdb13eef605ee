"""Sets the variables of a script's session, and reads them back, as `sinks.mysql.session` does."""

from collections.abc import Iterator, Mapping

from cpexport.sinks.mysql import session
from cpexport.sql_script import stops
from cpexport.sql_script.mysql.statements import RUN, Variable, check, literal


def variables() -> Iterator[str]:
    """Sets the variables."""
    yield f"{session.SET_NAMES};\n{session.assignment(session.SETTINGS)};\n"
    own = session.SETTINGS_OF
    yield _by_kind({kind: session.assignment(own[kind]) for kind in own})


def checks() -> Iterator[str]:
    """Stops if the session has another value than the one that was set."""
    yield f"{_compared({**session.SETTINGS, **session.NAMES})};\n"
    own = {kind: {**of, **session.FIXED[kind]} for kind, of in session.SETTINGS_OF.items()}
    yield _by_kind({kind: _compared(of, "NULLIF(@wrong, '')") for kind, of in own.items()})
    yield check("@wrong = ''", stops.OTHER_SESSION, names=Variable("@wrong"))


def _compared(values: Mapping[str, int | str], known: str = "NULL") -> str:
    """The statement that sets `@wrong` to the names of variables with other values, after those
    that are known."""
    differ = ",\n  ".join(
        f"IF(@@SESSION.{name} <=> {literal(value)}, NULL, '{name}')"
        for name, value in values.items()
    )
    return f"SET @wrong = CONCAT_WS(', ', {known},\n  {differ})"


def _by_kind(statements: Mapping[str, str]) -> str:
    """Executes the statement for the kind of server that runs the script: a variable that only the
    other kind has would be an error."""
    mariadb, mysql = (
        literal(" ".join(statements[kind].split())) for kind in (session.MARIADB, session.MYSQL)
    )
    return f"SET @s = IF(VERSION() LIKE '%MariaDB%',\n  {mariadb},\n  {mysql});\n{RUN}"
