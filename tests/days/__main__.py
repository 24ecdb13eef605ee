"""`python -m days`: the days of so many seeds, or one of them again."""

import argparse
import random
import sys
from pathlib import Path

from support import forks

from days.running import every, lived


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m days", description=__doc__)
    parser.add_argument("--seed", type=int, help="the first one; default: a random one")
    parser.add_argument("--days", type=int, default=1, help="so many seeds, one after the other")
    parser.add_argument("--keep", type=Path, help="a new folder for the files of a day that fails")
    words = parser.parse_args()
    first = random.randrange(10**6) if words.seed is None else words.seed
    if words.days > 1:
        return 1 if every(first, words.days) else 0
    bad = lived(first, words.keep)
    print(bad or f"seed {first}: nothing is wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        forks.close()
