"""Programs that other people use for the same CSV files, each as its own documents say.

`python -m bench.peers NAME WORDS...` runs one. They need packages of their own: CytoTable those of
`make clients`, cytominer-database an old Python, which `cytominer` looks for.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.spreadsheets import OF_OBJECTS

# What cytominer-database 0.3.5 was made with; it fails with newer ones.
_CYTOMINER = ("cytominer-database==0.3.5", "pandas==1.1.5", "sqlalchemy<1.4", "numpy==1.19.5")
_CONFIG = "[filenames]\nimage=Image.csv\nexperiment=Experiment.csv\n\n[database_engine]\n"
_CONFIG += "database=SQLite\n"


def pandas(folder: str, target: str) -> None:
    """`read_csv` and `to_sql`, file by file, as people write it."""
    import pandas as pd
    import sqlalchemy as sa

    engine = sa.create_engine(f"sqlite:///{target}")
    for job in sorted(Path(folder).iterdir()):
        for name in ("Image", *OF_OBJECTS):
            frame = pd.read_csv(job / f"{name}.csv")
            frame.to_sql(name, engine, if_exists="append", index=False)


def cytotable(folder: str, target: str) -> None:
    """`convert` with the preset for these files, in as many threads as there are cores."""
    import cytotable
    from duckdb_extensions import import_extension
    from parsl.config import Config
    from parsl.executors import ThreadPoolExecutor

    # CytoTable asks for both, and gets them from the network if they are not there.
    import_extension("sqlite_scanner")
    import_extension("httpfs")
    Path(target).mkdir()
    executor = ThreadPoolExecutor(max_threads=os.cpu_count())
    cytotable.convert(
        source_path=folder,
        dest_path=f"{target}/cells.parquet",
        dest_datatype="parquet",
        preset="cellprofiler_csv",
        parsl_config=Config(executors=[executor], run_dir=f"{target}/runinfo"),
    )


def sqlite_import(folder: str, target: str) -> None:
    """sqlite3's `.import --csv` into declared tables with keys, in one transaction."""
    lines = ["BEGIN;"]
    for name in OF_OBJECTS:
        paths = sorted(Path(folder).glob(f"*/{name}.csv"))
        _, _, *features = paths[0].open().readline().rstrip().split(",")
        columns = ["ImageNumber INTEGER, ObjectNumber INTEGER"]
        columns += [f"{feature} REAL" for feature in features]
        columns += ["PRIMARY KEY (ImageNumber, ObjectNumber)"]
        lines.append(f"CREATE TABLE {name} ({', '.join(columns)});")
        lines += [f".import --csv --skip 1 '{path}' {name}" for path in paths]
    script = "\n".join([*lines, "COMMIT;\n"])
    subprocess.run(["sqlite3", "-bail", target], input=script, text=True, check=True)


def cytominer(home: Path) -> list[str]:
    """The words before folder and target that run its ingest.

    Installed below `home` with the first Python 3.8 that runs.

    Raises:
        FileNotFoundError: there is none, or the packages cannot be had.
    """
    program = home / "bin" / "cytominer-database"
    if not program.is_file():
        shutil.rmtree(home, ignore_errors=True)
        pythons = ["python3.8", *map(str, _pyenv().glob("versions/3.8*/bin/python3.8"))]
        python = next((python for python in pythons if _runs(python, "-c", "import venv")), None)
        if python is None:
            raise FileNotFoundError("it needs Python 3.8, which is not here")
        pip = [str(home / "bin" / "pip"), "install", "--quiet", *_CYTOMINER]
        if not _runs(python, "-m", "venv", str(home)) or not _runs(*pip):
            raise FileNotFoundError("its packages cannot be installed")
    config = home / "config.ini"
    config.write_text(_CONFIG)
    return [str(program), "ingest", "--no-munge", "-c", str(config)]


def _pyenv() -> Path:
    """Where its Pythons are; what it has on the PATH does not run unless it is told which."""
    return Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))


def _runs(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


PEERS = {"pandas": pandas, "cytotable": cytotable, "sqlite-import": sqlite_import}

if __name__ == "__main__":
    PEERS[sys.argv[1]](*sys.argv[2:])
