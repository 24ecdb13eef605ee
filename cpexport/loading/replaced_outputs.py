"""Outputs that newer ones replace, and how reports name them."""

from collections.abc import Iterable
from dataclasses import dataclass

from cpexport.sinks.ledger import Entry
from cpexport.sources.base import Batch


@dataclass(frozen=True)
class Older:
    """An output that a newer one replaces, partly or wholly, whether it was loaded or not."""

    path: str
    signature: str
    pipeline: str | None


@dataclass(frozen=True)
class Newer:
    """An output that replaces older ones."""

    path: str
    pipeline: str | None


def newer_of(batch: Batch) -> Newer:
    return Newer(str(batch.source.path), batch.pipeline)


@dataclass(frozen=True)
class Replacement:
    """An output that a newer one, `by`, replaces, partly or wholly; both are paths."""

    path: str
    by: str

    def __str__(self) -> str:
        return f"{self.path}: replaced by {self.by}"

    def to_dict(self) -> dict[str, str]:
        """The two paths, as in JSON reports."""
        return {"path": self.path, "by": self.by}


def replacements(replaced: Iterable[tuple[Older, Newer]]) -> tuple[Replacement, ...]:
    """The replaced outputs, each with the output that replaces it."""
    return tuple(Replacement(older.path, newer.path) for older, newer in replaced)


def other_pipelines(replaced: Iterable[tuple[Older, Newer]]) -> list[str]:
    """Notes on outputs that another pipeline's output replaced, one note per pair of pipelines."""
    paths_by_pipelines: dict[tuple[str, str], list[str]] = {}
    for older, newer in replaced:
        if older.pipeline and newer.pipeline and older.pipeline != newer.pipeline:
            pipelines = older.pipeline, newer.pipeline
            paths_by_pipelines.setdefault(pipelines, []).append(older.path)
    return [
        f"{paths[0]}{f' and {len(paths) - 1} more' if len(paths) > 1 else ''}: replaced by "
        f"outputs of another pipeline (SHA-256 {new[:8]}, before {old[:8]})"
        for (old, new), paths in paths_by_pipelines.items()
    ]


def older_of(output: Batch | Entry) -> Older:
    path = output.source.path if isinstance(output, Batch) else output.path
    return Older(str(path), output.signature, output.pipeline)
