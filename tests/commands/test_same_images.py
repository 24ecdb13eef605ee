"""Image sets of one number are one picture, or two, or nothing tells: what a load makes of that."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import h5py
import pytest
from support.calls import load, script, verify
from support.csv_outputs import NEW, OLD, Row, image, nucleus, output
from support.fixtures import rows, unpacked

from cpexport.commands.check import check
from cpexport.commands.load_report import LoadReport
from cpexport.errors import CollisionError
from cpexport.loading.succession import Consent
from cpexport.sql_script.manifest import ScriptOptions
from cpexport.tables.path_map import PathMap

ONE, OTHER = "0" * 32, "1" * 32
STACK: Row = {"name": "a.nd2", "folder": "/data/P1", "digest": ONE}


def brought(tmp_path: Path, *folders: Path, to: str = "sqlite", **words: Any) -> list[LoadReport]:
    urls = {
        "sqlite": f"sqlite:///{tmp_path / 'screen.sqlite'}",
        "duckdb": f"duckdb:///{tmp_path / 'screen.duckdb'}",
        "parquet": f"parquet:{tmp_path / 'screen'}",
    }
    return [load([folder], urls[to], **words) for folder in folders]


def areas(tmp_path: Path) -> list[Any]:
    query = "SELECT Nuclei_AreaShape_Area FROM Per_Nuclei"
    return [area for (area,) in rows(tmp_path / "screen.sqlite", query)]


def two(tmp_path: Path, first: Row, second: Row) -> tuple[Path, Path]:
    """Two outputs of image set 1, with one nucleus of 7 and of 13."""
    return (
        output(tmp_path / "first", [image(1, **first, Count_Nuclei=1)], Nuclei=[nucleus(1, 1, 7)]),
        output(
            tmp_path / "second",
            [image(1, **second, Count_Nuclei=1)],
            NEW,
            Nuclei=[nucleus(1, 1, 13)],
        ),
    )


DIFFERENT: dict[str, tuple[Row, Row, str]] = {
    "digests": ({"name": "a", "digest": ONE}, {"name": "a", "digest": OTHER}, "MD5Digest_DNA"),
    "folders": (
        {"name": "a", "folder": "/data/P1"},
        {"name": "a", "folder": r"Z:\data\P2"},
        "'data/P1'",
    ),
    "plates above the folder of an instrument": (
        {"name": "a", "folder": "/data/P1/Images"},
        {"name": "a", "folder": "/data/P2/Images"},
        "P2/Images",
    ),
    "plates above a folder of the lab's own": (
        {"name": "a", "folder": "/data/P1/raw"},
        {"name": "a", "folder": "/data/P2/raw"},
        "P2/raw",
    ),
    "plates by metadata where files were moved": (
        {"name": "a", "folder": "/lab/P1/raw", "Metadata_Plate": "P1"},
        {"name": "a", "folder": "/scratch/P2/raw", "Metadata_Plate": "P2"},
        "Metadata_Plate",
    ),
    "folders in URLs": (
        {"name": "a", "URL_DNA": "file:/data/P1/a"},
        {"name": "a", "URL_DNA": "file:///Z:/P%202/a"},
        "P 2",
    ),
    "names": ({"name": "a", "digest": ONE}, {"name": "b", "digest": ONE}, "FileName_DNA"),
    "metadata where there are no files": (
        {"Metadata_Well": "A01"},
        {"Metadata_Well": "A02"},
        "Metadata_Well",
    ),
    "series of one file": (
        STACK | {"Series_DNA": 0, "Frame_DNA": 0},
        STACK | {"Series_DNA": 1, "Frame_DNA": 0},
        "the file is 'a.nd2' in both, but Series_DNA is",
    ),
    "frames, by columns of a list": (
        STACK | {"Image_Frame_DNA": 4},
        STACK | {"Image_Frame_DNA": 5},
        "Frame_DNA",
    ),
    "planes of CellProfiler 5": (
        STACK | {"Series_DNA": 0, "Frame_DNA": "", "Z_DNA": 1, "T_DNA": 1},
        STACK | {"Series_DNA": 0, "Frame_DNA": "", "Z_DNA": 1, "T_DNA": 2},
        "T_DNA",
    ),
    "wells that could be numbers": (
        {"Metadata_Well": "1E1"},
        {"Metadata_Well": "10"},
        "Metadata_Well",
    ),
    "barcodes that round to one number": (
        {"Metadata_Barcode": "90071992547409920"},
        {"Metadata_Barcode": "90071992547409921"},
        "Metadata_Barcode",
    ),
}


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("how", DIFFERENT)
def test_different_pictures_under_one_number_stop_the_load(
    tmp_path: Path, how: str, at_once: bool
) -> None:
    one, other, what = DIFFERENT[how]
    first, second = two(tmp_path, one, other)
    folders = [first, second]
    if not at_once:
        brought(tmp_path, first)
        folders = [second]

    with pytest.raises(CollisionError) as stop:
        load(folders, f"sqlite:///{tmp_path / 'screen.sqlite'}")

    assert what in str(stop.value)
    for word in ("--table-number", "--same-pictures"):
        assert word in str(stop.value)
    assert not at_once or not (tmp_path / "screen.sqlite").exists()
    assert at_once or areas(tmp_path) == [7]


SAME: dict[str, tuple[Row, Row]] = {
    "digests, whatever the folders": (
        {"name": "a", "folder": "/data/P1", "digest": ONE},
        {"name": "a", "folder": "/scratch/7", "digest": ONE},
    ),
    "folders seen from another system": (
        {"name": "a", "folder": "/nas/screens/P1/Images"},
        {"name": "a", "folder": r"Z:\P1\Images"},
    ),
    "a folder of CellProfiler 5": (
        {"name": "a", "folder": "/data/P1"},
        {"name": "a", "folder": "///mnt/P1/"},
    ),
    "a whole path in the name": (
        {"name": "a.tif", "folder": "/data/P1"},
        {"name": r"\\server\screens\P1\a.tif", "PathName_DNA": ""},
    ),
    "files that were moved": (
        {"name": "a", "folder": "/lab/P1/raw", "Metadata_Plate": "P1"},
        {"name": "a", "folder": "/scratch/tmp/raw", "Metadata_Plate": "P1"},
    ),
    "metadata that is measured": (
        {"name": "a", "digest": ONE, "Metadata_QCFlag": 0, "Metadata_Plate": "P1"},
        {"name": "a", "digest": ONE, "Metadata_QCFlag": 1, "Metadata_Plate": "1"},
    ),
    "pictures that the job saved elsewhere": (
        {"name": "a", "digest": ONE, "FileName_Saved": "b", "PathName_Saved": "/run1"},
        {"name": "a", "digest": ONE, "FileName_Saved": "c", "PathName_Saved": "/run2"},
    ),
    "illumination functions made anew": (
        {"name": "a", "digest": ONE, "FileName_Illum": "i.npy", "MD5Digest_Illum": ONE},
        {"name": "a", "digest": ONE, "FileName_Illum": "i.npy", "MD5Digest_Illum": OTHER},
    ),
    "metadata where there are no files": (
        {"Metadata_Well": "A01", "Metadata_Site": "1"},
        {"Metadata_Well": "A01", "Metadata_Site": "1.0"},
    ),
    "one plane of one file": (
        STACK | {"Series_DNA": 3, "Frame_DNA": 0},
        STACK | {"Series_DNA": "3.0", "Frame_DNA": 0},
    ),
    "the first plane, which need not be said": (
        STACK,
        STACK | {"Series_DNA": 0, "Frame_DNA": 0, "Channel_DNA": -1},
    ),
    "the only channel, by either number": (
        STACK | {"Series_DNA": 2, "Channel_DNA": -1},
        STACK | {"Series_DNA": 2, "Channel_DNA": 0},
    ),
    "planes of what is no channel": (
        {"name": "a", "digest": ONE, "T_Test": 1, "Frame_Count": 2},
        {"name": "a", "digest": ONE, "T_Test": 2, "Frame_Count": 3},
    ),
    "names that Windows spells otherwise": (
        {"name": "A_w1.TIF", "folder": "/data/P1"},
        {"name": "a_W1.tif", "folder": r"Z:\P1"},
    ),
}


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("how", SAME)
def test_the_newer_output_of_the_same_pictures_takes_the_place_of_the_older_one(
    tmp_path: Path, how: str, at_once: bool
) -> None:
    first, second = two(tmp_path, *SAME[how])
    *_, report = brought(tmp_path, tmp_path) if at_once else brought(tmp_path, first, second)

    assert areas(tmp_path) == [13]
    assert (report.loaded, report.replaced) == (1, 1)


def test_names_alone_do_not_tell_and_a_person_has_to_say(tmp_path: Path) -> None:
    first, second = two(tmp_path, {"name": "a"}, {"name": "a"})
    brought(tmp_path, first)

    with pytest.raises(CollisionError, match=r"nothing shows whether .* \(their file names agree"):
        brought(tmp_path, second)
    before = areas(tmp_path)
    brought(tmp_path, second, consent=Consent(same_pictures=True))

    assert (before, areas(tmp_path)) == ([7], [13])


UNTOLD: dict[str, tuple[list[Row], list[Row]]] = {
    "a plane that only one knows": (
        [STACK],
        [STACK | {"Series_DNA": 3, "Frame_DNA": 0}],
    ),
    "planes of two versions of CellProfiler": (
        [STACK | {"Series_DNA": 0, "Frame_DNA": 5}],
        [STACK | {"Series_DNA": 0, "Frame_DNA": "", "T_DNA": 5}],
    ),
    "one file of several image sets, and no planes": ([STACK, STACK], [STACK, STACK]),
    "metadata that does not tell those apart either": (
        [STACK | {"Metadata_Plate": "P1"}] * 2,
        [STACK | {"Metadata_Plate": "P1"}] * 2,
    ),
}


@pytest.mark.parametrize("how", UNTOLD)
def test_where_planes_are_not_known_a_person_has_to_say(tmp_path: Path, how: str) -> None:
    first, second = (
        output(
            tmp_path / str(time),
            [image(n, **one, Count_Nuclei=1) for n, one in enumerate(some, 1)],
            time,
            Nuclei=[nucleus(n, 1, n + time) for n in range(1, len(some) + 1)],
        )
        for time, some in zip((NEW, NEW + 1), UNTOLD[how], strict=True)
    )
    brought(tmp_path, first)
    before = areas(tmp_path)

    with pytest.raises(CollisionError, match=r"nothing shows whether .* Series_ and Frame_"):
        brought(tmp_path, second)
    assert areas(tmp_path) == before
    brought(tmp_path, second, consent=Consent(same_pictures=True))
    assert areas(tmp_path) == [area + 1 for area in before]


def test_metadata_tells_image_sets_of_one_file_apart_where_no_planes_are_known(
    tmp_path: Path,
) -> None:
    first, second = (
        output(
            tmp_path / str(time),
            [image(n, **STACK, Metadata_Well=f"A0{n}", Focus=time) for n in (1, 2)],
            time,
        )
        for time in (NEW, NEW + 1)
    )
    *_, report = brought(tmp_path, first, second)

    assert report.replaced == 1


def test_a_batch_file_tells_planes_of_one_file_apart(tmp_path: Path) -> None:
    home = unpacked("13_groups")
    folder = tmp_path / "out"
    shutil.copytree(home / "outputs" / "P1-A01", folder / "P1-A01")
    (file,) = (folder / "P1-A01").glob("*.h5")
    with h5py.File(file, "r+") as h5:
        (run,) = h5["Measurements"].values()
        run["Image"]["Series_DNA"]["data"][0] = 7
    found = check([folder], home / "Batch_data.h5")

    (batch,) = found.batches
    assert "other images than in Batch_data.h5" in batch.reason
    assert "Series_DNA is '7', not '0'" in batch.reason


def test_a_database_of_a_job_tells_planes_apart(tmp_path: Path) -> None:
    source = unpacked("20_sqlite") / "separate.db"
    for name, time in (("first", "2026-01-01"), ("second", "2026-02-02")):
        file = tmp_path / name / "separate.db"
        file.parent.mkdir()
        shutil.copy(source, file)
        with closing(sqlite3.connect(file)) as db, db:
            db.execute("ALTER TABLE MyExpt_Per_Image ADD COLUMN Image_Series_DNA INTEGER")
            series = "ImageNumber" if name == "first" else "6 - ImageNumber"
            db.execute(f"UPDATE MyExpt_Per_Image SET Image_Series_DNA = {series}")
            db.execute("UPDATE MyExpt_Per_Experiment SET Modification_Timestamp = ?", (time,))
    brought(tmp_path, tmp_path / "first")

    with pytest.raises(CollisionError, match="Series_DNA is '5', not '1'"):
        brought(tmp_path, tmp_path / "second")


def test_a_script_tells_planes_apart(tmp_path: Path) -> None:
    one, other, what = DIFFERENT["series of one file"]
    first, second = two(tmp_path, one, other)
    script([first], tmp_path / "script", ScriptOptions())

    with pytest.raises(CollisionError, match=what):
        script([second], tmp_path / "script", ScriptOptions())


def test_what_a_person_says_of_pictures_is_not_kept(tmp_path: Path) -> None:
    one, other, _ = DIFFERENT["folders"]
    first, second = two(tmp_path, one, other)
    brought(tmp_path, first, second, consent=Consent(same_pictures=True))
    third = output(
        tmp_path / "third",
        [image(1, "a", "/data/P3", Count_Nuclei=1)],
        NEW + 1,
        Nuclei=[nucleus(1, 1, 5)],
    )

    with pytest.raises(CollisionError, match="folder of DNA"):
        brought(tmp_path, third)
    assert areas(tmp_path) == [13]


def test_a_copy_is_known_by_its_content_where_names_do_not_tell(tmp_path: Path) -> None:
    for name in ("one", "copy"):
        output(tmp_path / "run" / name, [image(1, "a", Count_Nuclei=1)], Nuclei=[nucleus(1, 1, 7)])
    (report,) = brought(tmp_path, tmp_path / "run")

    assert (report.loaded, report.replaced, report.already) == (1, 0, 1)
    assert areas(tmp_path) == [7]


@pytest.mark.parametrize("to", ["duckdb", "parquet"])
def test_other_destinations_tell_pictures_apart_alike(tmp_path: Path, to: str) -> None:
    one, other, what = DIFFERENT["plates above the folder of an instrument"]
    first, second = two(tmp_path, one, other)
    brought(tmp_path, first, to=to)

    with pytest.raises(CollisionError, match=what):
        brought(tmp_path, second, to=to)


def test_channels_in_folders_of_their_own_are_told_by_those_of_the_plate(tmp_path: Path) -> None:
    first, second = (
        output(
            tmp_path / plate,
            [
                image(1, "a", f"/data/{plate}/DNA")
                | {"FileName_ER": "a", "PathName_ER": f"/data/{plate}/ER"}
            ],
        )
        for plate in ("P1", "P2")
    )
    brought(tmp_path, first)

    with pytest.raises(CollisionError, match="P1/DNA"):
        brought(tmp_path, second)


def forgotten(tmp_path: Path) -> None:
    """Makes the destination one of version 0.1.0, which kept names and metadata only."""
    with sqlite3.connect(tmp_path / "screen.sqlite") as db:
        db.execute(
            "UPDATE _cpexport_sets SET identity = "
            "json_remove(identity, '$.MD5Digest_DNA', '$.Folder_DNA', '$.Series_DNA')"
        )
    db.close()


@pytest.mark.parametrize("mapped", [False, True])
def test_a_destination_of_version_0_1_0_knows_pictures_by_its_table_of_images(
    tmp_path: Path, mapped: bool
) -> None:
    words: dict[str, Any] = (
        {"paths": PathMap.parse([r"/cluster/P1=Z:\plates\one"])} if mapped else {}
    )
    here = {"name": "a", "folder": "/cluster/P1"}
    first, second = two(tmp_path, here, here)
    other = output(tmp_path / "other", [image(1, "a", "/cluster/P2", Count_Nuclei=0)], NEW)
    brought(tmp_path, first, **words)
    forgotten(tmp_path)
    known = verify([first], f"sqlite:///{tmp_path / 'screen.sqlite'}")

    with pytest.raises(CollisionError, match="folder of DNA is 'cluster/P2', not 'cluster/P1'"):
        brought(tmp_path, other)
    brought(tmp_path, second)

    assert known.differences == ()
    assert areas(tmp_path) == [13]


def test_a_destination_of_version_0_1_0_knows_planes_by_its_table_of_images(
    tmp_path: Path,
) -> None:
    first, second = two(tmp_path, STACK | {"Series_DNA": 1}, STACK | {"Series_DNA": 2})
    again = output(tmp_path / "again", [image(1, **STACK, Series_DNA=1, Count_Nuclei=0)], NEW)
    brought(tmp_path, first)
    forgotten(tmp_path)
    known = verify([first], f"sqlite:///{tmp_path / 'screen.sqlite'}")

    with pytest.raises(CollisionError, match="Series_DNA is '2', not '1'"):
        brought(tmp_path, second)
    assert known.differences == ()
    (report,) = brought(tmp_path, again)
    assert report.replaced == 1


def test_the_ledger_keeps_digests_and_folders(tmp_path: Path) -> None:
    first, _ = two(tmp_path, {"name": "a", "folder": "/x/data/P1/Images", "digest": ONE}, {})
    brought(tmp_path, first)
    found = rows(tmp_path / "screen.sqlite", "SELECT identity FROM _cpexport_sets")

    assert found == [
        (f'{{"FileName_DNA":"a","Folder_DNA":"x/data/P1/Images","MD5Digest_DNA":"{ONE}"}}',)
    ]


def moved(folder: Path, to: Path) -> Path:
    """A batch file of pictures in another folder."""
    to.write_bytes((folder / "Batch_data.h5").read_bytes())
    with h5py.File(to, "r+") as file:
        (run,) = file["Measurements"].values()
        for channel in ("DNA", "ER"):
            data = run["Image"][f"PathName_{channel}"]["data"]
            data[...] = [b"/lab/elsewhere"] * len(data)
    return to


def test_pictures_in_another_folder_are_others_than_the_batch_file_s_unless_one_says_so(
    tmp_path: Path,
) -> None:
    home = unpacked("40_spreadsheet")
    batch_file = moved(home, tmp_path / "Batch_data.h5")
    outputs = [home / "outputs" / "P1-A01-1"]
    url = f"sqlite:///{tmp_path / 'screen.sqlite'}"
    strict, lax = check(outputs, batch_file), check(outputs, batch_file, same_pictures=True)
    report = load(outputs, url, batch_file=batch_file, consent=Consent(same_pictures=True))
    verified = verify(outputs, url, batch_file=batch_file, consent=Consent(same_pictures=True))

    assert str(strict.complete) == ""
    assert "other images than in Batch_data.h5" in strict.batches[0].reason
    assert "--same-pictures" in strict.batches[0].reason
    assert (str(lax.complete), report.image_sets) == ("1", 1)
    assert (verified.verified, verified.differences) == (1, ())


def test_names_suffice_where_a_batch_file_is_given(tmp_path: Path) -> None:
    home = unpacked("40_spreadsheet")
    folder = output(
        tmp_path / "names",
        [
            {
                "ImageNumber": 1,
                "FileName_DNA": "P1_A01_s1_DNA.tif",
                "Metadata_Plate": "not the one of the batch file",
            }
        ],
    )
    found = check([folder], home / "Batch_data.h5")

    assert str(found.complete) == "1"


def test_a_plate_that_is_not_whole_is_named_though_another_has_its_numbers(tmp_path: Path) -> None:
    output(tmp_path / "P1", [image(1, "a", digest=ONE, Count_Nuclei=1)], Nuclei=[nucleus(1, 1, 7)])
    output(
        tmp_path / "P2", [image(1, "a", digest=OTHER, Count_Nuclei=2)], Nuclei=[nucleus(1, 1, 9)]
    )
    (report,) = brought(tmp_path, tmp_path)

    (left,) = report.left_out
    assert left.path.endswith("P2")
    assert "has other images than in the output that has it complete" in left.reason
    assert (report.is_complete, areas(tmp_path)) == (False, [7])


def test_object_types_of_an_output_that_is_not_whole_are_named(tmp_path: Path) -> None:
    output(tmp_path / "a", [image(1, "a", digest=ONE, Count_Nuclei=1)], Nuclei=[nucleus(1, 1, 7)])
    output(
        tmp_path / "b",
        [image(1, "a", digest=ONE, Count_Nuclei=1, Count_Spots=4)],
        NEW,
        Spots=[nucleus(1, n, 1) for n in range(1, 5)],
    )
    (report,) = brought(tmp_path, tmp_path)

    (left,) = report.left_out
    assert left.path.endswith("b")
    assert "no other output has Spots" in left.reason
    assert [left.path for left in check([tmp_path]).left_out] == [str(tmp_path / "b")]


def test_quality_control_without_objects_lacks_no_relationships(tmp_path: Path) -> None:
    names = ["Module", "Module Number", "Relationship", "First Object Name", "First Image Number"]
    names += ["First Object Number", "Second Object Name", "Second Image Number"]
    names += ["Second Object Number"]
    one = output(
        tmp_path / "a", [image(1, "a", digest=ONE, Count_Nuclei=1)], Nuclei=[nucleus(1, 1, 7)]
    )
    pair = "RelateObjects,9,Parent,Nuclei,1,1,Nuclei,1,1"
    pairs = one / "Object relationships.csv"
    pairs.write_text(",".join(names) + f"\r\n{pair}\r\n")
    os.utime(pairs, (OLD, OLD))
    output(tmp_path / "qc", [image(1, "a", digest=ONE, ImageQuality_Score=0.5)], NEW)

    with pytest.raises(CollisionError, match="--prefix QC_") as stop:
        load([tmp_path], f"sqlite:///{tmp_path / 'screen.sqlite'}")
    assert "lacks object type Nuclei" in str(stop.value)
