"""The help screens as they were when somebody last read them: `make man` writes them again."""

import os
from pathlib import Path
from typing import Final

from cpexport.cli.help_command import screen
from cpexport.cli.main import commands
from cpexport.cli.man_page import man_page

_ROOT: Final = Path(__file__).parents[2]
SCREENS: Final = _ROOT / "tests" / "data" / "help"
"""A file for each command, at 80 columns, and `cpexport.txt` for the program."""
MAN_PAGE: Final = _ROOT / "man" / "cpexport.1"


def main() -> None:
    os.environ["COLUMNS"] = "80"
    screens = {"cpexport": screen(commands), **{n: screen(commands, n) for n in commands.commands}}
    SCREENS.mkdir(exist_ok=True)
    for old in SCREENS.iterdir():
        old.unlink()
    for name, text in screens.items():
        (SCREENS / f"{name}.txt").write_text(f"{text}\n", "utf-8")
    MAN_PAGE.write_text(man_page(commands), "utf-8")


if __name__ == "__main__":
    main()
