"""Makes CellProfiler's Per_Well tables: means, medians and standard deviations by plate and well.

CellProfiler writes statements for MySQL that a user runs (4.2.8, exporttodatabase.py,
write_mysql_table_per_well), and they fail on medians and thumbnails. Here the tables are computed
for every destination, one well at a time.
"""

import hashlib
import io
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, Self

from cpexport.cellprofiler.features import IMAGE, PLACES
from cpexport.derived.well_counts import counts_table, table_name, well_counts, wrong_counts
from cpexport.derived.well_tables import (
    TABLE_WORDS,
    WellRows,
    WellTables,
    columns_of_wells,
    well_rows,
    well_tables,
)
from cpexport.errors import SinkError, UsageError
from cpexport.sinks.base import Sink
from cpexport.sinks.registry import open_sink
from cpexport.spelling import closest, counted, suggest
from cpexport.tables.options import AGGREGATES

_NOTE: Final = "wells"
_COUNTED: Final = "counted"


@dataclass(frozen=True)
class Wells:
    """The requested tables: `kinds` are keys of `AGGREGATES`, `plate` and `well` image
    features (None: the usual ones, if present). Without kinds, no tables are made."""

    kinds: tuple[str, ...]
    plate: str | None = None
    well: str | None = None

    @classmethod
    def parse(cls, words: str, plate: str | None = None, well: str | None = None) -> Self:
        """The tables that the value of `--wells` asks for: kinds, separated by commas.

        Raises:
            UsageError: it has no kind, or an unknown one.
        """
        kinds = [word.strip() for word in words.split(",")]
        if strange := [kind for kind in kinds if kind not in TABLE_WORDS]:
            message = f"--wells takes {', '.join(TABLE_WORDS)}, not {strange[0]}"
            if not strange[0]:
                message = "--wells needs mean, median or std"
            raise UsageError(suggest(message, closest(strange[0], TABLE_WORDS)))
        return cls(tuple(kind for kind in TABLE_WORDS if kind in kinds), plate, well)


def make_wells(to: str, prefix: str, requested: Wells | None) -> Mapping[str, int]:
    """Brings the tables of wells up to date that were requested now or before. Returns the number
    of rows of each table that was made.

    A row is a well. It has a column for each numeric feature of objects, then of images, computed
    from finite values (NULL if there are none), and then plate and well. As in CellProfiler's
    statement, values of images count once for each object row, where object 1 of all types is one
    row. Image sets without plate or well have a row with NULL there. A well without objects has a
    row of NULLs, which CellProfiler leaves out. A table that is too wide for the destination
    continues in `Per_Well_avg_part2`. If runs are numbered, `TableNumber` is the first column.

    Raises:
        SinkError: the destination has no such plate or well, or refuses.
    """
    while True:
        with open_sink(to, prefix) as sink:
            _index_places(sink, requested)
            wanted = _wanted(sink, requested)
            if wanted is None:
                return {}
            asked_for, state = _tables_of(sink, wanted), _state(sink, wanted)
            _note_wanted(sink, wanted)
            runs: list[str | None] = [*sink.ledger.runs()] or [None]
        with tempfile.TemporaryFile(prefix="cpexport-wells-") as file:
            wells, counts = WellRows(asked_for, file), []
            for run in runs:
                with open_sink(to, prefix, run=run) as run_sink:
                    for key, values in well_rows(run_sink, asked_for):
                        wells.add(key, values)
                    counts += list(well_counts(run_sink, asked_for.groups))
            with open_sink(to, prefix) as sink, sink.exclusive() as changes:
                # Reading takes long. If another process has written meanwhile, start again.
                if _state(sink, wanted) == state:
                    made = chain(
                        [counts_table(sink.layout(), asked_for.groups, counts, prefix)],
                        well_tables(wells, prefix, sink.capabilities.max_columns),
                    )
                    written = {}
                    for table, rows in made:
                        changes.write_derived_table(table, rows)
                        written[table.name] = rows.num_rows
                    changes.set_metadata({_NOTE: state})
                    return written


def find_metadata(sink: Sink, what: str, feature: str | None) -> str:
    """The image feature with the `Plate` or `Well`; empty if none was named and the usual one is
    missing.

    Raises:
        SinkError: the destination does not have the feature that was named.
    """
    columns = {column.feature for column in sink.layout().columns if column.object == IMAGE}
    if feature is None:
        usual = f"Metadata_{what}"
        return usual if usual in columns else ""
    if feature not in columns:
        present = sorted(name for name in columns if name.startswith("Metadata_"))
        words = ", ".join(present) or "left out, because there is no metadata"
        advice = f"--{what.lower()} can be {words}"
        raise SinkError(
            sink.name,
            f"no image feature {feature}",
            suggest(advice, closest(feature, present)),
        )
    return feature


def outdated(sink: Sink) -> bool:
    """Whether the tables of wells, for all runs together, lack batches that are loaded now."""
    noted = sink.ledger.metadata().get(_NOTE)
    if noted is None:
        return False
    before = json.loads(noted)
    wanted = Wells(tuple(before["kinds"]), before["plate"], before["well"])
    now: dict[str, Any] = json.loads(_state(sink, wanted))
    return bool(now["of"] != before["of"])


def wrong_wells(sink: Sink, prefix: str) -> Iterator[tuple[str, str]]:
    """Yields the tables of wells, for all runs together, that do not match the wells that are
    loaded now, and what is wrong with each. Only in Per_Well are values compared."""
    noted = sink.ledger.metadata().get(_NOTE)
    if noted is None:
        return
    before = json.loads(noted)
    # Version 0.1.0 made no Per_Well.
    counted = before.pop(_COUNTED, False)
    wanted = Wells(tuple(before["kinds"]), before["plate"], before["well"])
    asked_for = _tables_of(sink, wanted)
    none = WellRows(asked_for, io.BytesIO())
    made = well_tables(none, prefix, sink.capabilities.max_columns)
    tables = [table.name for table, _ in made]
    now = json.loads(_state(sink, wanted))
    del now[_COUNTED]
    if now != before:
        for table in [*([table_name(prefix)] if counted else []), *tables]:
            yield table, "does not include all loaded batches; run cpexport load"
        return
    if counted and (problem := wrong_counts(sink, prefix, asked_for.groups)):
        yield table_name(prefix), problem
    yield from _with_other_wells(sink, asked_for, tables)


def _with_other_wells(
    sink: Sink, asked_for: WellTables, tables: Iterable[str]
) -> Iterator[tuple[str, str]]:
    """Yields the tables whose wells differ from Per_Image, and how many differ."""
    runs = sink.layout().image_key[:-1]
    features = [column.feature for column in asked_for.groups]
    expected: set[tuple[Any, ...]] = set()
    for rows in sink.read(IMAGE, features):
        expected |= set(zip(*(rows[key].to_pylist() for key in (*runs, *features)), strict=True))
    columns = [*runs, *(column.name for column in asked_for.groups)]
    for table in tables:
        try:
            wells = sink.read_derived_table(table, columns)
        except SinkError as error:
            yield table, error.problem
            continue
        if len(wells) != len(expected) or set(wells) != expected:
            wrong = len(set(wells) ^ expected)
            rows, for_wells = counted(len(wells), "row"), counted(len(expected), "well")
            yield table, f"{rows} for {for_wells}, {wrong} differ"


def _tables_of(sink: Sink, wanted: Wells) -> WellTables:
    layout = sink.layout()
    groups = (
        layout.by_feature[IMAGE, feature] for feature in (wanted.plate, wanted.well) if feature
    )
    return WellTables(wanted.kinds, tuple(groups), layout.numbered, columns_of_wells(layout))


def _wanted(sink: Sink, requested: Wells | None) -> Wells | None:
    """The tables to make, with the features of plate and well; None if they are up to date, or if
    none are asked for."""
    noted = sink.ledger.metadata().get(_NOTE)
    if requested is not None and not requested.kinds:
        requested = None
    if not sink.layout().columns or (requested is None and noted is None):
        return None
    before = json.loads(noted) if noted else {"kinds": [], "plate": None, "well": None}
    requested = requested or Wells(())
    wanted = Wells(
        tuple(kind for kind in AGGREGATES if kind in requested.kinds or kind in before["kinds"]),
        find_metadata(sink, "Plate", requested.plate or before["plate"]),
        find_metadata(sink, "Well", requested.well or before["well"]),
    )
    if not wanted.well:
        raise SinkError(
            sink.name, "no image feature Metadata_Well", "name the feature of the well with --well"
        )
    return None if _state(sink, wanted) == noted else wanted


def _index_places(sink: Sink, requested: Wells | None) -> None:
    """Makes an index of plate and well if others than the usual features name them."""
    noted = json.loads(sink.ledger.metadata().get(_NOTE, "{}"))
    asked = requested or Wells(())
    plate = asked.plate or noted.get("plate") or PLACES[0]
    well = asked.well or noted.get("well") or PLACES[1]
    if (plate, well) != PLACES and sink.layout().columns:
        sink.tune(None, {}, (plate, well))


def _note_wanted(sink: Sink, wanted: Wells) -> None:
    """Stores which tables are wanted before they are made, so that the next load makes them if this
    one fails."""
    planned = json.loads(_state(sink, wanted)) | {"of": ""}
    noted = json.loads(sink.ledger.metadata().get(_NOTE, "{}"))
    if planned | {"of": noted.get("of")} != noted:
        with sink.exclusive() as changes:
            changes.set_metadata({_NOTE: json.dumps(planned)})


def _state(sink: Sink, wanted: Wells) -> str:
    """What the tables of wells are made from, and how, as text. Equal texts mean equal tables."""
    batches = [(entry.signature, str(entry.loaded)) for entry in sink.ledger.read().entries]
    content = hashlib.sha256(json.dumps(batches).encode()).hexdigest()
    how = {"kinds": wanted.kinds, "plate": wanted.plate, "well": wanted.well}
    return json.dumps(how | {"of": content, _COUNTED: True})
