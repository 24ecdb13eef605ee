"""The full names of features, and their order in CellProfiler's tables."""

from collections.abc import Iterable

from cpexport.cellprofiler.features import IMAGE, NUMBER, OBJECT, OBJECT_NUMBER

_AGGREGATES = ("Mean_", "Median_", "StDev_")


def full_name(object_name: str, feature: str, objects: Iterable[str]) -> str:
    """Returns a feature's name before it is shortened to a column: `Nuclei_AreaShape_Area`.

    An image's mean, median or standard deviation over the objects of one type has no prefix
    `Image_` (CellProfiler 4.2.8, exporttodatabase.py, get_aggregate_columns). Neither have objects
    side by side, whose features already contain their own type's name.
    """
    if object_name == OBJECT:
        return OBJECT_NUMBER if feature == NUMBER else feature
    if object_name == IMAGE and is_aggregate(feature, objects):
        return feature
    return f"{object_name}_{feature}"


def objects_of(together: Iterable[str]) -> tuple[str, ...]:
    """The object types among features of objects side by side, longest names first.

    A parent's means over its children look like object numbers, but are not (RelateObjects writes
    them; CellProfiler 4.2.8, relateobjects.py, FF_MEAN).

    >>> objects_of(
    ...     ["Spots_Number_Object_Number", "Cells_Number_Object_Number"]
    ...     + ["Cells_Mean_Spots_Number_Object_Number", "Cells_AreaShape_Area"]
    ... )
    ('Cells', 'Spots')
    """
    ending = f"_{NUMBER}"
    names = {f.removesuffix(ending) for f in together if f.endswith(ending)}
    real = {n for n in names if not any(n.startswith(f"{parent}_Mean_") for parent in names)}
    return tuple(sorted(real, key=lambda name: (-len(name), name)))


def owner(feature: str, objects: Iterable[str]) -> str | None:
    """The object type of a feature of objects side by side; `objects` are sorted longest first."""
    return next((name for name in objects if feature.startswith(f"{name}_")), None)


def is_aggregate(feature: str, objects: Iterable[str]) -> bool:
    """Whether an image feature is a mean, median or deviation over objects of these types."""
    _, _, rest = feature.partition("_")
    return feature.startswith(_AGGREGATES) and any(rest.startswith(f"{o}_") for o in objects)


def order(
    object_name: str, feature: str, objects: Iterable[str]
) -> tuple[bool, str, bool, str, int]:
    """A sort key for CellProfiler's order of columns.

    Object types come first, each with its number and then its features in ASCII order. Aggregates
    come last, by object type and feature (exporttodatabase.py, filter_measurement_columns,
    get_aggregate_columns).
    """
    longest_first = sorted(objects, key=len, reverse=True)
    if object_name == OBJECT and feature != NUMBER:
        name = owner(feature, longest_first) or ""
        rest = feature[len(name) + 1 :]
        return (False, name, rest != NUMBER, rest, 0)
    if object_name == IMAGE and is_aggregate(feature, objects):
        kind, _, of = feature.partition("_")
        name = owner(of, longest_first) or ""
        return (True, name, True, of, _AGGREGATES.index(f"{kind}_"))
    return (False, "", feature != NUMBER, feature, 0)
