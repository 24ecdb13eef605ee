"""Arranges real outputs as workflows leave them, in which each job counts its image sets from 1."""

import csv
import gzip
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from support.fixtures import extract
from support.page_reader import ROOT

Site = tuple[str, str, str]
"""Plate, well and site."""

SITES: Sequence[Site] = [(p, w, "1") for p in ("P1", "P2") for w in ("A01", "A02")]
_NUMBERS = ("ImageNumber", "First Image Number", "Second Image Number")


def example() -> Path:
    """The outputs of one site a job, numbered over the whole run."""
    return Path(_unpacked().name) / "screen" / "outputs"


@cache
def _unpacked() -> TemporaryDirectory[str]:
    """It is deleted as the tests end."""
    home = TemporaryDirectory()
    extract(ROOT / "examples" / "screen.tar.xz", Path(home.name))
    return home


def nfcore(home: Path) -> Path:
    for site in SITES:
        job([site], home / "cellprofiler" / "analysis" / "_".join(("b1", *site)))
    return home


def staged(home: Path) -> Path:
    """As Nextflow stages the outputs of tasks for the next one."""
    for place, site in enumerate(SITES, 1):
        job([site], home / "analyses" / str(place) / "analysis")
    return home


def distributed(home: Path) -> Path:
    """Distributed-CellProfiler, whose folders are named by the metadata of a job."""
    names = ("Metadata_Plate", "Metadata_Well", "Metadata_Site")
    for site in SITES:
        words = (f"{name}={value}" for name, value in zip(names, site, strict=True))
        job([site], home / "output" / ",".join(words))
    return home


def gallery(home: Path) -> Path:
    """A workspace of the Cell Painting Gallery, with what else lies in it."""
    space = home / "workspace"
    for site in SITES:
        folder = space / "analysis" / "2026_11" / site[0] / "analysis" / "-".join(site)
        job([site], folder)
        write(folder / "outlines" / "cells.png", b"\x89PNG")
    for plate in ("P1", "P2"):
        listed(space / "load_data_csv" / "2026_11" / plate / "load_data.csv", plate)
        listed(space / "load_data_csv" / "2026_11" / plate / "load_data_with_illum.csv", plate)
        profile = b"Metadata_Plate,Metadata_Well,Cells_AreaShape_Area\nP1,A01,3.5\n"
        write(space / "backend" / "2026_11" / plate / f"{plate}.csv", profile)
        packed = space / "profiles" / "2026_11" / plate / f"{plate}.csv.gz"
        write(packed, gzip.compress(profile))
    maps = space / "metadata" / "platemaps" / "2026_11"
    write(maps / "barcode_platemap.csv", b"Assay_Plate_Barcode,Plate_Map_Name\nP1,m\nP2,m\n")
    write(maps / "platemap" / "m.txt", b"plate_map_name\twell_position\nm\tA01\n")
    return home


def wells(home: Path) -> Path:
    """One job for several sites, as for the sites of a well in JUMP: its image sets 1 and 2."""
    for first, second in zip(SITES[::2], SITES[1::2], strict=True):
        job([first, second], home / first[0] / "job")
    return home


LAYOUTS = {
    "nf-core": nfcore,
    "staged": staged,
    "Distributed-CellProfiler": distributed,
    "Gallery": gallery,
    "JUMP": wells,
}


def imc(home: Path) -> Path:
    """The folder `analysis` of ImcSegmentationPipeline: one job, and files of other programs."""
    folder = home / "analysis" / "cpout"
    job(SITES[:2], folder)
    for path in folder.glob("*.csv"):
        path.write_text(path.read_text().replace("Cells", "cell"))
        path.rename(path.with_name(path.name.replace("Cells", "cell")))
    write(folder / "panel.csv", b"Metal Tag,Target,full\nSm147,Laminin,1\n")
    header = b"column_name,category,object_name,feature_name,data_type\n"
    write(folder / "var_cell.csv", header + b"AreaShape_Area,AreaShape,,Area,float\n")
    write(folder / "masks" / "a_mask.tiff", b"II*\0")
    write(home / "analysis" / "cpinp" / "acquisition_metadata.csv", b"AcSession,max_x\na,500\n")
    # steinbock's own tables lie in such folders.
    write(home / "intensities" / "a_001.csv", b"Object,Laminin\n1,0.5\n")
    write(home / "regionprops" / "a_001.csv", b"Object,area\n1,46\n")
    return home


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def listed(path: Path, plate: str, sites: Iterable[Site] = SITES) -> None:
    rows = [f"{p}_{w}_s{s}_DNA.tif,{p},{w},{s}" for p, w, s in sites if p == plate]
    lines = ["FileName_DNA,Metadata_Plate,Metadata_Well,Metadata_Site", *rows]
    write(path, "\n".join(lines).encode())


def job(sites: Sequence[Site], folder: Path) -> None:
    """Writes the output of a job that ran these sites as its image sets 1, 2, ..."""
    folder.mkdir(parents=True)
    tables: dict[str, list[list[str]]] = {}
    for number, site in enumerate(sites, 1):
        for name, rows in _tables(example() / "-".join(site), str(number)).items():
            kept = tables.get(name)
            if kept is None:
                tables[name] = rows
            elif name != "Experiment.csv":
                kept += rows[1:]
    for name, rows in tables.items():
        with (folder / name).open("w", newline="") as stream:
            csv.writer(stream).writerows(rows)


def _tables(folder: Path, number: str) -> Mapping[str, list[list[str]]]:
    tables = {}
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="") as stream:
            rows = list(csv.reader(stream))
        places = [place for place, name in enumerate(rows[0]) if name in _NUMBERS]
        for row in rows[1:]:
            for place in places:
                row[place] = number
        tables[path.name] = rows
    return tables
