"""The files that run a plan do so in folders of any name."""

import json
import sqlite3
import string
from contextlib import closing
from pathlib import Path

import pytest
from support.clusters import Slurm
from support.fixtures import unpacked
from support.grid_engine import GridEngine
from support.site import Site, program
from support.submitting import arrays, last, on

ODD = "%41" + "".join(c for c in string.printable if c.isprintable() and c != "/") + "é細"


@pytest.fixture
def odd(site: Site) -> Site:
    """The lab, in a folder whose name has all characters that people can type."""
    return within(site, ODD)


def within(site: Site, name: str) -> Site:
    """The lab, with its runs in a folder of this name."""
    site.home /= name
    site.home.mkdir()
    (site.home / "bin").symlink_to(site.home.parent / "bin")
    return site


def test_the_shell_runs_a_plan_in_a_folder_of_any_name(odd: Site) -> None:
    odd.plan("--images-per-batch", 12)
    odd.fail({"1-12": ["exit 7"]})
    submitted = odd.submit()
    odd.resubmit()
    again = odd.submit(odd.again)

    assert "missing" in submitted
    assert odd.missing() == "", again
    assert (odd.run / "logs" / "1.log").exists()
    assert loaded(odd.run / "screen.sqlite") == 24


def test_slurm_gets_a_folder_of_any_name_as_it_is(site: Site) -> None:
    """Played by a command that runs the jobs of an array one after the other. The real one, in
    TestPaths, fills in no path with a backslash."""
    odd = within(site, ODD.replace("\\", ""))
    program(odd, "scontrol", "echo 'MaxArraySize = 1001'")
    program(odd, "squeue", "exit 0")
    program(odd, "sbatch", SBATCH)
    odd.plan("--images-per-batch", 12, scheduler="slurm")
    said = odd.submit()

    assert "job 12 runs after them" in said
    assert odd.missing() == ""
    assert loaded(odd.run / "screen.sqlite") == 24
    assert {path.name for path in (odd.run / "logs").iterdir()} == {"1.log", "2.log", "12.log"}


class TestPaths:
    """Folders whose names have every character that people can type."""

    @pytest.mark.parametrize("name", [ODD, ODD.replace("\\", "")])
    def test_on_slurm(self, slurm: Slurm, site: Site, name: str) -> None:
        odd = within(site, name)
        on(slurm, odd).plan("--images-per-batch", 12, scheduler="slurm")
        said = odd.submit()
        slurm.wait([*arrays(said), last(said)])
        logs = sorted(path.name for path in (odd.run / "logs").iterdir())

        assert loaded(odd.run / "screen.sqlite") == 24
        assert logs == sorted(
            [*(f"{arrays(said)[0]}_{n}.log" for n in (1, 2)), f"merge_{last(said)}.log"]
        )

    def test_on_grid_engine(self, grid_engine: GridEngine, site: Site) -> None:
        odd = within(site, ODD)
        on(grid_engine, odd).plan("--images-per-batch", 12, scheduler="sge")
        said = odd.submit()
        grid_engine.wait([*arrays(said), last(said)])
        logs = [path.name for path in (odd.run / "logs").iterdir()]

        assert loaded(odd.run / "screen.sqlite") == 24
        assert len(logs) == 3

    def test_that_a_scheduler_does_not_take_are_refused(self, site: Site) -> None:
        batch = unpacked("10_ranges") / "Batch_data.h5"
        refused = {
            (format, name): site.call("plan", batch, "--out", site.home / name, "--format", format)
            for format, name in [("pbs", "a:b"), ("lsf", "%J")]
        }

        for (_, name), ran in refused.items():
            assert ran.status == 2
            assert "in a path a special meaning" in ran.err
            assert not (site.home / name).exists()

    def test_are_quoted_for_the_shell_of_lsf(self, site: Site) -> None:
        """bsub joins the words of a command with spaces, and gives them to a shell."""
        program(
            site,
            "bsub",
            'while [ "$1" != sh ]; do [ "$1" = -w ] && exit; shift; done\n'
            'LSB_JOBID=7 LSB_JOBINDEX=1 sh -c "$*"; echo "Job <7> is submitted to queue <x>."',
        )
        odd = within(site, ODD)
        odd.plan("--images-per-batch", 24, scheduler="lsf")
        odd.submit()

        assert odd.missing() == ""


def test_a_plan_is_as_short_as_what_is_read_of_it(site: Site) -> None:
    site.plan(scheduler="slurm")
    text = (site.run / "plan.json").read_text()
    said = json.loads(text)
    printed = json.loads(site.call("plan", said["batch_file"], "--format", "json").out)

    assert said["jobs"] == [{"task": n, "image_sets": str(n)} for n in range(1, 25)]
    assert sum('"task"' in line for line in text.splitlines()) == 24
    assert printed["jobs"][23]["command"][0] == "cellprofiler"


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
