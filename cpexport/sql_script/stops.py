"""The reasons for which a script stops: what the client shows, and what its reader does about it.

The scripts take the messages from here, and README.txt in the folder explains all of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Final

MARK: Final = "cpexport: "
"""How each message begins on a server."""


@dataclass(frozen=True)
class Stop:
    """One reason.

    message: what the client shows; `{name}` stands for what differs from case to case.
    advice: for the README: what the message means, and what to do.
    """

    message: str
    advice: str

    def filled(self, **values: object) -> str:
        """The message with its places filled."""
        return self.message.format_map(values)

    def pieces(self, values: Mapping[str, object]) -> Iterator[object]:
        """The texts of the message and the values of its places, in turn."""
        for text, place, _, _ in Formatter().parse(self.message):
            if text:
                yield text
            if place:
                yield values[place]

    @property
    def shown(self) -> str:
        """The message for a reader: its places are in capitals."""
        names = [place for _, place, _, _ in Formatter().parse(self.message) if place]
        return self.filled(**{name: name.upper() for name in names})


OTHER_SESSION: Final = Stop(
    "the session does not keep what the script sets: {names}",
    "Nothing has been changed yet. The script sets variables that change what a server stores or "
    "returns, such as sql_select_limit. A proxy between client and server can prevent that: let "
    "the client connect to the server itself. If that does not help, ask an administrator of the "
    "server.",
)
NO_DATABASE: Final = Stop(
    "no database is named; call mysql with the name of the database",
    "Write the name of the database after the options of the client.",
)
LACKS_RIGHTS: Final = Stop(
    "user {user} lacks these rights: {rights}; grants.sql grants them",
    "Nothing has been changed yet. Put the database and the user into grants.sql, run it as an "
    "administrator of the server, then run the script again. In MariaDB, grant the rights to the "
    "user or to a role: the script does not see those that all users have by PUBLIC.",
)
NO_LOCAL_INFILE: Final = Stop(
    "local_infile is off on this server; an administrator can turn it on: "
    "SET GLOBAL local_infile = 1",
    "Nothing has been changed yet. Without local_infile a server takes no files from a client. It "
    "can be turned off again after the import.",
)
NOT_SENT: Final = Stop(
    "the client did not send {script}; see the error before this one",
    "Only with --force: without it, the client has stopped at that error. Nothing has been changed "
    "yet. The cause is the working folder, or --local-infile=1 that is missing.",
)
NOT_MADE: Final = Stop(
    "the server did not make {table}; see the error before this one",
    "Only with --force: without it, the client has stopped at that error. Usually the user lacks "
    "the right. Run grants.sql.",
)
ANOTHER_SCRIPT: Final = Stop(
    "another script is running on this database",
    "The script has waited for a minute. Run it again when the other one has ended.",
)
WRONG_FOLDER: Final = Stop(
    "wrong working folder; run it in the folder of {script}",
    "The client looks for the files in the folder in which it is started.",
)
OTHER_VERSION: Final = Stop(
    "the tables are from another version of cpexport",
    "The tables in this database have another structure than this script makes. Import into "
    "another database, or ask for a script from the version that made the tables.",
)
OTHER_OPTIONS: Final = Stop(
    "the tables were made with other options",
    "The tables in this database arrange the measurements in another way, for example all types of "
    "objects in one table. Import into another database, or ask for a script with the same options "
    "or with another --prefix.",
)
OTHER_RUN: Final = Stop(
    "run {run} has another name in this database",
    "The script has another run under the number of a run in this database. Import into another "
    "database, or ask for a script with another --prefix.",
)
NOT_OURS: Final = Stop(
    "the database has a table {table} that cpexport did not create",
    "Nothing has been changed yet. Another program made a table of this name, or changed it. "
    "Rename that table, import into another database, or, for names that begin with Per_, ask for "
    "a script with another --prefix.",
)
OTHER_COLUMNS: Final = Stop(
    "{table} has other columns",
    "Another program has changed this table. Undo the change, import into another database, or ask "
    "for a script with another --prefix.",
)
COLUMNS_ELSEWHERE: Final = Stop(
    "the database has these columns in other tables",
    "Measurements of the script are in other tables of this database. Import into a new database.",
)
OTHER_VIEW: Final = Stop(
    "{view} is from another program",
    "A table or view has the name of a view that the script makes. Rename it, or ask for a script "
    "with another --prefix.",
)
NOT_INNODB: Final = Stop(
    "{table} is not an InnoDB table",
    "Only InnoDB can undo a batch that fails. Run ALTER TABLE ... ENGINE = InnoDB.",
)
BECOMES_TEXT: Final = Stop(
    "{table} has text now; use cpexport load",
    "A column of numbers in this database becomes a column of text by this script. Only "
    "cpexport load can change that, or import into a new database.",
)
TOO_LONG: Final = Stop(
    "integers have too many digits to become real numbers",
    "A column of integers in this database becomes a column of real numbers by this script, which "
    "would round some of the integers. Use cpexport load, or import into a new database.",
)
KNOWS_LESS: Final = Stop(
    "{table} has more than this script knows; run cpexport script again, or use cpexport load",
    "A newer script, or cpexport load, has added columns or tables since, or has a wider type for "
    "a column. Ask for a new script from all outputs, or let cpexport load bring the rest.",
)
OTHER_OUTPUTS: Final = Stop(
    "the database has image sets {sets} from other outputs",
    "The files from which the database has these image sets are unknown to this script. If they "
    "are of another experiment, import into another database or ask for a script with another "
    "--prefix. If they are newer, ask for a new script from all outputs.",
)
CHANGED: Final = Stop(
    "{file} has changed since it was written",
    "The file was edited, or damaged on its way. Copy it again (in binary mode), or run "
    "cpexport script again into the same folder.",
)
CHANGED_OR_MISSING: Final = Stop(
    "{file} has changed since it was written, or is missing",
    CHANGED.advice,
)
OTHER_LINES: Final = Stop(
    "{file} has {n} lines, not {m}",
    "The file is missing (0 lines, with --force), cut off, or edited. Copy it again, or run "
    "cpexport script again into the same folder.",
)
NOT_READ: Final = Stop(
    "{file} does not have {n} rows",
    "The client has read the file in another way than it was written. Use sqlite3 3.40 or newer.",
)
NOT_WRITTEN: Final = Stop(
    "{file} cannot be written here; run {script} instead",
    "Only of import-new.sql, which writes a file with the names of the batches to import. Run the "
    "other script, which reads the files of all batches, or copy the folder elsewhere.",
)
NOT_EXACT: Final = Stop(
    "{file} was not stored exactly",
    "The server has changed or skipped values. The usual cause is that the table has rows of this "
    "batch already, which another program wrote: delete those and run the script again.",
)
OTHER_ROWS: Final = Stop(
    "{table} does not have {n} rows of the batch",
    "Rows were lost, or the table has rows of these image sets that another program wrote. Delete "
    "those and run the script again. If you find none, report this as a bug.",
)
NOT_ENTERED: Final = Stop(
    "the batch is not in the ledger",
    "The tables named _cpexport_... are the ledger: they say what has been imported. The server "
    "did not store the batch there. Run the script again; if it still stops, report this as a bug.",
)

OF_SERVERS: Final = (
    NO_DATABASE,
    LACKS_RIGHTS,
    NO_LOCAL_INFILE,
    NOT_SENT,
    OTHER_SESSION,
    ANOTHER_SCRIPT,
    OTHER_LINES,
    CHANGED,
    OTHER_OUTPUTS,
    KNOWS_LESS,
    NOT_OURS,
    OTHER_COLUMNS,
    OTHER_VIEW,
    OTHER_OPTIONS,
    OTHER_VERSION,
    OTHER_RUN,
    BECOMES_TEXT,
    TOO_LONG,
    NOT_INNODB,
    NOT_MADE,
    NOT_EXACT,
    OTHER_ROWS,
    NOT_ENTERED,
)
"""The reasons of scripts for MariaDB and MySQL, the likeliest first."""

OF_SQLITE: Final = (
    WRONG_FOLDER,
    CHANGED_OR_MISSING,
    OTHER_OUTPUTS,
    KNOWS_LESS,
    NOT_OURS,
    OTHER_COLUMNS,
    COLUMNS_ELSEWHERE,
    OTHER_OPTIONS,
    OTHER_VERSION,
    OTHER_RUN,
    NOT_READ,
    OTHER_ROWS,
    NOT_WRITTEN,
)
"""The reasons of scripts for SQLite, the likeliest first."""
