"""The numbers that a destination has given to image sets whose jobs number their own.

The setting `key` has the features that identify them, and `_cpexport_numbers` the number of each
key. A number that was given once stays, whichever process gave it.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice

import pyarrow as pa

from cpexport.cellprofiler.image_keys import digest, keys_of
from cpexport.errors import NumberTakenError, SinkError
from cpexport.imagesets import LARGEST, NONE, ImageSets
from cpexport.sinks.ledger import Entry
from cpexport.sinks.sql import ledger_queries as queries
from cpexport.sinks.sql import ledger_settings, ledger_tables
from cpexport.sinks.sql.database import Database
from cpexport.sinks.sql.ledger_schema import NUMBERS
from cpexport.sinks.sql.ledger_settings import checked
from cpexport.sinks.sql.scope import Scope
from cpexport.sinks.sql.statements import execute, execute_many, fetch, inserted, values_of


@checked
def key(db: Database, scope: Scope) -> tuple[str, ...]:
    """The features of the keys; empty if image sets have the numbers of their jobs."""
    return tuple(json.loads(ledger_settings.setting(db, scope, ledger_settings.KEY) or "[]"))


def numbers_of(db: Database, scope: Scope, keys: Collection[str]) -> dict[str, int]:
    """The numbers of those keys that have one."""
    by_digest = {digest(key): key for key in keys}
    numbers: dict[str, int] = {}
    for some in _in_parts(by_digest):
        for found, number in fetch(db, queries.numbers(len(some)), **values_of(scope), **some):
            numbers[by_digest[found]] = number
    return numbers


def write(db: Database, scope: Scope, entry: Entry) -> ImageSets:
    """Enters the numbers of a batch's image sets, within its transaction.

    Returns the image sets that had the numbers of their jobs until now, if this batch is the first
    with keys.

    Raises:
        NumberTakenError: another process has given one of the numbers, or another number to one of
            the keys, since this one looked.
        SinkError: the destination's image sets have other keys.
    """
    if not entry.key:
        return NONE
    stored, before = key(db, scope), NONE
    if not stored:
        ledger_settings.enter(db, scope, ledger_settings.KEY, json.dumps(entry.key))
        before = _loaded(db, scope) - entry.loaded
        identities = ledger_tables.identities(db, scope, before)
        pairs = zip(keys_of(identities, entry.key), identities.numbers.tolist(), strict=True)
        _insert(db, scope, {key: number for key, number in pairs if key is not None})
    elif stored != entry.key:
        names = ", ".join(stored)
        problem = f"its image sets are identified by {names}, not by {', '.join(entry.key)}"
        raise SinkError(db.name, problem, f"add --key {','.join(stored)}")
    else:
        # On servers, a second process waits here, and then sees what the first one wrote.
        text = json.dumps(stored)
        changed = queries.changed_setting()
        execute(db, changed, **values_of(scope), of_name=ledger_settings.KEY, new=text)
    given = numbers_of(db, scope, entry.numbers)
    new = {key: number for key, number in entry.numbers.items() if given.get(key) != number}
    if new.keys() & given.keys() or _taken(db, scope, ImageSets.of(new.values())):
        raise NumberTakenError(
            db.name,
            "another process has numbered image sets meanwhile",
            "run the command again",
        )
    _insert(db, scope, new)
    return before


def _loaded(db: Database, scope: Scope) -> ImageSets:
    return ImageSets.of(ledger_tables.batches_of(db, scope, ImageSets.span(1, LARGEST)))


def _taken(db: Database, scope: Scope, numbers: ImageSets) -> bool:
    """Whether some of these numbers have a key."""
    return any(
        fetch(db, queries.number_within(), **values_of(scope), first=first, last=last)
        for first, last in numbers.ranges
    )


def _insert(db: Database, scope: Scope, numbers: Mapping[str, int]) -> None:
    rows = {
        "prefix": pa.repeat(pa.scalar(scope.prefix), len(numbers)),
        "table_number": pa.repeat(pa.scalar(scope.number, pa.int64()), len(numbers)),
        "digest": pa.array([digest(key) for key in numbers], pa.string()),
        "number": pa.array(list(numbers.values()), pa.int64()),
    }
    execute_many(db, inserted(NUMBERS), pa.RecordBatch.from_pydict(rows))


def _in_parts(digests: Collection[str]) -> Iterator[dict[str, str]]:
    """The values of `queries.numbers`, for a bounded number of digests at a time."""
    rest = iter(digests)
    while some := list(islice(rest, queries.DIGESTS[-1])):
        yield _padded(some)


def _padded(digests: Sequence[str]) -> dict[str, str]:
    size = next(size for size in queries.DIGESTS if size >= len(digests))
    padded = [*digests, *[digests[0]] * (size - len(digests))]
    return {f"digest_{place}": value for place, value in enumerate(padded)}
