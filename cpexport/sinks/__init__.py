"""Where tables go, one module a kind of destination; each offers the same `Sink` protocol.

A new destination needs its module here and a line in `open_sink`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

import pyarrow as pa

from cpexport.errors import UsageError
from cpexport.imagesets import ImageSets
from cpexport.ledger import Entry, Ledger
from cpexport.paths import PathMap
from cpexport.pictures import Pictures
from cpexport.shape import Shape
from cpexport.sinks.urls import FORMS, destination_url, query_of
from cpexport.tables import Features, Layout

if TYPE_CHECKING:
    # It takes longer to come than most checks take, which need no destination.
    import sqlalchemy as sa
    from sqlalchemy.engine import URL

Write = Callable[[str, pa.RecordBatchReader], None]
"""Takes rows of one object type in blocks, columns named by feature; relationships come as
`Relationship`, what the job says of the run as `Experiment`."""

Allow = Callable[[Sequence[Entry]], None]
"""Told of which entries a batch is about to replace image sets, which are all that their `loaded`
has; raises if it must not."""

_PARQUET = "parquet:"
_FILES = ("sqlite", "duckdb")


@dataclass(frozen=True)
class There:
    """A table as it is: its columns, and how many rows it has, of the run if one was named and the
    table tells runs apart. Of a view neither is said."""

    columns: tuple[str, ...]
    rows: int


class Sink(Protocol):
    """One destination, open. A context manager; closing keeps what was committed.

    Every method raises `SinkError` when the destination refuses, and leaves it as it was.
    """

    @property
    def name(self) -> str:
        """The destination as people may see it, without a password."""

    @property
    def shape(self) -> Shape:
        """What its tables look like, or are to look like."""

    @property
    def width(self) -> int:
        """The most columns that a table of numbers can have there."""

    @property
    def infinite(self) -> bool:
        """Whether infinities stay as they are there; else they become NULL, as NaN always does."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What people should know of its tables."""

    def ledger(self) -> Ledger:
        """What the destination holds, of the run if one was named; empty if that does not exist."""

    def runs(self) -> Mapping[str, int]:
        """The runs by name with their `TableNumber`, from 1 in the order in which they came; empty
        where image sets are not numbered by run."""

    def layout(self) -> Layout:
        """The tables and columns that the destination has."""

    def tables(self) -> Mapping[str, There]:
        """Of the tables under the prefix that there must be, those that are there really: of the
        layout, of relationships, and of what is said of the run."""

    def pictures(self, image_sets: ImageSets) -> Pictures:
        """The pictures of these image sets, those that are loaded."""

    def prepare(self, features: Features) -> None:
        """From the next batch on, tables, columns and types are such that `features` fit.

        The only cause for which tables are made or changed, and not before that batch is begun.
        """

    def becoming(self) -> Layout:
        """The layout that the next batch would find, or make, for what was prepared."""

    def batch(
        self, entry: Entry, pictures: Pictures, allow: Allow = lambda held: None
    ) -> AbstractContextManager[Write | None]:
        """A transaction that writes one batch and its ledger entry, or nothing.

        Rows of image sets that were there are deleted first, if `allow` raises nothing. Gives None
        when another process has written this very batch meanwhile. Leaving it without an error
        commits, durably.
        """

    def address(self, folder: Path | None) -> Mapping[str, str]:
        """Where it is, as a properties file in `folder` tells CellProfiler Analyst: `db_type`, and
        what belongs to that; without `folder`, as it says beside itself. Never a password, which
        such a file would have in clear text.
        """

    def read(
        self,
        object_name: str,
        features: Sequence[str] | None = None,
        image_sets: ImageSets | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """The rows of an object type, in order of its key, without ever holding all of them: of the
        run if one was named.

        Columns are the layout's `image_key`, for objects `Number_Object_Number`, and the features
        in the order in which they are named, without those that there is no column for; all by
        default. Types are the layout's. `Relationship` has the columns of `tables.RELATIONSHIPS`,
        by the image set and number of the first object, and takes no features; nor does
        `Experiment`, with those of `experiment.EXPERIMENTS`. There is at least one batch, which can
        be empty. A table in parts is read as one. `Object` is the view of all objects where the
        shape has one; its features are called as its columns.

        Raises:
            ChangedError: a value is of another type than its column, or parts have other rows.
        """

    @property
    def reshaped(self) -> bool:
        """Whether its tables are to have other object types than they have, as those that were
        asked for when it was made are in no output."""

    def reshape(self) -> None:
        """Notes that they are to have them. Batches that it holds are then in the ledger without a
        content, and so are loaded again.

        Within `alone` only.
        """

    def settings(self) -> dict[str, str]:
        """What `note` noted, and the batches since have not made untrue; `schema.KEPT` stays."""

    def noted(self, name: str) -> Mapping[str, str]:
        """What each run has in its `settings` under a name, by the run's name."""

    def alone(self) -> AbstractContextManager[None]:
        """A transaction in which nobody else writes: what is read in it stays true."""

    def renumber(self, columns: Mapping[str, pa.Array]) -> None:
        """Replaces values of image columns by feature, `ImageNumber` among them.

        Within `alone` only.
        """

    def describe(self, properties: Mapping[str, Mapping[str, str]], modified: str) -> None:
        """Replaces the rows of Experiment and Experiment_Properties, fields by object type, and the
        time when the run was last modified.

        Within `alone` only.
        """

    def replace(self, table: "sa.Table", rows: pa.Table) -> None:
        """Replaces a table that is computed from others, wholly; it is made if it is not there.

        Within `alone` only.

        Raises:
            SinkError: something else made a table of that name.
        """

    def described(self) -> Mapping[str, Mapping[str, str]] | None:
        """The fields that `describe` has written, by object type; None if the run is not in
        Experiment."""

    def withdraw(self, entry: Entry) -> None:
        """Takes a batch out: its rows, and all that the ledger says of it.

        Within `alone` only.
        """

    @property
    def has_views(self) -> bool:
        """Whether there can be views."""

    def prefixes(self) -> frozenset[str]:
        """The prefixes under which something is loaded."""

    def show(self, name: str, statement: str | None) -> bool:
        """Makes a view, in place of one of that name that this made before; without a statement
        there is none then. False if something else has the name, and stays.

        Within `alone` only.
        """

    def broken_views(self) -> Mapping[str, str]:
        """The views that there must be and that are not right, and why not."""

    def renew_views(self) -> None:
        """Makes views anew that an older version of cpexport made otherwise."""

    def replaced(self, table: str, columns: Sequence[str]) -> list[tuple[object, ...]]:
        """These columns of a table that `replace` made, in no order."""

    def upgrade(self) -> None:
        """Makes what the ledger has had since an older version made this destination, if it lacks
        that. Nothing that is there changes."""

    def measured(self) -> Mapping[str, float]:
        """What Per_Experiment says was measured of the run, by feature, without what is NULL."""

    def keep_measured(self, values: Mapping[str, float]) -> None:
        """Has Per_Experiment say that this was measured of the run, by feature, and nothing else.

        Within `alone` only.
        """

    def note(self, settings: Mapping[str, str]) -> None:
        """Notes what was computed over the whole run, until the next batch makes it untrue.

        Within `alone` only.
        """

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


def absolute(url: str) -> str:
    """The same URL for whoever reads it in another folder, or in a file that others can read.

    Raises:
        UsageError: not a URL, or there is a password in it.
    """
    if url.startswith(_PARQUET):
        return f"{_PARQUET}{Path(url.removeprefix(_PARQUET)).absolute()}"
    parsed = _parsed(url)
    if parsed.password is not None:
        raise UsageError(
            "--to is written to a file: leave the password out, and put it in ~/.my.cnf"
        )
    if parsed.get_backend_name() in _FILES and parsed.database:
        parsed = parsed.set(database=str(Path(parsed.database).absolute()))
    return str(parsed.render_as_string())


def analyst_reads(url: str) -> bool:
    """Whether CellProfiler Analyst reads destinations of this kind."""
    return not url.startswith((_PARQUET, "duckdb:"))


def open_sink(
    url: str,
    prefix: str = "",
    shape: Shape | None = None,
    run: str | None = None,
    paths: PathMap | None = None,
    *,
    writing: bool = True,
) -> Sink:
    """The destination that a SQLAlchemy URL, `parquet:FOLDER` or a file name names.

    It is not made before something is written.

    `shape` is what its tables are to look like, and `paths` the paths of pictures in them; without,
    as they do. `run` is the run that all is about where they are numbered; without, what is read is
    of all runs, and nothing can be written. Unless it is opened for `writing`, it may be read-only,
    or the user may read only; then nothing of it is made or changed.

    Raises:
        UsageError: not a URL, or of a kind that there is no sink for.
        SinkError: the destination is there and cannot be used, or its tables look otherwise.
    """
    url = destination_url(url)
    if url.startswith(_PARQUET):
        from cpexport.sinks.parquet import ParquetSink

        folder = url.removeprefix(_PARQUET)
        return ParquetSink(folder, prefix, shape, run, paths, writing=writing)
    parsed = _parsed(url)
    kind = parsed.get_backend_name()
    if kind in _FILES and parsed.host:
        raise UsageError(f"--to names no file; write {kind}:///screen.{kind}, with three slashes")
    if kind == "sqlite":
        from cpexport.sinks.sqlite import SqliteSink

        return SqliteSink(parsed.database or "", prefix, shape, run, paths, writing=writing)
    if kind == "duckdb":
        from cpexport.sinks.duckdb import DuckdbSink

        return DuckdbSink(parsed.database or "", prefix, shape, run, paths, writing=writing)
    if kind in ("mysql", "mariadb"):
        from cpexport.sinks.mysql import MysqlSink

        return MysqlSink(parsed, prefix, shape, run, paths, writing=writing)
    raise UsageError(f"unsupported destination {kind!r}; use {FORMS}")


def _parsed(url: str) -> "URL":
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        # Not echoed: there may be a password in it.
        raise UsageError(f"--to is not a URL; write {FORMS}") from error
    if (query := query_of(url)) is not None:
        kind = parsed.get_backend_name()
        if kind in _FILES:
            raise UsageError(
                f"--to {url}: in a URL a ? ends the name of the file; write %3F for one in a name, "
                "or the name alone, without the URL"
            )
        # SQLAlchemy passes over what is no NAME=VALUE. Not echoed, as above.
        if not all(re.fullmatch("[^=]+=.+", part) for part in query.split("&")):
            raise UsageError(
                "--to has something after the ? that is no NAME=VALUE; write %3F for a ? in a name"
            )
    return parsed
