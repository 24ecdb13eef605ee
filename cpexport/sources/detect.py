"""Finds batches below folders of any layout, by file names and headers; reads no measurements.

`walk` lists the files, and `sources.folder` sorts them by name. Each format recognizes its own
files, `stray_tables` handles files outside their job's folder, and `folder_sources` makes the
sources.
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from cpexport.cellprofiler.batch_file import NAME
from cpexport.cellprofiler.pipeline import Pipeline
from cpexport.destination_url import is_destination_url
from cpexport.errors import LeftOut, SourceError, UsageError
from cpexport.files.digest_set import DigestSet
from cpexport.files.listed import Listed, ReportFiles
from cpexport.files.places import real
from cpexport.files.spool import Spool
from cpexport.files.walk import is_text, walk
from cpexport.jobs.split import PLAN, STAMP, STATUS, STATUS_SUFFIXES
from cpexport.sources.base import Source
from cpexport.sources.companions import NOTHING
from cpexport.sources.error_containment import contained
from cpexport.sources.folder import DATA_SUFFIXES, names_csv, sorted_by_kind, suffix
from cpexport.sources.folder_content import Place
from cpexport.sources.folder_sources import empty_sources, sources_of
from cpexport.sources.mysql_csv.file_names import sql_jobs, sql_strays
from cpexport.sources.named_file import does_not_exist, place_of, why_packed
from cpexport.sources.packed import may_be_data
from cpexport.sources.spreadsheet.file_groups import csv_folder, header_of
from cpexport.sources.sqlite.file import FileKind, contents
from cpexport.sources.stray_tables import Traits, put_together, traits
from cpexport.sources.unread import unread_output

_MOVE = "move it out of OUTPUTS"
_READABLE = f"make it readable, or {_MOVE}"
_NOT_UTF8 = "its name is not UTF-8, so reports and the ledger cannot name it; rename it"


@dataclass(frozen=True)
class Found:
    """The content of OUTPUTS.

    listed: the folders with jobs' files, and single files that the user named.
    batch_files: files that are named like a batch file.
    plans: files that can contain a plan.
    histories: folders with jobs' status files.
    not_read: files that can be jobs' data and are not read, each with the reason.
    named: files that the user named and that are no batch, each with the reason.
    """

    listed: Sequence[Place]
    batch_files: tuple[Path, ...]
    plans: tuple[Path, ...] = ()
    histories: tuple[Path, ...] = ()
    not_read: tuple[LeftOut, ...] = ()
    named: tuple[LeftOut, ...] = ()

    def corrected(
        self, outputs: Collection[Path] = (), batch_files: Collection[Path] = ()
    ) -> "Found":
        """Returns a corrected copy after files were opened.

        `outputs` are measurement files of jobs, whatever their names; `batch_files` are not.
        """
        added: dict[Path, list[Path]] = {}
        for path in outputs:
            added.setdefault(path.parent, []).append(path)
        excluded = set(batch_files)
        if not added and not excluded:
            return self
        places: Spool[Place] = Spool()
        for place in self.listed:
            folder = place.folder
            hdf5 = [path for path in folder.hdf5 if path not in excluded]
            batch_file = folder.batch_file or len(hdf5) < len(folder.hdf5)
            hdf5 = sorted([*hdf5, *added.get(folder.path, [])])
            folder = replace(folder, hdf5=hdf5, batch_file=batch_file)
            places.append(replace(place, folder=folder))
        return replace(self, listed=places)

    @cached_property
    def traits(self) -> Traits:
        """What the places have in common, from one look at all of them."""
        return traits(self.listed)

    @cached_property
    def _together(self) -> tuple[Sequence[Place], list[LeftOut]]:
        """Places with all files of their jobs, and the files that belong to no job.

        All of them are in memory only if a table may belong to a job in another folder.
        """
        if self.traits.apart:
            return self.listed, []
        places = list(self.listed)
        return places, put_together(places)

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Files and folders that may be jobs' data but belong to no batch."""
        places, unowned = self._together
        unread = [
            left
            for place in (places if self.traits.unread else ())
            if (left := unread_output(place.folder.unread)) and not sources_of(place)
        ]
        named = self.named
        if named:
            brought = {str(file) for place in places for file in place.brought}
            named = tuple(one for one in named if one.path not in brought)
        return (*self.not_read, *unowned, *unread, *named)

    @property
    def temporary(self) -> tuple[Path, ...]:
        """CellProfiler's temporary files, in which it keeps measurements during a run."""
        return self.traits.temporary

    @property
    def stamped(self) -> Iterator[Path]:
        """The folders of planned jobs, in the order of `listed`."""
        return (place.folder.path for place in self.listed if place.folder.stamped)

    def sources(self, hint: Pipeline | None = None) -> Spool[Source]:
        """Returns one source per batch, sorted by path; folders without outputs come last.

        `hint` is the batch file's pipeline.
        """
        places, _ = self._together
        sources: Spool[Source] = Spool()
        sources.share(hint)
        sources.share(NOTHING)
        homes = DigestSet()
        for place in places:
            for source in sources_of(place, hint):
                sources.append(source)
                homes.add(str(source.path))
                homes.add(str(source.path.parent))
        for place in places if self.traits.traces else ():
            for empty in empty_sources(place.folder, homes):
                sources.append(empty)
        return sources


def find(
    outputs: Iterable[Path],
    report: ReportFiles = lambda files: None,
    skip: Callable[[Listed], bool] = lambda listed: False,
) -> Found:
    """Walks OUTPUTS, which are folders or single files. A file below two of them is found once.

    skip: whether to pass over a folder, whose files are then in no place.

    Raises:
        SourceError: one of OUTPUTS does not exist, or cannot be listed.
        UsageError: it is the URL of a destination.
    """
    # Folders come first: a file that is also named directly belongs to the batches of its folder.
    tops = sorted(outputs, key=lambda top: not top.is_dir())
    finding = _Finding(skip, frozenset(_homes(top for top in tops if not top.is_dir())))
    for top in tops:
        if not top.exists():
            if is_destination_url(str(top)):
                # It is not shown, because it may contain a password.
                raise UsageError(
                    "one of OUTPUTS is the URL of a destination; name only its file or folder, "
                    "or, for a server, the outputs of its jobs"
                )
            raise does_not_exist(top)
        if top.is_dir():
            for listed in walk(top, report):
                with finding.contained(listed.path):
                    finding.add(listed)
        else:
            with finding.contained(top):
                finding.take_file(top)
    return finding.found()


def _homes(files: Iterable[Path]) -> Iterator[str]:
    """The folders, without links, of files that the user named."""
    for file in files:
        yield real(file.parent)
        yield os.path.dirname(real(file))  # noqa: PTH120


def _named_like_data(name: str) -> bool:
    return suffix(name) in DATA_SUFFIXES or names_csv(name) or name in (PLAN, STAMP)


@dataclass
class _Finding:
    """The result so far, by paths without links, so that nothing is found twice.

    homes: the folders, without links, of files that the user named; `listed` has these.
    seen: the folders and named files with a place.
    nameless: places whose path is not UTF-8.
    """

    skip: Callable[[Listed], bool]
    homes: frozenset[str]
    places: Spool[Place] = field(default_factory=Spool)
    seen: DigestSet = field(default_factory=DigestSet)
    listed: dict[str, Listed] = field(default_factory=dict)
    nameless: list[Place] = field(default_factory=list)
    batch_files: dict[str, Path] = field(default_factory=dict)
    plans: dict[str, Path] = field(default_factory=dict)
    histories: dict[str, Path] = field(default_factory=dict)
    not_read: list[LeftOut] = field(default_factory=list)
    named: list[LeftOut] = field(default_factory=list)

    @contextmanager
    def contained(self, path: Path) -> Iterator[None]:
        """Leaves out a folder or file whose names or headers raise an unexpected error."""
        try:
            with contained(path):
                yield
        except SourceError as error:
            self.not_read.append(LeftOut(error.path, f"{error.problem}; {error.advice}"))

    def add(self, listed: Listed) -> None:
        """Adds a folder."""
        if listed.real in self.seen or self.skip(listed):
            return
        self.seen.add(listed.real)
        if listed.real in self.homes:
            self.listed[listed.real] = listed
        self.not_read += [
            LeftOut(str(path), f"{why}; {_READABLE if why.startswith('cannot') else _MOVE}")
            for path, why in listed.closed
            if path == listed.path or _named_like_data(path.name)
        ]
        path, names = listed.path, listed.names
        has_status = any(Path(name).suffix in STATUS_SUFFIXES for name in names)
        # If the status of jobs cannot be read, they may still be running.
        if path.name == STATUS and (has_status or listed.closed):
            self.histories.setdefault(listed.real, path)
            return
        for name in names:
            if (registry := self._special(name)) is not None:
                registry.setdefault(listed.real_path(name), path / name)
        utf8_names = [name for name in names if is_text(name)]
        folder = sorted_by_kind(path, utf8_names)
        self.not_read += [why_packed(file) for file in folder.packed if may_be_data(file)]
        if len(utf8_names) < len(names):
            self._leave_out_unnameable(path, set(names) - set(utf8_names))
        jobs = sql_jobs(folder.csv, folder.setups)
        sql_files = {file for files in jobs.values() for file in files}
        rest = [file for file in folder.csv if file not in sql_files] if sql_files else folder.csv
        csv = csv_folder(rest)
        strays = sql_strays(rest)
        self._add(Place(folder, csv.groups, list(csv.strays), jobs, strays, state=listed.state))

    def _add(self, place: Place) -> None:
        if is_text(str(place.folder.path)):
            self.places.append(place)
        else:
            self.nameless.append(place)

    def _special(self, name: str) -> dict[str, Path] | None:
        """Returns where to record a file of this name if it describes jobs, else None."""
        if name == PLAN:
            return self.plans
        return self.batch_files if name.lower() == NAME.lower() else None

    def take_file(self, top: Path) -> None:
        """Adds a single file, unless its folder has been added."""
        home = self.listed.get(real(top.parent))
        own = real(top)
        linked = self.listed.get(os.path.dirname(own))  # noqa: PTH120
        linked_name = os.path.basename(own)  # noqa: PTH119
        if (home and top.name in home.names) or (linked and linked_name in linked.names):
            return
        place = place_of(top)
        if not isinstance(place, Place):
            self.named.append(place)
        elif self.seen.add(own):
            self._add(place)

    def found(self) -> Found:
        """Returns the complete result, after the last folder and file."""
        for place in self.nameless:
            if place.is_a_jobs or sources_of(place):
                self.not_read.append(LeftOut(str(place.folder.path), _NOT_UTF8))
        return Found(
            self.places,
            tuple(self.batch_files.values()),
            tuple(self.plans.values()),
            tuple(self.histories.values()),
            tuple(self.not_read),
            tuple(self.named),
        )

    def _leave_out_unnameable(self, path: Path, names: Iterable[str]) -> None:
        folder = sorted_by_kind(path, sorted(names))
        data = [*folder.hdf5, *(file for file in folder.csv if header_of(file) is not None)]
        data += [file for file in folder.databases if contents(file) is FileKind.EXPORT]
        self.not_read += [LeftOut(str(file), _NOT_UTF8) for file in data]
