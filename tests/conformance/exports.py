"""Runs of which CellProfiler itself keeps all: databases in every shape, the .h5, and CSV files.

One pipeline has an ExportToDatabase for each shape, so that all of them are of the same values.
`python tests/conformance/exports.py FOLDER` makes what `tests/data/cases/22_exports.tar.xz` holds.
"""

import csv
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from real import own_python, run
from screen import CHANNELS, Field, draw

_PIPELINE = Path(__file__).with_name("databases.cppipe")
_RUNNER = Path(__file__).parents[2] / "cpexport" / "jobs" / "templates" / "run_batch.py"

Settings = Mapping[str, str]

FIELDS = (
    Field("P1", "A01", 1, 0),
    Field("P1", "A01", 2, 4),
    Field("P1", "A02", 1, 9),
    Field("P1", "A02", 2, 12),
    Field("P2", "A01", 1, 6),
)

_TABLES = "Create one table per object, a single object table or a single object view?"
_TYPES = "Export measurements for all objects to the database?"
_SEPARATE = {_TABLES: "One table per object type"}
_COMBINED = {_TABLES: "Single object table"}
_NO_AGGREGATES = {
    f"Calculate the per-image {what} values of object measurements?": "No"
    for what in ("mean", "median", "standard deviation")
}
_THUMBNAILS = {
    "Write image thumbnails directly to the database?": "Yes",
    "Select the images for which you want to save thumbnails": ",".join(CHANNELS),
}
_GROUPED = {
    "Group images by metadata?": "Yes",
    "Select metadata tags for grouping": "Plate",
}
_SHORT = {"Maximum # of characters in a column name": "40"}

_LONG = {
    "BigNuclei": "BigNucleiSegmentedFromTheDNAChannel",
    "SmallNuclei": "SmallNucleiSegmentedFromTheDNAChannel",
    "Nuclei": "NucleiSegmentedFromTheDNAChannel",
    "Cells": "CellsGrownIntoTheERChannel",
}
_ODD = {
    "Metadata_Dose (uM)": "0.5",
    "Metadata_Dose uM": "1",
    "Metadata_Dose_uM": "2.0",
    "Metadata_Empty": "",
    "Metadata_cell-line µ": """He'La "é" \\n 007""",
    "Metadata_ThisIsAVeryLongMetadataTagThatGoesWellBeyondTheSixtyFourCharacterLimit": "x",
}


@dataclass(frozen=True)
class Export:
    """What a run is to export: by the name of the database, the settings of its ExportToDatabase.

    `renamed` are object types with other names, `metadata` more columns of the list that LoadData
    reads, the same for all image sets. `tracked` says whether nuclei are tracked within plates.
    """

    databases: Mapping[str, Settings]
    renamed: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    tracked: bool = False

    def pipeline(self) -> str:
        """The pipeline of `databases.cppipe`, so changed."""
        text = _PIPELINE.read_text("utf-8")
        for name, other in self.renamed.items():
            text = re.sub(rf"(?<![A-Za-z]){name}(?![A-Za-z])", other, text)
        head, *blocks = text.strip("\n").split("\n\n")
        modules = []
        for block in blocks:
            if block.startswith("ExportToDatabase"):
                for name, settings in self.databases.items():
                    file = {"Name the SQLite database file": f"{name}.db"}
                    modules.append(_changed(block, {**settings, **file}))
            elif block.startswith("LoadData"):
                modules.append(_changed(block, _GROUPED if self.tracked else {}))
            elif self.tracked or not block.startswith("TrackObjects"):
                modules.append(block)
        numbered = (
            re.sub(r"module_num:\d+", f"module_num:{number}", module, count=1)
            for number, module in enumerate(modules, start=1)
        )
        head = re.sub(r"ModuleCount:\d+", f"ModuleCount:{len(modules)}", head)
        return "\n\n".join([head, *numbered]) + "\n"

    def run(self, home: Path, images: Path, fields: Sequence[Field]) -> None:
        """Runs it on these pictures, in one process. What comes out is below `home`, a new folder:
        `databases/*.db`, and the same measurements in `h5` and in `csv`."""
        home.mkdir(parents=True)
        with (home / "images.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            header = [f"Image_{what}_{c}" for c in CHANNELS for what in ("PathName", "FileName")]
            metadata = ["Metadata_Plate", "Metadata_Well", "Metadata_Site", *self.metadata]
            writer.writerow([*header, *metadata])
            for f in fields:
                files = [word for c in CHANNELS for word in (images, f.file(c))]
                writer.writerow([*files, f.plate, f.well, f.site, *self.metadata.values()])
        (home / "run.cppipe").write_text(self.pipeline(), "utf-8")
        (home / "h5").mkdir()
        words = ["-c", "-r", "-p", "run.cppipe", "-i", ".", "-o", home / "csv", "-d", "done.txt"]
        ran = run([*own_python(), _RUNNER, *words, home / "h5" / "measurements.h5"], home)
        (home / "log.txt").write_text(ran.out + ran.err)
        (home / "databases").mkdir()
        for path in sorted((home / "csv").glob("*.db")):
            path.rename(home / "databases" / path.name)


def _changed(block: str, settings: Settings) -> str:
    lines = block.splitlines()
    for setting, value in settings.items():
        (place,) = [i for i, line in enumerate(lines) if line.startswith(f"    {setting}:")]
        lines[place] = f"    {setting}:{value}"
    return "\n".join(lines)


EXPORTS: Mapping[str, Export] = {
    "plain": Export(
        {
            "separate": _SEPARATE,
            "combined": _COMBINED,
            "view": {_TABLES: "Single object view"},
            "noprefix": {
                **_COMBINED,
                **_NO_AGGREGATES,
                "Add a prefix to table names?": "No",
                _TYPES: "Select...",
                "Select the objects": "Nuclei,Cells",
                "Export object relationships?": "No",
            },
            "noobjects": {**_COMBINED, _TYPES: "None", "Table prefix": "Imgs_"},
        }
    ),
    # With thumbnails, which every database of the run would have.
    "thumbnails": Export({"props": {**_COMBINED, **_THUMBNAILS}}),
    "long": Export(
        {
            "longnames": _COMBINED,
            "longnames_separate": _SEPARATE,
            "longnames40": {**_COMBINED, **_SHORT},
        },
        _LONG,
        _ODD,
    ),
    "tracks": Export({"tracks": _SEPARATE}, tracked=True),
}
"""The runs of the case, whose names are those of its folders."""

REFUSED: Mapping[str, Export] = {
    "no such column: ": Export({"short": {**_SEPARATE, **_SHORT}}, _LONG, _ODD),
    "duplicate column name: ": Export({"alike": _SEPARATE}, metadata={"Metadata_plate": "x"}),
}
"""What CellProfiler cannot make, by what it says: it shortens the names of the primary key in one
place only, and takes names for different that differ in case only."""


def main(folder: Path) -> None:
    """Makes the runs of the case into a new folder."""
    draw(FIELDS, folder / "images")
    for name, export in EXPORTS.items():
        export.run(folder / name, folder / "images", FIELDS)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
