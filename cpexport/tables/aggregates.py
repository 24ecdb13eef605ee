"""Means, medians and standard deviations of object features for each image set.

They equal CellProfiler's (4.2.8, measurement/_measurements.py, compute_aggregate_measurements):
over finite values only, with the population's deviation, and missing where no value is finite.
"""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cpexport.cellprofiler.features import IMAGE_NUMBER, TEXT, is_aggregated

Floats = npt.NDArray[np.float64]
_Reduce = Callable[..., Floats]

_REDUCE: Mapping[str, _Reduce] = {"Mean": np.mean, "Median": np.median, "StDev": np.std}


def aggregated(
    images: pa.RecordBatch, objects: Mapping[str, pa.RecordBatch], kinds: Iterable[str]
) -> pa.RecordBatch:
    """Adds to the rows of image sets a column for each feature and kind.

    A column is named like `Mean_Nuclei_AreaShape_Area`. `kinds` are the words that begin the names:
    Mean, Median, StDev. All rows must have the image sets in the same order. A value is NaN if the
    image set has no finite value.
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
            reduced_columns = _each(values, zip(starts.tolist(), stops.tolist(), strict=True), kind)
            for feature, column in zip(features, reduced_columns, strict=True):
                columns[f"{kind}_{name}_{feature}"] = pa.array(column)
    return pa.RecordBatch.from_pydict(columns)


def numbers(column: pa.Array) -> Floats:
    """A numeric column as float64, with NaN for missing values.

    Integers with too many digits are rounded to the nearest float64.
    """
    if column.null_count:
        column = column.cast(pa.float64(), safe=False).fill_null(float("nan"))
    return np.asarray(column.to_numpy(zero_copy_only=False), np.float64)


def reduced(values: Floats, kind: str) -> Floats:
    """Mean, Median or StDev of the finite values of each row; NaN for a row without any.

    The result is infinite or NaN if the sum exceeds the range of float64. Along the last axis,
    NumPy adds as it does in a single vector, so results equal CellProfiler's to the last bit.
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
    """One row per feature, one column per image set."""
    columns = [reduced(values[:, start:stop], kind) for start, stop in slices]
    return np.stack(columns, axis=1) if columns else np.empty((len(values), 0))
