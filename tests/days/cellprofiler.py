"""Plays CellProfiler, step by step: it does what comes by the pipe DAYS_CONTROL/orders.

`write SHARE`, `done WORD` and `exit STATUS`; after each it adds a line to DAYS_CONTROL/said. What
it cannot write ends it, as it does CellProfiler.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from days.outputs import begun, files


def main() -> None:
    words = sys.argv[1:]
    option = dict(zip(words[2::2], words[3::2], strict=True))
    folder, numbers = Path(option["-o"]), range(int(option["-f"]), int(option["-l"]) + 1)
    control = Path(os.environ["DAYS_CONTROL"])
    facts = json.loads(Path(os.environ["DAYS_FACTS"]).read_text())[option["-p"]]
    content = files(numbers, int(control.name), facts)
    with (control / "orders").open() as orders, (control / "said").open("a", 1) as said:
        print(folder, file=said)
        for line in orders:
            order, _, word = line.strip().partition(" ")
            if order == "write":
                folder.mkdir(parents=True, exist_ok=True)
                for name, text in begun(content, float(word)).items():
                    (folder / name).write_bytes(text)
            elif order == "done":
                Path(option["-d"]).write_text(f"{word}\n")
            else:
                sys.exit(int(word))
            print(line.strip(), file=said)


if __name__ == "__main__":
    main()
