"""Means, medians and standard deviations of objects' features, for each image set.

Those of CellProfiler (4.2.8, measurement/_measurements.py, compute_aggregate_measurements): over
finite values only, of the population, and nothing where there are none.
"""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cpexport.features import IMAGE_NUMBER, TEXT, is_aggregated

Floats = npt.NDArray[np.float64]
_Reduce = Callable[..., Floats]

_REDUCE: Mapping[str, _Reduce] = {"Mean": np.mean, "Median": np.median, "StDev": np.std}


def aggregated(
    images: pa.RecordBatch, objects: Mapping[str, pa.RecordBatch], kinds: Iterable[str]
) -> pa.RecordBatch:
    """The rows of image sets with a column `Mean_Nuclei_AreaShape_Area` for each feature and kind.

    `kinds` are the words that begin the columns: Mean, Median, StDev. Image sets are in the same
    order in all rows. NaN where an image set has no finite value.
    """
    sets = images[IMAGE_NUMBER].to_numpy()
    columns = dict(zip(images.schema.names, images.columns, strict=True))
    for name, rows in objects.items():
        features = [f.name for f in rows.schema if is_aggregated(f.name) and f.type != TEXT]
        if not features:
            continue
        values = np.stack([numbers(rows[feature]) for feature in features])
        starts = np.searchsorted(rows[IMAGE_NUMBER].to_numpy(), sets, "left")
        stops = np.searchsorted(rows[IMAGE_NUMBER].to_numpy(), sets, "right")
        for kind in kinds:
            found = _each(values, zip(starts.tolist(), stops.tolist(), strict=True), kind)
            for feature, column in zip(features, found, strict=True):
                columns[f"{kind}_{name}_{feature}"] = pa.array(column)
    return pa.RecordBatch.from_pydict(columns)


def numbers(column: pa.Array) -> Floats:
    """A column of numbers as float64, NaN where there is none. Integers of more digits than that
    has become the nearest."""
    if column.null_count:
        column = column.cast(pa.float64(), safe=False).fill_null(float("nan"))
    return np.asarray(column.to_numpy(zero_copy_only=False), np.float64)


def reduced(values: Floats, kind: str) -> Floats:
    """Mean, Median or StDev of the finite values of each row; NaN where there are none.

    It is infinite, or NaN, where the sum of them is beyond what a real number can be.

    Along the last axis, NumPy adds up as it does in a vector alone, so that results are those of
    CellProfiler to the last bit.
    """
    reduce = _REDUCE[kind]
    part = np.ascontiguousarray(values)
    result = np.full(len(part), np.nan)
    finite = np.isfinite(part)
    whole = finite.all(axis=1) & (part.shape[1] > 0)
    with np.errstate(over="ignore", invalid="ignore"):
        if whole.any():
            result[whole] = reduce(part[whole], axis=1)
        for row in np.flatnonzero(~whole & finite.any(axis=1)):
            result[row] = reduce(part[row][finite[row]])
    return result


def _each(values: Floats, slices: Iterable[tuple[int, int]], kind: str) -> Floats:
    """One row a feature, one column an image set."""
    found = [reduced(values[:, start:stop], kind) for start, stop in slices]
    return np.stack(found, axis=1) if found else np.empty((len(values), 0))
