"""Fixtures come from plugins in `support` and `contracts`; marks, from the fixtures a test uses."""

from collections.abc import Iterable

import pytest

pytest.register_assert_rewrite("support", "contracts")
pytest_plugins = [
    "support.fixtures",
    "support.servers",
    "support.clusters",
    "support.grid_engine",
    "support.site",
    "support.browser",
    "contracts.sink",
]

# Programs to run, not tests.
collect_ignore = ["bench", "days", "faults", "fuzz"]

_MARKS = {"small_disk": "root", "slurm": "slurm", "grid_engine": "slurm"}


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in _MARKS:
                item.add_marker(_MARKS[fixture])
        if "[mysql" in item.name:
            item.add_marker("mysql")
