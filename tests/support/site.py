"""A cluster site: a plan, and jobs run by a fake CellProfiler that fails as a test wants."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.fake_cellprofiler_outputs import per_image_set
from support.fixtures import Ran, unpacked

Case = Callable[[str], Path]
Run = Callable[..., Ran]

FAKE_CELLPROFILER = Path(__file__).with_name("fake_cellprofiler.py")


@dataclass
class Site:
    """A plan and its jobs, run by a fake CellProfiler that fails as a test wants."""

    home: Path
    environment: Mapping[str, str]
    cpexport: Run
    count: int = 0
    err: str = ""

    @property
    def run(self) -> Path:
        return self.home / "run"

    def plan(self, *words: object, name: str = "10_ranges", scheduler: str = "shell") -> None:
        batch = unpacked(name) / "Batch_data.h5"
        ran = self.call("plan", "--batch", batch, "--out", self.run, "--format", scheduler, *words)
        assert ran.status == 0, ran.err

    def fail(self, faults: Mapping[str, Sequence[str]]) -> None:
        """Sets the fault of each attempt of each job, by the job's range."""
        Path(self.environment["FAKE_FAULTS"]).write_text(json.dumps(faults))

    def submit(self, folder: Path | None = None) -> str:
        """Runs `submit.sh`; returns its output."""
        done = subprocess.run(
            ["sh", (folder or self.run) / "submit.sh"],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return done.stdout

    def call(self, *words: object) -> Ran:
        return self.cpexport(*words, env=self.environment)

    def resubmit(self, *words: object, outputs: Path | None = None) -> dict[str, Any]:
        """Resubmits into a new folder each time; returns the jobs."""
        self.count += 1
        folder = self.again
        words = (outputs or self.run, "--resubmit", folder, "--format", "json", *words)
        ran = self.call("check", *words)
        assert ran.status in (0, 3), ran.err
        self.err = ran.err
        return dict(json.loads(ran.out)["resubmit"])

    @property
    def again(self) -> Path:
        return self.home / f"again{self.count}"

    @property
    def jobs_called(self) -> int:
        """How many times CellProfiler was called to run a job."""
        return sum('"-r"' in path.read_text() for path in (self.home / "calls").iterdir())

    def missing(self) -> str:
        ran = self.call("check", self.run, "--format", "array")
        return str(ran.out.strip())


@pytest.fixture(scope="session")
def each_image_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CellProfiler's files for each image set alone, only to be read."""
    folder = tmp_path_factory.mktemp("stand_in") / "each_image_set"
    per_image_set(unpacked("10_ranges"), folder)
    return folder


@pytest.fixture
def site(tmp_path: Path, cpexport: Run, each_image_set: Path) -> Site:
    for folder in ("bin", "attempts", "calls"):
        (tmp_path / folder).mkdir()
    program = tmp_path / "bin" / "cellprofiler"
    program.symlink_to(FAKE_CELLPROFILER)
    (tmp_path / "faults.json").write_text("{}")
    environment = {
        "PATH": f"{program.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "FAKE_OUTPUTS": str(each_image_set),
        "FAKE_FAULTS": str(tmp_path / "faults.json"),
        "FAKE_ATTEMPTS": str(tmp_path / "attempts"),
        "FAKE_CALLS": str(tmp_path / "calls"),
    }
    return Site(tmp_path, environment, cpexport)


def ranges(again: Mapping[str, object]) -> list[str]:
    jobs = again["jobs"]
    assert isinstance(jobs, list)
    return [job["image_sets"] for job in jobs]


def program(site: Site, name: str, script: str) -> None:
    """Puts a command on the PATH of everything that the site runs."""
    path = site.home / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
