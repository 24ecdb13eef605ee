"""What the ledger counts of a batch stays true, whatever other batches make of its columns."""

from datetime import datetime
from pathlib import Path

from fuzz.model import CSV, IMAGE, Feature, ImageSet, Job, Kind, Run, Style, Value
from fuzz.outputs import Outputs
from support.calls import load, verify

NAME = Feature(IMAGE, "FileName_DNA", Kind.TEXT)
DOSE = Feature(IMAGE, "MyModule_Dose", None)


def job(number: int, *dose: Value) -> Job:
    """A job on one image set, with a dose or without that feature."""
    image: dict[str, Value] = {"FileName_DNA": f"{number}.tif"}
    features = (NAME, DOSE) if dose else (NAME,)
    one = ImageSet(number, image | dict(zip(["MyModule_Dose"], dose, strict=False)))
    return Job(f"batch_{number}_{number}", CSV, (one,), (), datetime(2026, 3, number), features)


def test_a_batch_without_a_column_that_numbers_and_then_texts_came_into_is_whole(
    tmp_path: Path,
) -> None:
    jobs = (job(1, 2.5), job(2), job(3, "high"))
    run = Run("run", (), (), (), (), jobs, Style(), "none")
    outputs, to = Outputs(run, tmp_path), f"sqlite:///{tmp_path / 'screen.sqlite'}"
    for one in jobs:
        outputs.write(one)
        load([outputs.folder], to)

    found = verify([outputs.folder], to)

    assert found.differences == ()
    assert found.verified == 3
