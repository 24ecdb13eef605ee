"""Runs CellProfiler 4 and keeps its measurements as an .h5 file, which it would throw away.

Called with CellProfiler's own Python (3.8 or newer) as `cellprofiler` is, with the file last:

    python run_batch.py -c -r -p Batch_data.h5 -f 1 -l 6 -o out -d out/done.txt out/batch_1_6.h5

Without a file it is `measurements.h5` in the folder that -o names. Until the run says Complete the
file is called `.part`, so that a killed job never leaves one that looks done.

CellProfiler's command line still documents that last argument but has ignored it since 4.0.0:
`run_pipeline_headless` passes `measurements_filename=None` to `Pipeline.run`, which takes it as
ever. This passes the name, and changes nothing else.
"""

import sys
from pathlib import Path

import cellprofiler.__main__ as command_line
from cellprofiler_core.pipeline import Pipeline


def main(words):
    """Runs CellProfiler with these words; returns its exit status."""
    options, files = command_line.parse_args(list(words))
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
