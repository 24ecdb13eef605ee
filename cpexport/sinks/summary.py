"""What the entries of a ledger say together, so that a load need not read each of them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from cpexport.cellprofiler.pipeline_use import PipelineUse, pipelines_used
from cpexport.imagesets import NONE, ImageSets, union
from cpexport.sinks.ledger import Entry


@dataclass(frozen=True)
class Summary:
    """All entries of one destination, prefix and run, added up.

    batches: how many entries there are.
    last: the last `batch_id`; 0 without entries.
    image_sets: how many image sets the batches own. Runs can have the same numbers.
    loaded: the image sets that the destination holds.
    settled: the image sets of batches that had all of theirs complete.
    rejected: whether some batch had image sets that are not in the batch file.
    ran: the image sets of at most two batches that ran different ones; one of them ran the last.
    csv_tables: the tables that batches of CSV files had, by pipeline.
    pipelines: those that made what the destination holds.
    group_tags: by what the jobs of the loaded image sets were grouped; None for a job that does not
        say it.
    newest: when the newest job of them ended; empty without any.
    rows: the rows that batches added, by table.
    measured: whether some job measured its whole run.
    since: the `state` of the summary that this one extends by new entries; None if all entries were
        read.
    computed: what was computed from the rows of all these batches, by name, as JSON has it. It is
        kept only with the stored summary, and a new entry makes it old.
    """

    batches: int = 0
    last: int = 0
    image_sets: int = 0
    loaded: ImageSets = NONE
    settled: ImageSets = NONE
    rejected: bool = False
    ran: tuple[ImageSets, ...] = ()
    csv_tables: Mapping[str | None, frozenset[str]] = field(default_factory=dict)
    pipelines: tuple[PipelineUse, ...] = ()
    group_tags: frozenset[tuple[str, ...] | None] = frozenset()
    newest: str = ""
    rows: Mapping[str, int] = field(default_factory=dict)
    measured: bool = False
    since: tuple[int, int, int] | None = None
    computed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> tuple[int, int, int]:
        """What changes with every batch that is written, replaced or deleted."""
        return self.batches, self.last, self.image_sets

    @property
    def with_rows(self) -> int:
        """How many batches own image sets."""
        return sum(use.batches for use in self.pipelines)

    def extends(self, before: "Summary") -> bool:
        """Whether the batches of a stored summary are as they were, and only new ones came."""
        return before.batches > 0 and before.state in (self.state, self.since)

    def with_entries(self, last: int, entries: Iterable[Entry]) -> "Summary":
        """Adds entries that were written after all others; `last` is the `batch_id` of the last.

        The image sets that they replaced must not be in `loaded`.
        """
        entries = list(entries)
        loaded = [entry for entry in entries if entry.loaded]
        tables = dict(self.csv_tables)
        rows = dict(self.rows)
        for entry in entries:
            if entry.format == "spreadsheet":
                tables[entry.pipeline] = tables.get(entry.pipeline, frozenset()).union(entry.counts)
            for table, count in entry.counts.items():
                rows[table] = rows.get(table, 0) + count.rows
        return Summary(
            batches=self.batches + len(entries),
            last=last,
            image_sets=self.image_sets + sum(len(entry.loaded) for entry in loaded),
            loaded=union([self.loaded, *(entry.loaded for entry in loaded)]),
            settled=union([self.settled, *(e.image_sets for e in entries if _whole(e))]),
            rejected=self.rejected or any(entry.rejected for entry in entries),
            ran=two_of([*self.ran, *(entry.image_sets for entry in entries)]),
            csv_tables=tables,
            pipelines=_together(self.pipelines, loaded),
            group_tags=self.group_tags.union(entry.group_tags for entry in loaded),
            newest=max([self.newest, *(entry.age[0] for entry in loaded)]),
            rows=rows,
            measured=self.measured or any(entry.measured for entry in entries),
            since=self.since,
        )

    def as_json(self) -> str:
        """The summary as the ledger stores it."""
        return json.dumps(
            {
                "batches": self.batches,
                "last": self.last,
                "image_sets": self.image_sets,
                "loaded": str(self.loaded),
                "settled": str(self.settled),
                "rejected": self.rejected,
                "ran": list(map(str, self.ran)),
                "csv_tables": [[name, sorted(tables)] for name, tables in self.csv_tables.items()],
                "pipelines": [use.to_dict() for use in self.pipelines],
                "group_tags": sorted(self.group_tags, key=repr),
                "newest": self.newest,
                "rows": dict(self.rows),
                "measured": self.measured,
                "computed": dict(self.computed),
            },
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The summary that `as_json` wrote.

        Raises:
            ValueError, KeyError, TypeError, AttributeError: it did not write this.
        """
        stored: dict[str, Any] = json.loads(text)
        tables = {name: frozenset(tables) for name, tables in stored["csv_tables"]}
        tags = frozenset(None if t is None else tuple(t) for t in stored["group_tags"])
        return cls(
            batches=int(stored["batches"]),
            last=int(stored["last"]),
            image_sets=int(stored["image_sets"]),
            loaded=ImageSets.parse(stored["loaded"]),
            settled=ImageSets.parse(stored["settled"]),
            rejected=bool(stored["rejected"]),
            ran=tuple(map(ImageSets.parse, stored["ran"])),
            csv_tables=tables,
            pipelines=tuple(map(_use, stored["pipelines"])),
            group_tags=tags,
            newest=str(stored["newest"]),
            rows={str(table): int(rows) for table, rows in stored["rows"].items()},
            measured=bool(stored["measured"]),
            computed=dict(stored["computed"]),
        )


def two_of(many: Iterable[ImageSets]) -> tuple[ImageSets, ...]:
    """Returns at most two sets that show the same about gaps as all: the one with the last number
    and a different one, or the only one. The order of the sets does not matter.

    >>> two_of(map(ImageSets.parse, ("1-4", "", "1-4", "9", "5-8")))
    (ImageSets('9'), ImageSets('5-8'))
    """
    two: list[ImageSets] = []
    for image_sets in many:
        if image_sets and image_sets not in two:
            two = sorted([*two, image_sets], key=_by_last, reverse=True)[:2]
    return tuple(two)


def _by_last(image_sets: ImageSets) -> tuple[int, str]:
    return image_sets.last, str(image_sets)


def _whole(entry: Entry) -> bool:
    return bool(entry.fingerprint) and entry.image_sets == entry.complete


def _together(before: tuple[PipelineUse, ...], loaded: list[Entry]) -> tuple[PipelineUse, ...]:
    """Adds up uses, those of many entries at once."""
    new = (PipelineUse(e.pipeline, e.version, 1, e.loaded) for e in loaded)
    return pipelines_used([*before, *new])


def _use(stored: Mapping[str, Any]) -> PipelineUse:
    sets = ImageSets.parse(stored["image_sets"])
    return PipelineUse(stored["sha256"], stored["cellprofiler"], int(stored["batches"]), sets)
