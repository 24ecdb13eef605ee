"""What loads compute from all batches together, compared with what it must be; and views."""

from collections.abc import Iterator

from cpexport import measured
from cpexport.comparison import Difference, short
from cpexport.errors import SinkError
from cpexport.properties import described, fields
from cpexport.sinks import Sink
from cpexport.wells import untrue_wells

_EXPERIMENT, _PROPERTIES = "Experiment", "Experiment_Properties"
# What these fields begin with says where the destination is, which may be copied.
_PLACE = "db_"


def differences(sink: Sink, prefix: str) -> Iterator[Difference]:
    """How what was computed differs, as far as it was; and views that cannot be read."""
    for view, problem in sink.broken_views().items():
        yield Difference(view, "", problem)
    if described(sink):
        yield from _properties(sink, prefix)
    for feature, problem in measured.untrue(sink, sink.ledger()).items():
        yield Difference(f"{prefix}Per_Experiment", feature, problem)
    for table, problem in untrue_wells(sink, prefix):
        yield Difference(table, "", problem)


def _properties(sink: Sink, prefix: str) -> Iterator[Difference]:
    try:
        found = sink.described()
    except SinkError as error:
        yield Difference(_PROPERTIES, "", error.problem)
        return
    if found is None:
        yield Difference(_EXPERIMENT, "", "must have one row and has none")
        return
    if sink.shape.numbered:
        # What other runs have brought since to the same tables was not known then.
        return
    must = fields(sink, prefix)
    for name in sorted(must.keys() ^ found.keys()):
        ends = "is not there" if name in must else "is there"
        yield Difference(_PROPERTIES, "object_name", f"what is said of {name} {ends}")
    for name in sorted(must.keys() & found.keys()):
        one, other = must[name], found[name]
        for field in sorted(one.keys() | other.keys()):
            said, there = one.get(field), other.get(field)
            if said != there and not field.startswith(_PLACE):
                what = f"{field} of {name} must be {short(said)} and is {short(there)}"
                yield Difference(_PROPERTIES, "value", what)
