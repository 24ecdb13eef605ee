"""Random screens through all of the program, against an oracle: see `tests/fuzz`."""

from itertools import islice
from pathlib import Path

import pytest
from fuzz.cases import Options, random_case
from fuzz.commands import Commands
from fuzz.running import attempt
from fuzz.trials import Trial

pytestmark = pytest.mark.slow

# As many as a minute allows; `make fuzz` tries others.
SEEDS = range(60)
OPTIONS = Options(kills=False)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_screens_are_loaded_as_the_oracle_says(seed: int) -> None:
    failure = attempt(random_case(seed, OPTIONS))

    assert failure is None, str(failure)


def test_a_seed_is_one_case() -> None:
    assert repr(random_case(3, OPTIONS)) == repr(random_case(3, OPTIONS))
    assert repr(random_case(3, OPTIONS)) != repr(random_case(4, OPTIONS))


def test_the_oracle_sees_any_value_that_is_changed(tmp_path: Path) -> None:
    seen = 0
    for seed in SEEDS[:8]:
        trial = Trial(random_case(seed, OPTIONS), tmp_path / str(seed), Commands())
        trial.run()
        # Of some, nothing can be loaded.
        changes = islice(trial.changes(), 5) if trial.to.there() else ()
        for table, column, value, where in changes:
            # An empty field of a CSV file can be NULL or an empty text.
            if value is not None:
                trial.to.change(table, column, value, where)
                seen += 1

                assert any(said.startswith(f"column {table}.{column}: ") for said in trial.wrong())
    assert seen > 10
