"""Compares what loads compute from all batches together with its present values; checks views."""

from collections.abc import Iterator

from cpexport.derived.cpa_properties import described, fields
from cpexport.derived.wells import wrong_wells
from cpexport.errors import SinkError
from cpexport.loading import run_measurements
from cpexport.sinks.base import Sink
from cpexport.verification.diff import Difference, short

_EXPERIMENT, _PROPERTIES = "Experiment", "Experiment_Properties"
# Fields that begin like this say where the destination is; a copy may be elsewhere.
_PLACE = "db_"


def differences(sink: Sink, prefix: str) -> Iterator[Difference]:
    """How computed values differ, if they were computed; and views that cannot be read."""
    for view, problem in sink.broken_views().items():
        yield Difference(view, "", problem)
    if described(sink):
        yield from _properties(sink, prefix)
    for feature, problem in run_measurements.wrong_measurements(sink, sink.ledger.read()).items():
        yield Difference(f"{prefix}Per_Experiment", feature, problem)
    for table, problem in wrong_wells(sink, prefix):
        yield Difference(table, "", problem)


def _properties(sink: Sink, prefix: str) -> Iterator[Difference]:
    try:
        stored = sink.ledger.described()
    except SinkError as error:
        yield Difference(_PROPERTIES, "", error.problem)
        return
    if stored is None:
        yield Difference(_EXPERIMENT, "", "must have one row and has none")
        return
    if sink.shape.numbered:
        # Other runs may have added to the same tables since the fields were stored.
        return
    expected = fields(sink, prefix)
    for name in sorted(expected.keys() ^ stored.keys()):
        ends = "are missing" if name in expected else "should not exist"
        yield Difference(_PROPERTIES, "object_name", f"the fields of {name} {ends}")
    for name in sorted(expected.keys() & stored.keys()):
        expected_fields, stored_fields = expected[name], stored[name]
        for field in sorted(expected_fields.keys() | stored_fields.keys()):
            wanted, actual = expected_fields.get(field), stored_fields.get(field)
            if wanted != actual and not field.startswith(_PLACE):
                problem = f"{field} of {name} must be {short(wanted)} and is {short(actual)}"
                yield Difference(_PROPERTIES, "value", problem)
