"""Writes evidence as JSON for the cache, and reads it back as data: nothing in it is run."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa

from cpexport.cellprofiler.features import INTEGER, NULL, REAL, TEXT
from cpexport.cellprofiler.image_identity import Identities
from cpexport.cellprofiler.pipeline import Module, Pipeline
from cpexport.imagesets import ImageSets
from cpexport.sources.base import Evidence
from cpexport.tables.layout import Features

Share = Callable[[str], str]
"""Keeps a text that many batches have, and returns its digest."""
Shared = Callable[[str], str]
"""Returns the text with a digest; raises KeyError if there is none."""

_TYPES: Final = {"none": NULL, "integer": INTEGER, "real": REAL, "text": TEXT}
_NAMES: Final = {type: name for name, type in _TYPES.items()}


def to_json(evidence: Evidence, share: Share) -> str:
    """Returns evidence as text. The features and the pipeline, which are long and mostly the same
    for all batches, are shared.

    Raises:
        KeyError: a feature has a type that no other format has.
    """
    identities = evidence.identities
    return _dumped(
        {
            "present": str(evidence.present),
            "measured": str(evidence.measured),
            "completion_marker": evidence.completion_marker,
            "exit_status": evidence.exit_status,
            "always_reports_exit": evidence.always_reports_exit,
            "finished": evidence.finished,
            "numbers": identities.numbers.tolist(),
            "columns": {name: column.to_pylist() for name, column in identities.columns.items()},
            "folders": {name: column.to_pylist() for name, column in identities.folders.items()},
            "features": share(_features_to_json(evidence.features)),
            "incomplete": [[number, why] for number, why in evidence.incomplete.items()],
            "missing_tables": {name: str(sets) for name, sets in evidence.missing_tables.items()},
            "tables": sorted(evidence.tables),
            "version": evidence.version,
            "pipeline": share(_pipeline_to_json(evidence.pipeline)) if evidence.pipeline else None,
            "group_tags": evidence.group_tags,
            "notes": evidence.notes,
            "empty_reason": evidence.empty_reason,
            "skipped": str(evidence.skipped),
            "left_out": dict(evidence.left_out),
            "unnumbered": evidence.unnumbered,
        }
    )


class Reader:
    """Reads evidence that `to_json` wrote; equal features and pipelines are one object."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._features: dict[str, Features] = {}
        self._pipelines: dict[str, Pipeline] = {}

    def evidence(self, text: str) -> Evidence:
        """Returns the evidence in a text.

        Raises:
            ValueError, KeyError, TypeError, AttributeError, pyarrow.ArrowException: it is not what
                `to_json` writes.
        """
        stored: dict[str, Any] = json.loads(text)
        tags = stored["group_tags"]
        return Evidence(
            present=ImageSets.parse(stored["present"]),
            measured=ImageSets.parse(stored["measured"]),
            completion_marker=_text(stored["completion_marker"]),
            exit_status=_text_or_none(stored["exit_status"]),
            always_reports_exit=bool(stored["always_reports_exit"]),
            finished=_text(stored["finished"]),
            identities=_identities(stored),
            features=self._features_of(stored["features"]),
            incomplete={int(number): _text(why) for number, why in stored["incomplete"]},
            missing_tables={
                name: ImageSets.parse(sets) for name, sets in stored["missing_tables"].items()
            },
            tables=frozenset(map(_text, stored["tables"])),
            version=_text_or_none(stored["version"]),
            pipeline=self._pipeline_of(stored["pipeline"]) if stored["pipeline"] else None,
            group_tags=None if tags is None else tuple(map(_text, tags)),
            notes=tuple(map(_text, stored["notes"])),
            empty_reason=_text(stored["empty_reason"]),
            skipped=ImageSets.parse(stored["skipped"]),
            left_out={path: _text(why) for path, why in stored["left_out"].items()},
            unnumbered=_text(stored["unnumbered"]),
        )

    def _features_of(self, digest: str) -> Features:
        if digest not in self._features:
            stored = json.loads(self._shared(digest))
            self._features[digest] = {
                name: {feature: _TYPES[type] for feature, type in features.items()}
                for name, features in stored.items()
            }
        return self._features[digest]

    def _pipeline_of(self, digest: str) -> Pipeline:
        if digest not in self._pipelines:
            modules = (
                Module(int(n), _text(name), bool(on), tuple((_text(k), _text(v)) for k, v in pairs))
                for n, name, on, pairs in json.loads(self._shared(digest))
            )
            self._pipelines[digest] = Pipeline(tuple(modules))
        return self._pipelines[digest]


def _features_to_json(features: Features) -> str:
    return _dumped(
        {name: {f: _NAMES[type] for f, type in types.items()} for name, types in features.items()}
    )


def _pipeline_to_json(pipeline: Pipeline) -> str:
    return _dumped([[m.number, m.name, m.enabled, m.settings] for m in pipeline.modules])


def _identities(stored: Mapping[str, Any]) -> Identities:
    columns, folders = (
        {_text(name): pa.array(texts, pa.string()) for name, texts in stored[part].items()}
        for part in ("columns", "folders")
    )
    numbers = np.array(stored["numbers"], np.int64).reshape(-1)
    if any(len(column) != len(numbers) for column in (*columns.values(), *folders.values())):
        raise ValueError("columns of different lengths")
    return Identities(numbers, columns, folders)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)


def _dumped(value: object) -> str:
    # ASCII, as names of files need not be valid UTF-8.
    return json.dumps(value, separators=(",", ":"))
