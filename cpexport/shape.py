"""What a destination's tables are to look like: which object types, side by side or apart, means.

The choices are those of CellProfiler's ExportToDatabase (CellProfiler 4.2.8, exporttodatabase.py).
A destination keeps its shape: what is loaded later goes into the same tables.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Final, Self

from cpexport.errors import UsageError
from cpexport.features import (
    IMAGE,
    INTEGER,
    NOT_OBJECTS,
    NUMBER,
    OBJECT,
    REAL,
    is_aggregated,
    is_column,
    promised_type,
    wider,
)
from cpexport.ordering import objects_of, owner
from cpexport.paths import PathMap
from cpexport.tables import Features

SEPARATE: Final = "separate"
COMBINED: Final = "combined"
VIEW: Final = "view"
_NONE: Final = "none"
LAYOUTS: Final = (SEPARATE, COMBINED, VIEW, _NONE)
"""The words of `--objects` that are no object types."""

AGGREGATES: Final = {"mean": "Mean", "median": "Median", "std": "StDev"}
"""What `--aggregate` takes, in CellProfiler's order, and how the columns of each begin."""


@dataclass(frozen=True)
class Shape:
    """`layout` is `separate` (a table for each object type), `combined` (one table, objects side
    by side by number), `view` (separate, and one view of all) or `none`; `only` the types of
    objects that are wanted, empty for all. `aggregate` are keys of `AGGREGATES`. Columns' names
    have at most `max_column_length` characters, from 10 to 64. `numbered` is whether it holds runs,
    each under its own `TableNumber`. Paths of pictures are as `paths` has them."""

    layout: str = SEPARATE
    only: tuple[str, ...] = ()
    aggregate: tuple[str, ...] = ()
    max_column_length: int = 64
    numbered: bool = False
    paths: PathMap = field(default_factory=PathMap)

    @classmethod
    def parse(
        cls,
        objects: str | None,
        aggregate: str | None,
        max_column_length: int | None,
        numbered: bool = False,
    ) -> Self:
        """The shape that these words ask for; None is what there is without asking.

        Raises:
            UsageError: a word that is none of the above.
        """
        kinds = _words(aggregate)
        if strange := [kind for kind in kinds if kind not in AGGREGATES]:
            raise UsageError(f"--aggregate has {', '.join(AGGREGATES)}, not {strange[0]}")
        words = _words(objects)
        layouts = [word for word in words if word in LAYOUTS]
        if len(layouts) > 1 or (layouts == [_NONE] and len(words) > 1):
            raise UsageError(f"--objects has one of {', '.join(LAYOUTS)}, not {objects}")
        only = tuple(sorted(word for word in words if word not in LAYOUTS))
        chosen = tuple(kind for kind in AGGREGATES if kind in kinds)
        longest = 64 if max_column_length is None else max_column_length
        return cls((layouts or [SEPARATE])[0], only, chosen, longest, numbered)

    def __str__(self) -> str:
        """The options that ask for it."""
        return " ".join(word for word in self._options.values() if word)

    def beside(self, other: "Shape") -> tuple[str, str]:
        """The options of both, as far as they differ.

        >>> Shape(aggregate=("mean",)).beside(Shape(max_column_length=40))
        ('--aggregate mean, --max-column-length 64', 'no --aggregate, --max-column-length 40')
        """
        pairs = [(name, word, other._options[name]) for name, word in self._options.items()]
        differ = [(one or f"no {n}", two or f"no {n}") for n, one, two in pairs if one != two]
        return ", ".join(one for one, _ in differ), ", ".join(two for _, two in differ)

    @property
    def _options(self) -> dict[str, str]:
        """Each option as it is said; empty where it is left out."""
        aggregate = f"--aggregate {','.join(self.aggregate)}" if self.aggregate else ""
        return {
            "--objects": f"--objects {','.join([self.layout, *self.only])}",
            "--aggregate": aggregate,
            "--max-column-length": f"--max-column-length {self.max_column_length}",
            "--table-number": "--table-number" if self.numbered else "",
            "--path-map": str(self.paths) if self.paths.pairs else "",
        }

    def as_json(self) -> str:
        """What `from_json` takes."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The shape that `as_json` wrote."""
        said = json.loads(text)
        lists = {name: tuple(said[name]) for name in ("only", "aggregate")}
        paths = PathMap(tuple((cluster, local) for cluster, local in said["paths"]["pairs"]))
        return cls(**said | lists | {"paths": paths})

    def asked(self, shape: "Shape | None", paths: PathMap | None) -> "Shape":
        """What is asked of a destination with this shape: what is not said is as it is."""
        asked = self if shape is None else shape
        if paths is None or paths.same(self.paths):
            paths = self.paths
        return replace(asked, paths=paths)

    def corrects(self, shape: "Shape", there: Iterable[str]) -> bool:
        """Whether this differs from the shape of a destination in its object types alone, and that
        one names types which are not among those `there`."""
        alike = replace(self, only=shape.only) == shape
        return alike and self.only != shape.only and bool({*shape.only} - {*there})

    def keeps(self, name: str) -> bool:
        """Whether rows of an object type become rows of the destination."""
        if name in NOT_OBJECTS:
            return True
        return self.layout != _NONE and (not self.only or name in self.only)

    def shaped(self, features: Features) -> Features:
        """The features of the destination's tables, for those of jobs."""
        kept = {name: dict(types) for name, types in features.items() if self.keeps(name)}
        image = kept.get(IMAGE)
        if image is not None:
            for name, types in kept.items():
                if name != IMAGE:
                    for feature in types:
                        if is_aggregated(feature):
                            image |= {f"{a}_{name}_{feature}": REAL for a in self._begins}
        if self.layout != COMBINED:
            return kept
        together = {
            f"{name}_{feature}": wider(type, promised_type(name, feature))
            for name, types in kept.items()
            if name != IMAGE
            for feature, type in {NUMBER: INTEGER, **types}.items()
            if is_column(feature)
        }
        return {IMAGE: kept.get(IMAGE, {}), **({OBJECT: together} if together else {})}

    def unshaped(self, features: Features) -> Features:
        """The features of jobs that went into a destination's tables: `shaped`, undone.

        Aggregates stay among the features of images, where they harm nobody.
        """
        if OBJECT not in features:
            return features
        together = features[OBJECT]
        names = objects_of(together)
        found = {name: dict(types) for name, types in features.items() if name != OBJECT}
        for column, type in together.items():
            name = owner(column, names)
            if name is not None:
                found.setdefault(name, {})[column[len(name) + 1 :]] = type
        return found

    @property
    def _begins(self) -> list[str]:
        return [AGGREGATES[kind] for kind in self.aggregate]


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]
