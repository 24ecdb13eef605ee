"""What a pipeline's text says: real texts of real runs."""

from pathlib import Path

import h5py
import pytest
from support.fixtures import unpacked

from cpexport.cellprofiler.pipeline import Pipeline, parse


def text(path: Path) -> str:
    with h5py.File(path) as file:
        runs = file["Measurements"]
        feature = runs[sorted(runs)[-1]]["Experiment/Pipeline_Pipeline"]
        found: str = feature["data"][int(feature["index"][-1, 1])].decode()
    return found.encode("latin-1").decode("unicode_escape") if "\n" not in found else found


def pipeline(case: str, path: str) -> Pipeline:
    return parse(text(unpacked(case) / path))


@pytest.mark.parametrize(
    ("case", "path", "recorder"),
    [
        ("11_h5_and_csv", "Batch_data.h5", "14FlagImage"),
        ("13_groups", "Batch_data.h5", "15FlagImage"),
        ("60_perf", "Batch_data.h5", "13CreateBatchFiles"),
        ("70_cp319", "batch/Batch_data.h5", "07MeasureObjectNeighbors"),
        ("40_variants", "skip/Batch_data.h5", "06MeasureObjectIntensity"),
    ],
)
def test_the_last_module_that_records_is_the_one_before_the_first_export(
    case: str, path: str, recorder: str
) -> None:
    assert pipeline(case, path).recorder == recorder


def test_a_disabled_module_records_nothing() -> None:
    whole = text(unpacked("11_h5_and_csv") / "Batch_data.h5")
    before, last = whole.split("FlagImage:[module_num:14|")
    without = parse(f"{before}FlagImage:[module_num:14|{last.replace(':True', ':False', 1)}")

    assert without.recorder == "13ClassifyObjects"


def test_a_flag_is_measured_though_it_is_named_like_metadata() -> None:
    assert pipeline("11_h5_and_csv", "Batch_data.h5").flags == {"Metadata_QCFlag"}


def test_settings_of_version_3_are_read_out_of_their_escapes() -> None:
    modules = pipeline("70_cp319", "batch/Batch_data.h5").modules

    assert dict(modules[0].settings)["Name of the file"] == "load_data.csv"


def test_only_pipelines_with_modules_that_look_back_need_whole_groups() -> None:
    assert pipeline("50_track", "lap_batch/Batch_data.h5").needs_whole_groups
    assert not pipeline("13_groups", "Batch_data.h5").needs_whole_groups


def test_file_names_of_the_users_are_told_by_the_settings() -> None:
    assert pipeline("40_variants", "named/Batch_data.h5").exports == (
        ("Image", r"screen7_img_.+"),
        ("Nuclei", r"screen7_nuc_.+"),
        ("Cells", r"screen7_all_cells"),
        ("Object relationships", r"screen7_rel"),
    )
    assert pipeline("11_h5_and_csv", "Batch_data.h5").exports == ()


def test_jobs_of_one_run_have_one_digest_though_each_has_its_own_folder() -> None:
    outputs = unpacked("11_h5_and_csv") / "outputs"
    jobs = sorted(outputs.glob("*/*.h5"))
    digests = {parse(text(job)).digest for job in jobs}
    texts = {text(job) for job in jobs}

    assert len(jobs) == len(texts) == 4
    assert len(digests) == 1


def test_a_text_that_is_no_pipeline_has_no_modules() -> None:
    assert parse("not a pipeline\n").modules == ()
    assert parse("").recorder is None


def _with_modules(*modules: str) -> Pipeline:
    heads = "[module_num:{}|svn_version:'Unknown'|enabled:{}]"
    lines = ["CellProfiler Pipeline: http://www.cellprofiler.org", "Version:5", ""]
    for number, module in enumerate(modules, 1):
        name, setting, enabled = module.split("|")
        lines += [f"{name}:{heads.format(number, enabled)}", f"    {setting}", ""]
    return parse("\n".join(lines))


@pytest.mark.parametrize(
    ("modules", "ungrouped"),
    [
        (["LoadData|Group images by metadata?:No|True"], True),
        (["LoadData|Group images by metadata?:Yes|True"], False),
        (["Groups|Do you want to group your images?:No|True"], True),
        (["Groups|Do you want to group your images?:Yes|True"], False),
        (
            [
                "LoadData|Group images by metadata?:No|True",
                "Groups|Do you want to group your images?:Yes|True",
            ],
            False,
        ),
        (
            [
                "LoadData|Group images by metadata?:No|True",
                "Groups|Do you want to group your images?:Yes|False",
            ],
            True,
        ),
        (["LoadData|Name of the file:a.csv|True"], False),
    ],
)
def test_a_run_is_ungrouped_where_its_input_modules_say_so(
    modules: list[str], ungrouped: bool
) -> None:
    assert _with_modules(*modules).ungrouped is ungrouped
