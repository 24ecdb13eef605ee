"""What the view of all objects must hold: every object of every type once, beside its parent."""

from collections import Counter
from collections.abc import Iterator, Mapping

from fuzz.destinations import Found, Known
from fuzz.expected import Expected, Said
from fuzz.model import IMAGE, NUMBER


def differences(found: Found, runs: Mapping[int, Expected], prefix: str) -> Iterator[str]:
    """How the view differs from the tables of objects, and from what relates them."""
    columns = [c for c in found.columns if c.prefix == prefix and c.object != IMAGE]
    view = f"{prefix}Per_Object"
    if not columns:
        return
    if view not in found.tables:
        yield f"table {view}: is not there"
        return
    content = found.tables[view]
    keys = [*(["TableNumber"] if 0 not in runs else []), "ImageNumber"]
    rows = [dict(zip(content.columns, row, strict=True)) for row in content.rows]
    twice = Counter(tuple(row[key] for key in (*keys, "ObjectNumber")) for row in rows)
    if len(twice) != len(rows):
        yield f"table {view}: a key is there twice: {twice.most_common(1)}"
    tables: dict[str, list[Known]] = {}
    for column in columns:
        tables.setdefault(column.table, []).append(column)
    for table, mine in tables.items():
        number = next(column.column for column in mine if column.feature == NUMBER)
        names = [*keys, *(column.column for column in mine)]
        own = found.tables[table]
        places = [own.columns.index(name) for name in names]
        must = Counter(repr([row[place] for place in places]) for row in own.rows)
        there = Counter(repr([row[n] for n in names]) for row in rows if row[number] is not None)
        for row in [*(must - there), *(there - must)][:2]:
            yield f"table {view}: {row} of {table} is {there[row]} times there, not {must[row]}"
    yield from _parents(view, columns, rows)


def _parents(view: str, columns: list[Known], rows: list[dict[str, Said]]) -> Iterator[str]:
    """Objects that stand beside another than their parent."""
    numbers = {column.object: column.column for column in columns if column.feature == NUMBER}
    for column in columns:
        parent = column.feature.removeprefix("Parent_")
        if column.feature.startswith("Parent_") and parent in numbers:
            for row in rows:
                own, other = row[column.column], row[numbers[parent]]
                if (
                    row[numbers[column.object]] is not None
                    and None not in (own, other)
                    and own != other
                ):
                    yield f"table {view}: {column.object} beside {parent} {other}, not {own}"
                    return
