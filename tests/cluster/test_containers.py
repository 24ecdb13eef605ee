"""Containers are given the folders of a plan, and those that the batch file names."""

import shutil
from pathlib import Path

import h5py
from support.fixtures import unpacked
from support.site import Site, program

from cpexport.cellprofiler.batch_file import read_batch_file
from cpexport.jobs.image_folders import folders_read


class TestContainers:
    def test_get_every_folder_that_jobs_read_and_write(self, site: Site) -> None:
        images, scratch = site.home / "my images" / "plate 1", site.home / "scratch"
        for folder in (images, scratch, site.home / "batch"):
            folder.mkdir(parents=True)
        batch = site.home / "batch" / "Batch_data.h5"
        shutil.copy(unpacked("10_ranges") / "Batch_data.h5", batch)
        with_pictures_in(batch, images)
        # All words, and where those of CellProfiler begin.
        script = f"printf '%s\\n' \"$@\" >{site.home}/received\n"
        script += 'while [ "$1" != cellprofiler ]; do shift; done\nexec "$@"'
        program(site, "apptainer", script)
        words = ("--images-per-batch", 24, "--container", "cp.sif", "--format", "shell")
        ran = site.call("plan", batch, "--out", site.run, *words)
        site.environment = {**site.environment, "CPEXPORT_TMPDIR": str(scratch)}
        site.submit()
        called = (site.home / "received").read_text().splitlines()
        bound = {called[i + 1] for i, word in enumerate(called) if word == "--bind"}

        assert ran.status == 0, ran.err
        assert called[0] == "exec"
        assert called[called.index("cellprofiler") - 1] == "cp.sif"
        assert bound == set(
            map(str, (site.run, site.run / "outputs", batch.parent, images, scratch))
        )

    def test_are_given_the_folders_that_hold_those_of_pictures_where_these_are_many(
        self, site: Site
    ) -> None:
        batch = site.home / "Batch_data.h5"
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
