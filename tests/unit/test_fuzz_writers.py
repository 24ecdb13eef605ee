"""What the fuzzer writes is made as what CellProfiler wrote: structure by structure, real files."""

import csv
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path

import h5py
import pytest
from fuzz.cases import Options, random_case
from fuzz.model import CSV, H5, SQLCSV, SQLITE, Run
from fuzz.outputs import Outputs
from support.fixtures import unpacked

_KEY = re.compile(r"PRIMARYKEY\((ImageNumber.*?)\)")


@cache
def run_in(format: str, side_by_side: bool = False) -> Run:
    """A random run with an undamaged job in a format, with objects and relationships."""
    for seed in range(2000):
        for run in random_case(seed, Options(kills=False)).runs:
            whole = [job for job in run.jobs if job.format == format and job.pairs]
            whole = [job for job in whole if not job.damage and not job.failed]
            if whole and run.style.side_by_side == side_by_side and run.style.version[0] == "4":
                style = replace(run.style, flat=False, file_prefix="", relationships_csv=True)
                return replace(run, jobs=tuple(whole[:1]), style=style, batch_file="beside")
            if whole and format == SQLCSV and run.style.side_by_side == side_by_side:
                style = replace(run.style, flat=False)
                return replace(run, jobs=tuple(whole[:1]), style=style, batch_file="beside")
    raise AssertionError(f"no seed has {format}")


def written(run: Run, home: Path) -> Path:
    """The folder of the run's one job."""
    outputs = Outputs(run, home)
    outputs.write(run.jobs[0])
    return outputs.folder / run.jobs[0].name


def datasets(path: Path) -> dict[tuple[str, str], set[object]]:
    """How a measurement file keeps its datasets, by what is in them: kind of feature and vector."""
    found: dict[tuple[str, str], set[object]] = {}

    def note(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and name.startswith("Measurements"):
            _, _, owner, *rest = name.split("/")
            kind = owner if owner in ("Experiment", "Image", "Relationship") else "objects"
            vector = rest[-1] if kind != "Relationship" else "vector"
            packed = (item.chunks, item.maxshape, item.compression, item.compression_opts)
            dtype = str(item.dtype) if vector != "data" else ""
            how = (*packed, item.ndim, item.fletcher32, dtype)
            found.setdefault((kind, vector), set()).add(how)

    with h5py.File(path) as file:
        file.visititems(note)
    return found


def kinds(path: Path) -> dict[str, str]:
    """Of which kind the values of each feature are: `i`, `f` or `O`."""
    with h5py.File(path) as file:
        (run,) = file["Measurements"].values()
        return {
            f"{owner}/{name}": group["data"].dtype.kind
            for owner in ("Experiment", "Image", "Nuclei")
            for name, group in run.get(owner, {}).items()
            if len(group["data"])
        }


@pytest.mark.parametrize("what", ["job", "batch file"])
def test_measurement_files_are_made_alike(tmp_path: Path, what: str) -> None:
    case = unpacked("11_h5_and_csv")
    folder = written(run_in(H5), tmp_path)
    if what == "job":
        (ours,) = folder.glob("*.h5")
        real = case / "outputs/batch_1_6/batch_1_6.h5"
    else:
        ours, real = folder.parent.parent / "Batch_data.h5", case / "Batch_data.h5"

    mine, theirs = datasets(ours), datasets(real)
    assert mine.keys() <= theirs.keys()
    assert {key: ways - theirs[key] for key, ways in mine.items() if ways - theirs[key]} == {}
    mine_kinds, their_kinds = kinds(ours), kinds(real)
    shared = mine_kinds.keys() & their_kinds.keys()
    # What these are hangs on the values.
    shared -= {"Image/Metadata_Site", "Image/Scaling_DNA", "Nuclei/AreaShape_Area"}
    assert len(shared) > (8 if what == "job" else 4)
    assert {n: mine_kinds[n] for n in shared} == {n: their_kinds[n] for n in shared}


def lines(path: Path) -> list[list[str]]:
    content = path.read_bytes()
    assert content.endswith(b"\r\n")
    return list(csv.reader(content.decode().splitlines(keepends=True)))


def test_csv_files_are_made_alike(tmp_path: Path) -> None:
    run = run_in(CSV)
    ours = written(run, tmp_path)
    real = unpacked("40_spreadsheet") / "outputs/P1-A01-1"
    for folder, owner in ((ours, run.objects[0]), (real, "Nuclei")):
        header = lines(folder / "Image.csv")[0]
        assert header == sorted(header)
        first, second, *rest = lines(folder / f"{owner}.csv")[0]
        own = [name for name in rest if not name.startswith("Metadata_")]
        assert (first, second, own) == ("ImageNumber", "ObjectNumber", sorted(own))
        said = lines(folder / "Experiment.csv")
        assert said[0] == ["Key", "Value"]
        assert {"CellProfiler_Version", "Pipeline_Pipeline", "Run_Timestamp"} <= {
            row[0] for row in said
        }

    name = "Object relationships.csv"
    assert lines(ours / name)[0] == lines(real / name)[0]


def statements(path: Path) -> dict[str, str]:
    """The statements of the tables that are not of measurements, without prefix and blanks."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        made = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
    return {
        name.replace("MyExpt_", ""): re.sub(r"\s+", "", sql.replace("MyExpt_", ""))
        for name, sql in made
    }


@pytest.mark.parametrize(("side_by_side", "name"), [(False, "separate"), (True, "combined")])
def test_sqlite_files_are_made_alike(tmp_path: Path, side_by_side: bool, name: str) -> None:
    (ours,) = written(run_in(SQLITE, side_by_side), tmp_path).glob("*.db")
    mine, theirs = statements(ours), statements(unpacked("20_sqlite") / f"{name}.db")

    shared = ("Per_Experiment", "Per_Relationships", "Per_RelationshipTypes")
    assert [mine[table] for table in shared] == [theirs[table] for table in shared]
    begin = "CREATETABLEPer_Image(ImageNumberINTEGER,Image_"
    for made in (mine, theirs):
        assert made["Per_Image"].startswith(begin)
        assert made["Per_Image"].endswith(",PRIMARYKEY(ImageNumber))")
        keys = [found[1] for sql in made.values() if (found := _KEY.search(sql))]
        assert any(re.fullmatch(r"ImageNumber,(\w+_Number_)?Object_?Number", key) for key in keys)
    typed = re.compile(r"(Image_(?:FileName|PathName|Height|Scaling|Count|Group|Execution)\w*)")
    for name, declared in columns(mine["Per_Image"]):
        known = dict(columns(theirs["Per_Image"]))
        if typed.match(name) and name in known:
            assert (name, declared) == (name, known[name])


def columns(statement: str) -> Iterator[tuple[str, str]]:
    for part in statement.partition("(")[2].split(","):
        if found := re.fullmatch(r"(\w+?)(integer|float|TEXT|INTEGER)", part):
            yield found[1], found[2]


def shapes(folder: Path) -> dict[str, list[str]]:
    """The statements of SETUP.SQL by their first words, and the CSV files by their endings."""
    text = (folder / "SQL_SETUP.SQL").read_text()
    words = [
        "CREATE DATABASE",
        "USE ",
        "CREATE TABLE (MyExpt_)?Per_Image",
        "PRIMARY KEY \\(ImageNumber\\) \\);",
        "CREATE TABLE (MyExpt_)?Per_Experiment \\(\nPipeline_Pipeline longblob,\n",
        "INSERT INTO (MyExpt_)?Per_Experiment \\(Pipeline_Pipeline,CellProfiler_Version,"
        "Run_Timestamp,Modification_Timestamp\\) VALUES \\(X'[0-9A-F]+','[0-9.]+'",
        "LOAD DATA LOCAL INFILE 'SQL_\\d+_\\d+_Image.CSV' REPLACE INTO TABLE",
        "FIELDS TERMINATED BY ','\nOPTIONALLY ENCLOSED BY '\"' ESCAPED BY '\\\\\\\\';",
        "CREATE TABLE (MyExpt_)?Per_RelationshipTypes \\(relationship_type_id integer primary key",
        "INSERT INTO (MyExpt_)?Per_RelationshipTypes \\( relationship_type_id, module_number, "
        "relationship, object_name1, object_name2\\) VALUES\\(\\d+, \\d+, '\\w+', '\\w+', '",
    ]
    found = [word for word in words if re.search("^" + word, text, re.MULTILINE)]
    endings = {path.name.rpartition("_")[2].removesuffix(".CSV") for path in folder.glob("*.CSV")}
    return {
        "statements": found,
        "files": sorted(endings & {"Image", "Object", "Relationships"}),
    }


@pytest.mark.parametrize(("side_by_side", "name"), [(False, "separate"), (True, "combined_f5_l8")])
def test_csv_files_for_mysql_are_made_alike(tmp_path: Path, side_by_side: bool, name: str) -> None:
    ours = written(run_in(SQLCSV, side_by_side), tmp_path)
    real = unpacked("70_sqlcsv") / f"csv_{name}"

    assert shapes(ours) == shapes(real)
    assert len(shapes(ours)["statements"]) == 10
    for folder in (ours, real):
        (image,) = folder.glob("*_Image.CSV")
        first = image.read_text().splitlines()[0]
        assert re.match(r'\d+,(NULL|"|\d)', first)
