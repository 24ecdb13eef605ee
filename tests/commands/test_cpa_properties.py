"""The .properties file is what CellProfiler Analyst 3 opens: read here as it reads it."""

import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from support.calls import load
from support.fixtures import DATA, Ran, rows, tables, unpacked
from support.properties_files import OF_IMAGES, Opened, read
from support.small_jobs import h5_job

from cpexport.derived.cpa_files import Properties, plate_type
from cpexport.derived.cpa_properties import properties, write
from cpexport.errors import SinkError, UsageError

OWN = DATA / "properties" / "props_MyExpt.properties"
OF_IMAGES |= {"image_path_cols", "image_file_cols", "image_thumbnail_cols"}

Loaded = Callable[..., Path]


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., Opened]:
    """Writes a properties file into another folder than the database's, and opens it."""

    def make(database: Path, **options: Any) -> Opened:
        file = tmp_path / "analysis" / "screen.properties"
        file.parent.mkdir()
        write(properties(f"sqlite:///{database}", file.parent, **options), file)
        return Opened(file)

    return make


@pytest.fixture
def ranges(loaded: Loaded) -> Path:
    return loaded(unpacked("11_h5_and_csv") / "outputs")


@pytest.fixture
def changed(ranges: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of the database after some statements."""

    def make(*statements: str) -> Path:
        copy = tmp_path / "changed.sqlite"
        shutil.copy2(ranges, copy)
        with closing(sqlite3.connect(copy)) as db, db:
            for statement in statements:
                db.execute(statement)
        return copy

    return make


def another(name: str, feature: str, column: str, type: str = "text") -> list[str]:
    """Statements that add a column to a table of the database, as a load would."""
    return [
        f"ALTER TABLE Per_{name} ADD COLUMN {column} {type}",
        f"INSERT INTO _cpexport_columns SELECT '', max(position) + 1, '{name}', '{feature}', "
        f"'Per_{name}', '{column}', '{type}' FROM _cpexport_columns",
    ]


def without(name: str, feature: str) -> str:
    where = f"object_name LIKE '{name}' AND feature LIKE '{feature}'"
    return f"DELETE FROM _cpexport_columns WHERE {where}"


CASES: Sequence[tuple[str, str, dict[str, str]]] = [
    ("11_h5_and_csv", "outputs", {"well_id": "Image_Metadata_Well", "plate_type": "96"}),
    ("40_spreadsheet", "outputs", {"well_id": "Image_Metadata_Well", "plate_type": "96"}),
    ("50_track", "lap_batch/outputs", {"well_id": "", "plate_type": "", "image_names": "DNA"}),
]


@pytest.mark.parametrize(("name", "part", "expected"), CASES, ids=[name for name, *_ in CASES])
def test_all_that_a_file_names_is_in_the_database(
    loaded: Loaded, opened: Callable[..., Opened], name: str, part: str, expected: dict[str, str]
) -> None:
    found = opened(loaded(unpacked(name) / part))
    wells = found.queries("group_SQL_")
    plates = found.queries("filter_SQL_")
    image_sets = rows(found.database, "SELECT count(*) FROM Per_Image")[0][0]

    assert {field: found.fields[field] for field in expected} == expected
    assert found.fields["object_table"] == "Per_Nuclei"
    assert [len(found) for found in wells.values()] == [image_sets] * bool(expected["well_id"])
    assert all(len(row) == 3 for found in wells.values() for row in found)
    assert set(plates) == ({"Plate_P1", "Plate_P2"} if expected["well_id"] else set())
    assert sum(len(found) for found in plates.values()) == (image_sets if plates else 0)


def test_fields_are_those_of_cellprofiler_but_for_what_is_better_here(
    loaded: Loaded, tmp_path: Path
) -> None:
    """Its own run of the pictures of the case, with thumbnails, and objects in one table."""
    database = loaded(unpacked("11_h5_and_csv") / "outputs", prefix="MyExpt_")
    file = tmp_path / "screen.properties"
    write(properties(f"sqlite:///{database}", file.parent, prefix="MyExpt_"), file)
    ours, theirs = read(file), read(OWN)
    different = {name: ours[name] for name in theirs if ours[name] != theirs[name]}

    assert list(ours) == list(theirs)
    # Its path is absolute, and its double quotes are those of names in SQL.
    assert Path(theirs["db_sqlite_file"]).is_absolute()
    assert (tmp_path / different.pop("db_sqlite_file")).samefile(database)
    for name in ("filter_SQL_Plate_P1", "filter_SQL_Plate_P2"):
        assert different.pop(name).replace("'", '"') == theirs[name]
    # The rest is what its settings chose: one table of all objects, thumbnails, a table's name.
    assert different == {
        "object_table": "MyExpt_Per_Nuclei",
        "object_id": "Nuclei_Number_Object_Number",
        "image_thumbnail_cols": "",
        "class_table": "",
    }


def test_a_workspace_is_that_of_cellprofiler(
    cpexport: Callable[..., Ran], ranges: Path, tmp_path: Path
) -> None:
    words = ("--to", f"sqlite:///{ranges}", "--out", "screen.properties", "--workspace")
    ran = cpexport("properties", *words)
    ours = (tmp_path / "screen.workspace").read_text().splitlines()
    theirs = OWN.with_suffix(".workspace").read_text()
    # Its prefix and its one table of all objects apart.
    theirs = theirs.replace("MyExpt_", "").replace("Per_Object", "Per_Nuclei")

    assert ran.status == 0, ran.err
    assert ours[:2] == theirs.splitlines()[:2]
    assert ours[3:] == theirs.splitlines()[3:]
    assert {line.split(": ")[1] for line in ours if "-axis" in line} <= {
        column for columns in tables(ranges).values() for column in columns
    }


@pytest.mark.parametrize("feature", ["AreaShape_Area", "Count_Nuclei"])
def test_a_workspace_without_areas_shows_places(
    changed: Callable[..., Path], tmp_path: Path, feature: str
) -> None:
    found = properties(f"sqlite:///{changed(without('%', feature))}", tmp_path)

    assert "x-axis: Nuclei_Location_Center_X\n\tx-table: Per_Nuclei\n" in found.workspace()
    assert "y-axis: Nuclei_Location_Center_Y\n\ty-table: Per_Nuclei\n" in found.workspace()


def test_the_database_is_found_from_the_folder_of_the_file(
    cpexport: Callable[..., Ran], ranges: Path, tmp_path: Path
) -> None:
    """Wherever both are moved to, and through a link in between."""
    home = tmp_path / "run"
    (home / "real" / "deep").mkdir(parents=True)
    (home / "link").symlink_to("real/deep")
    shutil.copy2(ranges, home / "screen.sqlite")
    words = ("--to", "sqlite:///run/screen.sqlite", "--out", "run/link/screen.properties")
    ran = cpexport("properties", *words)
    home.rename(tmp_path / "moved")

    assert ran.status == 0, ran.err
    found = Opened(tmp_path / "moved" / "link" / "screen.properties")
    assert found.fields["db_sqlite_file"] == "../../screen.sqlite"


def test_without_a_file_it_is_printed(
    cpexport: Callable[..., Ran], ranges: Path, tmp_path: Path
) -> None:
    shutil.copy2(ranges, tmp_path / "screen.sqlite")
    ran = cpexport("properties", "--to", "sqlite:///screen.sqlite", "--object", "Cells")
    (tmp_path / "printed.properties").write_text(ran.out)

    assert (ran.status, ran.err) == (0, "")
    assert Opened(tmp_path / "printed.properties").fields["object_table"] == "Per_Cells"


def test_a_load_writes_it_at_the_end(cpexport: Callable[..., Ran], tmp_path: Path) -> None:
    outputs = unpacked("11_h5_and_csv") / "outputs" / "batch_1_6"
    words = ("--to", "sqlite:///screen.sqlite", "--properties", "screen.properties")
    first = cpexport("load", outputs, *words)
    again = cpexport("load", outputs, *words)

    assert (first.status, again.status) == (0, 0), first.err + again.err
    assert Opened(tmp_path / "screen.properties").database == tmp_path / "screen.sqlite"


@pytest.mark.parametrize("name", ["screen.properties", "screen.workspace"])
def test_a_file_of_somebody_else_is_never_replaced(ranges: Path, tmp_path: Path, name: str) -> None:
    found = properties(f"sqlite:///{ranges}", tmp_path)
    write(found, tmp_path / "screen.properties", workspace=True)
    write(found, tmp_path / "screen.properties", workspace=True)
    foreign = tmp_path / name
    kept = OWN.with_suffix(foreign.suffix).read_bytes() + b"\xff"
    foreign.write_bytes(kept)

    with pytest.raises(UsageError, match=rf"{name}: exists.*name another"):
        write(found, tmp_path / "screen.properties", workspace=True)

    assert foreign.read_bytes() == kept


def test_a_file_whose_first_line_was_taken_away_is_kept(ranges: Path, tmp_path: Path) -> None:
    file = tmp_path / "screen.properties"
    found = properties(f"sqlite:///{ranges}", tmp_path)
    write(found, file)
    file.write_text(file.read_text().split("\n", 1)[1])

    with pytest.raises(UsageError, match="exists"):
        write(found, file)


def test_a_load_into_a_file_of_somebody_else_is_refused_before_it_begins(
    cpexport: Callable[..., Ran], tmp_path: Path
) -> None:
    (tmp_path / "mine.properties").write_text("db_type = sqlite\n")
    outputs = unpacked("11_h5_and_csv") / "outputs"
    words = ("--to", "sqlite:///screen.sqlite", "--properties", "mine.properties")
    ran = cpexport("load", outputs, *words)

    assert ran.status == 2
    assert ran.err.startswith("cpexport: mine.properties: exists")
    assert not (tmp_path / "screen.sqlite").exists()


WRONG = [
    ("none.sqlite", (), "does not exist; check --to"),
    ("empty.sqlite", (), "contains no image sets; check --to"),
    ("screen.sqlite", ("--prefix", "My_"), "no image sets under the prefix My_"),
    (
        "screen.sqlite",
        ("--object", "Golgi"),
        "no object type Golgi; existing object types: BigNuclei,",
    ),
    ("screen.sqlite", ("--plate", "Metadata_Barcode"), "no image feature Metadata_Barcode"),
    ("screen.sqlite", ("--well", "Barcode"), "--well can be Metadata_Compound, "),
    ("screen.sqlite", ("--workspace",), "--workspace needs --out"),
    ("screen.sqlite", ("--out", "no/screen.properties"), "No such file or directory"),
]


@pytest.mark.parametrize(("database", "words", "said"), WRONG, ids=[said for *_, said in WRONG])
def test_what_cannot_be_shown_is_said_in_one_line(
    cpexport: Callable[..., Ran],
    ranges: Path,
    tmp_path: Path,
    database: str,
    words: tuple[str, ...],
    said: str,
) -> None:
    shutil.copy2(ranges, tmp_path / "screen.sqlite")
    (tmp_path / "empty.sqlite").touch()
    before = sorted(tmp_path.iterdir())
    ran = cpexport("properties", "--to", f"sqlite:///{database}", *words)

    assert ran.status in (1, 2)
    assert ran.err.startswith("cpexport: ")
    assert said in ran.err
    assert (ran.out, ran.err.count("\n")) == ("", 1)
    assert sorted(tmp_path.iterdir()) == before


def test_objects_without_a_place_are_not_shown(
    changed: Callable[..., Path], tmp_path: Path
) -> None:
    gone = [without("Nuclei", "%Center%"), without("Cells", "Location_Center_Y")]
    url = f"sqlite:///{changed(*gone)}"
    found = properties(url, tmp_path)

    assert found.objects is not None
    assert (found.objects.name, found.objects.x) == ("Cells", "Cells_AreaShape_Center_X")
    with pytest.raises(SinkError, match="for Nuclei; choose another --object"):
        properties(url, tmp_path, object_name="Nuclei")


def test_where_no_object_has_a_place_there_is_no_file(
    changed: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(SinkError, match=r"no Location_Center_X and Y.* for BigNuclei, Cells"):
        properties(f"sqlite:///{changed(without('%', '%Center%'))}", tmp_path)


def test_without_nuclei_and_cells_the_most_objects_are_shown(
    changed: Callable[..., Path], tmp_path: Path
) -> None:
    url = f"sqlite:///{changed(without('Nuclei', '%'), without('Cells', '%'))}"
    found = properties(url, tmp_path)

    assert found.objects is not None
    # 546 rows; BigNuclei have 543.
    assert found.objects.table == "Per_Cytoplasm"
    assert found.objects.z == ""


def test_a_run_without_objects_has_images(changed: Callable[..., Path], tmp_path: Path) -> None:
    gone = "DELETE FROM _cpexport_columns WHERE object_name <> 'Image'"
    file = tmp_path / "screen.properties"
    write(properties(f"sqlite:///{changed(gone)}", tmp_path), file, workspace=True)
    fields = read(file)

    assert {fields[name] for name in ("object_table", "object_id", "cell_x_loc")} == {""}
    assert fields["image_names"] == "DNA,ER"
    assert "axis" not in (tmp_path / "screen.workspace").read_text()


def test_images_are_those_with_a_path_and_a_file_name(
    changed: Callable[..., Path], tmp_path: Path
) -> None:
    """Names as the destination has them, shortened or not; outlines of objects are no images."""
    grown = [
        *another("Image", "FileName_Long", "Image_FlNm_Lng"),
        *another("Image", "PathName_Long", "Image_PthNm_Lng"),
        *another("Image", "FileName_Alone", "Image_FileName_Alone"),
        *another("Image", "ObjectsFileName_Nuclei", "Image_ObjectsFileName_Nuclei"),
        *another("Image", "ObjectsPathName_Nuclei", "Image_ObjectsPathName_Nuclei"),
        *another("Image", "Thumbnail_Merged", "Image_Thumbnail_Merged"),
        *another("Image", "Thumbnail_ER", "Image_Thumbnail_ER"),
    ]
    found = properties(f"sqlite:///{changed(*grown)}", tmp_path)

    assert [channel.name for channel in found.channels] == ["DNA", "ER", "Long"]
    assert found.channels[2].file == "Image_FlNm_Lng"
    assert found.colors == ("red", "green", "blue", "cyan")
    assert list(found.thumbnails.values()) == ["Image_Thumbnail_ER", "Image_Thumbnail_Merged"]


def test_without_image_files_there_is_no_file(changed: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="no image with both a FileName_ and a PathName_"):
        properties(f"sqlite:///{changed(without('Image', 'PathName%'))}", tmp_path)


def test_colors_are_in_cellprofilers_order_and_then_none(ranges: Path, tmp_path: Path) -> None:
    found = properties(f"sqlite:///{ranges}", tmp_path)
    of = {n: with_images(found, n).colors for n in (1, 3, 9)}

    assert of[1] == ("gray",)
    assert of[3] == ("red", "green", "blue")
    assert of[9][3:] == ("cyan", "magenta", "yellow", "gray", "none", "none")


def with_images(found: Properties, count: int) -> Properties:
    channels = tuple(
        type(found.channels[0])(f"Image{n}", f"Image_PathName_{n}", f"Image_FileName_{n}")
        for n in range(count)
    )
    return Properties(**{**vars(found), "channels": channels})


def test_plates_and_wells_can_be_of_other_names(
    changed: Callable[..., Path], opened: Callable[..., Opened]
) -> None:
    """With any text in them, and numbers."""
    database = changed(
        "UPDATE Per_Image SET Image_Metadata_Compound = 'it''s \"1\"' WHERE ImageNumber = 1",
        "UPDATE Per_Image SET Image_Metadata_Compound = 'it_s__1_' WHERE ImageNumber = 2",
        "UPDATE Per_Image SET Image_Metadata_Compound = NULL WHERE ImageNumber > 2",
    )
    found = opened(database, plate="Metadata_Compound", well="Metadata_Site")

    assert found.fields["plate_id"] == "Image_Metadata_Compound"
    assert found.fields["well_id"] == "Image_Metadata_Site"
    assert found.fields["plate_type"] == ""
    assert found.queries("filter_SQL_") == {"Plate_it_s__1_": [(1,)], "Plate_it_s__1__2": [(2,)]}


def test_objects_measured_in_3d_are_shown_so(changed: Callable[..., Path], tmp_path: Path) -> None:
    volume = another("Nuclei", "AreaShape_Volume", "Nuclei_AreaShape_Volume", "real")
    found = properties(f"sqlite:///{changed(*volume)}", tmp_path)

    assert "\nprocess_3D = True\n" in found.text()
    assert "y-axis: Nuclei_AreaShape_Volume" in found.workspace()


@pytest.mark.parametrize("prefix", ["My-", "7_"])
def test_tables_that_cellprofiler_analyst_cannot_name_are_refused(
    tmp_path: Path, prefix: str
) -> None:
    url = f"sqlite:///{tmp_path}/screen.sqlite"
    load([unpacked("11_h5_and_csv") / "outputs" / "batch_1_6"], url, prefix=prefix)

    with pytest.raises(SinkError, match=f"cannot read the name {prefix}Per_Image"):
        properties(url, tmp_path, prefix=prefix)


def test_a_line_break_in_a_plate_is_refused(changed: Callable[..., Path], tmp_path: Path) -> None:
    broken = "UPDATE Per_Image SET Image_Metadata_Plate = 'P' || char(10) || 'db_type = mysql'"
    with pytest.raises(SinkError, match="a line break in P"):
        properties(f"sqlite:///{changed(broken)}", tmp_path)


def test_a_line_break_in_the_name_of_an_image_is_refused(tmp_path: Path) -> None:
    """Its next line would be a field of its own."""
    image = {"FileName_DNA\ndb_type = mysql": "1.tif", "PathName_DNA\ndb_type = mysql": "/data"}
    h5_job(tmp_path / "run" / "m.h5", {1: image})
    to = f"sqlite:///{tmp_path}/a.sqlite"
    load([tmp_path / "run"], to)

    with pytest.raises(SinkError, match="a line break in DNA db_type = mysql"):
        properties(to, tmp_path)


def test_the_smallest_plate_that_has_all_wells_is_taken() -> None:
    wells = ["A1 A2", "A1 D6", "A01 B03", "h12", "A1 H13", "I01", "P24", "Q01", "AF48", "AG01"]
    types = [plate_type(names.split()) for names in wells]

    assert types == ["6", "24", "96", "96", "384", "384", "384", "1536", "1536", ""]
    assert {plate_type(names) for names in ([], ["A00"], ["well"], ["A1", "2"], ["A001"])} == {""}


def test_the_text_has_a_comment_for_each_kind_of_field(ranges: Path, tmp_path: Path) -> None:
    text = properties(f"sqlite:///{ranges}", tmp_path).text()
    first, *rest = text.split("\n\n")
    comments = [len(list(takewhile(lambda x: x.startswith("#"), r.splitlines()))) for r in rest]

    assert first.startswith("# Written by cpexport ")
    assert set(comments) == {1}
