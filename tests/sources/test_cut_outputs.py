"""CSV files that lack a part, as other files tell."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from fuzz.model import CSV, IMAGE, PLATE, Damage, Feature, ImageSet, Job, Kind, Run, Style
from fuzz.outputs import Outputs
from support.calls import load
from support.fixtures import rows

from cpexport.commands.check import check
from cpexport.imagesets import ImageSets
from cpexport.loading.succession import Consent
from cpexport.tables.options import TableOptions

FEATURES = (
    Feature(IMAGE, "FileName_DNA", Kind.TEXT),
    Feature(IMAGE, PLATE, None),
    Feature(IMAGE, "Count_Nuclei", Kind.INTEGER),
    Feature(IMAGE, "ModuleError_03MeasureObjectIntensity", Kind.REAL),
    Feature("Nuclei", "AreaShape_Area", Kind.REAL),
)


def one(number: int) -> ImageSet:
    image = {
        "FileName_DNA": f"{number}.tif",
        PLATE: "P1" if number < 4 else "P2",
        "Count_Nuclei": 1.0,
        "ModuleError_03MeasureObjectIntensity": 0,
    }
    return ImageSet(number, image, {"Nuclei": ({"AreaShape_Area": 9.5},)})


def test_a_group_whose_last_row_in_image_csv_is_cut_off_is_not_whole(tmp_path: Path) -> None:
    sets = tuple(map(one, range(1, 7)))
    job = Job("batch_1_6", CSV, sets, (), datetime(2026, 3, 1, 12), FEATURES)
    run = Run("run", sets, FEATURES[:2], ("Nuclei",), (PLATE,), (job,), Style(done_file=False))
    outputs = Outputs(run, tmp_path)
    outputs.write(replace(job, damage=Damage("rows", IMAGE, 5)))

    found = check([outputs.folder])

    assert found.complete == ImageSets.parse("1-3")
    assert found.missing == ImageSets.parse("4-6")
    assert "6: Nuclei.csv has rows of it, but Image.csv has none" in found.batches[0].reason
    assert "4-5: the group Metadata_Plate=P2 is incomplete" in found.batches[0].reason


@pytest.mark.parametrize("shape", [TableOptions("none"), TableOptions(only=("Cells",))])
def test_a_table_that_is_gone_is_missed_by_every_load_though_it_is_not_wanted(
    tmp_path: Path, copy: Callable[..., Path], shape: TableOptions
) -> None:
    outputs, to = copy("10_ranges", "outputs"), tmp_path / "screen.sqlite"
    (outputs / "batch_1_6" / "Nuclei.csv").unlink()

    reports = [load([outputs], f"sqlite:///{to}", shape=shape) for _ in range(2)]

    assert [str(report.missing) for report in reports] == ["1-6", "1-6"]
    assert reports[1].loaded == 0
    assert rows(to, "SELECT count(*) FROM Per_Image") == [(18,)]


def test_one_output_alone_has_no_gaps_before_it_however_often_it_is_loaded(
    tmp_path: Path, copy: Callable[..., Path]
) -> None:
    output = copy("10_ranges", "outputs/batch_7_12")

    reports = [load([output], f"sqlite:///{tmp_path / 'screen.sqlite'}") for _ in range(2)]

    assert [str(report.missing) for report in reports] == ["", ""]
    assert [report.is_complete for report in reports] == [True, True]


def test_an_image_csv_that_ends_within_a_line_is_named_whatever_its_numbers_say(
    tmp_path: Path,
) -> None:
    job = tmp_path / "job"
    job.mkdir()
    (job / "Image.csv").write_bytes(
        b"ImageNumber,FileName_DNA,Count_Nuclei\r\n1,a.tif,1\r\n2,b.tif,0"
    )
    (job / "Nuclei.csv").write_bytes(b"ImageNumber,ObjectNumber,AreaShape_Area\r\n1,1,5\r\n")

    (left,) = check([job]).left_out
    report = load([job], f"sqlite:///{tmp_path / 'x'}")

    assert left.path == str(job)
    assert "ends within a line" in left.reason
    assert report.left_out == (left,)
    assert not report.is_complete
    assert rows(tmp_path / "x", "SELECT ImageNumber FROM Per_Image") == [(1,)]


def test_an_image_csv_that_ends_within_a_line_costs_nothing_once_all_that_is_planned_is_there(
    tmp_path: Path,
) -> None:
    sets = tuple(
        ImageSet(n, {**one(n).image, "Count_Nuclei": 0.0}, {"Nuclei": ()}) for n in range(1, 4)
    )
    job = Job("batch_1_3", CSV, sets, (), datetime(2026, 3, 1, 12), FEATURES)
    again = replace(job, name="batch_1_3_2", finished=datetime(2026, 3, 2, 12))
    run = Run("run", sets, FEATURES[:2], ("Nuclei",), (), (job, again), Style(done_file=False))
    outputs = Outputs(replace(run, batch_file="beside"), tmp_path)
    outputs.write(replace(job, damage=Damage("rows", IMAGE, 2)))

    def loaded() -> tuple[list[str], bool]:
        same = Consent(same_pictures=True)
        report = load([outputs.folder], f"sqlite:///{tmp_path / 'x'}", consent=same)
        return [left.path for left in report.left_out], report.is_complete

    first = loaded()
    outputs.write(again)

    assert first == ([str(outputs.path(job))], False)
    assert loaded() == ([], True)
    assert check([outputs.folder]).left_out == ()
