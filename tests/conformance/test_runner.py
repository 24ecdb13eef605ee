"""`run_batch.py` by the real CellProfiler."""

from pathlib import Path

import h5py
from real import (
    cpexport,
    files,
    killed,
    own_python,
    run,
)
from screens import (
    NOT_WHOLE,
    Screen,
    drawn,
    grouped,
    home,
    needs_cellprofiler,
    plain,
)

__all__ = ["drawn", "grouped", "home", "plain"]

needs_cellprofiler()


class TestRunner:
    """`run_batch.py` as people call it themselves, without the files of a plan."""

    @staticmethod
    def words(home: Path, batch_file: Path, *rest: object) -> list[object]:
        script = home / "run_batch.py"
        script.write_text(cpexport("runner", cwd=home).out, "utf-8")
        out = home / "outputs" / "job"
        options = ["-o", out, "-t", home / "tmp", "-d", out / "done.txt"]
        return [*own_python(), script, "-c", "-r", "-p", batch_file, *rest, *options]

    def test_a_group_is_kept_in_a_file_of_the_usual_name(
        self, grouped: Screen, tmp_path: Path
    ) -> None:
        group = "Metadata_Plate=P1,Metadata_Well=A02"
        ran = run(self.words(tmp_path, grouped.batch_file, "-g", group), tmp_path)

        assert ran.status == 0, ran.err
        left = files(tmp_path / "outputs")
        assert "job/measurements.h5" in left
        assert not [name for name in left if name.endswith(".part")]
        check = cpexport("check", "outputs", "--batch", grouped.batch_file, cwd=tmp_path)
        assert "complete  2   3-4\n" in check.out

    def test_a_run_that_is_killed_leaves_only_a_part(self, plain: Screen, tmp_path: Path) -> None:
        words = self.words(tmp_path, plain.batch_file, "-f", "1", "-l", "6")
        out, log = tmp_path / "outputs" / "job", tmp_path / "log"
        when = "Image # 3, module IdentifySecondaryObjects"
        with killed(out, log, when) as victims:
            line = 'log=$1; shift; "$@" >"$log" 2>&1'
            ran = run(["sh", "-c", line, "sh", log, *words], tmp_path)

        assert len(victims) == 1
        assert ran.status == 128 + 9
        assert list(files(out)) == ["measurements.h5.part"]
        check = cpexport("check", "outputs", "--batch", plain.batch_file, cwd=tmp_path)
        assert check.status == NOT_WHOLE
        assert "complete  0\n" in check.out

    def test_a_run_that_ends_with_failure_leaves_a_part(
        self, plain: Screen, tmp_path: Path
    ) -> None:
        target = tmp_path / "outputs" / "job" / "batch_1_3.h5"
        words = self.words(tmp_path, plain.batch_file, "-f", "1", "-l", "3")
        picture = plain.images / plain.fields[1].file("DNA")
        hidden = picture.rename(tmp_path / picture.name)
        try:
            ran = run([*words, target], tmp_path)
        finally:
            hidden.rename(picture)

        assert ran.status == 255
        assert set(files(target.parent)) == {"batch_1_3.h5.part", "done.txt"}
        assert (target.parent / "done.txt").read_text() == "Failure\n"
        with h5py.File(f"{target}.part") as file:
            assert file["Measurements"]
        check = cpexport("check", "outputs", "--batch", plain.batch_file, cwd=tmp_path)
        assert check.status == NOT_WHOLE
        assert "missing   12  1 (" in check.out or "missing   11  2 (" in check.out
