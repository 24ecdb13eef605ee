"""The values of wells that a report shows: chosen, read from a destination, and judged."""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from cpexport.cellprofiler.features import IMAGE, TABLE_NUMBER
from cpexport.cellprofiler.image_set_names import PlaceFeatures
from cpexport.derived.places import PLACES
from cpexport.derived.places import Places as StoredPlaces
from cpexport.derived.treatments import treatment_columns
from cpexport.errors import UsageError
from cpexport.reporting.measured import (
    Controls,
    Measured,
    read_well_table,
    well_table_columns,
)
from cpexport.reporting.metrics import (
    NUMBER_OF_SETS,
    Metric,
    matching,
    measured_features,
    metrics,
    room,
)
from cpexport.reporting.places import Located, Places, chosen_features
from cpexport.reporting.quality import Mask, Quality, at_edge, judge
from cpexport.reporting.request import ControlWells, ReportRequest
from cpexport.reporting.run_state import State
from cpexport.reporting.screen import Screen
from cpexport.reporting.treatments import Treatments
from cpexport.sinks.base import Sink
from cpexport.tables.aggregates import Floats
from cpexport.tables.layout import Layout

_NAMED = 10
"""The most outlying wells that are named for a metric."""
_FEW = 5
"""How many plates without enough controls a note names."""


@dataclass(frozen=True)
class ShownMetric:
    """A metric with its value in each of `Screen.wells`, NaN without one, and what they show."""

    metric: Metric
    values: Floats
    quality: Quality


@dataclass
class WellValues:
    """The chosen features of a destination, and their values so far.

    from_table: the chosen columns of tables of wells, by table.
    unshown: how many features are not read, because the file would be too large.
    treatments: what is in the wells.
    """

    where_from: PlaceFeatures
    metrics: list[Metric]
    measured: Measured
    controls: tuple[Controls | None, Controls | None]
    wells_chosen: tuple[ControlWells | None, ControlWells | None]
    from_table: dict[str, list[str]]
    key_columns: PlaceFeatures
    unshown: int = 0
    treatments: Treatments = field(default_factory=Treatments)
    table_values: dict[str, dict[int, float]] = field(default_factory=dict)

    @classmethod
    def chosen(cls, sink: Sink, request: ReportRequest) -> Self:
        """Chooses what is read from a destination.

        Raises:
            UsageError: a feature that the request names does not exist.
        """
        layout = sink.layout()
        images = layout.features.get(IMAGE, {})
        where_from = chosen_features(list(images), request.plate, request.well)
        features, treated = measured_features(layout), treatment_columns(sink, request.prefix)
        # The rows of several runs in these tables are not told apart by the names of their plates.
        tables = {} if layout.numbered else well_table_columns(sink, request.prefix)
        columns = {name: table for table, names in tables.items() for name in names}
        for feature in features:
            columns.pop(layout.by_feature[IMAGE, feature].name, None)
        keys = _columns_of(where_from, layout)
        for key in (TABLE_NUMBER, keys.plate, keys.well):
            columns.pop(key, None)
        names, most = [*features, *columns], room(_wells(sink))
        chosen = matching(request.features, names) if request.features else names[:most]
        from_table: dict[str, list[str]] = {}
        for name in chosen:
            if name in columns:
                from_table.setdefault(columns[name], []).append(name)
        images_chosen = [name for name in chosen if name in images]
        shown = metrics(layout, images_chosen)
        shown += [Metric(n, n, n, "well") for some in from_table.values() for n in some]
        return cls(
            where_from,
            shown,
            Measured.none(images_chosen),
            (
                _by_metadata(request.positive, images, treated),
                _by_metadata(request.negative, images, treated),
            ),
            request.controls,
            from_table,
            keys,
            0 if request.features else max(len(names) - most, 0),
        )

    def add(self, sink: Sink, places: Places, plate_prefix: str) -> Located:
        """Reads the image sets of the sink's run; returns where they are."""
        controls = [one for one in self.controls if one]
        return self.measured.add(sink, places, self.where_from, plate_prefix, controls)

    def take_well_tables(self, sink: Sink, places: Places) -> None:
        """Reads the chosen columns of tables of wells. They can have wells that no image set is in
        any more."""
        keys = PlaceFeatures(self.key_columns.plate, self.key_columns.well)
        for table, columns in self.from_table.items():
            for well, row in read_well_table(sink, table, keys, columns, places):
                for column, value in zip(columns, row, strict=True):
                    if isinstance(value, int | float):
                        self.table_values.setdefault(column, {})[well] = float(value)
        self.measured.wells.to_length(len(places.wells))

    def take_treatments(
        self, sink: Sink, prefix: str, places: Places, plate_prefixes: Iterable[str]
    ) -> None:
        """Reads what is in the wells."""
        keys = self.key_columns
        self.treatments = Treatments.read(sink, prefix, keys, places, plate_prefixes)

    def judged(self, screen: Screen) -> tuple[ShownMetric, ...]:
        """The metrics with their values on the screen, and what these show."""
        wells = [well.places for well in screen.wells]
        spellings = np.array([number for some in wells for number in some], np.int64)
        owners = np.repeat(np.arange(len(wells)), [len(some) for some in wells])
        most = int(spellings.max(initial=-1)) + 1
        self.measured.wells.to_length(max(most, len(self.measured.wells.rows)))
        judging = _Judging.of(screen, self._control_masks(screen))

        def by_well(values: npt.NDArray[Any]) -> Floats:
            """Adds up the values of wells that are spelled in several ways."""
            found: Floats = np.bincount(owners, values[spellings], len(wells)).astype(np.float64)
            return found

        return tuple(
            judging.shown(metric, self._values(metric, by_well), self._drift(metric))
            for metric in self.metrics
        )

    def _values(self, metric: Metric, by_well: Callable[[npt.NDArray[Any]], Floats]) -> Floats:
        """The value of a metric in each well; NaN without one."""
        sums = self.measured.wells
        if metric.kind == "rows":
            return by_well(sums.rows)
        if metric.kind == "well":
            total, counts = np.zeros(len(sums.rows)), np.zeros(len(sums.rows))
            for well, value in self.table_values.get(metric.column, {}).items():
                total[well], counts[well] = value, 1
        else:
            place = self.measured.features.index(metric.feature)
            total, counts = sums.sums[place], sums.counts[place].astype(np.float64)
        added, count = by_well(total), by_well(counts)
        if metric.kind == "well":
            # A mean of two rows of such a table would be no mean of objects.
            added[count > 1] = np.nan
        divided = np.full(len(added), np.nan)
        np.divide(added, count if metric.kind == "mean" else 1, out=divided, where=count > 0)
        return divided

    def _drift(self, metric: Metric) -> Sequence[float]:
        """The mean over the image sets of each point in time."""
        if metric.kind != "mean":
            return ()
        by_time = self.measured.by_time
        by_time.to_length(len(self.measured.times))
        place = self.measured.features.index(metric.feature)
        mean = np.full(len(self.measured.times), np.nan)
        counts = by_time.counts[place]
        np.divide(by_time.sums[place], counts, out=mean, where=counts > 0)
        return [float(value) for value in mean]

    def control_notes(self, screen: Screen) -> Iterator[str]:
        """Notes the plates without enough control wells for Z'."""
        masks = self._control_masks(screen)
        if masks is None:
            return
        few = []
        for plate, place in zip(screen.plates, screen.slices, strict=True):
            positive, negative = (int(mask[place].sum()) for mask in masks)
            if min(positive, negative) < 2:
                few.append(f"{plate.title} has {positive} and {negative}")
        if few:
            more = f", and {len(few) - _FEW} more plates have too few" if len(few) > _FEW else ""
            yield (
                "Z' needs two positive and two negative control wells on a plate: "
                f"{', '.join(few[:_FEW])}{more}"
            )

    def negative_wells(self, screen: Screen) -> Mask | None:
        """Which wells are negative controls; None if none are named."""
        masks = self._control_masks(screen)
        return masks[1] if masks else None

    def _control_masks(self, screen: Screen) -> tuple[Mask, Mask] | None:
        masks = []
        for controls, chosen in zip(self.controls, self.wells_chosen, strict=True):
            if chosen is None:
                return None
            own = controls.wells if controls else set()
            at, wells = chosen.positions, screen.wells
            if chosen.feature in self.treatments.names and not controls:
                name, value = chosen.feature, chosen.value
                mask = [self.treatments.value(well, name) == value for well in wells]
            else:
                mask = [well.position in at or bool(own & {*well.places}) for well in wells]
            masks.append(np.array(mask, bool))
        return masks[0], masks[1]


def of_states(screen: Screen) -> ShownMetric:
    """The number of complete image sets in each well, which needs no destination."""
    values = np.array([well.states.get(State.COMPLETE, 0) for well in screen.wells], np.float64)
    metric = replace(NUMBER_OF_SETS, title="Complete image sets")
    return _Judging.of(screen, None).shown(metric, values, ())


@dataclass(frozen=True)
class _Judging:
    """What judging a metric needs to know about the wells."""

    plates: list[slice]
    edge: Mask
    on_plate: Mask
    controls: tuple[Mask, Mask] | None

    @classmethod
    def of(cls, screen: Screen, controls: tuple[Mask, Mask] | None) -> Self:
        wells = list(screen.wells)
        edge = np.array([at_edge(well.position, screen.format) for well in wells], bool)
        on_plate = np.array([well.position is not None for well in wells], bool)
        return cls(screen.slices, edge, on_plate, controls)

    def shown(self, metric: Metric, values: Floats, drift: Sequence[float]) -> ShownMetric:
        judged = judge(values, self.plates, self.edge, self.on_plate, self.controls, drift, _NAMED)
        return ShownMetric(metric, values, judged)


def _columns_of(features: PlaceFeatures, layout: Layout) -> PlaceFeatures:
    """The columns of plate and well, in place of the features."""
    row, column = ("", "") if features.well else (features.row, features.column)
    plate, well, row, column = (
        layout.by_feature[IMAGE, name].name if name else ""
        for name in (features.plate, features.well, row, column)
    )
    return PlaceFeatures(plate, well, row, column)


def _by_metadata(
    chosen: ControlWells | None, images: Container[str], treated: Container[str]
) -> Controls | None:
    if chosen is None or not chosen.feature or chosen.feature in treated:
        return None
    if chosen.feature not in images:
        raise UsageError(
            f"no image feature or column of a layout is {chosen.feature}, which names control wells"
        )
    return Controls(chosen.feature, chosen.value)


def _wells(sink: Sink) -> int:
    """The most wells that the destination can have."""
    summary = sink.ledger.stored_summary()
    sets = sink.ledger.summary().image_sets
    if PLACES not in summary.computed:
        return sets
    places = StoredPlaces.from_json(summary.computed[PLACES])
    return min(sets, max(len(places.plates), 1) * max(len(places.wells), 1)) or sets
