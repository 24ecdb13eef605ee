"""Gives the image sets of one source their numbers of the run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from cpexport.cellprofiler.image_identity import Identities
from cpexport.cellprofiler.image_keys import (
    described,
)
from cpexport.errors import SourceError
from cpexport.loading.inspection import Inspected
from cpexport.sources.base import Evidence
from cpexport.sources.renumbered import RenumberedSource

_ADVICE: Final = "name the metadata that identifies each image set with --key"


def placed(
    item: Inspected,
    keys: Sequence[str | None],
    given: Mapping[str, int],
    features: Sequence[str],
) -> Inspected:
    """The item with the numbers of its run, or with the reason that it cannot have them."""
    evidence = item.found
    if not isinstance(evidence, Evidence):
        return item
    own = evidence.identities.numbers.tolist()
    problem = _problem(own, keys, evidence.identities, features)
    if problem:
        return replace(item, found=SourceError(item.source.path, problem, _ADVICE))
    rows = [(n, given[key], key) for n, key in zip(own, keys, strict=True) if key is not None]
    pairs = tuple((number, new) for number, new, _ in rows)
    source = RenumberedSource(item.source, pairs, tuple(key for *_, key in rows), tuple(features))
    return replace(item, source=source, found=source.renumbered(evidence))


def _problem(
    own: Sequence[int],
    keys: Sequence[str | None],
    identities: Identities,
    features: Sequence[str],
) -> str:
    """Why a batch's image sets cannot be numbered by their keys; empty if they can."""
    if lacking := [name for name in features if name not in identities.columns]:
        return f"has no {lacking[0]}, by which image sets are identified" if own else ""
    if None in keys:
        number = own[keys.index(None)]
        empty = [name for name in features if not value(identities, name, keys.index(None))]
        return f"its image set {number} has no {empty[0]}, by which image sets are identified"
    first: dict[str | None, int] = {}
    for number, key in zip(own, keys, strict=True):
        if key in first:
            names = f"{' '.join(features)} ({described(key or '')})"
            return f"its image sets {first[key]} and {number} have the same {names}"
        first[key] = number
    return ""


def value(identities: Identities, feature: str, row: int) -> str:
    column = identities.columns.get(feature)
    return "" if column is None else column[row].as_py() or ""
