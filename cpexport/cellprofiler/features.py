"""CellProfiler's features: which become columns, and the types that their names promise.

A feature is identified by its object type (`Image` for the image set itself) and its name. Types
are Arrow's: `null` (nothing known yet), `int64`, `float64`, `string`, each wider than the one
before.
"""

import re
from functools import lru_cache
from typing import Final

import pyarrow as pa

IMAGE: Final = "Image"
OBJECT: Final = "Object"
"""Objects of all types side by side, treated as one type with features `Nuclei_AreaShape_Area`."""
EXPERIMENT: Final = "Experiment"
RELATIONSHIP: Final = "Relationship"
NOT_OBJECTS: Final = frozenset({IMAGE, EXPERIMENT, RELATIONSHIP})
"""Names that CellProfiler uses for other things than objects; no object type can have them."""
TABLE_NUMBER: Final = "TableNumber"
"""The number of a run, in destinations that keep several."""
IMAGE_NUMBER: Final = "ImageNumber"
OBJECT_NUMBER: Final = "ObjectNumber"
PLACES: Final = ("Metadata_Plate", "Metadata_Well")
"""The image features that usually name the plate and the well of an image set."""
NUMBER: Final = "Number_Object_Number"
SOURCE_NUMBER: Final = "SourceImageNumber"
"""The image feature with the number that a job gave its image set, if the run has another one."""
NO_FEATURE: Final = ""
"""The feature of a column that is not one: it numbers the rows of a CSV file."""

NULL: Final = pa.null()
INTEGER: Final = pa.int64()
REAL: Final = pa.float64()
TEXT: Final = pa.string()
_WIDTH: Final = (NULL, INTEGER, REAL, TEXT)

LONGEST_TEXT: Final = 1 << 24
"""The most bytes of a text that is loaded, 16 MB, which is what servers accept by default."""

# Every batch of a run asks about the same few thousand names.
_NAMES: Final = 1 << 17

# ExportToDatabase omits these (CellProfiler 4.2.8, exporttodatabase.py, ignore_feature).
_LEFT_OUT = re.compile(r"(Description|ModuleError|TimeElapsed)_")
_NO_COLUMNS: Final = frozenset({IMAGE_NUMBER, OBJECT_NUMBER, NO_FEATURE})

_TEXT_IMAGE = re.compile(
    r"(FileName|PathName|URL|MD5Digest|ImageSet|Thumbnail|ProcessingStatus)(_|$)"
)
# The categories that CellProfiler's own modules write for images; all are numbers.
_MEASURED_IMAGE = re.compile(
    r"(Align|AreaOccupied|AreaShape|Channel|Children|Classify|Correlation|Count|Crop|Distance|"
    r"ExecutionTime|Frame|Granularity|Group|Height|ImageQuality|Intensity|Location|Math|Mean|"
    r"Median|ModuleError|Neighbors|Number|Overlap|Parent|RadialDistribution|Scaling|Series|StDev|"
    r"Texture|Threshold|TrackObjects|VolumeOccupied|Width|Worm)_"
)
# CellProfiler's modules declare these as integers, and their values are always whole. They also
# declare RelateObjects' Distance_* and TrackObjects_Trajectory* as integers, but those are not
# whole.
_WHOLE_IMAGE = re.compile(
    r"(Count|Height|Width|Group|Series|Frame|Channel)_|Intensity_TotalArea_|"
    r"Classify_(.*_NumObjectsPerBin$|Count_)|TrackObjects_(New|Lost|Split|Merged)ObjectCount_"
)
# The only text among the features of CellProfiler's own modules (4.2.8, classifyobjects.py).
_CLASS: Final = "Classify_Class"
_WHOLE_OBJECT = re.compile(
    r"Number_Object_Number$|Parent_|Children_.*_Count$|Classify_(?!Class$|Probability_)|"
    r"ObjectSkeleton_Number|"
    r"Neighbors_(NumberOfNeighbors|(First|Second)ClosestObjectNumber)_|"
    r"TrackObjects_(Label|ParentImageNumber|ParentObjectNumber|Lifetime|FinalAge|Area|LinkType|"
    r"MovementModel|GapLength)(_|$)"
)


@lru_cache(_NAMES)
def is_column(feature: str) -> bool:
    """Whether a feature becomes a column, as in CellProfiler's own databases.

    The keys, which every table has anyway, and features that ExportToDatabase omits do not.

    >>> is_column("ModuleError_01LoadData"), is_column("ExecutionTime_01LoadData")
    (False, True)
    """
    return feature not in _NO_COLUMNS and not _LEFT_OUT.match(feature)


@lru_cache(_NAMES)
def promised_type(object_name: str, feature: str) -> pa.DataType:
    """The type that a feature's name promises; `null` if only its values can show the type.

    It is a promise, not a fact: a value that does not fit widens its column.

    >>> promised_type("Nuclei", "AreaShape_Area"), promised_type("Image", "Count_Nuclei")
    (DataType(double), DataType(int64))
    >>> promised_type("Image", "Metadata_Dose")
    DataType(null)
    """
    if object_name == IMAGE:
        if _TEXT_IMAGE.match(feature):
            return TEXT
        if _WHOLE_IMAGE.match(feature):
            return INTEGER
        return REAL if is_measured_of_images(feature) else NULL
    if is_repeated(feature) or object_name == OBJECT:
        return NULL
    if feature == _CLASS:
        return TEXT
    return INTEGER if _WHOLE_OBJECT.match(feature) else REAL


@lru_cache(_NAMES)
def is_measured_of_images(feature: str) -> bool:
    """Whether a feature of images has a category of CellProfiler's own modules that is a number.

    >>> is_measured_of_images("Intensity_MeanIntensity_DNA"), is_measured_of_images("URL_DNA")
    (True, False)
    """
    return _MEASURED_IMAGE.match(feature) is not None


@lru_cache(_NAMES)
def is_aggregated(feature: str) -> bool:
    """Whether CellProfiler computes the mean, median and standard deviation of an object feature.

    See CellProfiler 4.2.8, utilities/measurement.py, agg_ignore_feature.
    """
    return is_column(feature) and feature != NUMBER and not is_repeated(feature)


@lru_cache(_NAMES)
def is_repeated(feature: str) -> bool:
    """Whether ExportToSpreadsheet can repeat this image feature in the rows of objects."""
    return re.match(r"(Metadata|FileName|PathName)_", feature) is not None


def wider(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """Returns the narrowest type that holds the values of both types.

    >>> wider(INTEGER, REAL)
    DataType(double)
    """
    return one if one is other else _WIDTH[max(_WIDTH.index(one), _WIDTH.index(other))]
