"""The user's choices for the tables of a destination: object types, their layout, aggregates.

The choices are the same as in ExportToDatabase (CellProfiler 4.2.8, exporttodatabase.py).
A destination keeps its options: later loads write into the same tables.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Final, Self

from cpexport.cellprofiler.column_names import LONGEST
from cpexport.cellprofiler.column_order import objects_of, owner
from cpexport.cellprofiler.features import (
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
from cpexport.errors import UsageError
from cpexport.spelling import closest, suggest
from cpexport.tables.layout import Features
from cpexport.tables.left_out_features import is_left_out, is_wanted
from cpexport.tables.path_map import PathMap

SHORTEST: Final = 10
"""The least limit for the length of column names that can be set."""

SEPARATE: Final = "separate"
COMBINED: Final = "combined"
VIEW: Final = "view"
NONE: Final = "none"
LAYOUTS: Final = (SEPARATE, COMBINED, VIEW, NONE)
"""The words of `--objects` that are not object types."""

AGGREGATES: Final = {"mean": "Mean", "median": "Median", "std": "StDev"}
"""The words of `--aggregate` in CellProfiler's order, each with the start of its column names."""

# How many features that are left out a message names.
_SHOWN: Final = 5


@dataclass(frozen=True)
class TableOptions:
    """What the tables of a destination look like.

    layout: `separate` (a table per object type), `combined` (one table, objects side by side by
    number), `view` (separate tables and one view of all) or `none`.
    only: the object types to load; empty for all.
    aggregate: keys of `AGGREGATES`.
    features: features that get columns, as patterns (`left_out_features.is_wanted`); empty for all.
    leave_out: features that get no columns, as patterns (`left_out_features.is_left_out`).
    max_column_length: the longest column name, from 10 to 64 characters.
    numbered: whether the destination holds several runs, each with its own `TableNumber`.
    paths: how the paths of images are changed.
    """

    layout: str = SEPARATE
    only: tuple[str, ...] = ()
    aggregate: tuple[str, ...] = ()
    max_column_length: int = LONGEST
    numbered: bool = False
    paths: PathMap = field(default_factory=PathMap)
    leave_out: tuple[str, ...] = ()
    features: tuple[str, ...] = ()

    @classmethod
    def parse(
        cls,
        objects: str | None,
        aggregate: str | None,
        max_column_length: int | None,
        numbered: bool = False,
        leave_out: Iterable[str] = (),
        features: Iterable[str] = (),
    ) -> Self:
        """Returns the options for these words of the command line; None gives the default.

        Raises:
            UsageError: a word is not one of the choices.
        """
        kinds = _words(aggregate)
        if unknown := [kind for kind in kinds if kind not in AGGREGATES]:
            message = f"--aggregate takes {', '.join(AGGREGATES)}, not {unknown[0]}"
            raise UsageError(suggest(message, closest(unknown[0], AGGREGATES)))
        words = _words(objects)
        layouts = [word for word in words if word in LAYOUTS]
        if len(layouts) > 1 or (layouts == [NONE] and len(words) > 1):
            raise UsageError(f"--objects takes one of {', '.join(LAYOUTS)}, not {objects}")
        only = tuple(sorted(word for word in words if word not in LAYOUTS))
        chosen = tuple(kind for kind in AGGREGATES if kind in kinds)
        longest = LONGEST if max_column_length is None else max_column_length
        without, wanted = (tuple(sorted(set(some))) for some in (leave_out, features))
        layout = (layouts or [SEPARATE])[0]
        return cls(layout, only, chosen, longest, numbered, leave_out=without, features=wanted)

    def __str__(self) -> str:
        """The command-line options that give these options."""
        return " ".join(word for word in self._options.values() if word)

    def differences(self, other: "TableOptions") -> tuple[str, str]:
        """The options in which the two differ, as text: first this one's, then the other's.

        >>> TableOptions(aggregate=("mean",)).differences(TableOptions(max_column_length=40))
        ('--aggregate mean, --max-column-length 64', 'no --aggregate, --max-column-length 40')
        """
        pairs = [(name, word, other._options[name]) for name, word in self._options.items()]
        differ = [(one or f"no {n}", two or f"no {n}") for n, one, two in pairs if one != two]
        return ", ".join(one for one, _ in differ), ", ".join(two for _, two in differ)

    @property
    def _options(self) -> dict[str, str]:
        """Each option as it is written on the command line; empty if it is left out."""
        aggregate = f"--aggregate {','.join(self.aggregate)}" if self.aggregate else ""
        return {
            "--objects": f"--objects {','.join([self.layout, *self.only])}",
            "--aggregate": aggregate,
            "--max-column-length": f"--max-column-length {self.max_column_length}",
            "--table-number": "--table-number" if self.numbered else "",
            "--path-map": str(self.paths) if self.paths.pairs else "",
            "--features": _listed("--features", self.features),
            "--leave-out": _listed("--leave-out", self.leave_out),
        }

    def as_json(self) -> str:
        """The text that `from_json` reads."""
        values = asdict(self)
        for name in ("leave_out", "features"):
            if not values[name]:
                # So that versions without it read the options of most destinations.
                del values[name]
        return json.dumps(values)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Returns the options that `as_json` wrote."""
        values = json.loads(text)
        words = ("only", "aggregate", "leave_out", "features")
        lists = {name: tuple(values.get(name, ())) for name in words}
        paths = PathMap(tuple((cluster, local) for cluster, local in values["paths"]["pairs"]))
        return cls(**values | lists | {"paths": paths})

    def requested(self, shape: "TableOptions | None", paths: PathMap | None) -> "TableOptions":
        """Returns what the user requests for a destination with these options.

        Where `shape` or `paths` is None, the destination's own options remain.
        """
        requested = self if shape is None else shape
        if paths is None or paths.same(self.paths):
            paths = self.paths
        return replace(requested, paths=paths)

    def corrects(self, shape: "TableOptions", existing: Iterable[str]) -> bool:
        """Whether this corrects a destination whose options name object types that do not exist.

        Only the object types differ from `shape`, the destination's options, and `shape` names
        types that are not in `existing`.
        """
        differs_only_in_types = replace(self, only=shape.only) == shape
        return (
            differs_only_in_types and self.only != shape.only and bool({*shape.only} - {*existing})
        )

    def keeps(self, name: str) -> bool:
        """Whether the rows of an object type go into the destination."""
        if name in NOT_OBJECTS:
            return True
        return self.layout != NONE and (not self.only or name in self.only)

    def keeps_feature(self, name: str, feature: str) -> bool:
        """Whether a feature of an object type, or of images, gets a column."""
        return is_wanted(self.features, name, feature) and not is_left_out(
            self.leave_out, name, feature
        )

    @property
    def keeps_all(self) -> bool:
        """Whether all features get columns."""
        return not (self.features or self.leave_out)

    def without_left_out(self, features: Features) -> Features:
        """Returns these features of jobs without those that get no columns."""
        if self.keeps_all:
            return features
        return {
            name: {f: type for f, type in types.items() if self.keeps_feature(name, f)}
            for name, types in features.items()
        }

    def shaped(self, features: Features) -> Features:
        """Returns the features of the destination's tables for these features of jobs."""
        wanted = self.without_left_out(features)
        kept = {name: dict(types) for name, types in wanted.items() if self.keeps(name)}
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
        """Returns the features of jobs that fill these tables: the inverse of `shaped`.

        Aggregates stay among the features of images, where they do no harm.
        """
        if OBJECT not in features:
            return features
        together = features[OBJECT]
        names = objects_of(together)
        by_type = {name: dict(types) for name, types in features.items() if name != OBJECT}
        for column, type in together.items():
            name = owner(column, names)
            if name is not None:
                by_type.setdefault(name, {})[column[len(name) + 1 :]] = type
        return by_type

    @property
    def _begins(self) -> list[str]:
        return [AGGREGATES[kind] for kind in self.aggregate]


def _listed(option: str, patterns: tuple[str, ...]) -> str:
    """An option as on the command line; of many features the first few, and a digest."""
    if not patterns:
        return ""
    more = ""
    if len(patterns) > _SHOWN:
        digest = hashlib.sha256("\n".join(patterns).encode()).hexdigest()[:8]
        more = f" and {len(patterns) - _SHOWN} more (sha256 {digest}...)"
    return f"{option} {','.join(patterns[:_SHOWN])}{more}"


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]
