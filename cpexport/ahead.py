"""Has workers look at batches and decode them, a few ahead of the one whose answer is used."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, wait
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from cpexport.batch import Batch, Evidence, Source, size
from cpexport.decode import Decoded
from cpexport.errors import SourceError
from cpexport.imagesets import ImageSets
from cpexport.steps import Step
from cpexport.survey import look_at
from cpexport.tables import Features
from cpexport.workers import Crew

_T = TypeVar("_T")
_R = TypeVar("_R")

Decode = Callable[[Batch, ImageSets, Features], Decoded]
"""A function that can be sent to another process."""

_BYTES = 2**30
"""Of decoded rows that wait on disk; more are not asked for until some are written."""


def inspected_ahead(crew: Crew, sources: Sequence[Source]) -> Iterator[Evidence | SourceError]:
    """The evidence of each source, or what is wrong with it, in order.

    Raises:
        CpexportError: workers end before they are given anything.
    """
    crew.fit(sum(size(source) for source in sources))
    calls = _Calls(crew, sources, lambda source: partial(look_at, source), lambda source: source)
    for _, found in calls:
        yield found


def decoded_ahead(
    crew: Crew, steps: Sequence[Step], types: Callable[[], Features], decode: Decode
) -> Iterator[tuple[Step, Decoded | SourceError]]:
    """Each step with what it was decoded to, or why it could not be, in order.

    `types` are the newest types, which become wider by what comes; those of images are known from
    `inspect`.

    Raises:
        CpexportError: workers end before they are given anything.
        SinkError: as `decode`.
    """
    crew.fit(sum(size(step.batch.source) for step in steps))
    yield from _Calls(
        crew,
        steps,
        lambda step: partial(decode, step.batch, step.image_sets, types()),
        lambda step: step.batch.source,
        room=lambda there: sum(decoded.size for decoded in there) < _BYTES,
    )


@dataclass(frozen=True)
class _Sent(Generic[_T, _R]):
    """A task on its way, and whether a worker that was to do it has been killed before."""

    task: _T
    future: Future[_R]
    again: bool

    @property
    def there(self) -> list[_R]:
        """Its answer, if it has come."""
        done = self.future.done() and not self.future.exception()
        return [self.future.result()] if done else []


class _Calls(Generic[_T, _R]):
    """Tasks with their answers, in order; a few more are on their way meanwhile.

    `call` makes of a task what is sent; `source` is what it reads. A task whose worker is killed is
    sent once more, with no other beside it, and then given up. `room` is whether more may be sent
    where so many answers wait.
    """

    def __init__(
        self,
        crew: Crew,
        tasks: Iterable[_T],
        call: Callable[[_T], Callable[[], _R]],
        source: Callable[[_T], Source],
        room: Callable[[Iterable[_R]], bool] = lambda there: True,
    ) -> None:
        self._crew, self._call, self._source, self._room = crew, call, source, room
        self._waiting, self._sent = deque(tasks), deque[_Sent[_T, _R]]()

    def __iter__(self) -> Iterator[tuple[_T, _R | SourceError]]:
        while self._waiting or self._sent:
            self._fill()
            sent = self._sent.popleft()
            try:
                answer: _R | SourceError = sent.future.result()
            except SourceError as error:
                answer = error
            except BrokenExecutor:
                if not sent.again:
                    wait([other.future for other in self._sent])
                    future = self._crew.submit(self._call(sent.task))
                    self._sent.appendleft(_Sent(sent.task, future, again=True))
                    continue
                answer = SourceError(
                    self._source(sent.task).path,
                    "the process that read it was killed, for want of memory as a rule",
                    "load it where there is more",
                )
            # Others are on their way while this one is used.
            self._fill()
            yield sent.task, answer

    def _fill(self) -> None:
        while self._waiting and self._has_room:
            task = self._waiting.popleft()
            self._sent.append(_Sent(task, self._crew.submit(self._call(task)), again=False))

    @property
    def _has_room(self) -> bool:
        if any(sent.again for sent in self._sent):
            return False
        there = (answer for sent in self._sent for answer in sent.there)
        return len(self._sent) <= self._crew.number and self._room(there)
