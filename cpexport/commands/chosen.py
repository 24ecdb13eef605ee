"""Finds the image sets of a destination that a user has chosen: by output, number, run or plate."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from cpexport.cellprofiler.features import IMAGE, IMAGE_NUMBER, TABLE_NUMBER
from cpexport.cellprofiler.image_set_names import PlaceFeatures
from cpexport.errors import UsageError
from cpexport.imagesets import NONE, ImageSets
from cpexport.loading.removed import is_below
from cpexport.sinks.base import Sink
from cpexport.sinks.contents import check_has_run
from cpexport.sinks.ledger_store import LedgerStore
from cpexport.spelling import closest, suggest


@dataclass(frozen=True)
class Chosen:
    """What is to be removed: the image sets that meet all conditions; None is no condition.

    batches: files or folders; the image sets that were loaded from outputs there.
    plate: the value of the metadata that name the plate.
    """

    batches: tuple[Path, ...] = ()
    image_sets: ImageSets | None = None
    run: str | None = None
    plate: str | None = None

    def __str__(self) -> str:
        """The options of the command line, as the ledger notes them."""
        words = [f"--batches {path}" for path in self.batches]
        words += [] if self.image_sets is None else [f"--image-sets {self.image_sets}"]
        words += [] if self.run is None else [f"--run {self.run}"]
        words += [] if self.plate is None else [f"--plate {self.plate}"]
        return " ".join(words)


def chosen_runs(sink: Sink, chosen: Chosen) -> Iterator[tuple[str, int, LedgerStore]]:
    """Yields the name, the number and the ledger of each run that can have what is chosen.

    Raises:
        UsageError: the destination has no runs, or no such run; or none is named, and image sets
            are chosen by number.
    """
    if not sink.shape.numbered:
        if chosen.run is not None:
            raise UsageError(f"{sink.name}: has no runs; leave out --run")
        yield "", 0, sink.ledger
        return
    if chosen.run is not None:
        check_has_run(sink, chosen.run)
    elif chosen.image_sets is not None:
        runs = ", ".join(sink.ledger.runs())
        raise UsageError(f"--image-sets needs --run, as runs have the same numbers: {runs}")
    for name, number in sink.ledger.runs().items():
        if chosen.run in (None, name):
            yield name, number, sink.ledger.of_run(name)


def chosen_image_sets(sink: Sink, chosen: Chosen) -> dict[int, ImageSets]:
    """The image sets to remove, by number of run: 0 where runs are not numbered.

    Raises:
        UsageError: there are none; it says which condition none meets.
    """
    loaded: dict[int, ImageSets] = {}
    paths: list[str] = []
    below: list[str] = []
    for _, number, ledger in chosen_runs(sink, chosen):
        loaded[number] = ledger.summary().loaded
        if chosen.batches:
            own = NONE
            for entry in ledger.entries():
                paths.append(entry.path)
                if is_below(entry.path, chosen.batches):
                    below.append(entry.path)
                    own |= entry.loaded
            loaded[number] &= own
        if chosen.image_sets is not None:
            loaded[number] &= chosen.image_sets
    _check_batches(sink, chosen, paths, below)
    if chosen.image_sets is not None and not any(loaded.values()):
        raise UsageError(f"{sink.name}: has no {chosen.image_sets.words} to remove")
    if chosen.plate is not None:
        on_plate = _on_plate(sink, chosen.plate)
        loaded = {number: sets & on_plate.get(number, NONE) for number, sets in loaded.items()}
    found = {number: sets for number, sets in loaded.items() if sets}
    if not found:
        raise UsageError(f"{sink.name}: has no image sets for {chosen}")
    return found


def _check_batches(sink: Sink, chosen: Chosen, paths: list[str], below: list[str]) -> None:
    for path in chosen.batches:
        if not any(is_below(one, [path]) for one in below):
            message = f"--batches {path}: {sink.name} has no batch from there"
            raise UsageError(suggest(message, closest(str(path), paths)))


def _on_plate(sink: Sink, plate: str) -> dict[int, ImageSets]:
    """The image sets of a plate, by number of run."""
    features = sink.layout().features.get(IMAGE, {})
    feature = PlaceFeatures.among(features).plate
    if not feature:
        raise UsageError(f"{sink.name}: no metadata name the plate, so --plate finds nothing")
    keys = [*sink.layout().image_key]
    rows = pa.Table.from_batches(sink.read(IMAGE, [feature]))
    names = rows[feature].cast(pa.string())
    own = rows.filter(pc.equal(names, plate).fill_null(False))
    if not own.num_rows:
        plates = sorted(filter(None, pc.unique(names).to_pylist()))
        message = f"--plate {plate}: {sink.name} has the plates {', '.join(plates[:20])}"
        raise UsageError(suggest(message, closest(plate, plates)))
    numbers = own[IMAGE_NUMBER].to_numpy()
    if keys[0] != TABLE_NUMBER:
        return {0: ImageSets.of_array(numbers)}
    of_runs = own[TABLE_NUMBER].to_numpy()
    return {int(run): ImageSets.of_array(numbers[of_runs == run]) for run in {*of_runs.tolist()}}
