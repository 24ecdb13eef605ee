"""Plays the commands of Slurm over one JSON file: `python slurm.py sbatch ...`.

DAYS_SLURM names the file. Its `modes` say what goes wrong: `squeue` and `sacct` are `fine`, `down`
or `odd` (a word that no Slurm has yet for what runs), `sbatch` lists what becomes of next calls.
Nothing runs here: the day begins and ends the tasks.
"""

import fcntl
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ACTIVE = ("PENDING", "RUNNING")
_DOWN = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
_SUBMIT = "sbatch: error: Batch job submission failed: "


@contextmanager
def opened(path: Path) -> Iterator[dict[str, Any]]:
    """The state, to read and to change, by one process at a time."""
    with path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        state = json.load(file)
        yield state
        file.seek(0)
        file.truncate()
        json.dump(state, file)
        file.flush()


def new() -> dict[str, Any]:
    return {"next": 100, "jobs": {}, "modes": {"squeue": "fine", "sacct": "down", "sbatch": []}}


def _fail(text: str) -> None:
    print(text, file=sys.stderr)
    sys.exit(1)


def _sbatch(state: dict[str, Any], words: Sequence[str], spool: Path) -> None:
    options = dict(w[2:].partition("=")[::2] for w in words if w.startswith("--"))
    script, *arguments = [word for word in words if not word.startswith("--")]
    first, _, last = options.get("array", "").partition("%")[0].partition("-")
    indices = list(map(str, range(int(first), int(last) + 1))) if first else ["N/A"]
    mode = state["modes"]["sbatch"].pop(0) if state["modes"]["sbatch"] else "fine"
    if mode == "down":
        _fail(f"{_SUBMIT}Unable to contact slurm controller (connect failure)")
    if mode.isdecimal() and len(indices) > int(mode):
        # The next, shorter array is counted alike.
        state["modes"]["sbatch"].insert(0, mode)
        _fail(f"{_SUBMIT}Job violates accounting/QOS policy (job submit limit, user's size ...)")
    if mode != "lost":
        id = str(state["next"])
        state["next"] += 1
        (spool / id).write_bytes(Path(script).read_bytes())
        state["jobs"][id] = {
            "script": script,
            "arguments": arguments,
            "output": options["output"],
            "after": options.get("dependency", "").split(":")[1:],
            "time": options.get("time", "UNLIMITED"),
            "tasks": dict.fromkeys(indices, "PENDING"),
            "forgotten": False,
        }
    if mode.startswith("lost"):
        _fail("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation")
    print(id)


def _asked(state: dict[str, Any], words: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    for id in words[words.index("-j") + 1].split(","):
        job = state["jobs"].get(id)
        for index, word in job["tasks"].items() if job else ():
            yield id, index, word


def _squeue(state: dict[str, Any], words: Sequence[str]) -> None:
    mode, format = state["modes"]["squeue"], words[words.index("-o") + 1]
    if mode == "down":
        _fail(_DOWN)
    ids = words[words.index("-j") + 1].split(",")
    known = [id for id in ids if id in state["jobs"] and not state["jobs"][id]["forgotten"]]
    if not known and len(ids) == 1:
        _fail("slurm_load_jobs error: Invalid job id specified")
    for id, index, word in _asked(state, words):
        said = "WORD_OF_A_LATER_SLURM" if mode == "odd" and word in ACTIVE else word
        if id in known and (word in ACTIVE or "-t" in words):
            values = {"%F": id, "%K": index, "%T": said, "%r": "None", "%P": "short"}
            values["%l"] = state["jobs"][id]["time"]
            text = format
            for place, value in values.items():
                text = text.replace(place, value)
            print(text)


def _sacct(state: dict[str, Any], words: Sequence[str]) -> None:
    if state["modes"]["sacct"] == "down":
        _fail("Slurm accounting storage is disabled")
    for id, index, word in _asked(state, words):
        number = id if index == "N/A" else f"{id}_{index}"
        print(f"{number}|{word}{' by 0' if word == 'CANCELLED' else ''}")


def _scancel(state: dict[str, Any], words: Sequence[str]) -> None:
    if state["modes"]["squeue"] == "down":
        _fail("scancel: error: Unable to contact slurm controller (connect failure)")
    tasks = state["jobs"].get(words[0], {"tasks": {}})["tasks"]
    for index, word in tasks.items():
        tasks[index] = "CANCELLED" if word == "PENDING" else word


def main() -> None:
    path, (name, *words) = Path(os.environ["DAYS_SLURM"]), sys.argv[1:]
    with opened(path) as state:
        try:
            if name == "sbatch":
                _sbatch(state, words, path.parent / "spool")
            elif name in ("squeue", "sacct", "scancel"):
                {"squeue": _squeue, "sacct": _sacct, "scancel": _scancel}[name](state, words)
            elif name == "sinfo":
                print("1:00:00")
            else:
                sys.exit(1)
        except SystemExit as ended:
            code = ended.code
        else:
            code = 0
    sys.exit(code)


if __name__ == "__main__":
    main()
