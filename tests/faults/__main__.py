"""`python -m faults`: all cells of the matrix, or some of them.

It prints a table of faults by destination, and of every violation what was tried, how the command
ended, and what is wrong. `build/faults/faults.json` has the same.
"""

import argparse
import sys
import time

from faults.matrix import Cell, chosen, every, reasons, table, write
from faults.preload import BUILD
from faults.setup import setup


def _tell(cell: Cell) -> None:
    whole = "all" if cell.is_whole else "some"
    said = cell.skipped or f"{cell.tried} tried ({whole}), {len(cell.wrong)} wrong"
    print(f"{cell.destination}:{cell.fault}: {said}, {cell.seconds} s", flush=True)
    for attempt in cell.wrong[:5]:
        print(f"  {attempt.fault}: status {attempt.status}: {attempt.said}")
        for line in attempt.violations:
            print(f"    {line}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument(
        "cells", nargs="*", help="DESTINATION:FAULT, DESTINATION or FAULT; default: all"
    )
    parser.add_argument("--minutes", type=float, default=55, help="how long, in all")
    parser.add_argument("--tries", type=int, default=10**6, help="of each cell, at most")
    words = parser.parse_args()
    try:
        cells = chosen(words.cells)
    except ValueError as error:
        parser.error(str(error))
    began = time.monotonic()
    with setup() as made:
        done = every(made, cells, words.minutes * 60, words.tries, _tell)
    seconds = time.monotonic() - began
    write(BUILD / "faults.json", done, seconds)
    print(f"\n{table(done)}")
    print("\n".join(["", *(f"- {line}" for line in reasons(done))]))
    wrong = sum(len(cell.wrong) for cell in done)
    print(f"{sum(cell.tried for cell in done)} faults, {wrong} with violations, {seconds:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
