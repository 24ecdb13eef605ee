"""Measures ExportToCpexport and ExportToDatabase in the same race, for the documents.

`python tests/conformance/race_of_modules.py FOLDER [EVENT...]` runs twelve jobs of one image set
each at once, by the CellProfiler on the PATH, for each event of `EVENTS`, all if none is named. It
prints how many jobs did not end with Complete, how many image sets the database has after them, and
the seconds until the last job and the event have ended.
"""

import sqlite3
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from jobs_at_once import run_jobs
from real import cpexport
from screen import draw, fields
from screens import prepared
from support.servers import PASSWORD, USER, Database, another

_MODULES = ("ExportToDatabase", "ExportToCpexport")
_JOBS = 12
_LOCKED = 60
_DOWN = 25


def settings_of(
    module: str, event: str, database: Database, home: Path
) -> dict[tuple[str, str], str]:
    """The settings that write to SQLite, or to a server's database."""
    chosen: Mapping[str, str]
    address = database.url().partition("@")[2]
    if module == "ExportToDatabase":
        # Each job has an output folder of its own; the tables are in that of the batch file.
        chosen = {"Output file location": f"Elsewhere...|{home}"}
        if event == "defaults":
            chosen = {}
        elif event in _OF_SERVERS:
            chosen = {
                "Database type": "MySQL",
                "Database name": database.name,
                "Database host": address.partition("/")[0],
                "Username": USER,
                "Password": PASSWORD,
            }
    else:
        chosen = {
            "What to do with the measurement file": "Load it into a database",
            "Path of the cpexport command": str(Path(sys.executable).with_name("cpexport")),
            "Table prefix": "",
            "Name of the SQLite database file": "own.db",
        }
        if event in _OF_SERVERS:
            file = home.with_suffix(".cnf")
            file.write_text(f"[client]\nuser={USER}\npassword={PASSWORD}\n")
            chosen = {
                **chosen,
                "Database type": "MySQL or MariaDB",
                "Database URL": f"mysql+pymysql://{address}",
                "MySQL option file": str(file),
            }
    return {(module, name): value for name, value in chosen.items()}


def nothing(file: Path, database: Database) -> None:
    """Nothing happens but the jobs."""


def lock(file: Path, database: Database) -> None:
    """Another program writes to the SQLite file for a minute."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        time.sleep(_LOCKED)
        connection.execute("ROLLBACK")


def stop(file: Path, database: Database) -> None:
    """The server is down for some seconds."""
    time.sleep(10)
    database.server.kill()
    time.sleep(_DOWN)
    database.server.start()


EVENTS: Mapping[str, Callable[[Path, Database], None]] = {
    "defaults": nothing,
    "shared": nothing,
    "locked": lock,
    "mariadb": nothing,
    "restarted": stop,
}
_OF_SERVERS = ("mariadb", "restarted")


def race(folder: Path, module: str, event: str) -> tuple[int, int, float]:
    """The jobs that did not end with Complete, the image sets in the database, and the seconds."""
    home = folder / f"{event}_{module}"
    found = fields(["P1", "P2"], ["A01", "A02", "A03"], 2)
    with another("mariadb") as database:
        settings = settings_of(module, event, database, home)
        plugins = folder / "plugins"
        words = ("--plugins-directory", plugins)
        modules = [module, "CreateBatchFiles"]
        screen = prepared(home, folder / "images", found, modules, settings, *words)
        start = time.monotonic()
        ranges = [(number, number) for number in range(1, _JOBS + 1)]
        # Not the event: a server ends with the thread that started it.
        with ThreadPoolExecutor(1) as thread:
            jobs = folder / f"{event}_{module}_jobs"
            running = thread.submit(run_jobs, screen, jobs, ranges, plugins)
            EVENTS[event](home / "own.db", database)
            ran = running.result()
        seconds = time.monotonic() - start
        failed = sum(job.done != "Complete" for job in ran.values())
        query = "SELECT count(*) FROM Per_Image"
        if event in _OF_SERVERS:
            ((stored,),) = database.rows(query)
        else:
            with closing(sqlite3.connect(home / "own.db")) as connection:
                ((stored,),) = connection.execute(query).fetchall()
    return failed, stored, seconds


def main(folder: Path, events: list[str]) -> None:
    folder.mkdir(parents=True)
    cpexport("module", "--install", folder / "plugins", cwd=folder)
    draw(fields(["P1", "P2"], ["A01", "A02", "A03"], 2), folder / "images")
    print("event      module            failed  image sets  seconds")
    for event in events or EVENTS:
        for module in _MODULES:
            failed, stored, seconds = race(folder, module, event)
            print(f"{event:9}  {module}  {failed:6}  {stored:10}  {seconds:7.0f}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2:])
