"""Files that others wrote are opened in one place, which opens regular files only."""

import ast
from collections.abc import Iterator
from pathlib import Path

import cpexport

PACKAGE = Path(cpexport.__file__).parent
# These read the package's own files, and those of the system.
OWN = {"jobs/templates/__init__.py", "jobs/preflight.py", "jobs/processes.py", "files/memory.py"}
OWN |= {"files/locks.py", "files/scratch.py", "jobs/plugins.py"}
# It writes a new file.
OWN |= {"files/xlsx.py"}
# The one runs in CellProfiler's Python, where there is no cpexport; the other installs it.
OWN |= {"jobs/exporttocpexport.py", "jobs/module.py"}
OPENING = {"files/opening.py"}
OPENERS = {"open", "os.open", "h5py.File", "pa.OSFile", "pa.memory_map"}
# h5py opens a file that was opened before, and is compared with it.
HDF5 = {"cellprofiler/hdf5/measurement_file.py"}


def opened(path: Path) -> Iterator[str]:
    """What opens a file in a module, other than through the methods of a `Source`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        method = name.rpartition(".")[2]
        modes = [value.value for value in node.args if isinstance(value, ast.Constant)]
        whole = method in ("read_text", "read_bytes") and "." in name
        by_mode = method == "open" and any(isinstance(mode, str) and "r" in mode for mode in modes)
        if whole or by_mode or name in OPENERS:
            yield f"{name} in line {node.lineno}"


def test_no_other_module_opens_a_file() -> None:
    found: dict[str, list[str]] = {}
    for package in ("cellprofiler", "files", "jobs", "sources"):
        for path in sorted((PACKAGE / package).rglob("*.py")):
            name = path.relative_to(PACKAGE).as_posix()
            if name not in OWN | OPENING and "templates/run_batch" not in name:
                calls = [c for c in opened(path) if name not in HDF5 or "h5py.File" not in c]
                found |= {name: calls} if calls else {}

    assert found == {}
    assert [name for name in (*OPENING, *HDF5) if not list(opened(PACKAGE / name))] == []
