"""What schedulers say is read with care: what is not known to have ended is never offered."""

import json
import os
from pathlib import Path

import pytest
from support.site import Site, program, ranges

from cpexport.jobs.schedulers import grid_engine, slurm

NO_ACCOUNTS = "echo Slurm accounting storage is disabled >&2; exit 1"


@pytest.fixture
def status(site: Site) -> Path:
    """The folder of records of three jobs that were submitted to Slurm."""
    site.plan("--images-per-batch", 8, scheduler="slurm")
    folder = site.run / "outputs" / "status"
    folder.mkdir()
    (folder / "x.0.submitted").write_text("slurm\t7\n1-8\n9-16\n17-24\n")
    program(site, "squeue", "exit 0")
    program(site, "sacct", NO_ACCOUNTS)
    return folder


def says(site: Site, *states: str) -> None:
    lines = "\n".join(f"7_{n}|{state}" for n, state in enumerate(states, start=1))
    program(site, "squeue", f"cat <<'E'\n{lines}\nE")


@pytest.mark.parametrize(
    "state",
    [
        *("PENDING|JobHeldUser", "RESV_DEL_HOLD|Reservation", "REQUEUE_FED|None", "REVOKED|None"),
        *("SPECIAL_EXIT|None", "REQUEUE_HOLD|None", "LAUNCH_FAILED|None", "STAGE_OUT|None"),
        "WORD_OF_A_LATER_SLURM|None",
    ],
)
def test_only_states_known_to_be_final_are_ends(state: str, status: Path, site: Site) -> None:
    says(site, state, "FAILED|NonZeroExitCode", "DEADLINE|None")
    again = site.resubmit()

    assert (ranges(again), again["under_way"]) == (["9-16", "17-24"], [[1, 8]])


def test_a_job_listed_twice_may_run(status: Path, site: Site) -> None:
    program(site, "squeue", "printf '7_1|PENDING|Priority\\n7_1|NODE_FAIL|None\\n'")

    assert site.resubmit()["under_way"] == [[1, 8]]


def test_one_id_that_slurm_has_forgotten_has_ended(status: Path, site: Site) -> None:
    """Of a single id squeue says so with exit status 1 (Slurm 22.05)."""
    program(site, "squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")

    assert ranges(site.resubmit()) == ["1-8", "9-16", "17-24"]


def test_at_a_site_that_hides_jobs_those_of_others_are_held_back(status: Path, site: Site) -> None:
    program(site, "scontrol", "echo 'PrivateData             = jobs,usage'")
    mine = site.resubmit()
    if os.getuid() != 0:
        pytest.skip("a file of another user is made by root only")
    os.chown(status / "x.0.submitted", 54321, 54321)
    theirs = site.resubmit()

    assert ranges(mine) == ["1-8", "9-16", "17-24"]
    assert (ranges(theirs), theirs["under_way"]) == ([], [[1, 24]])
    assert "(PrivateData)" in site.err


def test_one_wait_for_a_slurm_that_never_answers_is_enough_and_names_its_settings(
    status: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("squeue", "sacct"):
        program(site, name, f"echo {name} >>{site.home}/called\nexec sleep 60")
    monkeypatch.setenv("PATH", str(site.environment["PATH"]))
    monkeypatch.setenv("SLURM_CONF", "/no/such/slurm.conf")
    monkeypatch.setattr("cpexport.jobs.scheduler_commands._SECONDS", 1)
    problem = slurm.ask({"7", "8"}).problem

    assert problem == "squeue did not answer within 1 seconds; SLURM_CONF is /no/such/slurm.conf"
    assert (site.home / "called").read_text() == "squeue\n"


def test_settings_for_formats_are_kept_from_slurm(status: Path, site: Site) -> None:
    program(site, "squeue", f"env >{site.home}/seen")
    odd = {"SQUEUE_FORMAT": "%i", "SACCT_FORMAT": "x", "SLURM_TIME_FORMAT": "%s"}
    site.environment = {**site.environment, **odd, "SLURM_CONF": "/etc/slurm/slurm.conf"}
    site.call("check", site.run)
    seen = {line.partition("=")[0] for line in (site.home / "seen").read_text().splitlines()}

    assert not seen & set(odd)
    assert "SLURM_CONF" in seen


def test_a_slow_squeue_is_said(status: Path, site: Site) -> None:
    program(site, "squeue", "sleep 3")
    ran = site.call("check", site.run)

    assert "waiting for squeue, for at most 60 seconds" in ran.err


def test_one_that_never_answers_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    squeue = tmp_path / "squeue"
    squeue.write_text("#!/bin/sh\nexec sleep 60\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("cpexport.jobs.scheduler_commands._SECONDS", 1)

    assert slurm.ask({"7"}).problem == "squeue did not answer within 1 seconds"


@pytest.mark.parametrize("end", ["terminated", "timeout"])
def test_what_was_stopped_may_wait_for_its_next_start_while_nobody_can_say(
    end: str, status: Path, site: Site
) -> None:
    """Slurm starts a job again that made room for another one."""
    (status / "batch_1_8.status").write_text(
        "start\t1-8\tslurm:7_1\t2026-01-01T00:00:00Z\t60\t\tp\n"
        f"end\t{end}\t\t2026-01-01T00:10:00Z\tslurm:7_1\n"
    )
    answers = site.resubmit()
    program(site, "squeue", "echo 'Unable to contact slurm controller' >&2; exit 1")
    again = site.resubmit()

    assert "1-8" in ranges(answers)
    assert (ranges(again), again["under_way"]) == ([], [[1, 24]])


def test_a_job_that_waits_has_a_row_with_the_reason(status: Path, site: Site) -> None:
    """A time limit beyond the partition's lets it wait for ever."""
    says(site, "PENDING|PartitionTimeLimit", "PENDING|PartitionTimeLimit", "FAILED|None")
    table = site.call("check", site.run).out
    queue = json.loads(site.call("check", site.run, "--format", "json").out)["queue"]

    assert "waiting" in table
    assert "the job waits in the queue (reason: PartitionTimeLimit)" in table
    assert "scontrol update JobId=7 TimeLimit=H:MM:SS" in table
    assert "with a shorter --time" in queue[0]["reason"]
    assert [(job["job"], job["image_sets"], job["state"]) for job in queue] == [
        ("slurm:7_1", "1-8", "waiting"),
        ("slurm:7_2", "9-16", "waiting"),
        ("slurm:7_3", "17-24", "failed"),
    ]
    assert "before it started (the scheduler reports FAILED)" in queue[2]["reason"]


@pytest.mark.parametrize("reason", ["Priority", "Resources", "Dependency"])
def test_a_job_that_only_waits_its_turn_needs_no_advice(
    reason: str, status: Path, site: Site
) -> None:
    says(site, f"PENDING|{reason}")
    (first, *_) = json.loads(site.call("check", site.run, "--format", "json").out)["queue"]

    assert first["reason"] == f"the job waits in the queue (reason: {reason})"


def test_what_is_printed_to_run_again_says_that_some_of_it_runs(status: Path, site: Site) -> None:
    says(site, "RUNNING|None", "PENDING|Priority", "FAILED|None")
    ran = site.call("check", site.run, "--format", "array")

    assert ran.out == "1-24\n"
    assert "1-16 wait or run" in ran.err


@pytest.mark.parametrize("scheduler", ["lsf", "pbs"])
def test_schedulers_that_are_not_asked_hold_back_what_never_ended(
    scheduler: str, status: Path, site: Site
) -> None:
    id = "17[].server" if scheduler == "pbs" else "17"
    (status / "x.0.submitted").write_text(f"{scheduler}\t{id}\n1-8\n9-16\n17-24\n")
    (status / "batch_9_16.status").write_text(
        f"start\t9-16\t{scheduler}:17_2\t2026-01-01T00:00:00Z\t\t\n"
        "end\tfailed\t1\t2026-01-01T01:00:00Z\n"
    )
    again = site.resubmit()

    assert (ranges(again), again["under_way"]) == (["9-16"], [[1, 8], [17, 24]])
    assert "which jobs wait or run, so jobs that never recorded" in site.err


@pytest.mark.parametrize("tasks", ["2-4:1", "2,3-4", "2-3:1,4"])
def test_grid_engine_names_tasks_that_wait_in_one_line(
    tasks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        "<job_info><queue_info><job_list state='running'><JB_job_number>7</JB_job_number>"
        "<state>r</state><tasks>1</tasks></job_list></queue_info><job_info>"
        f"<job_list state='pending'><JB_job_number>7</JB_job_number><state>qw</state>"
        f"<tasks>{tasks}</tasks></job_list><job_list state='pending'>"
        "<JB_job_number>8</JB_job_number><state>qw</state></job_list></job_info></job_info>"
    )
    qstat = tmp_path / "qstat"
    qstat.write_text(f'#!/bin/sh\necho "{text}"\n')
    qstat.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = grid_engine.ask({"7"})

    assert {id: task.standing for id, task in found.tasks.items()} == {
        "7_1": "running",
        **dict.fromkeys(("7_2", "7_3", "7_4"), "waiting"),
    }


def test_a_grid_engine_that_cannot_be_asked_holds_back_what_never_ended(
    status: Path, site: Site
) -> None:
    (status / "x.0.submitted").write_text("sge\t7\n1-8\n9-16\n17-24\n")
    program(site, "qstat", "echo 'error: commlib error: got select error' >&2; exit 1")
    again = site.resubmit()

    assert (ranges(again), again["under_way"]) == ([], [[1, 24]])
    assert "Grid Engine cannot be asked which jobs wait or run (qstat failed with 1" in site.err


def test_a_job_that_ends_while_its_scheduler_is_asked_is_not_offered(
    status: Path, site: Site
) -> None:
    """It has left the queue then, and its outputs came after they were looked for."""
    task = f"CPEXPORT_JOB=slurm:7_1 sh {site.run}/task.sh 1"
    program(site, "squeue", f"{task} >/dev/null 2>&1; exit 0")
    again = site.resubmit()

    assert ranges(again) == ["9-16", "17-24"]
    assert site.missing() == "9-24"
