"""The command line options that say how the tables of a destination look."""

from cpexport.cli import completers, screens
from cpexport.cli.screens import Number, OptionDecorator, all_of, option

shape = all_of(
    option(
        "--objects",
        group=screens.TABLES,
        metavar="LAYOUT",
        shell_complete=completers.layouts,
        show_default="separate, all object types",
        help="Layout of the object tables: separate (one per object type), combined (one table, "
        "where objects with the same number share a row), view (separate, and a view of all) or "
        "none. Also the object types to load, for example Nuclei,Cells or view,Nuclei,Cells.",
    ),
    option(
        "--aggregate",
        group=screens.TABLES,
        metavar="KINDS",
        shell_complete=completers.kinds,
        show_default="none",
        help="Add means, medians or standard deviations of object features per image set to "
        "Per_Image: mean,median,std.",
    ),
    option(
        "--features",
        group=screens.TABLES,
        default="",
        metavar="FEATURES",
        show_default="all",
        help="Features that get columns, for example 'AreaShape_*,Intensity_Mean*'; or @FILE with "
        "one a line. Names of images, metadata, counts, parents and centers always stay.",
    ),
    option(
        "--leave-out",
        "--without-features",
        "leave_out",
        group=screens.TABLES,
        default="",
        metavar="FEATURES",
        show_default="none",
        help="Features that get no columns, for example Nuclei_Texture_*,Cells_AreaShape_Area; or "
        "@FILE with one a line. Names of images, metadata and groups always stay.",
    ),
    option(
        "--max-column-length",
        group=screens.TABLES,
        type=Number(int, 10, 64),
        metavar="N",
        show_default="64",
        help="Longest column name. Longer ones are shortened by CellProfiler's own rule.",
    ),
    option(
        "--table-number",
        group=screens.TABLES,
        is_flag=True,
        help="Load each of OUTPUTS as a separate run. Its number, TableNumber, is the first key "
        "column of every table. NAME=OUTPUTS names a run.",
    ),
)
"""How the tables look: the fields of `TableOptions`."""

indexes = option(
    "--indexes/--no-indexes",
    group=screens.TABLES,
    default=None,
    show_default="as before; yes in a first load",
    help="Index parents of objects, and plate and well, in this and later loads.",
)

wells = option(
    "--wells",
    group=screens.WELLS,
    metavar="KINDS",
    shell_complete=completers.kinds,
    show_default="none",
    help="Add tables with a row per plate and well: mean,median,std give Per_Well_avg, "
    "Per_Well_median, Per_Well_std, and Per_Well with counts.",
)
plate_and_well = all_of(
    option(
        "--plate",
        group=screens.WELLS,
        metavar="FEATURE",
        show_default="Metadata_Plate",
        help="Image feature that names the plate.",
    ),
    option(
        "--well",
        group=screens.WELLS,
        metavar="FEATURE",
        show_default="Metadata_Well",
        help="Image feature that names the well.",
    ),
)
"""Which features name the plate and the well of an image set."""


def _path_map(group: str, what: str) -> OptionDecorator:
    return option("--path-map", group=group, multiple=True, metavar="CLUSTER=LOCAL", help=what)


path_map = _path_map(
    screens.TABLES,
    "Replace the path prefix CLUSTER of image files with LOCAL, a path (also of Windows) or URL. "
    "'batch' takes the mappings in the batch file.",
)
path_map_of_properties = _path_map(
    screens.ANALYST,
    "Show images under LOCAL whose paths begin with CLUSTER. LOCAL must end with CLUSTER, for "
    "example /data=https://images.lab.org/data.",
)
