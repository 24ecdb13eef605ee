"""Object types and features that the command line names, compared with those that outputs have."""

from collections.abc import Iterable
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from cpexport.batch import Batch
from cpexport.errors import SourceError, UsageError
from cpexport.features import IMAGE, NOT_OBJECTS
from cpexport.shape import LAYOUTS, Shape
from cpexport.sinks import open_sink
from cpexport.survey import survey
from cpexport.tables import Layout
from cpexport.wells import Wells

_COUNT: Final = "Count_"


def refuse_strange(asked: Shape | None, batches: Iterable[Batch], layout: Layout) -> None:
    """Refuses object types that no output has, nor the destination, if there is any output.

    Raises:
        UsageError: says which types there are.
    """
    if asked is None or not asked.only:
        return
    seen = [batch.features for batch in batches if batch.features]
    there = {name for features in seen for name in features} | layout.types
    # Types that image sets count are real, even where a job left no table of them.
    there |= {
        feature.removeprefix(_COUNT)
        for features in seen
        for feature in features.get(IMAGE, ())
        if feature.startswith(_COUNT)
    }
    there -= NOT_OBJECTS
    strange = [name for name in asked.only if name not in there]
    if not seen or not strange:
        return
    close = [meant for name in strange if (meant := _meant(name, there))]
    meant = f" (did you mean {', '.join(close)}?)" if close else ""
    raise UsageError(
        f"--objects has {', '.join(strange)}, and no output has such objects; "
        f"there are {', '.join(sorted(there)) or 'none'}{meant}"
    )


def refuse_strange_wells(asked: Wells | None, batches: Iterable[Batch], layout: Layout) -> None:
    """Refuses a plate or well that no output has as a feature of images, nor the destination, if
    there is any output; and tables of wells where nothing says the wells.

    Raises:
        UsageError: says which metadata there is.
    """
    seen = [batch.features[IMAGE] for batch in batches if batch.complete]
    if asked is None or not seen:
        return
    there = {*layout.features.get(IMAGE, ()), *(name for features in seen for name in features)}
    metadata = sorted(name for name in there if name.startswith("Metadata_"))
    advice = f"there are {', '.join(metadata)}" if metadata else "they have no metadata"
    for word, name in (("--plate", asked.plate), ("--well", asked.well)):
        if name is not None and name not in there:
            raise UsageError(f"{word} {name}: no output has such a feature of images; {advice}")
    if asked.kinds and asked.well is None and "Metadata_Well" not in there:
        raise UsageError(
            f"--wells: no output has the feature Metadata_Well of images; {advice}: name the one "
            "that says the well with --well"
        )


def refuse_strange_of_runs(
    asked: Shape | None, wells: Wells | None, outputs: Iterable[Path], to: str, prefix: str
) -> None:
    """Both for runs that go to one destination, where one need not have what others have.

    What is found is remembered, so that looking at them again takes no time.
    """
    if (asked is None or not asked.only) and wells is None:
        return
    with open_sink(to, prefix, asked, writing=False) as sink:
        layout = sink.layout()
    found: list[Batch] = []
    for one in outputs:
        # What is wrong with a run is said when it is loaded.
        with suppress(SourceError):
            found += survey([one]).batches
    refuse_strange(asked, found, layout)
    refuse_strange_wells(wells, found, layout)


def _meant(name: str, there: Iterable[str]) -> str:
    words = [*LAYOUTS, *sorted(there)]
    small = {word.lower(): word for word in words}
    found = get_close_matches(name.lower(), small, 1, 0.7)
    return small[found[0]] if found else ""
