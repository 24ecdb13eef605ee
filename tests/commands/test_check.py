"""`cpexport check` says what is there of real runs, what is missing, and why; in every format."""

import json
import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.fixtures import Ran, measurements, unpacked

from cpexport import __version__
from cpexport.imagesets import ImageSets, union

Case = Callable[[str], Path]
Run = Callable[..., Ran]
WHOLE = "complete"


@dataclass(frozen=True)
class Expected:
    """What `check --format json` is to say of a folder. Of each batch: the image sets it was to
    run, those complete, its state, and words of the reason."""

    folder: str
    complete: int
    missing: list[list[int]]
    batches: Mapping[str, tuple[str, ...]]
    duplicate: list[list[int]] = field(default_factory=list)
    misplaced: list[list[int]] = field(default_factory=list)


def every_one(*ranges: str) -> dict[str, tuple[str, ...]]:
    """Batches of the folders `batch_<first>_<last>`, all of them whole."""
    return {f"batch_{r.replace('-', '_')}": (r, r, WHOLE) for r in ranges}


UNFINISHED = ("failed", "the job never finished")
RANGES = every_one("1-6", "7-12", "13-18", "19-24")
WELLS = [f"{row}{column:02}" for row in "AB" for column in (1, 2, 3)]
SITES = [f"P{plate}-{well}-{site}" for plate in (1, 2) for well in WELLS for site in (1, 2)]
OTHERS_CUT = {
    "batch_13_16_kill9_early": ("13-16", "", *UNFINISHED, "13-16: not measured"),
    "batch_13_16_kill9": ("", "", "unreadable", "damaged", "bad heap free list"),
    "batch_1_4_truncated_h5": (
        "",
        "",
        "unreadable",
        "cut off: the file is shorter than its header states",
    ),
    "batch_1_4_zero_length": ("", "", "unreadable", "empty (0 bytes)"),
    "batch_21_24_missing_file": ("21-24", "", "failed", "reported Failure", "21-24: not measured"),
    "batch_40_45_all_past_the_end": ("", "", "failed", "reported Failure", "ran no image set"),
    "batch_9_12_not_a_tiff": ("9-12", "9-11", "failed", "reported Failure", "12: not measured"),
}
EXPECTED = {
    "10": Expected("10_ranges/outputs", 24, [], RANGES),
    "11": Expected("11_h5_and_csv/outputs", 24, [], RANGES),
    "11 with the extras": Expected(
        "11_h5_and_csv",
        24,
        [],
        {
            **RANGES,
            "extra_15_15_nocells": ("15", "15", WHOLE),
            "extra_cppipe_5_8": ("5-8", "5-8", WHOLE),
            "extra_only_f_22": ("22-24", "22-24", WHOLE),
            "extra_only_l_3": ("1-3", "1-3", WHOLE),
        },
        duplicate=[[1, 3], [5, 8], [15, 15], [22, 24]],
    ),
    "12": Expected(
        "12_failed/outputs",
        17,
        [[12, 12], [17, 22]],
        {
            **OTHERS_CUT,
            "batch_1_4": ("1-4", "1-4", WHOLE),
            "batch_5_8_truncated_tiff": ("5-8", "5-8", WHOLE),
            "batch_13_16_sigint": ("13-16", "13-16", WHOLE),
            "batch_23_30_past_the_end": ("23-24", "23-24", WHOLE),
        },
    ),
    "12 by the plain command line": Expected(
        "12_failed/outputs_cli",
        6,
        [[1, 4], [9, 22]],
        {
            "batch_5_8": ("5-8", "5-8", WHOLE),
            "batch_5_8_nodonefile": ("5-8", "5-8", WHOLE),
            "batch_23_30": ("23-24", "23-24", WHOLE),
            "batch_13_16_kill9": ("", "", *UNFINISHED, "it left no"),
            "batch_21_24": ("", "", "failed", "reported Failure", "it left no"),
            "batch_40_45": ("", "", "failed", "reported Failure", "it left no"),
        },
        duplicate=[[5, 8]],
    ),
    "13": Expected(
        "13_groups/outputs",
        12,
        [[13, 24]],
        {f"P1-{w}": (r := f"{2 * i + 1}-{2 * i + 2}", r, WHOLE) for i, w in enumerate(WELLS)},
    ),
    "40": Expected(
        "40_spreadsheet/outputs",
        22,
        [[9, 9], [24, 24]],
        {
            **{site: (str(n), str(n), WHOLE) for n, site in enumerate(SITES[:-1], start=1)},
            "P1-B02-1": (
                "9",
                "",
                "failed",
                "no file shows that the job ended",
                "Cells.csv is empty",
            ),
        },
    ),
    "70": Expected(
        "70_cp319/batch",
        24,
        [],
        every_one("1-8", "9-16", "17-24", "1-2"),
        duplicate=[[1, 2]],
    ),
    "08": Expected(
        "08_unsorted_groups",
        8,
        [[9, 24]],
        {
            "run_f1_l4": ("1-4", "1-4", WHOLE),
            "run_f5_l8": ("5-8", "5-8", WHOLE),
            "run_f11_l14": ("11-14", "", "failed", "reported Failure", "11-14: not measured"),
            "run_g": ("3-4", "", "partial", "other images than in Batch_data.h5", "FileName_DNA"),
        },
        misplaced=[[3, 4]],
    ),
    "02": Expected(
        "02_loaddata_grouped",
        6,
        [[1, 1], [6, 14], [17, 24]],
        {"run_cut": ("2-5", "2-5", WHOLE), "run_g": ("15-16", "15-16", WHOLE)},
    ),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_run_is_told_as_it_is(case: Case, cpexport: Run, name: str) -> None:
    expected = EXPECTED[name]
    archive, _, part = expected.folder.partition("/")
    ran = cpexport("check", case(archive) / part, "--format", "json", "--quiet")
    said = json.loads(ran.out)
    batches = {Path(batch["path"]).name: batch for batch in said["batches"]}
    got = {
        name: (batch["image_sets"], batch["complete"], batch["state"])
        for name, batch in batches.items()
    }
    unsaid = [
        (name, word, batches[name]["reason"])
        for name, (_, _, _, *words) in expected.batches.items()
        for word in words
        if word not in batches[name]["reason"]
    ]

    assert got == {name: batch[:3] for name, batch in expected.batches.items()}
    assert unsaid == []
    assert [b["path"] for b in said["batches"] if (b["state"] == WHOLE) == bool(b["reason"])] == []
    missing = [n for first, last in expected.missing for n in range(first, last + 1)]
    assert list(said["missing_names"]) == [str(number) for number in missing]
    made = [ImageSets.parse(pipeline["image_sets"]) for pipeline in said["pipelines"]]
    assert len(union(made)) == expected.complete
    others = ("batches", "missing_names", "notes", "pipelines")
    assert {key: said[key] for key in said if key not in others} == {
        "cpexport_version": __version__,
        "exit_status": ran.status,
        "planned": 24,
        "skipped": [],
        "missing_is": "what the batch file plans",
        "trouble": "",
        "complete": expected.complete,
        "missing": expected.missing,
        "unexpected": [],
        "misplaced": expected.misplaced,
        "duplicate": expected.duplicate,
        "left_out": [],
        "queue": [],
    }
    assert (ran.status, ran.err) == (3 if expected.missing else 0, "")


@pytest.fixture
def failed(case: Case) -> Path:
    """A run of which 12 and 17-22 are missing."""
    return case("12_failed") / "outputs"


class TestFormats:
    def test_the_table_has_the_names_of_what_is_missing_and_why(
        self, failed: Path, cpexport: Run
    ) -> None:
        lines = cpexport("check", failed).out.splitlines()

        assert lines[:4] == [
            "planned   24  1-24",
            "complete  17  1-11,13-16,23-24",
            "missing   7   12 (P1 B03 site 2), 17-18 (P2 A03 sites 1-2), 19-20 (P2 B01 sites 1-2),",
            "              21-22 (P2 B02 sites 1-2)",
        ]
        for name, batch in OTHERS_CUT.items():
            (place,) = [p for p, line in enumerate(lines) if str(failed / name) in line.split()]
            said = " ".join([lines[place], *map(str.strip, lines[place + 1 : place + 4])])
            assert all(word in said for word in batch)

    def test_array_is_what_schedulers_take(self, failed: Path, cpexport: Run) -> None:
        assert cpexport("check", failed, "--format", "array", "--quiet").out == "12,17-22\n"

    def test_list_has_a_line_of_tabs_for_each_job(self, failed: Path, cpexport: Run) -> None:
        ran = cpexport("check", failed, "--format", "list", "--quiet")

        assert ran.out == "1\t12\t12\n2\t17\t22\n"

    def test_list_has_whole_groups_of_a_grouped_run(self, case: Case, cpexport: Run) -> None:
        ran = cpexport("check", case("02_loaddata_grouped"), "--format", "list", "--quiet")
        ranges = [tuple(map(int, line.split("\t")[1:])) for line in ran.out.splitlines()]
        firsts = [1, 5, 7, 9, 11, 13, 17, 19, 21, 23]

        assert ranges == [(first, first + 1) for first in firsts]

    def test_list_never_gives_a_range_for_a_group_that_is_none(
        self, case: Case, cpexport: Run
    ) -> None:
        """Well A01 has the image sets 1 and 13: a job on 1 to 13 would run eleven others."""
        ran = cpexport("check", case("08_unsorted_groups"), "--format", "list", "--quiet")
        jobs = [line.split("\t") for line in ran.out.splitlines()]

        assert jobs[0] == ["1", "", "", "Metadata_Plate=P1,Metadata_Well=A01"]
        assert {(first, last) for _, first, last, _ in jobs} == {("", "")}

    def test_nothing_is_printed_where_nothing_is_missing(self, case: Case, cpexport: Run) -> None:
        folder = case("10_ranges") / "outputs"
        for format in ("list", "array", "commands"):
            ran = cpexport("check", folder, "--format", format, "--quiet")

            assert (ran.status, ran.out) == (0, "")

    def test_commands_run_what_is_missing_whatever_the_paths_are_called(
        self, case: Case, cpexport: Run, tmp_path: Path
    ) -> None:
        home = tmp_path / 'the lab\'s "screen" $1 & more'
        shutil.copytree(case("12_failed") / "outputs" / "batch_1_4", home / "out" / "batch_1_4")
        batch = Path(shutil.copy(case("12_failed") / "Batch_data.h5", home))
        ran = cpexport("check", home / "out", "--batch", batch, "--format", "commands")
        folder = home / "out" / "batch_5_24"

        assert [shlex.split(line) for line in ran.out.splitlines()] == [
            [
                *("cellprofiler", "-c", "-r", "-p", str(batch), "-f", "5", "-l", "24"),
                *("-o", str(folder), "-t", str(folder / "tmp"), "-d", str(folder / "done.txt")),
            ]
        ]

    def test_commands_name_groups_that_are_no_range_each_with_its_own_folder(
        self, case: Case, cpexport: Run
    ) -> None:
        ran = cpexport("check", case("08_unsorted_groups"), "--format", "commands", "--quiet")
        commands = [shlex.split(line) for line in ran.out.splitlines()]
        groups = [words[words.index("-g") + 1] for words in commands]

        assert groups == [
            f"Metadata_Plate=P{plate},Metadata_Well={well}" for plate in (1, 2) for well in WELLS
        ]
        assert len({words[words.index("-o") + 1] for words in commands}) == len(commands)


class TestWhatIsCompared:
    def test_a_destination_by_its_ledger(
        self, case: Case, loaded: Callable[..., Path], cpexport: Run
    ) -> None:
        home = case("12_failed")
        words = ["--to", f"sqlite:///{loaded(home / 'outputs')}", "--batch", home / "Batch_data.h5"]
        ran = cpexport("check", *words, "--format", "json")
        said = json.loads(ran.out)

        assert (said["planned"], said["complete"]) == (24, 17)
        assert said["missing"] == [[12, 12], [17, 22]]
        assert ran.status == 3

    def test_a_whole_destination_is_whole(
        self, case: Case, loaded: Callable[..., Path], cpexport: Run
    ) -> None:
        home = case("10_ranges")
        database = loaded(home / "outputs")
        ran = cpexport("check", "--to", f"sqlite:///{database}", "--batch", home / "Batch_data.h5")

        assert ran.status == 0

    def test_without_outputs_the_batch_files_own_folder(self, case: Case, cpexport: Run) -> None:
        batch = case("10_ranges") / "Batch_data.h5"
        ran = cpexport("check", "--batch", batch, "--format", "json")

        assert (ran.status, json.loads(ran.out)["complete"]) == (0, 24)

    def test_an_empty_folder_misses_all(self, case: Case, cpexport: Run, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        batch = case("10_ranges") / "Batch_data.h5"
        ran = cpexport("check", tmp_path / "out", "--batch", batch, "--format", "json")
        said = json.loads(ran.out)

        assert (said["complete"], said["missing"], said["batches"]) == (0, [[1, 24]], [])
        assert ran.status == 3

    def test_image_sets_that_were_not_planned_are_unexpected(
        self, case: Case, cpexport: Run
    ) -> None:
        """24 image sets of another run, against the batch file of a movie of 16."""
        batch = case("50_track") / "lap_batch" / "Batch_data.h5"
        outputs = case("10_ranges") / "outputs"
        said = json.loads(
            cpexport("check", outputs, "--batch", batch, "--format", "json", "--quiet").out
        )
        (first,) = [b for b in said["batches"] if b["image_sets"] == "1-6"]

        assert (said["complete"], said["unexpected"]) == (0, [[17, 24]])
        assert "other images" in first["reason"]


class TestWithoutABatchFile:
    """What is missing is not known, but for what the numbers show."""

    @pytest.fixture
    def alone(self, case: Case, tmp_path: Path) -> Path:
        return shutil.copytree(case("10_ranges") / "outputs", tmp_path / "alone" / "outputs")

    def test_without_a_gap_it_is_said_that_nothing_more_is_known(
        self, alone: Path, cpexport: Run, tmp_path: Path
    ) -> None:
        words = "missing unknown without a batch file; gaps in the numbers: none"
        table = cpexport("check", alone)
        load = cpexport("load", alone, "--to", f"sqlite:///{tmp_path}/x.sqlite")
        said = json.loads(cpexport("check", alone, "--format", "json").out)

        assert (table.status, load.status) == (0, 0)
        assert words in " ".join(table.out.split())
        assert words in " ".join(load.out.split())
        assert (said["planned"], said["missing"], said["complete"]) == (None, [], 24)
        assert said["missing_is"] == "gaps in the numbers"

    def test_a_gap_is_missing(self, alone: Path, cpexport: Run, tmp_path: Path) -> None:
        shutil.rmtree(alone / "batch_1_6")
        shutil.rmtree(alone / "batch_13_18")
        table = cpexport("check", alone)
        load = cpexport("load", alone, "--to", f"sqlite:///{tmp_path}/x.sqlite", "--format=json")
        said = json.loads(load.out)

        assert (table.status, load.status) == (3, 3)
        assert "gaps in the numbers: 1-6, 13-18\n" in table.out
        assert cpexport("check", alone, "--format", "array").out == "1-6,13-18\n"
        assert (said["planned"], said["missing"]) == (None, [[1, 6], [13, 18]])

    def test_each_run_of_a_destination_says_so(
        self, alone: Path, case: Case, cpexport: Run, tmp_path: Path
    ) -> None:
        shutil.rmtree(alone / "batch_7_12")
        runs = [f"one={alone}", f"two={case('10_ranges')}/outputs"]
        ran = cpexport("load", "--table-number", *runs, "--to", f"sqlite:///{tmp_path}/x.sqlite")

        assert ran.status == 3
        assert "one, missing unknown without a batch file; gaps in the numbers: 7-12" in ran.out
        assert "two, missing none" in ran.out


class TestWrongUsage:
    def refused(self, ran: Ran, *words: str) -> bool:
        lines = ran.err.splitlines()
        assert [word for word in words if word not in lines[-1]] == []
        return (ran.status, ran.out) == (2, "") and "Traceback" not in ran.err

    def test_neither_a_batch_file_nor_any_output(self, cpexport: Run, tmp_path: Path) -> None:
        (tmp_path / "alone" / "outputs").mkdir(parents=True)
        ran = cpexport("check", tmp_path / "alone" / "outputs")

        assert (ran.status, ran.out) == (1, "")
        assert str(tmp_path / "alone" / "outputs") in ran.err
        assert "--batch" in ran.err

    @pytest.mark.parametrize(
        "words", [("--format", "list"), ("--resubmit", "again"), ("--watch", "1")], ids=" ".join
    )
    def test_what_cannot_be_done_without_a_batch_file(
        self, words: tuple[str, ...], case: Case, cpexport: Run, tmp_path: Path
    ) -> None:
        outputs = shutil.copytree(case("10_ranges") / "outputs", tmp_path / "alone" / "outputs")

        assert self.refused(cpexport("check", outputs, *words), "--batch")
        assert not (tmp_path / "again").exists()

    def test_several_batch_files(self, case: Case, cpexport: Run) -> None:
        ran = cpexport("check", case("10_ranges"), case("12_failed"))

        assert self.refused(ran, str(case("12_failed")), str(case("10_ranges")), "--batch")

    def test_neither_outputs_nor_a_batch_file(self, cpexport: Run) -> None:
        assert self.refused(cpexport("check"), "--batch")

    def test_a_destination_without_a_batch_file(self, cpexport: Run) -> None:
        assert self.refused(cpexport("check", "--to", "sqlite:///x.sqlite"), "--batch")

    def test_an_unknown_format(self, case: Case, cpexport: Run) -> None:
        assert self.refused(cpexport("check", case("10_ranges"), "--format", "xml"), "xml")


def test_nothing_to_run_again_makes_no_folder_and_says_so(
    copy: Callable[..., Path], cpexport: Run, tmp_path: Path
) -> None:
    outputs = copy("11_h5_and_csv", "outputs")
    batch = unpacked("11_h5_and_csv") / "Batch_data.h5"
    ran = cpexport("check", outputs, "--batch", batch, "--resubmit", "again3")

    assert "run again  0  nothing; no folder was made" in ran.out
    assert not (tmp_path / "again3").exists()


def test_a_failed_batch_that_another_one_replaces_is_not_counted(
    copy: Callable[..., Path], cpexport: Run
) -> None:
    outputs = copy("11_h5_and_csv", "outputs")
    old = Path(shutil.copytree(outputs / "batch_1_6", outputs / "first_try"))
    with measurements(old / "batch_1_6.h5") as run:
        for name in run["Image"]:
            if name.startswith("ModuleError_"):
                run["Image"][name]["index"].resize((0, 3))
    batch = unpacked("11_h5_and_csv") / "Batch_data.h5"
    ran = cpexport("check", outputs, "--batch", batch)

    assert ran.status == 0
    assert re.search(r"^(\d+) of \1 batches are complete; 1 replaced$", ran.out, re.MULTILINE)
    assert re.search(r"^replaced +1-6 +- .*first_try$", ran.out, re.MULTILINE)
    assert "replaced by batch_1_6; nothing to do" in ran.out
