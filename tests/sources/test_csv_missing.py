"""What is missing, infinite or no number in CSV files: as it comes from the .h5 of the same job."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.calls import load
from support.fixtures import Ran, declared, rows

from cpexport.derived.wells import Wells
from cpexport.errors import SourceError

Images = dict[int, dict[str, str]]


def job(folder: Path, images: Images, nuclei: str = "") -> Path:
    """A job's Image.csv with these fields, and its Nuclei.csv."""
    folder.mkdir(parents=True)
    names = list(next(iter(images.values())))
    lines = [",".join(["ImageNumber", "FileName_DNA", *names])]
    lines += [f"{n},i{n}.tif,{','.join(fields.values())}" for n, fields in images.items()]
    (folder / "Image.csv").write_text("".join(f"{line}\r\n" for line in lines), newline="")
    if nuclei:
        (folder / "Nuclei.csv").write_text(nuclei.replace("\n", "\r\n"), newline="")
    return folder


def loaded(folder: Path) -> Path:
    database = folder.parent / f"{folder.name}.sqlite"
    load([folder], f"sqlite:///{database}")
    return database


def values(database: Path, column: str) -> list[object]:
    found = rows(database, f"SELECT {column} FROM Per_Image ORDER BY ImageNumber")
    return [value for (value,) in found]


def test_nan_in_metadata_is_null(tmp_path: Path) -> None:
    """As CellProfiler 3.1.8 to 4.2.4 write a value that is missing."""
    job(
        tmp_path / "run/job",
        {
            1: {"Metadata_Well": "A01", "Metadata_FileLocation": "nan"},
            2: {"Metadata_Well": "nan", "Metadata_FileLocation": "nan"},
        },
    )
    database = loaded(tmp_path / "run")

    assert values(database, "Image_Metadata_Well") == ["A01", None]
    assert values(database, "Image_Metadata_FileLocation") == [None, None]


def test_there_is_no_well_called_nan(tmp_path: Path) -> None:
    job(
        tmp_path / "run/job",
        {n: {"Metadata_Plate": "P1", "Metadata_Well": w} for n, w in {1: "A01", 2: "nan"}.items()},
        "ImageNumber,ObjectNumber,AreaShape_Area\n1,1,5\n2,1,7\n",
    )
    database = tmp_path / "wells.sqlite"
    load([tmp_path / "run"], f"sqlite:///{database}", wells=Wells(("mean",)))

    assert ("nan",) not in rows(database, "SELECT Image_Metadata_Well FROM Per_Well_avg")
    assert ("A01",) in rows(database, "SELECT Image_Metadata_Well FROM Per_Well_avg")


def test_other_texts_that_look_missing_stay_texts(tmp_path: Path) -> None:
    texts = ["NA", "None", "NaN", "null", "-"]
    job(tmp_path / "run/job", {n: {"Metadata_Drug": t} for n, t in enumerate(texts, 1)})

    assert values(loaded(tmp_path / "run"), "Image_Metadata_Drug") == texts


@pytest.mark.parametrize("feature", ["MyPlugin_Score", "Metadata_Dose"])
@pytest.mark.parametrize("odd", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("together", [True, False], ids=["one job", "a job each"])
def test_one_odd_number_leaves_a_column_of_numbers(
    tmp_path: Path, feature: str, odd: str, together: bool
) -> None:
    images = {1: {feature: odd}, 2: {feature: "0.5"}}
    for n in images if not together else ():
        job(tmp_path / f"run/job{n}", {n: images[n]})
    if together:
        job(tmp_path / "run/job", images)
    database = loaded(tmp_path / "run")

    assert declared(database, "Per_Image")[f"Image_{feature}"] == "REAL"
    assert values(database, f"Image_{feature}") == [None, 0.5]


def test_an_empty_field_among_a_modules_numbers_is_null_and_metadata_is_text(
    tmp_path: Path,
) -> None:
    """ "Null" is what CellProfiler can be told to write for NaN: nothing."""
    odd, even = (dict.fromkeys(("MyPlugin_Score", "Metadata_Dose"), v) for v in ("", "0.5"))
    job(tmp_path / "run/job", {1: odd, 2: even})
    database = loaded(tmp_path / "run")

    assert values(database, "Image_MyPlugin_Score") == [None, 0.5]
    assert values(database, "Image_Metadata_Dose") == ["", "0.5"]


@pytest.mark.parametrize("written", ["-0", "007", "+1", "1.50", "1E5", "1e16", "1_000"])
def test_a_text_that_a_number_would_change_stays_as_it_is(tmp_path: Path, written: str) -> None:
    job(tmp_path / "run/job", {1: {"Metadata_Plate": written}})

    assert values(loaded(tmp_path / "run"), "Image_Metadata_Plate") == [written]


def test_integers_beside_real_numbers_keep_their_digits(tmp_path: Path) -> None:
    texts = ["9007199254740993", "0.5"]
    job(tmp_path / "run/job", {n: {"Metadata_Id": t} for n, t in enumerate(texts, 1)})

    assert values(loaded(tmp_path / "run"), "Image_Metadata_Id") == texts


@pytest.mark.parametrize("large", ["9007199254740993", "-9007199254740993", "20240501123456789"])
@pytest.mark.parametrize("feature", ["Texture_Id", "Count_Nuclei"])
def test_an_integer_that_a_real_number_would_round_is_refused(
    tmp_path: Path, feature: str, large: str
) -> None:
    job(tmp_path / "run/job", {1: {feature: large}})

    with pytest.raises(
        SourceError, match=rf"Image\.csv: {large} has too many digits for {feature}"
    ):
        loaded(tmp_path / "run")


def test_a_count_without_end_makes_its_image_set_missing(
    tmp_path: Path, cpexport: Callable[..., Ran]
) -> None:
    counts = {1: {"Count_Nuclei": "inf"}, 2: {"Count_Nuclei": "1"}}
    text = "ImageNumber,ObjectNumber,AreaShape_Area\n1,1,5\n2,1,5\n"
    ran = cpexport("load", job(tmp_path / "job", counts, text), "--to", "sqlite:///T")

    assert ran.status == 3
    assert "Warning" not in ran.err
    assert "1: Nuclei.csv has 1 of inf rows" in ran.out


@pytest.mark.parametrize("large", ["9007199254740992", "1e+300", "9007199254740994.0", "inf"])
def test_a_large_number_that_is_exact_is_loaded(tmp_path: Path, large: str) -> None:
    job(tmp_path / "run/job", {1: {"Texture_Id": large}})
    (value,) = values(loaded(tmp_path / "run"), "Image_Texture_Id")

    assert value == (None if large == "inf" else float(large))


def test_the_class_that_a_model_gave_an_object_is_text(tmp_path: Path) -> None:
    """ClassifyObjects declares it so, and labels can be numbers."""
    header = "ImageNumber,ObjectNumber,Classify_Class,Classify_Probability_good"
    job(tmp_path / "run/j1", {1: {"Count_Nuclei": "2"}}, f"{header}\n1,1,good,0.75\n1,2,2,0.5\n")
    job(tmp_path / "run/j2", {2: {"Count_Nuclei": "1"}}, f"{header}\n2,1,1,0.25\n")
    database = loaded(tmp_path / "run")
    query = "SELECT Nuclei_Classify_Class, Nuclei_Classify_Probability_good FROM Per_Nuclei"

    assert declared(database, "Per_Nuclei")["Nuclei_Classify_Class"] == "TEXT"
    assert rows(database, query) == [("good", 0.75), ("2", 0.5), ("1", 0.25)]


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_a_number_among_texts_is_spelled_alike_whatever_came_first(
    cpexport: Callable[..., Ran], tmp_path: Path, order: tuple[str, str]
) -> None:
    job(tmp_path / "a", {1: {"MyPlugin_Score": "1e-07"}, 2: {"MyPlugin_Score": "2.0"}})
    job(tmp_path / "b", {3: {"MyPlugin_Score": "high"}})
    database = tmp_path / "screen.sqlite"
    for name in order:
        load([tmp_path / name], f"sqlite:///{database}")
    verified = cpexport("verify", "a", "b", "--to", f"sqlite:///{database}")

    assert values(database, "Image_MyPlugin_Score") == ["1e-7", "2", "high"]
    assert verified.status == 0


def test_means_of_very_large_numbers_are_null_without_a_warning(
    cpexport: Callable[..., Ran], tmp_path: Path
) -> None:
    nuclei = "ImageNumber,ObjectNumber,AreaShape_Area\n1,1,1.7e+308\n1,2,1.7e+308\n"
    job(tmp_path / "run/job", {1: {"Count_Nuclei": "2"}}, nuclei)

    ran = cpexport(
        "load", "run", "--to", "sqlite:///s.sqlite", "--aggregate", "mean,std", "--quiet"
    )

    assert (ran.status, ran.err) == (0, "")
    assert values(tmp_path / "s.sqlite", "Mean_Nuclei_AreaShape_Area") == [None]
