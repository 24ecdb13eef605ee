"""A small screen drawn here: pictures, the list that LoadData reads, and pipelines for it.

Every picture has a number of nuclei of its own, so that counting them tells which one was measured.
"""

import csv
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

CHANNELS = ("DNA", "ER")
MEASURE = (
    "IdentifyPrimaryObjects",
    "IdentifySecondaryObjects",
    "MeasureObjectSizeShape",
    "MeasureObjectIntensity",
)

_SIDE = 200
_ALL_MODULES = Path(__file__).with_name("screen.cppipe")


@dataclass(frozen=True)
class Field:
    """One image set: where it is in the screen, and how many nuclei are drawn in it."""

    plate: str
    well: str
    site: int
    nuclei: int

    def file(self, channel: str) -> str:
        """The name of a channel's picture."""
        return f"{self.plate}_{self.well}_s{self.site}_{channel}.tif"


def fields(plates: Sequence[str], wells: Sequence[str], sites: int) -> list[Field]:
    """All fields of a screen in order of plate, well and site; the first has no nucleus."""
    places = [(p, w, s) for p in plates for w in wells for s in range(1, sites + 1)]
    return [Field(*place, nuclei) for nuclei, place in enumerate(places)]


def draw(found: Sequence[Field], folder: Path) -> None:
    """Writes the pictures of these fields into a new folder."""
    folder.mkdir(parents=True)
    for seed, field in enumerate(found):
        for channel, width in zip(CHANNELS, (4.0, 7.0), strict=True):
            # The same seed for both, as nuclei lie in their cells.
            _write_tiff(folder / field.file(channel), _picture(field.nuclei, width, seed))


def _picture(nuclei: int, width: float, seed: int) -> npt.NDArray[np.uint16]:
    """Round bright spots that do not touch, over noise that is too dark to be one."""
    random = np.random.default_rng(seed)
    light = random.uniform(0.004, 0.012, (_SIDE, _SIDE))
    places = random.permutation(16)[:nuclei]
    y, x = np.mgrid[:_SIDE, :_SIDE]
    for place in places:
        row, column = 30 + 46 * np.array(divmod(int(place), 4)) + random.uniform(-5, 5, 2)
        spread = width * random.uniform(0.8, 1.2)
        peak = random.uniform(0.4, 0.8)
        light += peak * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * spread**2))
    return np.round(np.clip(light, 0, 1) * 65535).astype(np.uint16)


def _write_tiff(path: Path, picture: npt.NDArray[np.uint16]) -> None:
    """A baseline TIFF: one grey 16 bit picture in one strip, not compressed."""
    height, width = picture.shape
    strip = picture.astype("<u2").tobytes()
    short, long = 3, 4
    # Tags in ascending order: size, bits, no compression, black is zero, where the strip is.
    tags = [
        (256, long, width),
        (257, long, height),
        (258, short, 16),
        (259, short, 1),
        (262, short, 1),
        (273, long, 8),
        (277, short, 1),
        (278, long, height),
        (279, long, len(strip)),
    ]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    header = struct.pack("<2sHI", b"II", 42, 8 + len(strip))
    path.write_bytes(header + strip + struct.pack("<H", len(tags)) + entries + bytes(4))


def write_list(path: Path, found: Sequence[Field], images: Path) -> None:
    """The list that LoadData reads, image sets in the order given."""
    header = [f"Image_{what}_{c}" for c in CHANNELS for what in ("PathName", "FileName")]
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([*header, "Metadata_Plate", "Metadata_Well", "Metadata_Site"])
        for field in found:
            files = [word for c in CHANNELS for word in (images, field.file(c))]
            writer.writerow([*files, field.plate, field.well, field.site])


def pipeline_text(modules: Sequence[str], settings: Mapping[tuple[str, str], str]) -> str:
    """The pipeline of these modules of `screen.cppipe`, in order, with some settings changed.

    `settings` go by module and the words before the colon; each has to be there.
    """
    header, *blocks = _ALL_MODULES.read_text("utf-8").strip("\n").split("\n\n")
    by_name = {block.split(":", 1)[0]: block for block in blocks}
    head = header.replace(f"ModuleCount:{len(blocks)}", f"ModuleCount:{len(modules)}")
    chosen = [head]
    for number, name in enumerate(modules, start=1):
        lines = by_name[name].splitlines()
        for (module, setting), value in settings.items():
            if module == name:
                (place,) = [i for i, line in enumerate(lines) if line[4:].startswith(f"{setting}:")]
                lines[place] = f"    {setting}:{value}"
        before, _, after = lines[0].partition("|")
        lines[0] = f"{before.split('module_num:')[0]}module_num:{number}|{after}"
        chosen.append("\n".join(lines))
    return "\n\n".join(chosen) + "\n"
