"""Metadata that identifies image sets, where their numbers do not: plate, well and site.

A job that has an image set list of its own counts from 1, so all jobs have an image set 1. The
metadata that identifies them is the *key*; a lab chooses its own tags, so it is found by
`image_set_names`, or named by the user.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cpexport.cellprofiler.image_identity import FILE, Identities
from cpexport.cellprofiler.image_set_names import PlaceFeatures
from cpexport.cellprofiler.same_text import number, well_name

_NUMBER = re.compile(r"(\d+)")


def usual_key(features: Iterable[str]) -> tuple[str, ...]:
    """The features that give plate, well and site; empty without a well.

    >>> usual_key(["Metadata_Site", "Metadata_Well", "Metadata_Plate", "FileName_DNA"])
    ('Metadata_Plate', 'Metadata_Well', 'Metadata_Site')
    """
    return PlaceFeatures.among(features).key


def keys_of(identities: Identities, features: Sequence[str]) -> list[str | None]:
    """The key of each image set, as JSON; None for one without a value of some feature.

    Numbers are alike however they are written: LoadData makes a column of 01 and 02 one of 1 and 2
    (CellProfiler 4.2.8, modules/loaddata.py, get_measurement_columns), and a database has 1.0. So
    are wells: A1, a01 and A01.
    """
    if not features or any(feature not in identities.columns for feature in features):
        return [None] * len(identities)
    written = {feature: str if feature.startswith(FILE) else plain for feature in features}
    if well := PlaceFeatures.among(features).well:
        written[well] = _well
    texts = [_as_json(identities.columns[feature], written[feature]) for feature in features]
    commas = [part for text in texts for part in (pa.scalar(","), text)][1:]
    keys: list[str | None] = pc.binary_join_element_wise("[", *commas, "]", "").to_pylist()
    return keys


def identities_of_keys(keys: Sequence[tuple[int, str]], features: Sequence[str]) -> Identities:
    """The metadata of image sets, from their numbers, ascending, and their keys."""
    values = [json.loads(key) for _, key in keys]
    columns = {
        feature: pa.array([row[place] for row in values], pa.string())
        for place, feature in enumerate(features)
    }
    return Identities(np.array([number for number, _ in keys], np.int64), columns)


def digest(key: str) -> str:
    """A short text that stands for a key: 64 hexadecimal digits."""
    return hashlib.sha256(key.encode()).hexdigest()


def in_order(keys: Iterable[str]) -> list[str]:
    """Sorts keys as people do: P2 before P10.

    >>> in_order(['["P10","A01"]', '["P2","B01"]', '["P2","A01"]'])
    ['["P2","A01"]', '["P2","B01"]', '["P10","A01"]']
    """
    return sorted(keys, key=_natural)


def described(key: str) -> str:
    """A key for people: `P1 A01 1`."""
    return " ".join(parts(key))


def parts(key: str) -> tuple[str, ...]:
    """The values of a key, one for each feature.

    >>> parts('["P1","A01","1"]')
    ('P1', 'A01', '1')
    """
    return tuple(json.loads(key))


def _as_json(column: pa.StringArray, written: Callable[[str], str]) -> pa.StringArray:
    """The values of a column as JSON, each as it is `written`; null for an empty one. The distinct
    ones are few."""
    coded = column.dictionary_encode()
    texts = [
        json.dumps(written(value), ensure_ascii=False) if value else None
        for value in coded.dictionary.to_pylist()
    ]
    return pa.array(texts, pa.string()).take(coded.indices)


def plain(text: str) -> str:
    """A number in its shortest form: 01, 1.0 and 1 are 1."""
    value = number(text.strip())
    if not isinstance(value, Decimal):
        return text
    return f"{value.normalize():f}" if value else "0"


def _well(text: str) -> str:
    """A well's name with two digits or more, A01; else like `plain`."""
    return well_name(text) or plain(text)


def _natural(key: str) -> tuple[list[list[tuple[int, int, str]]], str]:
    parts = [
        [(0, int(piece), "") if piece.isdecimal() else (1, 0, piece) for piece in _NUMBER.split(v)]
        for v in json.loads(key)
    ]
    return parts, key
