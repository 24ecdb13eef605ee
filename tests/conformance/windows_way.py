"""Analyzes the images of a pipeline as CellProfiler's windows do, by its own classes, without them.

`python windows_way.py PIPELINE OUTPUT PLUGINS WORKERS` runs in CellProfiler's own Python. It does
what `cellprofiler/gui/pipelinecontroller.py` (4.2.8, `do_analyze_images`) does: the main process
prepares the run, workers run the modules, and the main process merges what they measured and ends
the run. It prints the errors that the windows would show, a line each, after `error: `, and the
questions that workers would ask people, after `request `.
"""

import os
import sys
import threading

os.environ["MPLBACKEND"] = "Agg"


def main(pipeline_file: str, output: str, plugins: str, workers: str) -> int:
    from cellprofiler_core import preferences
    from cellprofiler_core.analysis._analysis import Analysis
    from cellprofiler_core.analysis.event import Finished
    from cellprofiler_core.measurement import Measurements
    from cellprofiler_core.pipeline import Pipeline
    from cellprofiler_core.utilities.java import start_java, stop_java
    from cellprofiler_core.workspace import Workspace

    preferences.set_headless()
    preferences.set_plugin_directory(plugins, globally=False)
    preferences.set_default_output_directory(output)
    start_java()
    try:
        pipeline = Pipeline()
        pipeline.load(pipeline_file)
        measurements = Measurements()
        workspace = Workspace(pipeline, None, None, measurements, measurements, None)
        if not pipeline.prepare_run(workspace):
            print("error: the run was not prepared")
            return 1
        done = threading.Event()
        errors = []

        def heard(event: object) -> None:
            if isinstance(event, Finished):
                event.measurements.close()
                done.set()
            elif error := getattr(event, "error", None) or getattr(event, "exc_type", None):
                errors.append(str(error))
            if hasattr(event, "reply") and not isinstance(event, Finished):
                print("request", type(event).__name__)

        Analysis(pipeline, initial_measurements=measurements).start(heard, int(workers))
        ended = done.wait(240)
        measurements.close()
        for error in errors:
            print(f"error: {error}")
        return 0 if ended else 1
    finally:
        stop_java()


if __name__ == "__main__":
    status = main(*sys.argv[1:])
    sys.stdout.flush()
    # Threads of the analysis may still wait for workers.
    os._exit(status)
