"""submit.sh submits each job once, whoever runs it and however often, within what a site allows."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from clusters import Cluster, Slurm, slurm
from conftest import rows, unpacked
from gridengine import GridEngine, grid_engine
from lab import Lab, lab, program
from test_scripts import ODD, loaded, within

from cpexport.batchfile import read_batch_file
from cpexport.imagefolders import folders_read

__all__ = ["grid_engine", "lab", "slurm"]

COUNT = "SELECT count(*) FROM Per_Image"


def on(cluster: Cluster, lab: Lab) -> Lab:
    lab.environment = {**lab.environment, **cluster.env}
    return lab


def arrays(said: str) -> list[str]:
    return re.findall(r"are array job (\d+)", said)


def last(said: str) -> str:
    """The job that loads."""
    return re.findall(r"^job (\d+) runs after them", said, re.MULTILINE)[0]


def records(lab: Lab) -> dict[str, list[str]]:
    """What was recorded of each array: its id, and the image sets of its jobs."""
    folder = lab.run / "outputs" / "status"
    return {path.name: path.read_text().split()[1:] for path in sorted(folder.glob("*.submitted"))}


def timed(lab: Lab, seconds: float) -> None:
    """Has CellProfiler note when it begins and ends, and take its time in between."""
    (lab.home / "bin" / "cellprofiler").unlink()
    stand_in = Path(__file__).parent / "stand_in.py"
    note = f"date +%s.%N >>{lab.home}/times.$$"
    script = (
        f'{note}\nsleep {seconds}\n{sys.executable} {stand_in} "$@"\ncode=$?\n{note}\nexit $code'
    )
    program(lab, "cellprofiler", script)


def most_at_once(lab: Lab) -> int:
    events = []
    for path in lab.home.glob("times.*"):
        begun, ended = map(float, path.read_text().split())
        events += [(begun, 1), (ended, -1)]
    running = most = 0
    for _, change in sorted(events):
        running += change
        most = max(most, running)
    return most


def played(lab: Lab, answer: str = "echo 7", **commands: str) -> None:
    """A Slurm that notes what sbatch is told, and answers."""
    program(lab, "sbatch", f"printf '%s\\n' \"$@\" END >>{lab.home}/told\n{answer}")
    for name, script in {"scontrol": "exit 1", "sacctmgr": "exit 1", **commands}.items():
        program(lab, name, script)


def told(lab: Lab) -> list[list[str]]:
    path = lab.home / "told"
    calls = path.read_text().split("END\n") if path.exists() else []
    return [call.splitlines() for call in calls if call]


def sizes(lab: Lab) -> list[str]:
    """The arrays that sbatch was told of."""
    words = [word for call in told(lab) for word in call]
    return [word.removeprefix("--array=") for word in words if word.startswith("--array=")]


class TestOnce:
    def test_two_people_at_once_submit_once(self, slurm: Slurm, lab: Lab) -> None:
        on(slurm, lab).plan("--images-per-batch", 6, "--option=--hold", scheduler="slurm")
        words = ["sh", lab.run / "submit.sh"]
        environment = {**os.environ, **lab.environment}
        both = [
            subprocess.Popen(words, env=environment, stdout=-1, stderr=-2, text=True)
            for _ in range(2)
        ]
        said = "".join(one.communicate(timeout=60)[0] for one in both)
        queue = slurm.must("squeue", "-h", "-o", "%F %j").splitlines()
        slurm.must("scancel", *arrays(said), last(said))
        slurm.wait([*arrays(said), last(said)])

        assert len(arrays(said)) == 1
        assert sorted(line.split()[1] for line in queue) == ["cpexport", "cpexport-merge"]
        assert list(records(lab).values()) == [[arrays(said)[0], "1-6", "7-12", "13-18", "19-24"]]
        assert "is submitting jobs to these outputs" in said or "were submitted before" in said

    def test_who_submits_now_is_named_and_nothing_is_submitted(self, lab: Lab) -> None:
        played(lab)
        lab.plan("--images-per-batch", 6, scheduler="slurm")
        lock = lab.run / "outputs" / "status" / "submit.lock"
        lock.mkdir(parents=True)
        (lock / "who").write_text("ada on login2\n")
        said = lab.submit()

        assert "ada on login2 is submitting jobs" in said
        assert str(lock) in said
        assert told(lab) == []

    @pytest.mark.parametrize("what", ["a file in its place", "no room"])
    def test_nothing_is_submitted_that_cannot_be_recorded(self, lab: Lab, what: str) -> None:
        played(lab)
        lab.plan("--images-per-batch", 6, scheduler="slurm")
        status = lab.run / "outputs" / "status"
        if what == "no room":
            (lab.run / "logs").mkdir()
            status.mkdir()
        else:
            status.write_text("")
        # A process that may write no byte meets what one does on a full disk.
        script = 'trap "" XFSZ; [ "$1" = "no room" ] && ulimit -f 0; exec sh "$2"'
        done = subprocess.run(
            ["sh", "-c", script, "sh", what, lab.run / "submit.sh"],
            env={**os.environ, **lab.environment},
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.returncode == 1
        assert "nothing was submitted" in done.stderr
        assert told(lab) == []

    def test_a_submission_that_was_cut_off_is_told_with_what_to_do(self, lab: Lab) -> None:
        """sbatch is killed with all that waits for it, when nobody knows what Slurm has done."""
        played(lab, "kill -9 $PPID; kill -9 0")
        lab.plan("--images-per-batch", 6, scheduler="slurm")
        words = ["sh", lab.run / "submit.sh"]
        environment = {**os.environ, **lab.environment}
        subprocess.run(words, env=environment, start_new_session=True, check=False)
        shutil.rmtree(lab.run / "outputs" / "status" / "submit.lock")
        ((name, half),) = records(lab).items()
        played(lab)
        again = lab.submit()
        record = lab.run / "outputs" / "status" / name
        subprocess.run(["sed", "-i", "1s/$/12/", record], check=True)
        with_id = lab.submit()

        assert half == ["1-6", "7-12", "13-18", "19-24"]
        assert "jobs 1 to 4 may have been submitted" in again
        assert str(record) in again
        assert "squeue" in again
        assert "were submitted before, as 12" in with_id
        assert sizes(lab) == ["1-4"]

    def test_an_answer_that_was_lost_is_not_taken_for_a_refusal(self, lab: Lab) -> None:
        played(lab, "echo 'sbatch: error: Socket timed out on send/recv operation' >&2; exit 1")
        lab.plan("--images-per-batch", 6, scheduler="slurm")
        first, again = lab.submit(), lab.submit()

        assert "may have been submitted" in first
        assert "may have been submitted" in again
        assert sizes(lab) == ["1-4"]

    def test_jobs_whose_id_cannot_be_recorded_are_cancelled(self, lab: Lab) -> None:
        """The folder is taken away while sbatch runs."""
        played(
            lab,
            f"rm -rf {lab.run}/outputs/status; echo 7",
            scancel=f'echo "$@" >{lab.home}/cancelled',
        )
        lab.plan("--images-per-batch", 6, scheduler="slurm")
        said = lab.submit()

        assert "these jobs were cancelled again" in said
        assert (lab.home / "cancelled").read_text() == "7\n"

    def test_what_another_plan_has_submitted_meanwhile_is_not_submitted_again(
        self, lab: Lab
    ) -> None:
        """Two people plan what is missing at the same time, and both submit it."""
        played(lab)
        lab.plan("--images-per-batch", 12, scheduler="slurm")
        lab.submit()
        program(lab, "squeue", "exit 0")
        lab.resubmit()
        first = lab.again
        lab.resubmit()
        second = lab.again
        for folder in (first, second):
            os.utime(folder / "plan.json", (1, 1))
        for record in (lab.run / "outputs" / "status").glob("*.submitted"):
            os.utime(record, (0, 0))
        submitted, refused = lab.submit(first), lab.submit(second)

        assert arrays(submitted) == ["7"]
        assert arrays(refused) == []
        assert "image set 1 is in jobs that were submitted since this plan was made" in refused

    def test_other_image_sets_of_another_plan_are_in_nobodys_way(self, lab: Lab) -> None:
        played(lab)
        lab.plan("--images-per-batch", 12, scheduler="slurm")
        status = lab.run / "outputs" / "status"
        status.mkdir()
        (status / "0123456789ab.0.submitted").write_text("slurm\t3\n25-36\n37,40-48\n")
        os.utime(lab.run / "plan.json", (1, 1))

        assert arrays(lab.submit()) == ["7"]


class TestLimits:
    @pytest.mark.parametrize(
        ("config", "account", "expected"),
        [
            ("MaxArraySize = 1001", "", ["1-24"]),
            ("MaxArraySize = 11", "", ["1-10", "1-10", "1-4"]),
            ("MaxArraySize = 1001\nMaxJobCount = 21", "", ["1-20", "1-4"]),
            ("SchedulerParameters = bf_x,max_array_tasks=9,y", "", ["1-9", "1-9", "1-6"]),
            ("MaxArraySize = 1001", "\n20\n", ["1-20", "1-4"]),
        ],
    )
    def test_of_a_site_are_read(
        self, lab: Lab, config: str, account: str, expected: list[str]
    ) -> None:
        played(lab, scontrol=f"echo '{config}'", sacctmgr=f"echo '{account}'")
        lab.plan(scheduler="slurm")
        lab.submit()

        assert sizes(lab) == expected

    def test_that_nobody_told_end_a_submission_that_can_go_on_later(self, lab: Lab) -> None:
        """A Slurm that lets somebody have 15 jobs in the queue, as its manager says no."""
        count = lab.home / "count"
        refusal = (
            "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed"
        )
        played(
            lab,
            "for w; do case $w in --array=1-*) n=${w#--array=1-};; esac; done\n"
            f"had=$(cat {count} 2>/dev/null || echo 0)\n"
            f"if [ $((had + ${{n:-1}})) -gt 15 ]; then echo '{refusal}' >&2; exit 1; fi\n"
            f"echo $((had + ${{n:-1}})) >{count}; echo $((had + 100))",
        )
        lab.plan(scheduler="slurm")
        first = lab.submit()
        count.unlink()
        second = lab.submit()
        jobs = [sets for record in records(lab).values() for sets in record[1:]]

        assert "15 of 24 jobs are submitted" in first
        assert "QOSMaxSubmitJobPerUserLimit" in first
        assert "runs after them" not in first
        assert "runs after them" in second
        assert sorted(map(int, jobs)) == list(range(1, 25))

    def test_of_grid_engine_are_read(self, lab: Lab) -> None:
        program(lab, "qsub", f"printf '%s\\n' \"$@\" >>{lab.home}/told\necho 7")
        program(lab, "qconf", "echo 'max_aj_tasks                 10'")
        lab.plan(scheduler="sge")
        lab.submit()

        assert re.findall("^1-.*", (lab.home / "told").read_text(), re.MULTILINE) == [
            "1-10", "1-10", "1-4",
        ]  # fmt: skip

    def test_at_once_holds_over_all_arrays(self, slurm: Slurm, lab: Lab) -> None:
        """At a site that allows arrays of two: its own scontrol, with that one line changed."""
        on(slurm, lab).plan("--images-per-batch", 4, "--at-once", 1, scheduler="slurm")
        timed(lab, 0.5)
        real = shutil.which("scontrol")
        program(lab, "scontrol", f"{real} \"$@\" | sed 's/^MaxArraySize .*/MaxArraySize = 3/'")
        said = lab.submit()
        slurm.wait([*arrays(said), last(said)], 90)

        assert len(arrays(said)) == 3
        assert most_at_once(lab) == 1
        assert rows(lab.run / "screen.sqlite", COUNT) == [(24,)]

    def test_at_once_holds_over_arrays_on_grid_engine(
        self, grid_engine: GridEngine, lab: Lab
    ) -> None:
        on(grid_engine, lab).plan("--images-per-batch", 8, "--at-once", 1, scheduler="sge")
        timed(lab, 0.5)
        program(lab, "qconf", "echo 'max_aj_tasks 2'")
        said = lab.submit()
        grid_engine.wait([*arrays(said), last(said)], 90)

        assert len(arrays(said)) == 2
        assert most_at_once(lab) == 1
        assert rows(lab.run / "screen.sqlite", COUNT) == [(24,)]


class TestLastJob:
    def test_waits_for_all_others_whatever_else_was_asked_for(self, slurm: Slurm, lab: Lab) -> None:
        on(slurm, lab).plan(
            *("--images-per-batch", 6, "--option=--dependency=singleton", "--option=--hold"),
            scheduler="slurm",
        )
        said = lab.submit()
        why = slurm.must("squeue", "-h", "-j", last(said), "-o", "%r").strip()
        slurm.must("scontrol", "release", *arrays(said))
        slurm.wait([*arrays(said), last(said)], 90)

        assert why == "Dependency"
        assert rows(lab.run / "screen.sqlite", COUNT) == [(24,)]

    def test_runs_when_the_others_were_cancelled(self, slurm: Slurm, lab: Lab) -> None:
        on(slurm, lab).plan("--images-per-batch", 6, "--option=--hold", scheduler="slurm")
        said = lab.submit()
        slurm.must("scancel", *arrays(said))
        slurm.wait([*arrays(said), last(said)], 90)
        log = (lab.run / "logs" / f"merge_{last(said)}.log").read_text()

        assert "missing" in log

    def test_has_limits_of_its_own(self, slurm: Slurm, lab: Lab) -> None:
        limits = ("--time", 5, "--memory", "300M")
        on(slurm, lab).plan("--images-per-batch", 6, *limits, "--option=--hold", scheduler="slurm")
        said = lab.submit()
        found = slurm.must("squeue", "-h", "-j", last(said), "-o", "%l %m").split()
        array = slurm.must("squeue", "-h", "-j", arrays(said)[0], "-o", "%l %m").split()
        slurm.must("scancel", *arrays(said), last(said))
        slurm.wait([*arrays(said), last(said)])

        assert array[:2] == ["5:00", "300M"]
        assert found == ["30:00", "4G"]

    def test_gets_no_more_time_than_its_partition_allows(self, slurm: Slurm, lab: Lab) -> None:
        """It would wait for ever; the tests' partition allows an hour."""
        on(slurm, lab).plan(
            *("--images-per-batch", 6, "--merge-time", "1-12:00:00", "--option=--hold"),
            scheduler="slurm",
        )
        said = lab.submit()
        found = slurm.must("squeue", "-h", "-j", last(said), "-o", "%l").strip()
        slurm.must("scancel", *arrays(said), last(said))
        slurm.wait([*arrays(said), last(said)])

        assert found == "1:00:00"
        assert "gets 1:00:00, the most that its partition allows" in said

    def test_has_the_limits_that_it_is_given(self, lab: Lab) -> None:
        played(lab)
        lab.plan("--merge-time", "2:00:00", "--merge-memory", "8G", scheduler="slurm")
        lab.submit()
        array, merge = told(lab)

        assert not [word for word in array if word.startswith(("--time", "--mem"))]
        assert {"--time=02:00:00", "--mem=8192M"} <= set(merge)


class TestOptions:
    @pytest.mark.parametrize(
        ("option", "words"),
        [
            ("--account=lab", ["--account=lab"]),
            ("-A lab", ["-A", "lab"]),
            ("--comment='my job'", ["--comment=my job"]),
            ("--account=lab --qos=high", ["--account=lab", "--qos=high"]),
        ],
    )
    def test_are_split_as_a_shell_would(self, lab: Lab, option: str, words: list[str]) -> None:
        played(lab)
        lab.plan(f"--option={option}", scheduler="slurm")
        lab.submit()
        array, merge = told(lab)
        at = array.index(words[0])

        assert array[at : at + len(words)] == words
        assert words[-1] in merge

    @pytest.mark.parametrize("option", ["--comment=my job", "--comment=it's"])
    def test_that_can_be_read_in_two_ways_are_refused_with_the_word_how(
        self, lab: Lab, option: str
    ) -> None:
        batch = lab.home / "any.h5"
        ran = lab.call("plan", "--batch", batch, "--out", lab.run, f"--option={option}")

        assert ran.status == 2
        assert "--option \"--comment='" in ran.err

    def test_parallel_environments_of_grid_engine(self, lab: Lab) -> None:
        program(lab, "qsub", f"printf '%s\\n' \"$@\" END >>{lab.home}/told\necho 7")
        lab.plan("--option=-pe smp 4", "--option=-hold_jid 3 -h", scheduler="sge")
        lab.submit()
        array, merge = told(lab)
        at = array.index("-pe")

        assert array[at : at + 6] == ["-pe", "smp", "4", "-hold_jid", "3", "-h"]
        assert merge[merge.index("-pe") :][:5] == ["-pe", "smp", "4", "-hold_jid", "7"]
        assert "-h" not in merge

    def test_chunks_of_pbs_get_the_memory(self, lab: Lab) -> None:
        program(lab, "qsub", f"printf '%s\\n' \"$@\" END >>{lab.home}/told\necho '17[].server'")
        chunk = "--option=-l select=1:ncpus=4:place=free"
        lab.plan(chunk, "--memory", "2G", "--option=-W group_list=lab", scheduler="pbs")
        lab.submit()
        array, merge = told(lab)

        assert array[-3:-1] == ["-l", "select=1:ncpus=4:mem=2048mb:place=free"]
        assert not [word for word in array if word.startswith("mem=")]
        assert "select=1:ncpus=4:mem=4096mb:place=free" in merge
        assert "group_list=lab" in merge


class TestPaths:
    """Folders whose names have every character that people can type."""

    @pytest.mark.parametrize("name", [ODD, ODD.replace("\\", "")])
    def test_on_slurm(self, slurm: Slurm, lab: Lab, name: str) -> None:
        odd = within(lab, name)
        on(slurm, odd).plan("--images-per-batch", 12, scheduler="slurm")
        said = odd.submit()
        slurm.wait([*arrays(said), last(said)], 90)
        logs = sorted(path.name for path in (odd.run / "logs").iterdir())

        assert loaded(odd.run / "screen.sqlite") == 24
        assert logs == sorted(
            [*(f"{arrays(said)[0]}_{n}.log" for n in (1, 2)), f"merge_{last(said)}.log"]
        )

    def test_on_grid_engine(self, grid_engine: GridEngine, lab: Lab) -> None:
        odd = within(lab, ODD)
        on(grid_engine, odd).plan("--images-per-batch", 12, scheduler="sge")
        said = odd.submit()
        grid_engine.wait([*arrays(said), last(said)], 90)
        logs = [path.name for path in (odd.run / "logs").iterdir()]

        assert loaded(odd.run / "screen.sqlite") == 24
        assert len(logs) == 3

    def test_that_a_scheduler_does_not_take_are_refused(self, lab: Lab) -> None:
        batch = unpacked("10_ranges") / "Batch_data.h5"
        refused = {
            (format, name): lab.call("plan", batch, "--out", lab.home / name, "--format", format)
            for format, name in [("pbs", "a:b"), ("lsf", "%J")]
        }

        for (_, name), ran in refused.items():
            assert ran.status == 2
            assert "takes" in ran.err
            assert not (lab.home / name).exists()

    def test_are_quoted_for_the_shell_of_lsf(self, lab: Lab) -> None:
        """bsub joins the words of a command with spaces, and gives them to a shell."""
        program(
            lab,
            "bsub",
            'while [ "$1" != sh ]; do [ "$1" = -w ] && exit; shift; done\n'
            'LSB_JOBID=7 LSB_JOBINDEX=1 sh -c "$*"; echo "Job <7> is submitted to queue <x>."',
        )
        odd = within(lab, ODD)
        odd.plan("--images-per-batch", 24, scheduler="lsf")
        odd.submit()

        assert odd.missing() == ""


class TestContainers:
    def test_get_every_folder_that_jobs_read_and_write(self, lab: Lab) -> None:
        images, scratch = lab.home / "my images" / "plate 1", lab.home / "scratch"
        for folder in (images, scratch, lab.home / "batch"):
            folder.mkdir(parents=True)
        batch = lab.home / "batch" / "Batch_data.h5"
        shutil.copy(unpacked("10_ranges") / "Batch_data.h5", batch)
        with_pictures_in(batch, images)
        # All words, and where those of CellProfiler begin.
        script = f"printf '%s\\n' \"$@\" >{lab.home}/told\n"
        script += 'while [ "$1" != cellprofiler ]; do shift; done\nexec "$@"'
        program(lab, "apptainer", script)
        words = ("--images-per-batch", 24, "--container", "cp.sif", "--format", "shell")
        ran = lab.call("plan", batch, "--out", lab.run, *words)
        lab.environment = {**lab.environment, "CPEXPORT_TMPDIR": str(scratch)}
        lab.submit()
        called = (lab.home / "told").read_text().splitlines()
        bound = {called[i + 1] for i, word in enumerate(called) if word == "--bind"}

        assert ran.status == 0, ran.err
        assert called[0] == "exec"
        assert called[called.index("cellprofiler") - 1] == "cp.sif"
        assert bound == set(map(str, (lab.run, lab.run / "outputs", batch.parent, images, scratch)))

    def test_are_given_the_folders_that_hold_those_of_pictures_where_these_are_many(
        self, lab: Lab
    ) -> None:
        batch = lab.home / "Batch_data.h5"
        shutil.copy(unpacked("10_ranges") / "Batch_data.h5", batch)
        with_pictures_in(batch, *(Path(f"/data/screen/plate/{well}") for well in range(24)))

        # The first is where LoadData's list is.
        assert folders_read(read_batch_file(batch)) == (
            "/cluster/corpus/images",
            "/data/screen/plate",
        )


def with_pictures_in(batch: Path, *folders: Path) -> None:
    """Has a batch file say that its pictures are in these folders, in turn."""
    with h5py.File(batch, "r+") as file:
        (run,) = file["Measurements"].values()
        for name, group in run["Image"].items():
            if not name.startswith(("URL_", "PathName_")):
                continue
            for key in [k for k in group if k.isdigit()]:
                folder = folders[int(key) % len(folders)]
                del group[key]
                group[key] = [folder.as_uri() + "/a.tif" if name[0] == "U" else str(folder)]
            if "data" in group:
                at = range(len(group["data"]))
                each = [folders[i % len(folders)] for i in at]
                del group["data"]
                group["data"] = [
                    (f.as_uri() + "/a.tif" if name[0] == "U" else str(f)).encode() for f in each
                ]


def test_a_long_array_is_printed_with_a_word_about_lists(lab: Lab) -> None:
    """sbatch takes 4096 characters; image sets 1, 3, 5 and so on have more."""
    batch = lab.home / "Batch_data.h5"
    shutil.copy(unpacked("10_ranges") / "Batch_data.h5", batch)
    with h5py.File(batch, "r+") as file:
        (run,) = file["Measurements"].values()
        for group in run["Image"].values():
            index = np.concatenate([group["index"][:]] * 100)
            data = group["data"][:][index[:, 1].astype(int)]
            index[:, 0] = np.arange(1, 2 * len(index), 2)
            index[:, 1] = np.arange(len(index))
            index[:, 2] = index[:, 1] + 1
            del group["index"], group["data"]
            group["index"] = index
            group["data"] = index[:, 0] if group.name.endswith("/ImageNumber") else data
    ran = lab.call("plan", batch, "--format", "array")

    assert ran.out.startswith("1,3,5,7,")
    assert "sbatch takes 4096" in ran.err
    assert "--format list" in ran.err


def test_a_plan_is_as_short_as_what_is_read_of_it(lab: Lab) -> None:
    lab.plan(scheduler="slurm")
    text = (lab.run / "plan.json").read_text()
    said = json.loads(text)
    printed = json.loads(lab.call("plan", said["batch_file"], "--format", "json").out)

    assert said["jobs"] == [{"task": n, "image_sets": str(n)} for n in range(1, 25)]
    assert sum('"task"' in line for line in text.splitlines()) == 24
    assert printed["jobs"][23]["command"][0] == "cellprofiler"
