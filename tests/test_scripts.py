"""The files that run a plan do so in folders of any name."""

import sqlite3
import string
from contextlib import closing
from pathlib import Path

import pytest
from lab import Lab, lab, program

__all__ = ["lab"]

ODD = "%41" + "".join(c for c in string.printable if c.isprintable() and c != "/") + "é細"


@pytest.fixture
def odd(lab: Lab) -> Lab:
    """The lab, in a folder whose name has all characters that people can type."""
    return within(lab, ODD)


def within(lab: Lab, name: str) -> Lab:
    """The lab, with its runs in a folder of this name."""
    lab.home /= name
    lab.home.mkdir()
    (lab.home / "bin").symlink_to(lab.home.parent / "bin")
    return lab


def test_the_shell_runs_a_plan_in_a_folder_of_any_name(odd: Lab) -> None:
    odd.plan("--images-per-batch", 12)
    odd.fail({"1-12": ["exit 7"]})
    submitted = odd.submit()
    odd.resubmit()
    again = odd.submit(odd.again)

    assert "missing" in submitted
    assert odd.missing() == "", again
    assert (odd.run / "logs" / "1.log").exists()
    assert loaded(odd.run / "screen.sqlite") == 24


def test_slurm_gets_a_folder_of_any_name_as_it_is(lab: Lab) -> None:
    """Played by a command that runs the jobs of an array one after the other. The real one, in
    test_submit.py, fills in no path with a backslash."""
    odd = within(lab, ODD.replace("\\", ""))
    program(odd, "scontrol", "echo 'MaxArraySize = 1001'")
    program(odd, "squeue", "exit 0")
    program(odd, "sbatch", SBATCH)
    odd.plan("--images-per-batch", 12, scheduler="slurm")
    said = odd.submit()

    assert "job 12 runs after them" in said
    assert odd.missing() == ""
    assert loaded(odd.run / "screen.sqlite") == 24
    assert {path.name for path in (odd.run / "logs").iterdir()} == {"1.log", "2.log", "12.log"}


def loaded(database: Path) -> int:
    with closing(sqlite3.connect(database)) as db:
        (count,) = db.execute("SELECT count(*) FROM Per_Image").fetchone()
    return int(count)


SBATCH = r"""
count=0
for word; do
    case $word in
        --array=1-*) count=${word#--array=1-} ;;
        --output=*) logs=$(dirname "$(printf '%s' "${word#--output=}" | sed 's/%%/%/g')") ;;
        --*) ;;
        *) break ;;
    esac
    shift
done
if [ "$count" = 0 ]; then
    sh "$@" >"$logs/12.log" 2>&1
    echo 12
    exit
fi
for index in $(seq 1 "$count"); do
    SLURM_ARRAY_JOB_ID=7 SLURM_ARRAY_TASK_ID=$index sh "$@" >"$logs/$index.log" 2>&1
done
echo 7
"""
