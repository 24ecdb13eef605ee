"""The data of a page for its script: plates, wells and values as compact JSON."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from cpexport.cellprofiler.image_identity import FILE, Identities
from cpexport.imagesets import ImageSets, union
from cpexport.reporting.build import ReportData
from cpexport.reporting.markup import clean
from cpexport.reporting.reruns import commands
from cpexport.reporting.run_state import NO_BATCH, WORDS, RunState, State
from cpexport.reporting.screen import Well, natural
from cpexport.reporting.well_values import ShownMetric
from cpexport.tables.aggregates import Floats

_PATHS: Final = 150_000
"""The most characters of paths of complete batches, and of file names."""
_TROUBLE: Final = 300_000
"""The most characters about batches that are not complete."""


def as_script(data: object) -> str:
    """JSON that can stand in a script element, whatever texts it has.

    >>> as_script({"plate": "</script>"})
    '{"plate":"\\\\u003c/script>"}'
    """
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=True)
    return text.replace("<", "\\u003c")


def page_data(data: ReportData, outputs: tuple[Path, ...] = ()) -> dict[str, Any]:
    """What the script needs.

    Keys: `states`, the words by number; `plates`, the drawn ones, each with a name and its wells
    (name, one piece or several, run if it is not the first); `metrics`, each with a value for each
    drawn well; `treatments`, each with its texts and, for each drawn well, which of them it has;
    `batches` and `files` by run; `commands` by place of a drawn well.
    """
    batches = [_Batches(run) for run in data.runs]
    drawn: list[int] = []
    plates = []
    for index in data.screen.drawn:
        plate, place = data.screen.plates[index], data.screen.slices[index]
        drawn += range(place.start, place.stop)
        wells = [_well(well, batches[well.run]) for well in plate.wells]
        plates.append({"n": clean(plate.title), "w": wells})
    lines = commands(data, outputs)
    return {
        "states": [WORDS[state] for state in State],
        "plates": plates,
        "metrics": [_metric(shown, np.array(drawn, np.int64)) for shown in data.metrics],
        "treatments": _treatments(data, drawn),
        "batches": [some.as_json() for some in batches],
        "files": list(map(_files, data.files)),
        "commands": {at: clean(lines[w]) for at, w in enumerate(drawn) if w in lines},
    }


def _well(well: Well, batches: "_Batches") -> list[Any]:
    complete = [piece for piece in well.pieces if piece.state is State.COMPLETE]
    pieces = []
    if complete:
        image_sets = union(piece.image_sets for piece in complete)
        pieces.append(_piece("", image_sets, [piece.batch for piece in complete], batches))
    for piece in well.pieces:
        if piece.state is not State.COMPLETE:
            state = f"{int(piece.state)}:"
            pieces.append(_piece(state, piece.image_sets, [piece.batch], batches))
    run = [well.run] if well.run else []
    return [clean(well.name), pieces[0] if len(pieces) == 1 else pieces, *run]


def _piece(state: str, image_sets: ImageSets, owners: list[int], batches: "_Batches") -> str:
    """Image sets as short as a file of thousands of wells needs them: `3:1-4@7` failed in batch 7,
    `1-4` are complete."""
    listed = ",".join(str(owner) for owner in sorted({*owners}) if batches.has(owner))
    return f"{state}{image_sets}" + (f"@{listed}" if listed else "")


class _Batches:
    """The batches of a run that a page says more about: as many as there is room for, those that
    are not complete first."""

    def __init__(self, run: RunState) -> None:
        self._jobs, self._kept = run.jobs, dict[int, dict[str, Any]]()
        trouble = [place for place, job in enumerate(self._jobs) if job.reason]
        fine = [place for place, job in enumerate(self._jobs) if not job.reason]
        self._keep(trouble, _TROUBLE)
        if sum(len(self._jobs[place].path) + 12 for place in fine) <= _PATHS:
            self._keep(fine, _PATHS)

    def _keep(self, places: Iterable[int], room: int) -> None:
        for place in places:
            job = self._jobs[place]
            kept = {"p": job.path, "s": str(job.state), "r": job.reason, "f": job.log_file}
            texts = {key: clean(text) for key, text in kept.items() if text}
            lines = {"l": [clean(line) for line in job.log]} if job.log else {}
            room -= sum(map(len, texts.values())) + sum(map(len, job.log))
            if room < 0:
                return
            self._kept[place] = {**texts, **lines}

    def has(self, place: int) -> bool:
        return place != NO_BATCH and place in self._kept

    def as_json(self) -> Mapping[int, dict[str, Any]]:
        return self._kept


def _metric(shown: ShownMetric, drawn: np.ndarray) -> dict[str, Any]:
    """A metric. Its values are whole numbers of steps, which are short in a file."""
    values = shown.values[drawn]
    power = 0 if shown.metric.whole else _power(shown.values)
    steps = np.round(values * 10.0**-power)
    return {
        "t": clean(shown.metric.title),
        "r": _ends(shown.values),
        "p": power,
        "v": [int(step) if math.isfinite(step) else None for step in steps.tolist()],
    }


def _treatments(data: ReportData, drawn: Sequence[int]) -> list[dict[str, Any]]:
    """What is in the wells: for each column its texts, and which of them each drawn well has."""
    wells, treatments = list(data.screen.wells), data.treatments
    rows = [treatments.of(wells[place]) for place in drawn]
    found = []
    for place, name in enumerate(treatments.names):
        texts = sorted({text for row in rows if (text := row[place]) is not None}, key=natural)
        at: dict[str | None, int] = {text: index for index, text in enumerate(texts)}
        own = [at.get(row[place]) for row in rows]
        found.append({"t": clean(name), "v": [clean(text) for text in texts], "w": own})
    return found


def _power(values: Floats) -> int:
    """The power of 10 that is a step: so small that all values have four digits or more."""
    most = np.abs(values[np.isfinite(values)]).max(initial=0)
    return math.floor(math.log10(most)) - 3 if most and math.isfinite(math.log10(most)) else 0


def _ends(values: Floats) -> tuple[float | None, float | None]:
    """The ends of the color scale, over all plates: single wells far away do not stretch it."""
    known = values[np.isfinite(values)]
    if not len(known):
        return None, None
    low, high = np.quantile(known, (0.01, 0.99)).tolist()
    first, last = float(known.min()), float(known.max())
    room = (high - low) / 2
    return (
        first if first >= low - room else low,
        last if last <= high + room else high,
    )


def _files(identities: Identities) -> dict[str, list[str]]:
    """The file names of image sets, as many as there is room for."""
    channels = [identities.columns[n] for n in sorted(identities.columns) if n.startswith(FILE)]
    names: Sequence[Sequence[str | None]] = [column.to_pylist() for column in channels]
    room, found = _PATHS, dict[str, list[str]]()
    for place, image_set in enumerate(identities.numbers.tolist()):
        own = [clean(text) for some in names if (text := some[place])]
        room -= sum(map(len, own)) + 8
        if room < 0:
            break
        if own:
            found[str(image_set)] = own
    return found
