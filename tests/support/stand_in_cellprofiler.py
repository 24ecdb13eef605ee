"""A thin stand-in for the classes of CellProfiler that the module ExportToCpexport uses.

`tests/conformance/test_module.py` has the real CellProfiler 4 and 5 answer the same questions as
these classes do in `support.module_answers`, so they behave as the real ones.
"""

import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch

import h5py
import numpy as np

ABSOLUTE, OUTPUT = "Elsewhere...", "Default Output Folder"
SUBFOLDER = "Default Output Folder sub-folder"


class ValidationError(ValueError):
    """What is wrong with a setting."""

    def __init__(self, message: str, setting: "Setting") -> None:
        super().__init__(message)
        self.setting = setting


class Setting:
    """A text with a name, and help."""

    def __init__(self, text: str, value: Any, doc: str = "") -> None:
        self.text, self.doc = text, doc
        self._value = value

    @property
    def value(self) -> Any:
        return self._value

    @value.setter
    def value(self, value: Any) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return self is other or self.value == str(other)

    __hash__ = object.__hash__


class Text(Setting):
    pass


class Binary(Setting):
    """Yes or no, stored as a word."""

    def __init__(self, text: str, value: bool, doc: str = "") -> None:
        super().__init__(text, "Yes" if value else "No", doc)

    @property
    def value(self) -> bool:
        return bool(self._value == "Yes")

    @value.setter
    def value(self, value: bool | str) -> None:
        self._value = value if isinstance(value, str) else "Yes" if value else "No"


class Choice(Setting):
    def __init__(self, text: str, choices: Sequence[str], doc: str = "") -> None:
        super().__init__(text, choices[0], doc)
        self.choices = choices


class LabelListSubscriber(Setting):
    """Names of object types, stored as one text."""

    def __init__(self, text: str, value: Sequence[str], doc: str = "") -> None:
        super().__init__(text, list(value), doc)

    @property
    def value(self) -> list[str]:
        return list(self._value)

    @value.setter
    def value(self, value: str) -> None:
        self._value = value.split(", ") if value else []


class MeasurementMultiChoice(Setting):
    """Measurements such as `Nuclei|AreaShape_Area`, stored as one text."""

    def __init__(self, text: str, value: str = "", doc: str = "") -> None:
        super().__init__(text, value, doc)

    def get_selections(self) -> tuple[str, ...] | list[str]:
        return self.value.split(",") if self.value else ()

    def get_measurement_object(self, choice: str) -> str:
        return choice.partition("|")[0]

    def get_measurement_feature(self, choice: str) -> str:
        return choice.partition("|")[2]


class Directory(Text):
    """A folder: how it is chosen, and the path that belongs to the choice."""

    output = "."

    def __init__(
        self, text: str, dir_choices: Sequence[str], allow_metadata: bool, doc: str = ""
    ) -> None:
        super().__init__(text, f"{dir_choices[0]}|", doc)

    @property
    def dir_choice(self) -> str:
        return str(self.value.partition("|")[0])

    @dir_choice.setter
    def dir_choice(self, choice: str) -> None:
        self.join_parts(choice)

    def join_parts(self, dir_choice: str, custom_path: str | None = None) -> None:
        path = self.value.partition("|")[2] if custom_path is None else custom_path
        self.value = f"{dir_choice}|{path}"

    def get_absolute_path(self) -> str:
        choice, _, path = self.value.partition("|")
        if choice == OUTPUT:
            return self.output
        return str(Path(self.output if choice == SUBFOLDER else ".", path).absolute())

    def alter_for_create_batch_files(self, fn_alter_path: Callable[..., str]) -> None:
        choice, _, path = self.value.partition("|")
        if choice != OUTPUT:
            self.value = f"{choice}|{fn_alter_path(path, regexp_substitution=False)}"


class Module:
    """The base class of modules."""

    def __init__(self) -> None:
        self.create_settings()

    def create_settings(self) -> None:
        raise NotImplementedError

    def settings(self) -> list[Setting]:
        raise NotImplementedError

    def upgrade_settings(self, values: list[str], revision: int, name: str) -> tuple[Any, int]:
        return values, revision

    def set_settings_from_values(self, values: list[str], revision: int, name: str) -> None:
        values, revision = self.upgrade_settings(values, revision, name)
        for setting, value in zip(self.settings(), values, strict=False):
            setting.value = value

    def is_create_batch_module(self) -> bool:
        return False

    def should_stop_writing_measurements(self) -> bool:
        return False


class HDF5Dict:
    """The open file of a run's measurements; a temporary one is deleted as it is closed."""

    def __init__(self, filename: str) -> None:
        self.filename, self.is_temporary = filename, True
        self.hdf5_file = h5py.File(filename, "r+")
        (self._run,) = self.hdf5_file["Measurements"].values()

    def has_feature(self, name: str, feature: str) -> bool:
        return f"{name}/{feature}" in self._run

    def get_indices(self, name: str, feature: str) -> dict[int, tuple[int, int]]:
        rows = self._run[f"{name}/{feature}/index"][:].tolist()
        return {number: (start, stop) for number, start, stop in rows if number >= 0}

    def __getitem__(self, key: tuple[str, str, int]) -> Any:
        name, feature, number = key
        start, stop = self.get_indices(name, feature)[number]
        return self._run[f"{name}/{feature}/data"][start:stop]

    def close(self) -> None:
        if not hasattr(self, "hdf5_file"):
            return
        self.hdf5_file.close()
        if self.is_temporary:
            Path(self.filename).unlink()
        del self.hdf5_file


class Measurements:
    """The measurements of a run, in a temporary file: those of another file, or none."""

    def __init__(self, copy: Path | None = None, folder: Path | None = None) -> None:
        handle, name = tempfile.mkstemp(prefix="Cpmeasurements", suffix=".hdf5", dir=folder)
        os.close(handle)
        if copy:
            Path(name).write_bytes(copy.read_bytes())
        else:
            with h5py.File(name, "w") as file:
                file.create_group("Measurements/2026-11-30-12-11-00")
        self.hdf5_dict = HDF5Dict(name)

    def _add(self, name: str, feature: str, number: int, value: object) -> None:
        (run,) = self.hdf5_dict.hdf5_file["Measurements"].values()
        group = run.require_group(f"{name}/{feature}")
        before = group["data"][:].tolist() if "data" in group else []
        index = group["index"][:].tolist() if "index" in group else []
        for part in list(group):
            del group[part]
        text = isinstance(value, str)
        kind: Any = h5py.string_dtype() if text else np.int64
        group.create_dataset("data", data=[*before, value], dtype=kind)
        index.append([number, len(before), len(before) + 1])
        group.create_dataset("index", data=np.array(index, np.int64))

    def add_measurement(
        self, name: str, feature: str, value: object, image_set_number: int = 0
    ) -> None:
        """Adds a value of an image set, which is then one of the run's."""
        self._add(name, feature, image_set_number, value)
        if image_set_number not in self._numbers():
            self._add("Image", "ImageNumber", image_set_number, image_set_number)

    def _numbers(self) -> list[int]:
        store = self.hdf5_dict
        known = store.has_feature("Image", "ImageNumber")
        return sorted(store.get_indices("Image", "ImageNumber")) if known else []

    def add_experiment_measurement(self, feature: str, value: object) -> None:
        self._add("Experiment", feature, 0, value)

    def get_image_numbers(self) -> Any:
        return np.array(self._numbers())

    def flush(self) -> None:
        self.hdf5_dict.hdf5_file.flush()

    def close(self) -> None:
        self.hdf5_dict.close()


class CreateBatchFiles(Module):
    """The last module of a pipeline for jobs."""

    def create_settings(self) -> None:
        self.mappings = [
            SimpleNamespace(local_directory=Text("", ""), remote_directory=Text("", ""))
        ]

    def is_create_batch_module(self) -> bool:
        return True


class Pipeline:
    """The modules of a run, in a job's run or not."""

    test_mode = False

    def __init__(self, modules: Sequence[Any], batch_mode: bool = False) -> None:
        self._modules, self._batch_mode = list(modules), batch_mode
        self.errors: list[str] = []

    def modules(self) -> list[Any]:
        return self._modules

    def in_batch_mode(self) -> bool:
        return self._batch_mode

    def report_prepare_run_error(self, module: Any, message: str) -> None:
        self.errors.append(message)


class Workspace:
    """What a module is given."""

    def __init__(self, pipeline: Pipeline, measurements: Measurements) -> None:
        self.pipeline, self.measurements = pipeline, measurements


@contextmanager
def loaded_module(output: Path, *, headless: bool = True) -> Iterator[Any]:
    """The module as a Python module, with these classes in place of CellProfiler's.

    output: the default output folder.
    headless: whether CellProfiler runs without windows.
    """
    parts: dict[str, dict[str, Any]] = {
        "": {},
        ".module": {"Module": Module},
        ".preferences": {
            "ABSOLUTE_FOLDER_NAME": ABSOLUTE,
            "DEFAULT_OUTPUT_FOLDER_NAME": OUTPUT,
            "DEFAULT_OUTPUT_SUBFOLDER_NAME": SUBFOLDER,
            "get_headless": lambda: headless,
        },
        ".setting": {"Binary": Binary, "ValidationError": ValidationError},
        ".setting.choice": {"Choice": Choice},
        ".setting.multichoice": {"MeasurementMultiChoice": MeasurementMultiChoice},
        ".setting.subscriber": {"LabelListSubscriber": LabelListSubscriber},
        ".setting.text": {"Directory": Directory, "Text": Text},
    }
    modules = {}
    for part, names in parts.items():
        made = ModuleType(f"cellprofiler_core{part}")
        vars(made).update(names)
        modules[made.__name__] = made
    with (
        patch.dict(sys.modules, modules),
        patch.object(Directory, "output", str(output)),
        resources.as_file(resources.files("cpexport.jobs") / "exporttocpexport.py") as file,
    ):
        spec = importlib.util.spec_from_file_location("exporttocpexport", file)
        assert spec
        assert spec.loader
        plugin = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(plugin)
        yield plugin
