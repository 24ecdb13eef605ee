"""Jobs cover what is wanted, once, in words that CellProfiler takes, and never cut a group."""

import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cellprofiler_jobs import run_by_cellprofiler

from cpexport.cellprofiler import pipeline
from cpexport.cellprofiler.batch_file import BatchFile
from cpexport.cellprofiler.image_identity import Identities
from cpexport.errors import SourceError
from cpexport.imagesets import ImageSets
from cpexport.jobs.split import Job, folder_for, overlap, split

TAGS = ("Metadata_Plate", "Metadata_Well")
LOAD_DATA = "CellProfiler Pipeline:\nLoadData:[module_num:1|enabled:True]\n"
GROUPS = "CellProfiler Pipeline:\nGroups:[module_num:1|enabled:True]\n"


def batch_file(
    numbers: Sequence[int], groups: Sequence[tuple[str, str]] = (), text: str = LOAD_DATA
) -> BatchFile:
    """A batch file of these image sets, in groups of these plates and wells, or in none."""
    tags = TAGS if groups else ()
    columns = {tag: pa.array([group[i] for group in groups]) for i, tag in enumerate(tags)}
    held = Identities(np.array(numbers, np.int64), columns)
    planned = ImageSets.of(numbers)
    return BatchFile(Path("Batch_data.h5"), planned, held, held, tags, pipeline.parse(text), None)


image_sets = st.sets(st.integers(1, 60), min_size=1, max_size=40).map(sorted)
value = st.text("AB01,= é'\"$", max_size=3)


@st.composite
def grouped(draw: st.DrawFn) -> BatchFile:
    """Grouped batch files of any order, with values that are hard to say."""
    numbers = draw(image_sets)
    some = draw(st.lists(st.tuples(value, value), min_size=1, max_size=6))
    groups = [draw(st.sampled_from(some)) for _ in numbers]
    if draw(st.booleans()):
        groups.sort()
    return batch_file(numbers, groups, draw(st.sampled_from([LOAD_DATA, GROUPS])))


@given(image_sets, image_sets, st.integers(1, 50) | st.none())
def test_ranges_cover_what_is_wanted_and_nothing_else(
    planned: list[int], some: list[int], size: int | None
) -> None:
    plan = batch_file(planned)
    jobs = split(plan, ImageSets.of(some), size)
    ran = [number for job in jobs for number in run_by_cellprofiler(job, plan)]

    assert ran == sorted(set(planned) & set(some))
    assert all(len(job.image_sets) <= (size or 60) for job in jobs)


@given(grouped(), image_sets, st.integers(1, 50) | st.none(), st.booleans())
def test_groups_are_run_whole_and_once_or_refused(
    plan: BatchFile, some: list[int], size: int | None, by_group: bool
) -> None:
    try:
        jobs = split(plan, ImageSets.of(some), size, by_group=by_group)
    except SourceError:
        assert any(set(",=") & set("".join(key)) or "" in key for key in plan.members)
        return
    ran = [run_by_cellprofiler(job, plan) for job in jobs]
    groups = [{plan.groups[number] for number in numbers} for numbers in ran]
    touched = {plan.groups[n] for n in set(some) & set(plan.planned)}

    assert sorted(n for numbers in ran for n in numbers) == sorted(
        n for n, key in plan.groups.items() if key in touched
    )
    assert [ImageSets.of(numbers) for numbers in ran] == [job.image_sets for job in jobs]
    for numbers, keys in zip(ran, groups, strict=True):
        assert len(keys) == 1 or (size is not None and len(numbers) <= size and not by_group)
    assert all(len(keys) == 1 for keys in groups) or not by_group


@given(grouped())
def test_folders_are_named_apart_even_where_case_does_not_count(plan: BatchFile) -> None:
    try:
        jobs = split(plan, plan.planned, 3)
    except SourceError:
        return
    names = [job.name for job in jobs]

    assert len({name.casefold() for name in names}) == len(names)
    assert all(name.isascii() and shlex.quote(name) == name for name in names)


@given(grouped())
def test_a_groups_folder_is_named_alike_whichever_groups_are_wanted(plan: BatchFile) -> None:
    try:
        names = {job.image_sets: job.name for job in split(plan, plan.planned)}
    except SourceError:
        return

    assert {job.name for n in plan.planned for job in split(plan, ImageSets.of([n]))} == set(
        names.values()
    )


class TestGroups:
    def test_small_groups_share_a_job_where_one_range_says_them(self) -> None:
        plan = batch_file(range(1, 7), [("P1", w) for w in ("A", "A", "B", "B", "C", "C")])

        assert [job.selection for job in split(plan, plan.planned, 4)] == [
            ("-f", "1", "-l", "4"),
            ("-f", "5", "-l", "6"),
        ]

    def test_a_group_larger_than_a_job_is_not_cut(self) -> None:
        plan = batch_file(range(1, 7), [("P1", "A")] * 6)

        assert [job.selection for job in split(plan, plan.planned, 4)] == [("-f", "1", "-l", "6")]

    def test_groups_out_of_their_order_do_not_share_a_job_of_load_data(self) -> None:
        """LoadData would move the rows of the range: well A would be image sets 1 and 2."""
        wells = [("P1", w) for w in ("B", "B", "A", "A")]
        moved, kept = batch_file(range(1, 5), wells), batch_file(range(1, 5), wells, GROUPS)

        assert len(split(moved, moved.planned, 4)) == 2
        assert len(split(kept, kept.planned, 4)) == 1

    def test_what_no_range_says_is_said_by_its_values(self) -> None:
        plan = batch_file(range(1, 5), [("P1", w) for w in ("A", "B", "A", "B")])
        jobs = split(plan, plan.planned)

        assert [job.selection for job in jobs] == [
            ("-g", "Metadata_Plate=P1,Metadata_Well=A"),
            ("-g", "Metadata_Plate=P1,Metadata_Well=B"),
        ]
        assert [(job.first, job.last) for job in jobs] == [(None, None), (None, None)]

    def test_a_value_that_cannot_be_said_is_no_trouble_in_a_range(self) -> None:
        plan = batch_file(range(1, 5), [("P1", w) for w in ("A,1", "A,1", "x=2", "x=2")])

        assert [job.selection for job in split(plan, plan.planned)] == [
            ("-f", "1", "-l", "2"),
            ("-f", "3", "-l", "4"),
        ]

    def test_a_value_that_cannot_be_said_where_there_is_no_range_is_refused(self) -> None:
        plan = batch_file(range(1, 5), [("P1", w) for w in ("A,1", "B", "A,1", "B")])

        with pytest.raises(SourceError, match=r"Metadata_Well='A,1' \(1,3\) is not one range"):
            split(plan, plan.planned)

    def test_numbers_that_are_not_planned_do_not_break_a_range(self) -> None:
        plan = batch_file([1, 2, 9], [("P1", "A")] * 3)

        assert [job.selection for job in split(plan, plan.planned)] == [("-f", "1", "-l", "9")]


class TestFolders:
    def test_a_folder_that_is_there_is_not_used_again(self, tmp_path: Path) -> None:
        job = Job(ImageSets.span(1, 6), "batch_1_6")
        (tmp_path / "batch_1_6").mkdir()
        (tmp_path / "batch_1_6_2").mkdir()

        assert folder_for(job, tmp_path) == tmp_path / "batch_1_6_3"

    def test_what_a_killed_job_left_is_used_again(self, tmp_path: Path) -> None:
        job = Job(ImageSets.span(1, 6), "batch_1_6")
        (tmp_path / "batch_1_6.part").mkdir()

        assert folder_for(job, tmp_path) == tmp_path / "batch_1_6"


@given(st.lists(image_sets, max_size=5))
def test_overlap_is_what_is_in_two_jobs(jobs: list[list[int]]) -> None:
    every = sorted(number for job in jobs for number in job)
    twice = {number for number in every if every.count(number) > 1}

    assert overlap([Job(ImageSets.of(job), "") for job in jobs]) == ImageSets.of(twice)
