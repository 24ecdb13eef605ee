#!/usr/bin/env python3
"""A fake command `cellprofiler` for scheduler jobs: real outputs, real failures.

It takes the same arguments as CellProfiler. Environment variables control what it does:

FAKE_OUTPUTS   a folder with CellProfiler's files for each image set alone, in `1`, `2`, ...
FAKE_GROUPS    a JSON file: the text after -g, and the numbers of its image sets
FAKE_FAULTS    a JSON file: `F-L`, or the text after -g, and the fault of each attempt:
               "exit 7", "killed", "hang", "late" (waits for a file `go_on` in the folder of
               attempts), "Failure", "truncated", "crash", "stranded" or "Failure, stranded"
               (leaves measurements that could not be moved in its temporary folder), or nothing
FAKE_BAD       image sets, as "5,6": every job that runs one of them ends with exit status 7
FAKE_ATTEMPTS  a folder in which attempts are counted; needed only for faults
FAKE_CALLS     a folder for the arguments of each call: a file for each process, if it is set
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path
from urllib.parse import quote


def main() -> None:
    if "FAKE_CALLS" in os.environ:
        with (Path(os.environ["FAKE_CALLS"]) / f"{os.getpid()}.json").open("a") as calls:
            calls.write(json.dumps(sys.argv[1:]) + "\n")
    options = parsed(sys.argv[1:])
    task = options.group or f"{options.first}-{options.last}"
    fault = fault_of(task)
    bad = [int(number) for number in os.environ.get("FAKE_BAD", "").split(",") if number]
    if set(bad) & set(image_sets(options)):
        fault = fault or "exit 7"
    if fault.startswith("exit "):
        sys.exit(int(fault[5:]))
    if fault == "crash":
        raise RuntimeError("a module of the pipeline failed")
    if fault == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
        return
    if fault == "late":
        go_on = Path(os.environ["FAKE_ATTEMPTS"]) / "go_on"
        deadline = time.monotonic() + 120
        while not go_on.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
    for folder in filter(None, (options.output, options.temporary)):
        folder.mkdir(parents=True, exist_ok=True)
    if fault.endswith("stranded"):
        (options.temporary / "Cpmeasurements1.h5").write_text("measured")
        (options.temporary / "Cpmeasurements2.hdf5").write_text("of CellProfiler itself")
    fault = fault.partition(", ")[0]
    if fault != "Failure":
        write(outputs_of(image_sets(options)), options.output, fault)
    if options.done:
        options.done.write_text("Failure\n" if fault == "Failure" else "Complete\n")
    if fault == "Failure":
        sys.exit(255)


def parsed(words: list[str]) -> argparse.Namespace:
    """Parses the options of CellProfiler, and no others."""
    parser = argparse.ArgumentParser(prog="cellprofiler")
    parser.add_argument("--version", action="version", version="4.2.8.1")
    parser.add_argument("-c", action="store_true", required=True)
    parser.add_argument("-r", action="store_true", required=True)
    parser.add_argument("-p", type=Path, required=True)
    parser.add_argument("-f", dest="first", type=int)
    parser.add_argument("-l", dest="last", type=int)
    parser.add_argument("-g", dest="group")
    parser.add_argument("-o", dest="output", type=Path, required=True)
    parser.add_argument("-t", dest="temporary", type=Path)
    parser.add_argument("-d", dest="done", type=Path)
    return parser.parse_args(words)


def fault_of(task: str) -> str:
    """The fault of this attempt; attempts at the same time are counted one after the other."""
    if "FAKE_FAULTS" not in os.environ:
        return ""
    faults = json.loads(Path(os.environ["FAKE_FAULTS"]).read_text()).get(task, [])
    attempt = 0
    while True:
        name = f"{quote(task, safe='=,')}.{attempt}"
        try:
            (Path(os.environ["FAKE_ATTEMPTS"]) / name).touch(exist_ok=False)
        except FileExistsError:
            attempt += 1
        else:
            return (faults[attempt] or "") if attempt < len(faults) else ""


def image_sets(options: argparse.Namespace) -> list[int]:
    if options.group:
        return list(json.loads(Path(os.environ["FAKE_GROUPS"]).read_text())[options.group])
    return list(range(options.first, options.last + 1))


def outputs_of(numbers: list[int]) -> dict[str, bytes]:
    """The files of a job that ran these image sets: the rows of all under one header."""
    headers: dict[str, bytes] = {}
    files: dict[str, bytes] = {}
    for number in numbers:
        for file in sorted((Path(os.environ["FAKE_OUTPUTS"]) / str(number)).iterdir()):
            header, newline, rows = file.read_bytes().partition(b"\n")
            if file.name not in files:
                headers[file.name], files[file.name] = header, header + newline + rows
            elif headers[file.name] != header:
                raise ValueError(f"{file}: another header than in {numbers[0]}")
            # Experiment.csv is about the whole job and is written once.
            elif not header.startswith(b"Key,Value"):
                files[file.name] += rows
    return files


def write(files: dict[str, bytes], folder: Path, fault: str) -> None:
    names = sorted(files)
    if fault == "killed":
        names = names[: len(names) // 2]
    for name in names:
        (folder / name).write_bytes(files[name])
    if fault == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "truncated":
        # A file with only a header has no row to truncate.
        name = [name for name in names if files[name].count(b"\n") > 1][-1]
        whole = files[name].rstrip()
        last_row = whole.rindex(b"\n") + 1
        (folder / name).write_bytes(whole[: (last_row + len(whole)) // 2])


if __name__ == "__main__":
    main()
