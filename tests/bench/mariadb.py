"""A MariaDB of the benchmark's own, and what its client needs to fill one table after another."""

import tempfile
from pathlib import Path

import pyarrow as pa
from support.servers import USER, Database, Server

from bench.floors import copies, declared, write_text

_NAME = "bench"


class MariaDb:
    """A server that runs until it is closed, with files below `home`.

    Raises:
        ServerError: MariaDB is not installed, or does not start.
    """

    def __init__(self, home: Path) -> None:
        # Paths of sockets must be short.
        self._short = tempfile.TemporaryDirectory(prefix="mariadb-")
        self._home = home
        try:
            self._server = Server("mariadb", Path(self._short.name))
        except BaseException:
            self._short.cleanup()
            raise

    @property
    def url(self) -> str:
        return Database(self._server, _NAME).url()

    def fresh(self) -> None:
        """An empty database."""
        self._server.rows(f"DROP DATABASE IF EXISTS {_NAME}")
        self._server.rows(f"CREATE DATABASE {_NAME} CHARACTER SET utf8mb4")
        self._server.rows(f"GRANT ALL ON {_NAME}.* TO {USER}@'%'")

    def importing(self, ready: Path, batches: int) -> list[str]:
        """The client's command that loads the rows of so many batches from ready files."""
        home = self._home / str(batches)
        home.mkdir(parents=True)
        lines, schemas = [], dict[str, pa.Schema]()
        for name, number, table in copies(str(ready), batches):
            file = home / f"{name}_{number}.tsv"
            write_text(table, file, separator="\t", null_value="\\N")
            schemas[name] = table.schema
            lines.append(f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE `{name}`;")
        tables = [
            declared(name, schema, "DOUBLE", "TEXT").replace('"', "`") + ";"
            for name, schema in schemas.items()
        ]
        script = home / "load.sql"
        script.write_text("\n".join([*tables, *lines]))
        return [*self._server.client("--local-infile=1", _NAME), "-e", f"source {script}"]

    @property
    def cpu(self) -> float:
        """The seconds that the server has used so far."""
        after_name = Path(f"/proc/{self._server.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / 100

    def close(self) -> None:
        self._server.kill()
        self._short.cleanup()
