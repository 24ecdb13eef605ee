"""What the rows of the matrix share: a folder, the preloaded library, servers, and trials."""

import itertools
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fuzz.running import folder
from support.servers import Database, Server, ServerError

from faults.places import FILES, Files, OnServer, Place, Script
from faults.preload import Call, CompilerError, Fault, Preloaded, preloaded
from faults.screens import Screen, screen
from faults.trials import Attempt, Trials

Tried = Generator[Attempt, None, None]
"""What a row yields: one fault after the other."""


class CannotRunError(Exception):
    """Why a cell cannot run here."""


@dataclass
class Setup:
    """A folder for everything, the screen that is loaded, and servers, started when first used.

    `library` is why there is no preloaded library, if there is none.
    """

    home: Path
    library: Preloaded | str
    _servers: dict[str, Server | ServerError] = field(default_factory=dict)
    _trials: dict[str, Trials] = field(default_factory=dict)
    _counts: dict[object, int] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def preloaded(self) -> Preloaded:
        """The library.

        Raises:
            CannotRunError: there is none.
        """
        if isinstance(self.library, str):
            raise CannotRunError(self.library)
        return self.library

    def trials(self, name: str, *, fresh: bool = False) -> Trials:
        """Trials on a place; `fresh` as in `Trials`.

        Raises:
            CannotRunError: the place cannot be had.
        """
        key = f"{name}-fresh" if fresh else name
        if key not in self._trials:
            home = self.new(key)
            self._trials[key] = Trials(
                self.place(name, home), self.screen(home), self.environment, fresh=fresh
            )
        return self._trials[key]

    @property
    def environment(self) -> dict[str, str]:
        """What commands must have in their environment."""
        return {} if isinstance(self.library, str) else self.library.environment

    def calls(self, trials: Trials, calls: Call, *folders: Path) -> int:
        """How many calls of some kinds below some folders a quiet command makes.

        Raises:
            CannotRunError: there is no library.
        """
        key = (id(trials), trials.jobs, calls, folders)
        if key not in self._counts:
            trials.quiet(self.preloaded.armed(Fault(calls), *folders))
            self._counts[key] = self.preloaded.seen
        return self._counts[key]

    def new(self, name: str) -> Path:
        """A path for a new folder, whose name says what it is for."""
        return self.home / f"{name}-{next(self._numbers)}"

    def screen(self, home: Path) -> Screen:
        """A screen of its own below a folder, which a row may change."""
        return screen(home / "screen")

    def place(self, name: str, home: Path) -> Place:
        """A place of a kind, in a new folder.

        Raises:
            CannotRunError: its server or its client is not installed.
        """
        if name in FILES:
            return Files(home, name)
        kind = name.removeprefix("script-")
        if name == "script-sqlite":
            if shutil.which("sqlite3") is None:
                raise CannotRunError("the shell sqlite3 is not installed")
            return Script(home, name, None)
        database = Database(self.server(kind), f"faults_{home.name}".replace("-", "_"))
        return OnServer(home, name, database) if kind == name else Script(home, name, database)

    def server(self, kind: str) -> Server:
        """The server of a kind, as long as this lives.

        Raises:
            CannotRunError: it is not installed.
        """
        if kind not in self._servers:
            # The path of a socket must be short.
            home = self.home / f"server-{kind}"
            home.mkdir()
            try:
                self._servers[kind] = Server(kind, home)
            except (ServerError, OSError) as error:
                self._servers[kind] = ServerError(str(error))
        found = self._servers[kind]
        if isinstance(found, ServerError):
            raise CannotRunError(str(found))
        return found

    def close(self) -> None:
        for server in self._servers.values():
            if isinstance(server, Server):
                server.kill()


@contextmanager
def setup() -> Iterator[Setup]:
    """A setup in memory where that can be, so that syncing costs nothing."""
    with folder() as home:
        made = None
        try:
            with preloaded(home) as library:
                made = Setup(home, library)
                yield made
        except CompilerError as error:
            made = Setup(home, str(error))
            yield made
        finally:
            if made is not None:
                made.close()


@dataclass(frozen=True)
class Row:
    """A fault, the places on which it can happen, and what tries it there, again and again.

    `run` may be stopped after any attempt; those that come first are spread over all. It gets
    `weight` times the time of others.
    """

    name: str
    places: tuple[str, ...]
    run: Callable[[Setup, str], Tried]
    weight: int = 1


def spread(count: int) -> Iterator[int]:
    """The numbers from 1 to `count`, each once, so that the first ones lie far apart.

    >>> list(spread(8))
    [1, 5, 3, 7, 2, 6, 4, 8]
    """
    bits = max(count - 1, 0).bit_length()
    for place in range(1 << bits):
        number = int(f"{place:0{bits}b}"[::-1], 2) if bits else 0
        if number < count:
            yield number + 1
