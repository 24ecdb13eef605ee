"""Prints constraints for pip: the oldest version of each package that pyproject.toml allows.

Only of what the program itself uses, its extras included; not of test tools.
"""

import re
import tomllib
from pathlib import Path

_PROJECT = Path(__file__).parents[1] / "pyproject.toml"
_EXTRAS = ("cloud", "delta", "duckdb", "mysql")
_BOUNDED = re.compile(r"([A-Za-z0-9_.-]+)>=([0-9.]+)")


def lowest() -> list[str]:
    """A line `name==version` for each package.

    Raises:
        ValueError: a package has no lower bound.
    """
    project = tomllib.loads(_PROJECT.read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(line for name in _EXTRAS for line in extras[name])]
    lines = []
    for line in wanted:
        bounded = _BOUNDED.match(line)
        if bounded is None:
            raise ValueError(f"{line} has no lower bound")
        lines.append(f"{bounded[1]}=={bounded[2]}")
    return lines


if __name__ == "__main__":
    print("\n".join(lowest()))
