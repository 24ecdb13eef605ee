"""Image sets of one number are one picture, or two, or nothing tells: what a load makes of that."""

from pathlib import Path
from typing import Any

import h5py
import pytest
from conftest import rows, unpacked
from plates import NEW, image, nucleus, output

from cpexport.check import check
from cpexport.errors import CollisionError
from cpexport.load import Report, load
from cpexport.paths import PathMap
from cpexport.succession import Consent
from cpexport.verify import verify

ONE, OTHER = "0" * 32, "1" * 32


def brought(tmp_path: Path, *folders: Path, to: str = "sqlite", **words: Any) -> list[Report]:
    urls = {
        "sqlite": f"sqlite:///{tmp_path / 'screen.sqlite'}",
        "duckdb": f"duckdb:///{tmp_path / 'screen.duckdb'}",
        "parquet": f"parquet:{tmp_path / 'screen'}",
    }
    return [load([folder], urls[to], **words) for folder in folders]


def areas(tmp_path: Path) -> list[object]:
    query = "SELECT Nuclei_AreaShape_Area FROM Per_Nuclei"
    return [area for (area,) in rows(tmp_path / "screen.sqlite", query)]


def two(tmp_path: Path, first: dict[str, Any], second: dict[str, Any]) -> tuple[Path, Path]:
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


DIFFERENT = {
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


SAME = {
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

    with pytest.raises(CollisionError, match=r"nothing tells whether .* \(names of files agree"):
        brought(tmp_path, second)
    before = areas(tmp_path)
    brought(tmp_path, second, consent=Consent(same_pictures=True))

    assert (before, areas(tmp_path)) == ([7], [13])


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
    import sqlite3

    with sqlite3.connect(tmp_path / "screen.sqlite") as db:
        db.execute(
            "UPDATE _cpexport_sets SET identity = "
            "json_remove(identity, '$.MD5Digest_DNA', '$.Folder_DNA')"
        )
    db.close()


@pytest.mark.parametrize("mapped", [False, True])
def test_a_destination_of_version_0_1_0_knows_pictures_by_its_table_of_images(
    tmp_path: Path, mapped: bool
) -> None:
    words = {"paths": PathMap.parse([r"/cluster/P1=Z:\plates\one"])} if mapped else {}
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
    verified = verify(outputs, url, batch_file=batch_file, same_pictures=True)

    assert str(strict.complete) == ""
    assert "other pictures than in Batch_data.h5" in strict.batches[0].reason
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
    assert "another picture than in the output that has it complete" in left.reason
    assert (report.whole, areas(tmp_path)) == (False, [7])


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
    (one / "Object relationships.csv").write_text(",".join(names) + f"\r\n{pair}\r\n")
    output(tmp_path / "qc", [image(1, "a", digest=ONE, ImageQuality_Score=0.5)], NEW)

    with pytest.raises(CollisionError, match="--prefix QC_") as stop:
        load([tmp_path], f"sqlite:///{tmp_path / 'screen.sqlite'}")
    assert "lacks object type Nuclei" in str(stop.value)
