"""Whatever goes wrong with one batch costs that batch, and says what it was."""

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cpexport.cellprofiler.batch_file import BatchFileFoundError
from cpexport.errors import SourceError, WidthError
from cpexport.loading.load_plan import planned_of_readable
from cpexport.loading.succession import Consent, Succession
from cpexport.loading.survey import survey
from cpexport.sinks.registry import open_sink
from cpexport.sources.error_containment import contained
from cpexport.sources.hdf5.source import Hdf5Source

Case = Callable[[str], Path]
Copy = Callable[..., Path]

SOURCE = Hdf5Source(Path("run/1.h5"), Path("run/1.h5"))


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (KeyError("a"), "its content is unexpected (KeyError: 'a')"),
        (RecursionError("deep"), "python -m cpexport.structure run/1.h5"),
        (MemoryError(), "does not fit into memory"),
        (FileNotFoundError(2, "No such file or directory"), "cannot be read: No such file"),
        (WidthError("no type holds both"), "no type holds both"),
    ],
)
def test_an_error_names_the_batch_and_what_it_was(error: Exception, says: str) -> None:
    with pytest.raises(SourceError) as raised, contained(SOURCE):
        raise error

    assert raised.value.path == "run/1.h5"
    assert says in str(raised.value)


def test_errors_on_purpose_stay_as_they_are() -> None:
    error = SourceError("run/1.h5", "cut off", "run its image sets again")
    with pytest.raises(SourceError) as raised, contained(SOURCE):
        raise error

    assert raised.value is error


def test_a_batch_file_that_was_found_crosses_the_border_of_a_process() -> None:
    error = BatchFileFoundError(Path("run/1.h5"))
    there = pickle.loads(pickle.dumps(error))

    assert (type(there), str(there)) == (type(error), str(error))


def test_a_batch_that_is_gone_before_it_is_compared_costs_only_itself(
    copy: Copy, tmp_path: Path
) -> None:
    for job in ("a", "b"):
        copy("13_groups", "outputs/P1-A02/P1-A02.h5", to=f"run/{job}/P1-A02.h5")
    home = copy("13_groups", "outputs/P1-A03/P1-A03.h5", to="run/c/P1-A03.h5").parent.parent
    batches = survey([home]).batches
    (home / "a" / "P1-A02.h5").unlink()
    with open_sink(f"sqlite:///{tmp_path}/a.sqlite") as sink:
        succession = Succession(sink, Consent())
        plan, damaged = planned_of_readable(batches, sink.ledger.read(), succession)

    assert [batch.source.path.name for batch, _ in damaged] == ["a"]
    assert sorted(step.batch.source.path.name for step in plan.steps) == ["b", "c"]


@pytest.mark.parametrize(
    ("name", "file", "says", "not_said"),
    [
        ("13_groups", "outputs/P1-A02/P1-A02.h5", "Cells/AreaShape_Area/data", "P1_A02"),
        ("20_sqlite", "separate.db", "CREATE TABLE", "P1_A02"),
        ("10_ranges", "outputs/batch_1_6", "ObjectNumber", "P1_A02"),
    ],
)
def test_the_structure_of_outputs_is_their_names_and_types(
    name: str, file: str, says: str, not_said: str, case: Case
) -> None:
    words: list[str | Path] = [sys.executable, "-m", "cpexport.structure", case(name) / file]
    ran = subprocess.run(words, capture_output=True, text=True, check=True)

    assert says in ran.stdout
    assert not_said not in ran.stdout
