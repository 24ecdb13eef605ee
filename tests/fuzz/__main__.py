"""`python -m fuzz`: the cases of so many seeds, or the one of a single seed again.

Of every case that fails it prints the seed, what is wrong, and the commands.
"""

import argparse
import random
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from fuzz.cases import FILES, SERVER, Options, random_case
from fuzz.mariadb import Account, account
from fuzz.running import attempt, every, smallest


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, help="the first one; default: a random one")
    parser.add_argument("--cases", type=int, default=1, help="so many seeds, one after the other")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--no-server", action="store_true", help="without MariaDB")
    parser.add_argument("--shrink", action="store_true", help="look for a smaller case that fails")
    parser.add_argument("--keep", type=Path, help="a new folder for the files of a case that fails")
    words = parser.parse_args()
    first = random.randrange(10**6) if words.seed is None else words.seed
    with ExitStack() as stack:
        server = None if words.no_server else stack.enter_context(account())
        kinds = FILES if server is None else (*FILES, SERVER)
        options = Options(kinds)
        print(f"seeds {first} to {first + words.cases - 1}, into {', '.join(sorted(set(kinds)))}")
        if words.cases == 1:
            return _one(first, options, server, words.shrink, words.keep)
        began, failed = time.monotonic(), Counter[str]()
        seeds = range(first, first + words.cases)
        for done, failure in enumerate(every(seeds, options, words.processes, server), start=1):
            if failure:
                failed[failure.kind] += 1
                print(f"\n{failure}", flush=True)
            if done % 100 == 0:
                print(f"{done} cases, {time.monotonic() - began:.0f} s", flush=True)
    seconds = time.monotonic() - began
    print(f"\n{words.cases} cases in {seconds:.0f} s, {failed.total()} failed {dict(failed)}")
    return 1 if failed else 0


def _one(
    seed: int, options: Options, server: Account | None, shrink: bool, keep: Path | None
) -> int:
    case = random_case(seed, options)
    failure = attempt(case, server, None if shrink else keep)
    if failure and shrink:
        case = smallest(case, failure, server)
        failure = attempt(case, server, keep)
    print(failure or "nothing is wrong")
    return 1 if failure else 0


if __name__ == "__main__":
    sys.exit(main())
