"""Has workers inspect, hash and decode batches, a few ahead of the batch whose result is in use."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, wait
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final, Generic, TypeVar

from cpexport.errors import SourceError
from cpexport.imagesets import ImageSets
from cpexport.loading.decode import Decoded
from cpexport.loading.inspection import look_at
from cpexport.loading.load_plan import LoadStep
from cpexport.loading.workers import WorkerKilledError, WorkerPool
from cpexport.sources.base import Batch, Evidence, Source, fingerprint, size
from cpexport.sources.error_containment import contained
from cpexport.tables.layout import Features

_T = TypeVar("_T")
_R = TypeVar("_R")

Decode = Callable[[Batch, ImageSets, Features], Decoded]
"""A function that can be sent to another process."""

BYTES: Final = 2**30
"""Limit for decoded rows that wait on disk; no batch is requested beyond it until some are
written."""


def inspected_ahead(
    pool: WorkerPool, sources: Sequence[Source], share: float = 1
) -> Iterator[Evidence | SourceError]:
    """Yields the evidence of each source, or what is wrong with it, in order.

    share: how large a part of all sources these are.

    Raises:
        CpexportError: workers end before they get a call.
    """
    pool.fit(round(sum(size(source) for source in sources) / share))
    calls = Calls(pool, sources, lambda source: partial(look_at, source), lambda source: source)
    for _, evidence in calls:
        yield evidence


def decoded_ahead(
    pool: WorkerPool, steps: Sequence[LoadStep], types: Callable[[], Features], decode: Decode
) -> Iterator[tuple[LoadStep, Decoded | SourceError]]:
    """Yields each step with its decoded rows, or with why it cannot be decoded, in order.

    `types` returns the newest types, which become wider as batches arrive; types of images are
    known from `inspect`.

    Raises:
        CpexportError: workers end before they get a call.
        SinkError: as `decode`.
    """
    pool.fit(sum(size(step.batch.source) for step in steps))
    yield from Calls(
        pool,
        steps,
        lambda step: partial(decode, step.batch, step.image_sets, types()),
        lambda step: step.batch.source,
        room=lambda answers: sum(decoded.size for decoded in answers) < BYTES,
    )


def fingerprinted_ahead(
    pool: WorkerPool, batches: Sequence[Batch]
) -> Iterator[tuple[Batch, str | SourceError]]:
    """Yields each batch with the fingerprint of its files, or why they cannot be read, in order.

    Raises:
        CpexportError: workers end before they get a call.
    """
    pool.fit(sum(size(batch.source) for batch in batches))
    yield from Calls(
        pool,
        batches,
        lambda batch: partial(_content, batch.source),
        lambda batch: batch.source,
    )


def _content(source: Source) -> str:
    with contained(source):
        return fingerprint(source)


@dataclass(frozen=True)
class _Sent(Generic[_T, _R]):
    """A submitted task; `again` is whether a worker was killed while it ran it before."""

    task: _T
    future: Future[_R]
    again: bool

    @property
    def answers(self) -> list[_R]:
        """The task's answer, if it has arrived."""
        done = self.future.done() and not self.future.exception()
        return [self.future.result()] if done else []


class Calls(Generic[_T, _R]):
    """Iterates over tasks and their answers, in order, with a few more tasks submitted meanwhile.

    call: makes the call that is sent for a task.
    source: the source that a task reads.
    room: whether another task may be sent while these answers wait.

    A task whose worker is killed is sent once more, with no other task at the same time, and then
    given up.
    """

    def __init__(
        self,
        pool: WorkerPool,
        tasks: Iterable[_T],
        call: Callable[[_T], Callable[[], _R]],
        source: Callable[[_T], Source],
        room: Callable[[Iterable[_R]], bool] = lambda answers: True,
    ) -> None:
        self._pool, self._call, self._source, self._room = pool, call, source, room
        self._waiting, self._sent = iter(tasks), deque[_Sent[_T, _R]]()

    def __iter__(self) -> Iterator[tuple[_T, _R | SourceError]]:
        while True:
            self._fill()
            if not self._sent:
                return
            sent = self._sent.popleft()
            source = self._source(sent.task)
            try:
                # Whatever a worker raises, or its answer cannot be sent, costs this batch.
                with contained(source, BrokenExecutor):
                    answer: _R | SourceError = sent.future.result()
            except SourceError as error:
                answer = error
            except BrokenExecutor as error:
                if not (sent.again or isinstance(error, WorkerKilledError)):
                    wait([other.future for other in self._sent])
                    future = self._pool.submit(self._call(sent.task))
                    self._sent.appendleft(_Sent(sent.task, future, again=True))
                    continue
                answer = SourceError(
                    source.path,
                    "the worker process was killed, usually because memory ran out",
                    "use fewer --jobs, or a machine with more memory",
                )
            # Others are running while this one is used.
            self._fill()
            yield sent.task, answer

    def _fill(self) -> None:
        while self._has_room and (next_ := list(islice(self._waiting, 1))):
            (task,) = next_
            self._sent.append(_Sent(task, self._pool.submit(self._call(task)), again=False))

    @property
    def _has_room(self) -> bool:
        if any(sent.again for sent in self._sent):
            return False
        answers = (answer for sent in self._sent for answer in sent.answers)
        return len(self._sent) <= self._pool.number and self._room(answers)
