"""What may replace what: a newer output that lacks something takes no older one's place unasked."""

import json
import math
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.calls import dry_run, load, verify
from support.csv_outputs import NEW, OLD, Row, image, nucleus, output
from support.fixtures import Ran, rows, tables

from cpexport.commands.load_report import LoadReport
from cpexport.errors import LossError
from cpexport.loading.succession import Consent
from cpexport.tables.options import TableOptions

DIGESTS = {1: "a" * 32, 2: "b" * 32}
PIPELINE = """CellProfiler Pipeline: http://www.cellprofiler.org
Version:5

LoadData:[module_num:1|enabled:True]
    Name of the file:{name}
"""


def picture(number: int, **more: Any) -> Row:
    return image(number, f"{number}.tif", digest=DIGESTS[number], **more)


def analysis(folder: Path, time: int = OLD, area: int = 5, **words: Any) -> Path:
    images = [
        picture(1, Count_Nuclei=2, ImageQuality_Score_DNA=0.5),
        picture(2, Count_Nuclei=1, ImageQuality_Score_DNA=0.25),
    ]
    nuclei = [nucleus(1, 1, area), nucleus(1, 2, 6), nucleus(2, 1, 7)]
    return output(folder, images, time, Nuclei=nuclei, **words)


def quality(folder: Path, time: int = NEW, **words: Any) -> Path:
    """Quality control of the same pictures."""
    images = [picture(n, ImageQuality_PowerLogLogSlope_DNA=-n / 2) for n in (1, 2)]
    return output(folder, images, time, **words)


def into(tmp_path: Path, *folders: Path, **words: Any) -> LoadReport:
    return load(folders, f"sqlite:///{tmp_path / 'screen.sqlite'}", **words)


def areas(tmp_path: Path) -> list[object]:
    query = "SELECT Nuclei_AreaShape_Area FROM Per_Nuclei ORDER BY 1"
    return [area for (area,) in rows(tmp_path / "screen.sqlite", query)]


@pytest.mark.parametrize("order", ["older first", "newer first", "at once"])
def test_an_output_that_lacks_objects_and_features_replaces_none_that_has_them(
    tmp_path: Path, order: str
) -> None:
    full, less = analysis(tmp_path / "analysis"), quality(tmp_path / "qc")
    if order != "at once":
        into(tmp_path, full if order == "older first" else less)
    before = tables(tmp_path / "screen.sqlite") if order != "at once" else {}

    with pytest.raises(LossError) as stop:
        into(tmp_path, full, less)

    said = str(stop.value)
    for word in (str(full), str(less), "object type Nuclei", "2 features", "Score_DNA"):
        assert word in said
    assert "--prefix QC_" in said
    assert "--replace" in said
    if order == "at once":
        assert not (tmp_path / "screen.sqlite").exists()
    else:
        assert tables(tmp_path / "screen.sqlite") == before
    if order == "older first":
        assert areas(tmp_path) == [5, 6, 7]


@pytest.mark.parametrize("order", ["older first", "newer first", "at once"])
def test_it_does_where_a_person_says_so_and_that_is_counted(tmp_path: Path, order: str) -> None:
    full, less = analysis(tmp_path / "analysis"), quality(tmp_path / "qc")
    first = {"older first": [full], "newer first": [less], "at once": []}[order]
    if first:
        into(tmp_path, *first)
    report = into(tmp_path, full, less, consent=Consent(replace=True))
    slopes = rows(
        tmp_path / "screen.sqlite", "SELECT Image_ImageQuality_PowerLogLogSlope_DNA FROM Per_Image"
    )

    assert slopes == [(-0.5,), (-1.0,)]
    assert "Per_Nuclei" not in tables(tmp_path / "screen.sqlite") or areas(tmp_path) == []
    # Where the newer one was there already, nothing is replaced: the older one is passed over.
    assert report.replaced == (order != "newer first")
    assert order != "newer first" or "newer outputs have its image sets" in report.notes[0]


def test_fewer_features_of_objects_are_a_loss_too(tmp_path: Path) -> None:
    more = [nucleus(1, 1, 5, AreaShape_Ecc=0.5)]
    full = output(tmp_path / "full", [picture(1, Count_Nuclei=1)], Nuclei=more)
    less = output(tmp_path / "less", [picture(1, Count_Nuclei=1)], NEW, Nuclei=[nucleus(1, 1, 9)])
    into(tmp_path, full)

    with pytest.raises(LossError, match=r"lacks 1 feature \(AreaShape_Ecc of Nuclei\)"):
        into(tmp_path, less)
    assert areas(tmp_path) == [5]


def test_what_only_other_image_sets_have_is_no_loss(tmp_path: Path) -> None:
    other = output(
        tmp_path / "other",
        [picture(2, Count_Nuclei=1)],
        Nuclei=[nucleus(2, 1, 6, AreaShape_Ecc=0.5)],
    )
    old = output(tmp_path / "old", [picture(1, Count_Nuclei=1)], Nuclei=[nucleus(1, 1, 5)])
    new = output(tmp_path / "new", [picture(1, Count_Nuclei=1)], NEW, Nuclei=[nucleus(1, 1, 9)])
    into(tmp_path, other, old)
    report = into(tmp_path, new)

    assert (report.replaced, areas(tmp_path)) == (1, [6, 9])


def test_an_output_with_more_features_replaces_one_with_fewer(tmp_path: Path) -> None:
    old = output(tmp_path / "old", [picture(1, Count_Nuclei=1)], Nuclei=[nucleus(1, 1, 5)])
    more = [nucleus(1, 1, 9, AreaShape_Ecc=0.5)]
    new = output(
        tmp_path / "new", [picture(1, Count_Nuclei=1)], NEW, Nuclei=more, Cells=[nucleus(1, 1, 2)]
    )
    into(tmp_path, old)
    report = into(tmp_path, new)

    assert (report.loaded, report.replaced) == (1, 1)
    assert areas(tmp_path) == [9]


@pytest.mark.parametrize("pipeline", ["", PIPELINE.format(name="list.csv")])
def test_a_rerun_that_found_no_objects_replaces_and_needs_no_table(
    tmp_path: Path, pipeline: str
) -> None:
    old = analysis(tmp_path / "old", pipeline=pipeline)
    images = [picture(n, Count_Nuclei=0, ImageQuality_Score_DNA=0.5) for n in (1, 2)]
    new = output(tmp_path / "new", images, NEW, pipeline=pipeline)
    into(tmp_path, old)
    report = into(tmp_path, new)

    assert (report.loaded, report.replaced, report.is_complete) == (1, 1, True)
    assert areas(tmp_path) == []


def test_outputs_of_another_pipeline_are_named_where_they_replace(tmp_path: Path) -> None:
    old = analysis(tmp_path / "old", pipeline=PIPELINE.format(name="list.csv"))
    new = analysis(tmp_path / "new", NEW, pipeline=PIPELINE.format(name="other.csv"))
    into(tmp_path, old)
    query = "SELECT pipeline_sha256 FROM _cpexport_batches"
    ((before,),) = rows(tmp_path / "screen.sqlite", query)
    report = into(tmp_path, new)
    (note,) = (note for note in report.notes if "pipeline" in note)

    assert str(old) in note
    assert f"before {str(before)[:8]}" in note


@pytest.mark.parametrize("to", ["parquet", "duckdb"])
def test_other_destinations_keep_to_it(tmp_path: Path, to: str) -> None:
    url = f"parquet:{tmp_path / 'screen'}" if to == "parquet" else f"duckdb:///{tmp_path / 'f'}"
    load([analysis(tmp_path / "analysis")], url)

    with pytest.raises(LossError, match="object type Nuclei"):
        load([quality(tmp_path / "qc")], url)
    report = load([quality(tmp_path / "qc")], url, consent=Consent(replace=True))

    assert report.replaced == 1
    if to == "parquet":
        assert pq.read_table(tmp_path / "screen" / "Per_Nuclei").num_rows == 0


def test_objects_side_by_side_are_compared_by_their_own_types(tmp_path: Path) -> None:
    shape = TableOptions.parse("combined", "mean", None)
    both = analysis(tmp_path / "both", Cells=[nucleus(1, 1, 5), nucleus(2, 1, 5)])
    fewer = analysis(tmp_path / "fewer", NEW)
    into(tmp_path, both, shape=shape)

    with pytest.raises(LossError, match="lacks object type Cells and"):
        into(tmp_path, fewer)


def test_object_types_that_are_not_wanted_are_no_loss(tmp_path: Path) -> None:
    into(tmp_path, analysis(tmp_path / "both"), shape=TableOptions.parse("none", None, None))
    images = [picture(n, Count_Nuclei=0, ImageQuality_Score_DNA=1) for n in (1, 2)]
    report = into(tmp_path, output(tmp_path / "new", images, NEW))

    assert report.replaced == 1


def test_a_dry_run_says_what_would_be_replaced_and_what_must_not(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'screen.sqlite'}"
    into(tmp_path, analysis(tmp_path / "old"))
    (found,) = dry_run([analysis(tmp_path / "new", NEW, area=1)], url)

    with pytest.raises(LossError):
        dry_run([quality(tmp_path / "qc")], url)
    assert (found.to_load, found.replaced) == (1, 1)


def test_the_report_counts_what_was_replaced(tmp_path: Path, cpexport: Callable[..., Ran]) -> None:
    to = ("--to", "sqlite:///screen.sqlite", "--quiet")
    analysis(tmp_path / "old")
    analysis(tmp_path / "new", NEW, area=1)
    quality(tmp_path / "qc", NEW + 1)
    cpexport("load", "old", *to)
    planned = cpexport("load", "new", *to, "--dry-run")
    text = cpexport("load", "new", *to)
    refused = cpexport("load", "qc", *to)
    report = cpexport("load", "qc", *to, "--replace", "--format", "json")

    assert "1 to load, 1 replaced, 0 already loaded" in planned.out
    assert "1 loaded, 1 replaced, 0 already loaded" in text.out
    assert (refused.status, refused.out) == (1, "")
    assert "qc is newer than new and would replace" in refused.err
    assert json.loads(report.out)["batches"]["replaced"] == 1


def plate(folder: Path, digest: str, time: int = OLD, **more: Any) -> Path:
    images = [image(1, "1.tif", digest=digest, Count_Nuclei=1, **more)]
    return output(folder, images, time, Nuclei=[nucleus(1, 1, 5)])


def advised(ran: Ran, beginning: str) -> list[str]:
    """What a message says between these words and the next advice, as words of a command line."""
    return shlex.split(ran.err.partition(beginning)[2].partition(";")[0])


@pytest.mark.parametrize("held", ["nothing", "one of them", "runs"])
def test_the_advice_for_two_runs_works_as_it_is_given(
    held: str, tmp_path: Path, cpexport: Callable[..., Ran]
) -> None:
    plate(tmp_path / "a b" / "P1" / "outputs" / "1", DIGESTS[1])
    plate(tmp_path / "a b" / "P2" / "outputs" / "1", DIGESTS[2])
    to = ("--to", "screen.sqlite")
    if held == "one of them":
        cpexport("load", "a b/P1", *to)
    numbered = ["--table-number"] if held == "runs" else []
    ran = cpexport("load", "a b/P2" if held == "one of them" else "a b", *numbered, *to)
    beginning, other = {
        "nothing": ("load them with --table-number: ", to),
        "one of them": ("--table-number and another destination (--to): ", ("--to", "o.sqlite")),
        "runs": ("name each of them: ", to),
    }[held]
    folders = advised(ran, beginning)
    followed = cpexport("load", *folders, "--table-number", *other)

    assert ran.status == 1
    assert folders == ["a b/P1", "a b/P2"]
    assert followed.status == 0, followed.err


def test_the_advice_for_a_second_analysis_works_as_it_is_given(
    tmp_path: Path, cpexport: Callable[..., Ran]
) -> None:
    plate(tmp_path / "both" / "analysis", DIGESTS[1])
    output(tmp_path / "both" / "qc", [image(1, "1.tif", digest=DIGESTS[1])], NEW)
    to = ("--to", "screen.sqlite")
    ran = cpexport("load", "both", *to)
    first = cpexport("load", *advised(ran, "load ")[:1], *to)
    second = cpexport("load", *advised(ran, "then load ")[:1], "--prefix", "QC_", *to)

    assert "load both/analysis alone, then load both/qc with its own prefix" in ran.err
    assert (ran.status, first.status, second.status) == (1, 0, 0)
    assert "QC_Per_Image" in tables(tmp_path / "screen.sqlite")


def test_another_plate_under_the_path_of_one_that_is_loaded_goes_elsewhere(
    tmp_path: Path, cpexport: Callable[..., Ran]
) -> None:
    plate(tmp_path / "run", DIGESTS[1])
    cpexport("load", "run", "--to", "screen.sqlite")
    plate(tmp_path / "run", DIGESTS[2], NEW)
    ran = cpexport("load", "run", "--to", "screen.sqlite")

    assert "if it is now another run, load run into another destination" in ran.err
    assert cpexport("load", "run", "--to", "other.sqlite").status == 0


def test_what_was_replaced_by_what_is_named_where_asked(
    tmp_path: Path, cpexport: Callable[..., Ran]
) -> None:
    analysis(tmp_path / "old")
    analysis(tmp_path / "new", NEW, 9)
    words = ("load", "old", "new", "--to", "screen.sqlite")
    tried = cpexport(*words, "--dry-run", "--format", "json")
    ran = cpexport(*words, "-v")
    notes = json.loads(tried.out)[0]["notes"]

    assert [note for note in notes if "replaced" in note] == ["old: replaced by new"]
    assert "old: replaced by new" in ran.err


@pytest.mark.parametrize("order", ["together", "older first"])
def test_a_feature_that_is_nan_everywhere_is_no_loss(order: str, tmp_path: Path) -> None:
    images = [picture(1, Count_Nuclei=1, ImageQuality_Score_DNA="nan")]
    nuclei = [nucleus(1, 1, 5, AreaShape_Ecc="nan")]
    old = output(tmp_path / "old", images, OLD, Nuclei=nuclei)
    new = output(tmp_path / "new", [picture(1, Count_Nuclei=1)], NEW, Nuclei=[nucleus(1, 1, 9)])
    steps: dict[str, list[tuple[Path, ...]]] = {
        "together": [(old, new)],
        "older first": [(old,), (new,)],
    }
    for folders in steps.get(order, [(new,), (old,)]):
        into(tmp_path, *folders)

    assert areas(tmp_path) == [9]


@pytest.mark.parametrize("order", ["together", "older first"])
def test_one_with_a_single_value_is(order: str, tmp_path: Path) -> None:
    images = [picture(n, Count_Nuclei=1) for n in (1, 2)]
    nuclei = [nucleus(1, 1, 5, AreaShape_Ecc="nan"), nucleus(2, 1, 5, AreaShape_Ecc=0.5)]
    old = output(tmp_path / "old", images, OLD, Nuclei=nuclei)
    new = output(tmp_path / "new", images, NEW, Nuclei=[nucleus(n, 1, 9) for n in (1, 2)])
    steps = {"together": [], "older first": [old], "newer first": [new]}[order]
    for folder in steps:
        into(tmp_path, folder)

    with pytest.raises(LossError, match=r"lacks 1 feature \(AreaShape_Ecc of Nuclei\)"):
        into(tmp_path, old, new)


@pytest.mark.parametrize("where", ["in place", "in another folder"])
def test_an_output_that_was_replaced_and_is_the_newest_again_is_loaded_again(
    tmp_path: Path, where: str
) -> None:
    newest = NEW + (NEW - OLD)
    back = "run" if where == "in place" else "back"
    into(tmp_path, analysis(tmp_path / "run", OLD, area=5))
    into(tmp_path, analysis(tmp_path / "run", NEW, area=99))

    report = into(tmp_path, analysis(tmp_path / back, newest, area=5))
    again = into(tmp_path, tmp_path / back)

    assert areas(tmp_path) == [5, 6, 7]
    assert (report.loaded, report.replaced) == (1, 1)
    assert (again.loaded, again.already) == (0, 1)
    assert verify([tmp_path / back], f"sqlite:///{tmp_path / 'screen.sqlite'}").is_complete


def test_a_rerun_by_the_same_pipeline_that_lacks_columns_replaces_nothing(tmp_path: Path) -> None:
    """As after somebody deleted columns in a spreadsheet program: it had objects to measure."""
    said = PIPELINE.format(name="a.csv")
    into(tmp_path, analysis(tmp_path / "old", pipeline=said))
    nuclei = [{"ImageNumber": n, "ObjectNumber": o} for n, o in ((1, 1), (1, 2), (2, 1))]
    images = [
        picture(1, Count_Nuclei=2, ImageQuality_Score_DNA=0.5),
        picture(2, Count_Nuclei=1, ImageQuality_Score_DNA=0.25),
    ]
    cut = output(tmp_path / "cut", images, NEW, Nuclei=nuclei, pipeline=said)

    with pytest.raises(LossError, match="lacks 1 feature \\(AreaShape_Area of Nuclei\\)"):
        into(tmp_path, cut)

    assert areas(tmp_path) == [5, 6, 7]


def test_a_newer_output_that_failed_is_named_beside_the_one_that_stays(tmp_path: Path) -> None:
    into(tmp_path, analysis(tmp_path / "old"))
    failed = analysis(tmp_path / "new", NEW)
    (failed / "Nuclei.csv").write_text("")

    report = into(tmp_path, tmp_path / "old", failed)

    (note,) = [note for note in report.notes if "older one stays" in note]
    assert note.startswith(f"{failed}: newer than {tmp_path / 'old'}, but incomplete")
    assert areas(tmp_path) == [5, 6, 7]


def test_an_output_that_gave_way_is_named_whenever_it_is_loaded_alone(tmp_path: Path) -> None:
    into(tmp_path, analysis(tmp_path / "new", NEW))
    reports = [into(tmp_path, analysis(tmp_path / "old", OLD, area=1)) for _ in range(2)]

    for report in reports:
        assert f"{tmp_path / 'old'}: newer outputs have its image sets" in report.notes
    assert areas(tmp_path) == [5, 6, 7]


def test_a_feature_that_is_infinite_everywhere_is_not_one_that_is_lacking(tmp_path: Path) -> None:
    """SQLite holds NULL for it."""
    older = output(tmp_path / "older", [picture(1, Zscore=0.5), picture(2, Zscore=0.25)], OLD)
    newer = output(tmp_path / "newer", [picture(1, Zscore="inf")], NEW)
    into(tmp_path, newer)

    report = into(tmp_path, older)

    assert report.is_complete
    values = rows(tmp_path / "screen.sqlite", "SELECT Image_Zscore FROM Per_Image ORDER BY 1")
    assert values == [(None,), (0.25,)]


def test_a_newer_output_that_is_loaded_first_keeps_features_without_any_value(
    tmp_path: Path,
) -> None:
    """Without a pipeline only the ledger can tell such a feature from one that was never there."""
    older = analysis(tmp_path / "older", OLD, area=1)
    score = {"ImageQuality_Score_DNA": "nan"}
    images = [picture(1, Count_Nuclei=2, **score), picture(2, Count_Nuclei=1, **score)]
    nuclei = [nucleus(n, o, math.nan) for n, o in ((1, 1), (1, 2), (2, 1))]
    into(tmp_path, output(tmp_path / "newer", images, NEW, Nuclei=nuclei))

    report = into(tmp_path, older)

    assert report.is_complete
    assert f"{older}: newer outputs have its image sets" in report.notes
    assert areas(tmp_path) == [None, None, None]


def test_a_newer_output_that_is_loaded_first_may_have_no_objects_at_all(tmp_path: Path) -> None:
    """Its images count none, so there is no table of them: as when both are loaded together."""
    older = analysis(tmp_path / "older", OLD, area=1)
    images = [picture(n, Count_Nuclei=0, ImageQuality_Score_DNA=0.5) for n in (1, 2)]
    newer = output(tmp_path / "newer", images, NEW)
    into(tmp_path, newer)

    alone = into(tmp_path, older)
    (tmp_path / "screen.sqlite").unlink()
    together = into(tmp_path, older, newer)

    assert alone.is_complete
    assert together.is_complete


def test_the_same_load_once_more_is_not_refused_for_a_feature_that_is_nan_everywhere(
    tmp_path: Path,
) -> None:
    """It looks again at an output that was cut off, which gave way to the newer one."""
    images = [picture(n, Count_Nuclei=1) for n in (1, 2)]
    nuclei = [nucleus(n, 1, 5.0, Texture_DNA=0.5) for n in (1, 2)]
    cut = output(tmp_path / "cut", images[:1], OLD, Nuclei=nuclei)
    nuclei = [nucleus(n, 1, 7.0, Texture_DNA="nan") for n in (1, 2)]
    whole = output(tmp_path / "whole", images, NEW, Nuclei=nuclei)
    into(tmp_path, cut, whole)

    report = into(tmp_path, cut, whole)

    assert report.loaded == 0
    assert areas(tmp_path) == [7.0, 7.0]


@pytest.mark.parametrize("order", ["together", "older first"])
def test_an_image_set_that_counts_no_objects_loses_none_with_a_lost_table(
    tmp_path: Path, order: str
) -> None:
    """A newer output lost its table: its image set 1 has two objects, and its image set 2 none."""
    older = analysis(tmp_path / "older", OLD)
    score = {"ImageQuality_Score_DNA": 0.75}
    images = [picture(1, Count_Nuclei=2, **score), picture(2, Count_Nuclei=0, **score)]
    newer = output(tmp_path / "newer", images, NEW)
    steps = [older] if order == "older first" else []
    for step in steps:
        into(tmp_path, step)
    into(tmp_path, older, newer)

    assert areas(tmp_path) == [5, 6]
    scores = "SELECT Image_ImageQuality_Score_DNA FROM Per_Image ORDER BY ImageNumber"
    assert rows(tmp_path / "screen.sqlite", scores) == [(0.5,), (0.75,)]
