"""What must hold of a destination after a fault, and after the command has run again."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from faults.reading import Tables

# Columns of the ledger that depend on the time of a load, or on the order of batches.
# A batch that a fault has left out adds its columns later, after those of others.
_OTHER = {"batch_id", "by_batch_id", "loaded_utc", "cpexport", "signature", "modified_ns"}
_OTHER |= {"position", "missing_count"}
_SETS, _BATCHES = "_cpexport_sets", "_cpexport_batches"
_SETTINGS, _FILES = "_cpexport_settings", "_cpexport_files"

Row = frozenset[tuple[str, str]]
"""The values of a row by column, without those that are NULL."""
Images = dict[tuple[str, int], Counter[Row]]
"""The rows of a table of measurements by table and image set."""


def settled(tables: Tables) -> dict[str, list[str]]:
    """The rows of all tables, so that two loads of the same outputs are equal."""
    paths = _paths(tables)
    found = {}
    for name, content in tables.items():
        if name == _FILES:
            # Their names have digests. Their content is that of the tables.
            continue
        rows = []
        for values in content.rows:
            row = dict(zip(content.columns, values, strict=True))
            if name == _SETTINGS and row["name"] == "layout":
                continue
            if name == _SETTINGS and row["name"] == "summary":
                # The number of the last batch is higher after one that was rolled back.
                row["value"] = str({**json.loads(row["value"]), "last": 0})
            if name.startswith("_cpexport_"):
                owner = paths.get(row.get("batch_id"), "") if "feature_sets" not in name else ""
                row = {column: value for column, value in row.items() if column not in _OTHER}
                row["batch"] = owner
            rows.append(repr(sorted((column, _plain(value)) for column, value in row.items())))
        found[name] = sorted(rows)
    return found


def differences(found: Mapping[str, list[str]], expected: Mapping[str, list[str]]) -> list[str]:
    """The tables that differ, each with a row that only one of the two has."""
    lines = []
    for name in sorted(found.keys() | expected.keys()):
        ours, theirs = Counter(found.get(name, [])), Counter(expected.get(name, []))
        if name not in found or name not in expected:
            lines.append(f"table {name} is {'missing' if name in expected else 'too much'}")
        elif ours != theirs:
            odd = next(iter([*(ours - theirs), *(theirs - ours)]))
            lines.append(f"{name}: {len(found[name])} rows, not {len(expected[name])}: {odd[:200]}")
    return lines


def owners(tables: Tables) -> dict[int, str]:
    """The path of the batch that each image set comes from, as the ledger says."""
    if _SETS not in tables:
        return {}
    paths, content = _paths(tables), tables[_SETS]
    number, batch = (content.columns.index(name) for name in ("number", "batch_id"))
    return {row[number]: paths[row[batch]] for row in content.rows}


def torn(tables: Tables, before: Tables, after: Tables, *, partly: bool = False) -> list[str]:
    """What is not whole: each image set of the ledger must have all rows of its batch, and no
    others, as they are `before` the command or `after` one without a fault.

    If `partly`, rows may be missing, as in Parquet whose files are not in their places yet; but
    none may be there twice.
    """
    now, old, new = owners(tables), owners(before), owners(after)
    lines = [f"image set {number} was committed, and is gone" for number in old.keys() - now.keys()]
    ours, states = _images(tables), {False: _images(before), True: _images(after)}
    names = {table for table, _ in (*ours, *states[False], *states[True])}
    for table in sorted(names):
        for number in sorted({n for t, n in (*ours, *states[True]) if t == table} | now.keys()):
            rows = ours.get((table, number), Counter())
            if partly:
                known = [state.get((table, number), Counter()) for state in states.values()]
                if not any(rows <= state for state in known):
                    lines.append(f"{table}: image set {number} has rows of no batch, or twice")
                continue
            is_new = number in now and old.get(number) != now[number]
            expected = (
                states[is_new].get((table, number), Counter()) if number in now else Counter()
            )
            if is_new and new.get(number) != now[number]:
                lines.append(f"image set {number} comes from {now[number]}")
            elif rows != expected:
                lines.append(f"{table}: image set {number} has {rows.total()} rows, or other ones")
    return lines


def _images(tables: Tables) -> Images:
    found: Images = {}
    for name, content in tables.items():
        if not name.startswith("Per_") or "ImageNumber" not in content.columns:
            continue
        key = content.columns.index("ImageNumber")
        for values in content.rows:
            row = zip(content.columns, map(_plain, values), strict=True)
            one = frozenset((column, value) for column, value in row if value is not None)
            found.setdefault((name, values[key]), Counter())[one] += 1
    return found


def _paths(tables: Tables) -> dict[Any, str]:
    if _BATCHES not in tables:
        return {}
    content = tables[_BATCHES]
    batch, path = (content.columns.index(name) for name in ("batch_id", "path"))
    return {row[batch]: row[path] for row in content.rows}


def _plain(value: object) -> str | None:
    """A value as text, the same in columns that have become wider."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return None if value is None else str(value)
