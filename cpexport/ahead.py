"""Decodes batches in a thread, one ahead of the one that is being written."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from cpexport.decode import Decoded
from cpexport.errors import SourceError
from cpexport.features import IMAGE, TEXT
from cpexport.steps import Step
from cpexport.tables import Features

Decode = Callable[[Step, Features], Decoded]


def decoded_ahead(
    steps: Sequence[Step], types: Callable[[], Features], decode: Decode
) -> Iterator[tuple[Step, Decoded | SourceError]]:
    """Each step with what it was decoded to, or why it could not be, in order.

    `types` are the newest types, which become wider by what comes: a batch that was decoded before
    metadata became text is decoded again, so that it is as the job wrote it.
    """
    with ThreadPoolExecutor(1) as thread:
        asked = types()
        ahead: Future[Decoded] | None = None
        for place, step in enumerate(steps):
            now = ahead or thread.submit(decode, step, asked)
            try:
                found: Decoded | SourceError = now.result()
                if isinstance(found, Decoded) and _outdated(found, asked, types()):
                    found.remove()
                    found = decode(step, types())
            except SourceError as error:
                found = error
            asked, ahead = types(), None
            if place + 1 < len(steps):
                ahead = thread.submit(decode, steps[place + 1], asked)
            yield step, found


def _outdated(decoded: Decoded, asked: Features, newest: Features) -> bool:
    before, now = asked.get(IMAGE, {}), newest.get(IMAGE, {})
    return any(
        type != TEXT and now.get(feature) == TEXT and before.get(feature) != TEXT
        for feature, type in decoded.types.get(IMAGE, {}).items()
    )
