"""Groups of batches, which a worker decodes and writes to files of the destination.

A group has consecutive batches. They are as many as fill a file of useful size, but the last groups
of a load should not keep one worker busy while others have nothing to do.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from cpexport.errors import SourceError
from cpexport.loading.decode import Decoded
from cpexport.loading.load_plan import LoadStep
from cpexport.loading.prefetch import BYTES, Calls, Decode, decoded_ahead
from cpexport.loading.workers import WorkerPool
from cpexport.sinks.sql.stager import Staged, Stager
from cpexport.sources.base import size
from cpexport.tables.layout import Features, joined

# Bytes of outputs in a group: some row groups of each large table.
_SIZE: Final = 1 << 27
_LEAST: Final = 1 << 22
# Batches in a group, so that a transaction stays short.
_MOST: Final = 128
# Groups for each worker, if there are too few outputs for groups of full size.
_SHARES: Final = 3


@dataclass(frozen=True)
class Group:
    """Some batches with their rows.

    answers: the rows of each step, or why it cannot be decoded.
    staged: the files that have the rows of some of them, if any; `places` are those, in order.
    """

    steps: tuple[LoadStep, ...]
    answers: tuple[Decoded | SourceError, ...]
    staged: Staged | None = None
    places: tuple[int, ...] = ()


def grouped_ahead(
    pool: WorkerPool,
    steps: Sequence[LoadStep],
    types: Callable[[], Features],
    decode: Decode,
    stager: Callable[[], Stager | None],
) -> Iterator[Group]:
    """Yields groups in order, decoded and, as far as possible, staged.

    types: as for `decoded_ahead`.
    stager: what the destination gives for the next group.

    A group that a worker cannot return is decoded batch by batch, to find which one is damaged.

    Raises:
        CpexportError: workers end before they get a call.
        SinkError: the scratch folder or the destination is full.
    """
    total = sum(size(step.batch.source) for step in steps)
    pool.fit(total)
    calls = Calls(
        pool,
        _groups(steps, lambda: max(_LEAST, min(_SIZE, total // (_SHARES * max(1, pool.number))))),
        lambda group: partial(decoded_group, group, types(), decode, stager()),
        lambda group: group[0].batch.source,
        room=lambda answers: sum(_bytes(answer) for answer in answers) < BYTES,
    )
    for group, answer in calls:
        if isinstance(answer, SourceError):
            yield from singly(decoded_ahead(pool, group, types, decode))
        else:
            yield answer


def singly(ahead: Iterator[tuple[LoadStep, Decoded | SourceError]]) -> Iterator[Group]:
    """Groups of one batch each, which are not staged."""
    for step, answer in ahead:
        yield Group((step,), (answer,))


def _groups(steps: Sequence[LoadStep], bytes: Callable[[], int]) -> Iterator[tuple[LoadStep, ...]]:
    """Yields groups of about so many bytes; workers of a cluster may become more meanwhile."""
    group: list[LoadStep] = []
    filled = 0
    for step in steps:
        group.append(step)
        filled += size(step.batch.source)
        if filled >= bytes() or len(group) == _MOST:
            yield tuple(group)
            group, filled = [], 0
    if group:
        yield tuple(group)


def _bytes(group: Group) -> int:
    return sum(answer.size for answer in group.answers if isinstance(answer, Decoded))


def decoded_group(
    steps: Sequence[LoadStep], types: Features, decode: Decode, stager: Stager | None
) -> Group:
    """Decodes batches, and stages those that the destination's tables can take as they are.

    Raises:
        SinkError: the scratch folder or the destination is full.
    """
    answers: list[Decoded | SourceError] = []
    staging: dict[int, Decoded] = {}
    try:
        for place, step in enumerate(steps):
            try:
                decoded = decode(step.batch, step.image_sets, types)
            except SourceError as error:
                answers.append(error)
                continue
            answers.append(_alike(decoded, answers))
            if stager and stager.takes(joined([types, decoded.types])):
                staging[place] = decoded
        staged = stager.stage([*staging.values()]) if stager and staging else None
    except BaseException:
        for answer in answers:
            if isinstance(answer, Decoded):
                answer.remove()
        raise
    return Group(tuple(steps), tuple(answers), staged, tuple(staging) if staged else ())


def _alike(decoded: Decoded, before: Sequence[Decoded | SourceError]) -> Decoded:
    """Shares the types with the batch before, if they are equal, so that they are sent once."""
    last = before[-1] if before else None
    same = isinstance(last, Decoded) and last.types == decoded.types
    return replace(decoded, types=last.types) if same and isinstance(last, Decoded) else decoded
