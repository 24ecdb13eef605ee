"""What the classes that the module ExportToCpexport uses do, in a form that can be compared.

`python module_answers.py PLUGIN OUTPUT`, in CellProfiler's own Python, prints the answers of the
real classes as JSON. For Python 3.8 and newer.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


class _Pipeline:
    """The modules of a pipeline."""

    def __init__(self, modules: list[Any]) -> None:
        self._modules = modules

    def modules(self) -> list[Any]:
        return self._modules


def answers(
    plugin: Any, create: Callable[[], Any], measurements: Callable[[], Any]
) -> dict[str, Any]:
    """Returns the answers as JSON values.

    plugin: the module's file as a Python module.
    create: the class CreateBatchFiles.
    measurements: the class Measurements.
    """
    module = plugin.ExportToCpexport()
    found: dict[str, Any] = {"names": [setting.text for setting in module.settings()]}
    found["defaults"] = [setting.value for setting in module.settings()]
    place = "Elsewhere...|/shared/a folder"
    values = [place, "a.h5", plugin.LOAD, plugin.SERVER, place, "b.db", "mysql+pymysql://h/d"]
    values += ["/home/me/my.cnf", "import", "SQLite", "", "Single object view", "No"]
    values += ["Nuclei, Cells", "Yes", "Nuclei|AreaShape_Area,Cells|Texture_Contrast_DNA_3_00_256"]
    values += ["Yes", "No", "Yes", "Yes", "/shared/bin/cpexport"]
    module.set_settings_from_values(values, 1, "ExportToCpexport")
    found["set"] = [setting.value for setting in module.settings()]
    found["left_out"] = [module.features_left_out(None), module.words(Path("/x.h5"))]
    found["same"] = [module.action == plugin.LOAD, module.action == plugin.KEEP]
    found["folders"] = []
    for value in ("Default Output Folder|", "Default Output Folder sub-folder|a/b", place):
        module.shared.value = value
        found["folders"].append(module.shared.get_absolute_path())
        module.directory.value = value
        changed: list[Any] = []

        def alter(path: str, changed: list[Any] = changed, **options: object) -> str:
            changed.append([path, options])
            return path.replace("/shared", "/cluster")

        module.prepare_to_create_batch(None, alter)
        found["folders"] += [changed, module.directory.value, module.shared.value]
    found["altered"] = [module.option_file.value, module.command.value]
    try:
        module.url.value = "mysql+pymysql://me:secret@h/d"
        module.validate_module(_Pipeline([module]))
    except plugin.ValidationError as error:
        found["invalid"] = [str(error), error.setting is module.url, isinstance(error, ValueError)]
    found["batch"] = [create().is_create_batch_module(), module.is_create_batch_module()]
    mappings = create().mappings
    found["elsewhere"] = [len(mappings)]
    for path in ("/data", "/mnt/data"):
        mappings[0].local_directory.value = "/data"
        mappings[0].remote_directory.value = path
        maker = create()
        maker.mappings = mappings
        found["elsewhere"].append(plugin.runs_elsewhere(_Pipeline([module, maker])))
    found["stops"] = module.should_stop_writing_measurements()
    return {**found, **of_measurements(plugin, measurements)}


def of_measurements(plugin: Any, measurements: Callable[[], Any]) -> dict[str, Any]:
    """The answers of a run's measurements, and of their file."""
    made = measurements()
    for number in (4, 7):
        made.add_measurement("Image", "Count_Nuclei", 1, image_set_number=number)
    store = made.hdf5_dict
    found: dict[str, Any] = {"before": [plugin.exit_status_and_numbers(store), store.is_temporary]}
    made.add_experiment_measurement("Exit_Status", "Complete")
    made.flush()
    found["after"] = plugin.exit_status_and_numbers(store)
    found["numbers"] = [int(number) for number in made.get_image_numbers()]
    file = Path(store.filename)
    found["open"] = [hasattr(store, "hdf5_file"), file.exists()]
    made.close()
    found["closed"] = [hasattr(store, "hdf5_file"), file.exists()]
    made = measurements()
    store = made.hdf5_dict
    store.is_temporary = False
    made.close()
    store.close()
    file = Path(store.filename)
    found["kept"] = file.exists()
    file.unlink()
    return found


def main(plugin_file: str, folder: str) -> None:
    """Prints the answers of the real classes, in the last line."""
    from cellprofiler_core import preferences

    preferences.set_headless()
    preferences.set_default_output_directory(folder)
    from cellprofiler.modules.createbatchfiles import CreateBatchFiles
    from cellprofiler_core.measurement import Measurements
    from cellprofiler_core.pipeline import Pipeline
    from cellprofiler_core.workspace import Workspace

    sys.path.insert(0, str(Path(plugin_file).parent))
    plugin = importlib.import_module(Path(plugin_file).stem)
    found = answers(plugin, CreateBatchFiles, Measurements)
    pipeline = Pipeline()
    workspace = Workspace(pipeline, None, None, None, None, None)
    found["run"] = [
        pipeline.test_mode,
        bool(pipeline.in_batch_mode()),
        pipeline.modules(),
        list(inspect.signature(pipeline.report_prepare_run_error).parameters),
        workspace.pipeline is pipeline,
    ]
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
