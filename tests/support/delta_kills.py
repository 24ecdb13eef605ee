"""Kills a load into Delta tables before each step that changes a file, and runs it again.

A program of its own, as a process that has used deltalake must not fork: it prints what it counted.
"""

import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cpexport.sinks.delta import folder as delta_folder
from cpexport.sinks.sqlite.connection import Connection
from support.calls import load, verify
from support.csv_outputs import NEW, OLD, image, nucleus, output
from support.datasets import content, leftovers, table_in

_STEPS = ("fsync", "link", "rename", "unlink", "mkdir", "rmdir")
_IMAGE_SETS = 6


def outputs(home: Path) -> list[Path]:
    """Six batches: some replace others, and later ones have new columns and wider types."""
    made = [
        output(
            home / f"job{number}",
            [image(number, f"{number}.tif", "", f"{number:032}", Metadata_Site=number)],
            OLD,
            Nuclei=[nucleus(number, cell, 10 * number + cell) for cell in (1, 2)],
        )
        for number in range(1, _IMAGE_SETS + 1)
    ]
    return [*made, *again(home)]


def again(home: Path) -> list[Path]:
    """Two of the batches once more, with values and a column that the others have no place for."""
    return [
        output(
            home / f"again{number}",
            [image(number, f"{number}.tif", "", f"{number:032}", Metadata_Site=f"s{number}")],
            NEW,
            Nuclei=[nucleus(number, 1, number + 0.75, AreaShape_Later=1.5)],
        )
        for number in (2, 5)
    ]


def in_child(work: Callable[[], object]) -> int:
    """The exit status of a process that does this."""
    child = os.fork()
    if not child:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def dying(step: int, work: Callable[[], object]) -> Callable[[], object]:
    """Does this, and dies as killed before the step of this number; steps are calls that change
    files, and commits before and after."""
    passed = 0

    def counted() -> None:
        nonlocal passed
        passed += 1
        if passed == step:
            os._exit(9)

    def patched() -> None:
        for name in _STEPS:
            true: Any = getattr(os, name)

            def call(*words: Any, true: Any = true, **more: Any) -> Any:
                counted()
                return true(*words, **more)

            setattr(os, name, call)
        run = Connection.run

        def run_counted(self: Connection, sql: str, *values: object) -> None:
            if sql == "COMMIT":
                counted()
            run(self, sql, *values)
            if sql == "COMMIT":
                counted()

        Connection.run = run_counted  # type: ignore[method-assign]
        work()

    return patched


def check_seen(to: Path) -> None:
    """An image set that readers of Delta see has its objects, once."""
    images = table_in(to / "Per_Image") if (to / "Per_Image").is_dir() else None
    if images is None:
        return
    nuclei = table_in(to / "Per_Nuclei")
    assert nuclei is not None
    seen = images["ImageNumber"].to_pylist()
    keys = list(
        zip(
            nuclei["ImageNumber"].to_pylist(),
            nuclei["Nuclei_Number_Object_Number"].to_pylist(),
            strict=True,
        )
    )
    assert len(set(seen)) == len(seen)
    assert len(set(keys)) == len(keys)
    assert set(seen) <= {number for number, _ in keys}


def main(home: Path, stride: int) -> None:
    """Dies at each `stride`th step; prints how many loads died."""
    *first, old, new = outputs(home / "outputs")
    quiet = home / "quiet"

    def both(to: Path) -> None:
        load(first, f"delta:{to}")
        load([*first, old, new], f"delta:{to}")

    assert in_child(lambda: both(quiet)) == 0
    assert in_child(lambda: (home / "must.json").write_text(json.dumps(content(quiet)))) == 0
    must = json.loads((home / "must.json").read_text())
    kills, step = 0, 1

    def whole(to: Path) -> None:
        check_seen(to)
        both(to)
        assert json.loads(json.dumps(content(to))) == must
        assert leftovers(to) == set(), leftovers(to)
        assert verify([*first, old, new], f"delta:{to}").differences == ()

    while True:
        to = home / f"screen{step}"
        # Logs are updated with each batch, or at the end only.
        delta_folder._SECONDS = 30.0 * (kills % 2)  # type: ignore[misc]
        ended = in_child(dying(step, lambda to=to: both(to)))  # type: ignore[misc]
        if ended == 0:
            break
        assert ended == 9, (step, ended)
        kills += 1
        assert in_child(lambda to=to: whole(to)) == 0, f"killed at step {step}"  # type: ignore[misc]
        shutil.rmtree(to)
        step += stride
    print(json.dumps({"kills": kills}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
