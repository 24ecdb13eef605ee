"""Runs CellProfiler 4 or 5 and keeps its measurements as an .h5 file, which it would discard.

Call it with CellProfiler's own Python (3.8 or newer), with the same arguments as `cellprofiler` and
the file last:

    python run_batch.py -c -r -p Batch_data.h5 -f 1 -l 6 -o out -d out/done.txt out/batch_1_6.h5

The default file is `measurements.h5` in the folder of -o. The file's name ends in `.part` until the
run says Complete, so a killed job never leaves a file that looks done.

CellProfiler 4's command line still documents that last argument but has ignored it since 4.0.0, and
CellProfiler 5 refuses it: `run_pipeline_headless` passes `measurements_filename=None` to
`Pipeline.run`, which still accepts it. This script passes the name and changes nothing else.
"""

import argparse
import inspect
import sys
from pathlib import Path

import cellprofiler.__main__ as command_line
from cellprofiler_core.pipeline import Pipeline


def parsed(words):
    """Returns the options in these words, and the words that are not options."""
    if inspect.signature(command_line.parse_args).parameters:
        return command_line.parse_args(list(words))
    # CellProfiler 5 reads sys.argv, here and again when it runs.
    files = []

    def parse_args(parser, args=None, namespace=None):
        options, more = parser.parse_known_args(args, namespace)
        files[:] = [word for word in more if not word.startswith("-")]
        if len(files) < len(more):
            parser.error("unrecognized arguments: " + " ".join(more))
        return options

    argparse.ArgumentParser.parse_args = parse_args
    sys.argv = list(words)
    return command_line.parse_args(), files


def main(words):
    """Runs CellProfiler with these words; returns its exit status."""
    options, files = parsed(words)
    target = Path(files[0] if files else Path(options.output_directory or ".", "measurements.h5"))
    part = target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    complete = []
    run = Pipeline.run

    def run_and_keep(self, *args, **kwargs):
        kwargs["measurements_filename"] = str(part)
        measurements = run(self, *args, **kwargs)
        if measurements is not None and measurements.has_feature("Experiment", "Exit_Status"):
            status = measurements.get_experiment_measurement("Exit_Status")
            complete.append(status == "Complete")
        return measurements

    Pipeline.run = run_and_keep
    status = command_line.main(words)
    # CellProfiler has closed the file by now.
    if complete == [True]:
        part.replace(target)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv))
