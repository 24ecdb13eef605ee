"""Pipelines' texts, as measurement files and databases keep them."""

from fuzz.model import H5, SQLCSV, SQLITE, Run

MODULES = ("LoadData", "IdentifyPrimaryObjects", "MeasureObjectIntensity")
"""Those that record themselves; then come modules that export, and the one for batches."""

_EXPORTS = {SQLITE: "ExportToDatabase", SQLCSV: "ExportToDatabase"}


def text(run: Run, format: str) -> str:
    """The pipeline of a run whose outputs are in this format.

    Without a module that exports, the one for batches records itself, too.
    """
    names = [*MODULES, _EXPORTS.get(format, "ExportToSpreadsheet"), "CreateBatchFiles"]
    old = run.style.version.startswith("3")
    lines = [
        "CellProfiler Pipeline: http://www.cellprofiler.org",
        f"Version:{4 if old else 5}",
        f"DateRevision:{'319' if old else '4281'}",
        "GitHash:",
        f"ModuleCount:{len(names)}",
        "HasImagePlaneDetails:False",
        "",
    ]
    for number, name in enumerate(names, start=1):
        lines.append(
            f"{name}:[module_num:{number}|svn_version:'Unknown'|variable_revision_number:6|"
            "show_window:False|notes:[]|batch_state:array([], dtype=uint8)|enabled:True|"
            "wants_pause:False]"
        )
        if name == "LoadData":
            lines.append(f"    Group images by metadata?:{'Yes' if run.tags else 'No'}")
            tags = ",".join(tag.removeprefix("Metadata_") for tag in run.tags)
            lines.append(f"    Select metadata tags for grouping:{tags}")
        if name == "ExportToDatabase":
            lines.append("    Maximum # of characters in a column name:64")
        lines += ["    Comment:a 'word', \"two\" and a back\\slash", ""]
    return "\n".join(lines)


def plan_text(run: Run) -> str:
    """The pipeline in a run's batch file."""
    formats = {job.format for job in run.jobs}
    return text(run, formats.pop() if len(formats) == 1 else H5)
