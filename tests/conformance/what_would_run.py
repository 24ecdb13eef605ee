"""Asks CellProfiler itself which image sets its command lines would run.

Called with CellProfiler's own Python (3.8 or newer) and a folder for its temporary files. Reads
command lines as JSON from stdin, `[["cellprofiler", "-c", ...], ...]`, and answers in their order:
`numbers` are the image sets that would run, `pictures` the numbers that the batch file gives to
what would be loaded for them, `groups` the image sets prepared together; or `error`.

All that decides is CellProfiler's code: the command line is read, the batch file loaded, image sets
renumbered and selected by it. Only the modules' work on pictures is left out.
"""

from __future__ import annotations

import inspect
import io
import json
import logging
import os
import sys
from contextlib import redirect_stdout, suppress
from typing import Any


def main(folder: str) -> None:
    """Answers what stdin asks."""
    import cellprofiler.__main__ as command_line
    from cellprofiler.modules.exporttodatabase import ExportToDatabase
    from cellprofiler_core.pipeline import Pipeline
    from cellprofiler_core.preferences import (
        set_default_output_directory,
        set_headless,
        set_temporary_directory,
    )
    from cellprofiler_core.utilities.measurement import load_measurements

    # As main() begins; some modules ask Java which files an image set has.
    command_line.set_awt_headless(True)
    set_headless()
    # CellProfiler 5 fetches what Java is to run from the network, and may go on without.
    with suppress(RuntimeError):
        command_line.start_java()
    set_temporary_directory(folder, globally=False)
    set_default_output_directory(folder)
    logging.disable(logging.CRITICAL)
    known: dict[str, dict[tuple[str, ...], int]] = {}
    seen: dict[str, Any] = {}
    answered: dict[tuple[str | None, ...], dict[str, Any]] = {}

    def picture(measurements: Any, number: int) -> tuple[str, ...]:
        features = sorted(
            feature
            for feature in measurements.get_feature_names("Image")
            if feature.startswith(("FileName_", "PathName_", "URL_", "Frame_"))
        )
        return tuple(str(measurements["Image", feature, number]) for feature in features)

    def listed(batch_file: str) -> dict[tuple[str, ...], int]:
        if batch_file not in known:
            held = load_measurements(batch_file)
            numbers = [int(number) for number in held.get_image_numbers()]
            known[batch_file] = {picture(held, number): number for number in numbers}
            held.close()
            if len(known[batch_file]) != len(numbers):
                raise ValueError(batch_file + " lists the same picture twice")
        return known[batch_file]

    def run_module(module: Any, workspace: Any) -> None:
        number = int(workspace.measurements.image_set_number)
        seen["pictures"].setdefault(number, picture(workspace.measurements, number))

    def prepare_group(pipeline: Any, workspace: Any, grouping: Any, image_numbers: Any) -> bool:
        seen["groups"].append([int(number) for number in image_numbers])
        return True

    Pipeline.run_module = staticmethod(run_module)
    Pipeline.prepare_group = prepare_group
    # Its database need not be here, and says nothing of image sets.
    ExportToDatabase.prepare_run = lambda module, workspace: True
    Pipeline.post_group = lambda pipeline, workspace, grouping: True
    Pipeline.post_run = lambda pipeline, workspace: "Complete"

    def answer(words: list[str]) -> dict[str, Any]:
        seen.update(pictures={}, groups=[])
        options, files = parsed(words)
        if files:
            return {"error": "these words are no options: " + " ".join(files)}
        selection = (options.first_image_set, options.last_image_set, options.groups)
        asked = (options.pipeline_filename, *selection)
        if asked not in answered:
            answered[asked] = would_run(options, files)
        return answered[asked]

    def parsed(words: list[str]) -> tuple[Any, list[str]]:
        if inspect.signature(command_line.parse_args).parameters:
            return command_line.parse_args(list(words))  # type: ignore[no-any-return]
        # CellProfiler 5 reads sys.argv, and knows no words that are no options.
        sys.argv = list(words)
        return command_line.parse_args(), []

    def would_run(options: Any, files: list[str]) -> dict[str, Any]:
        numbers = listed(options.pipeline_filename)
        done_file, options.done_file = options.done_file, os.devnull
        run = command_line.run_pipeline_headless
        both = len(inspect.signature(run).parameters) > 1
        status = run(options, files) if both else run(options)
        if status != 0 or not done_file:
            return {"error": f"exit status {status}"}
        return {
            "numbers": list(seen["pictures"]),
            "pictures": [numbers.get(found) for found in seen["pictures"].values()],
            "groups": seen["groups"],
        }

    answers = []
    for words in json.load(sys.stdin):
        try:
            with redirect_stdout(io.StringIO()):
                answers.append(answer(words))
        except (Exception, SystemExit) as error:
            answers.append({"error": f"{type(error).__name__}: {error}"})
    json.dump(answers, sys.stdout)
    sys.stdout.flush()
    command_line.stop_cellprofiler()


if __name__ == "__main__":
    main(sys.argv[1])
