"""Which files, folders and metadata of two outputs can show whether their images are the same."""

import re
from collections.abc import Collection

import pyarrow as pa

from cpexport.cellprofiler.image_identity import DIGEST, FILE, METADATA, Identities

# The default of FlagImage. It is a measurement, and the pipeline that shows this is often unknown.
_MEASURED = "Metadata_QCFlag"
# Illumination functions, which a job may write again (CellProfiler 4.2.8, saveimages.py).
_FUNCTION = re.compile(r".*\.(npy|mat)", re.IGNORECASE)
# Metadata tags for plates and the positions on them.
_PLATE = re.compile(r"Metadata_.*(plate|barcode|well).*", re.IGNORECASE)


def channels_of_both(ours: Identities, theirs: Identities) -> frozenset[str]:
    """The channels whose files can be compared."""
    return without_functions(channels_of_files(ours, theirs), ours)


def metadata_of_both(ours: Identities, theirs: Identities) -> list[str]:
    """The metadata features that can be compared."""
    common = ours.columns.keys() & theirs.columns.keys()
    return sorted(f for f in common if f.startswith(METADATA) and f != _MEASURED)


def of_a_plate(feature: str) -> bool:
    """Whether metadata names plates or positions on them, which is evidence against folders."""
    return _PLATE.fullmatch(feature) is not None


def least_names(ours: Identities, theirs: Identities) -> int:
    """The smallest number of last folder names that separates plates."""
    return 1 + any(len(side) and _by_channel(side) for side in (ours, theirs))


def channels_of_files(left: Identities, right: Identities) -> set[str]:
    """The channels that both read from files.

    If some channels have digests, only those count: the job itself wrote the files of the others,
    into its own folder (CellProfiler 4.2.8, saveimages.py).
    """
    common = left.columns.keys() & right.columns.keys()
    channels = {feature.removeprefix(FILE) for feature in common if feature.startswith(FILE)}
    for side in (left, right):
        channels = {channel for channel in channels if DIGEST + channel in side.columns} or channels
    return channels


def without_functions(channels: Collection[str], identities: Identities) -> frozenset[str]:
    """The channels of images; channels of illumination functions count only without any others."""
    functions = {c for c in channels if _is_function(identities.columns[FILE + c])}
    return frozenset(set(channels) - functions or channels)


def _is_function(names: pa.StringArray) -> bool:
    first = next((name for name in names.drop_null().slice(0, 1).to_pylist()), "")
    return _FUNCTION.fullmatch(first) is not None


def _by_channel(identities: Identities) -> bool:
    """Whether each channel has its own folder below the plate's folder: `Plate1/DNA`."""
    ends = [column[0].as_py() for column in identities.folders.values() if column[0].is_valid]
    parents = {end.rpartition("/")[0] for end in ends}
    return len(set(ends)) > 1 and len(parents) == 1 and parents != {""}
