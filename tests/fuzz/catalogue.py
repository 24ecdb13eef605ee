"""Features that screens are made of, as CellProfiler's modules declare them."""

from fuzz.model import Kind

OBJECTS = ("Nuclei", "Cells", "Cytoplasm", "Spots", "My_Cells", "Nuclei2", "My")
MODULES = ("01LoadData", "02IdentifyPrimaryObjects", "03MeasureObjectIntensity")
"""Those that record themselves in every image set."""

_LONG = "Texture_InverseDifferenceMomentOfTheCorrectedAndRescaledImage_DNA_3_0{}_256"

# Beside what every image set has: name, what CellProfiler declares, whether in single precision,
# and what it can be. Names that differ in case only, are too long, or have odd characters.
OF_IMAGES = (
    ("Threshold_FinalThreshold_Nuclei", Kind.REAL, False, ("real", "nan")),
    ("Intensity_MeanIntensity_DNA", Kind.REAL, True, ("single",)),
    ("Granularity_1_DNA", Kind.REAL, False, ("real", "whole")),
    ("ImageQuality_Score_DNA", Kind.REAL, False, ("real", "infinite")),
    ("Intensity_TotalArea_DNA", Kind.INTEGER, False, ("integer",)),
    (
        "Classify_Intensity_MeanIntensity_DNA_Bin_1_NumObjectsPerBin",
        Kind.INTEGER,
        False,
        ("integer",),
    ),
    (
        "MyModule_Value",
        None,
        False,
        ("integer", "real", "whole", "nan", "infinite", "text", "mixed", "large"),
    ),
    ("Metadata_Dose (uM)", None, False, ("integer", "real", "nan", "text", "mixed")),
    ("Metadata_Note", None, False, ("text", "mixed")),
    ("Metadata_note", None, False, ("text", "integer", "large")),
    ("Metadata_Größe", None, False, ("text", "real")),
    ("Metadata_" + "A_very_long_name_" * 5, None, False, ("text", "integer")),
)
OF_OBJECTS = (
    ("AreaShape_Area", Kind.REAL, False, ("integer", "real")),
    ("Location_Center_X", Kind.REAL, False, ("real",)),
    ("Location_Center_Y", Kind.REAL, False, ("real", "nan", "infinite")),
    ("Intensity_MeanIntensity_DNA", Kind.REAL, False, ("real", "nan")),
    ("RadialDistribution_FracAtD_DNA_1of4", Kind.REAL, True, ("single",)),
    (_LONG.format(0), Kind.REAL, False, ("real",)),
    (_LONG.format(1), Kind.REAL, False, ("real", "nan")),
    ("Neighbors_NumberOfNeighbors_Adjacent", Kind.INTEGER, False, ("integer",)),
    (
        "Neighbors_FirstClosestObjectNumber_Adjacent",
        Kind.INTEGER,
        False,
        ("integer", "gaps", "large"),
    ),
    ("Classify_Class", Kind.TEXT, False, ("class",)),
    ("Math_Ratio (%)", Kind.REAL, False, ("real", "infinite")),
)
