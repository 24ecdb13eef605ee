"""What was measured, as a table, and held against the bars."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from support.renumbered import IMAGE_SETS

from bench import subjects as s
from bench.inputs import SIZES

HEADER = ("what", "size", "wall s", "CPU s", "memory MB", "M values/s", "x floor", "faster than")
# What CellProfiler 4.2.8 itself took for an image set of this case, on the machine that ran it.
EXPORT_TO_DATABASE = 1.83


@dataclass(frozen=True)
class Row:
    """The medians of one subject's runs: seconds, MB, and millions of values in all.

    Why there are none, if `missing`. `floors` and `peers` are of the same size.
    """

    kind: str
    name: str
    size: int
    wall: float = 0.0
    cpu: float = 0.0
    memory: float = 0.0
    values: float = 0.0
    floors: Sequence[str] = ()
    peers: Sequence[str] = ()
    rounds: int = 0
    missing: str = ""


class Results:
    """Rows by name and size; `unit` is how many batches size 1 has."""

    def __init__(self, rows: Sequence[Row], unit: int) -> None:
        self.rows = rows
        self.unit = unit
        self._rows = {(row.name, row.size): row for row in rows if not row.missing}

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "Results":
        """From what the JSON file holds."""
        return cls([Row(**row) for row in found["rows"]], found["unit"])

    def get(self, name: str, size: int) -> Row | None:
        return self._rows.get((name, size))

    def common(self, name: str, other: str) -> tuple[Row, Row] | None:
        """Both rows of the largest size that both were measured in."""
        for size in reversed(SIZES):
            pair = self.get(name, size), self.get(other, size)
            if pair[0] and pair[1]:
                return pair[0], pair[1]
        return None

    def floor(self, row: Row) -> float | None:
        """The seconds that its floors take together."""
        found = [self.get(floor, row.size) for floor in row.floors]
        walls = [floor.wall for floor in found if floor is not None]
        return sum(walls) if walls and len(walls) == len(row.floors) else None

    def table(self) -> str:
        """All rows, as Markdown; what was not measured below it."""
        names = list(dict.fromkeys((row.kind, row.name) for row in self.rows))
        ordered = sorted(self._rows.values(), key=lambda r: (names.index((r.kind, r.name)), r.size))
        lines = [HEADER, *map(self._line, ordered)]
        widths = [max(len(line[place]) for line in lines) for place in range(len(HEADER))]
        ruler = ["-" * width for width in widths]
        text = [_columns(line, widths) for line in (lines[0], ruler, *lines[1:])]
        missing = [f"* {r.name} {r.size}x: {r.missing}" for r in self.rows if r.missing]
        return "\n".join([*text, *(["", "Not measured:", "", *missing] if missing else [])])

    def _line(self, row: Row) -> tuple[str, ...]:
        floor = self.floor(row)
        peers = [peer for name in row.peers if (peer := self.get(name, row.size))]
        faster = ", ".join(f"{peer.wall / row.wall:.1f} {peer.name}" for peer in peers)
        name = f"cpexport: {row.name}" if row.kind == s.CPEXPORT else f"{row.kind}: {row.name}"
        return (
            name,
            f"{row.size}x",
            f"{row.wall:.2f}",
            f"{row.cpu:.2f}",
            f"{row.memory:.0f}",
            f"{row.values / row.wall:.1f}" if row.values else "",
            f"{row.wall / floor:.2f}" if floor else "",
            faster,
        )

    def bars(self) -> list[str]:
        """A line for each thing that is promised: whether it is so."""
        return [bar.line() for bar in _bars(self)]


def _columns(words: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(f"{w:{n}}" for w, n in zip(words, widths, strict=True)) + " |"


@dataclass(frozen=True)
class _Bar:
    """`measured` is None where something that it needs was not measured."""

    number: int
    what: str
    measured: float | None
    bound: float
    at_most: bool

    def line(self) -> str:
        begin = f"bar {self.number}: {self.what}:"
        if self.measured is None:
            return f"{begin} not measured, bound {self.bound:g}"
        met = self.measured <= self.bound if self.at_most else self.measured >= self.bound
        word = "at most" if self.at_most else "at least"
        return (
            f"{begin} measured {self.measured:.3g}, bound {word} {self.bound:g}: "
            f"{'met' if met else 'not met'}"
        )


def _bars(found: Results) -> Iterator[_Bar]:
    large = s.LARGEST
    h5 = found.get(s.H5_SQLITE, large)
    floor = found.floor(h5) if h5 else None
    yield _Bar(
        1, f"{s.H5_SQLITE} {large}x, wall by that of its floors", _over(h5, floor), 0.4, True
    )
    images = IMAGE_SETS * found.unit * large
    yield _Bar(
        1,
        f"{s.H5_SQLITE} {large}x, times as fast as ExportToDatabase "
        f"({EXPORT_TO_DATABASE} s an image set, on another machine)",
        images * EXPORT_TO_DATABASE / h5.wall if h5 else None,
        80,
        False,
    )
    for peer, bound in ((s.CYTOMINER, 12), (s.PANDAS, 8), (s.IMPORT, 1)):
        yield _faster(found, 2, s.CSV_SQLITE, peer, bound)
    yield _faster(found, 3, s.CSV_PARQUET, s.CYTOTABLE, 20)
    pair = found.common(s.CSV_PARQUET, s.CYTOTABLE)
    memory = pair[0].memory / pair[1].memory if pair else None
    yield _Bar(
        3, f"{_sized(s.CSV_PARQUET, pair)}, memory by that of {s.CYTOTABLE}", memory, 0.25, True
    )
    yield _faster(found, 3, s.CSV_COMBINED, s.CYTOTABLE, 10)
    for name in (s.H5_SQLITE, s.CSV_SQLITE, s.CSV_PARQUET):
        yield _growth(found, name, "wall", lambda row: row.wall, 1, 16.5)
        yield _growth(found, name, "memory", lambda row: row.memory, 4, 1.1)
    for name in (s.CHECK, s.AGAIN):
        yield _Bar(
            5,
            f"{name}, batches a second between 1x and {large}x",
            _batches_a_second(found, name),
            150,
            False,
        )
    planned = found.get(s.PLANNED, 1)
    yield _Bar(5, f"{s.PLANNED}, s", planned.wall if planned else None, 10, True)
    shown = found.get(s.HELP, 1)
    yield _Bar(6, f"{s.HELP}, s of CPU", shown.cpu if shown else None, 0.15, True)


def _over(row: Row | None, floor: float | None) -> float | None:
    return row.wall / floor if row and floor else None


def _sized(name: str, pair: tuple[Row, Row] | None) -> str:
    return f"{name} {pair[0].size}x" if pair else name


def _faster(found: Results, number: int, name: str, peer: str, bound: float) -> _Bar:
    pair = found.common(name, peer)
    measured = pair[1].wall / pair[0].wall if pair else None
    what = f"{_sized(name, pair)}, times as fast as {peer}"
    return _Bar(number, what, measured, bound, False)


def _growth(
    found: Results, name: str, word: str, of: Callable[[Row], float], size: int, bound: float
) -> _Bar:
    small, large = found.get(name, size), found.get(name, s.LARGEST)
    measured = of(large) / of(small) if small and large else None
    what = f"{name}, {word} of {s.LARGEST}x by that of {size}x"
    return _Bar(4, what, measured, bound, True)


def _batches_a_second(found: Results, name: str) -> float | None:
    """Without what starting takes, which is the same for all sizes."""
    small, large = found.get(name, 1), found.get(name, s.LARGEST)
    if small is None or large is None:
        return None
    # Of the two clocks, the one that says less; too quick to tell is a thousandth of a second.
    seconds = max(large.wall - small.wall, large.cpu - small.cpu, 0.001)
    return found.unit * (s.LARGEST - 1) / seconds
