"""Has workers look at batches and decode them, a few ahead of the one whose answer is used."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from cpexport.batch import Evidence, Source, size
from cpexport.decode import Decoded
from cpexport.errors import CpexportError, SourceError
from cpexport.features import IMAGE, TEXT
from cpexport.steps import Step
from cpexport.survey import look_at
from cpexport.tables import Features
from cpexport.workers import Crew

_T = TypeVar("_T")
_R = TypeVar("_R")

Decode = Callable[[Step, Features], Decoded]
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

    `types` are the newest types, which become wider by what comes: a batch that was decoded before
    metadata became text is decoded again, so that it is as the job wrote it.

    Raises:
        CpexportError: workers end before they are given anything.
        SinkError: as `decode`.
    """
    crew.fit(sum(size(step.batch.source) for step in steps))
    asked: dict[int, Features] = {}

    def call(step: Step) -> Callable[[], Decoded]:
        asked[id(step)] = types()
        return partial(decode, step, asked[id(step)])

    calls = _Calls(
        crew,
        steps,
        call,
        lambda step: step.batch.source,
        room=lambda there: sum(decoded.size for decoded in there) < _BYTES,
        drop=Decoded.remove,
    )
    for step, found in calls:
        if isinstance(found, Decoded) and _outdated(found, asked[id(step)], types()):
            found.remove()
            calls.again(step)
        else:
            yield step, found


@dataclass(frozen=True)
class _Sent(Generic[_T, _R]):
    """A task on its way, and whether no other was beside it."""

    task: _T
    future: Future[_R]
    alone: bool

    @property
    def there(self) -> list[_R]:
        """Its answer, if it has come."""
        done = self.future.done() and not self.future.exception()
        return [self.future.result()] if done else []


class _Calls(Generic[_T, _R]):
    """Tasks with their answers, in order; a few more are on their way meanwhile.

    `call` makes of a task what is sent; `source` is what it reads. When a worker is killed, those
    tasks that were on their way are sent again one by one; one that kills another worker so is
    given up. `room` is whether more may be sent where so many answers wait; `drop` is told of an
    answer that nobody will use.
    """

    def __init__(
        self,
        crew: Crew,
        tasks: Iterable[_T],
        call: Callable[[_T], Callable[[], _R]],
        source: Callable[[_T], Source],
        room: Callable[[Iterable[_R]], bool] = lambda there: True,
        drop: Callable[[_R], None] = lambda answer: None,
    ) -> None:
        self._crew, self._call, self._source = crew, call, source
        self._room, self._drop = room, drop
        self._waiting, self._sent = deque(tasks), deque[_Sent[_T, _R]]()
        # How many of those that wait must be sent alone.
        self._suspects = 0

    def __iter__(self) -> Iterator[tuple[_T, _R | SourceError]]:
        while self._waiting or self._sent:
            self._fill()
            sent = self._sent.popleft()
            try:
                answer = sent.future.result()
            except SourceError as error:
                yield sent.task, error
            except BrokenExecutor:
                self._renew()
                if sent.alone:
                    problem = "the process that read it was killed, for want of memory as a rule"
                    advice = "load it where there is more"
                    path = self._source(sent.task).path
                    yield sent.task, SourceError(path, problem, advice)
                else:
                    self._suspect(sent)
            else:
                # Others are on their way while this one is used.
                self._fill()
                yield sent.task, answer

    def again(self, task: _T) -> None:
        """Sends a task once more, whose answer comes next."""
        self._sent.appendleft(self._send(task, alone=False))

    def _fill(self) -> None:
        while self._waiting and self._has_room:
            alone = self._suspects > 0
            self._suspects -= alone
            self._sent.append(self._send(self._waiting.popleft(), alone))

    @property
    def _has_room(self) -> bool:
        if self._suspects or any(sent.alone for sent in self._sent):
            return not self._sent
        there = (answer for sent in self._sent for answer in sent.there)
        return len(self._sent) <= self._crew.number and self._room(there)

    def _send(self, task: _T, alone: bool) -> _Sent[_T, _R]:
        return _Sent(task, self._crew.submit(self._call(task)), alone)

    def _renew(self) -> None:
        self._crew.renew()
        try:
            self._crew.submit(os.getpid).result()
        except BrokenExecutor as error:
            raise CpexportError(
                "processes that decode end as soon as they begin; do without them by --jobs 1"
            ) from error

    def _suspect(self, first: _Sent[_T, _R]) -> None:
        """Has all that was on its way done again, one after the other."""
        every = [first, *self._sent]
        for sent in every:
            for answer in sent.there:
                self._drop(answer)
        self._sent.clear()
        self._waiting.extendleft(sent.task for sent in reversed(every))
        self._suspects += len(every)


def _outdated(decoded: Decoded, asked: Features, newest: Features) -> bool:
    before, now = asked.get(IMAGE, {}), newest.get(IMAGE, {})
    return any(
        type != TEXT and now.get(feature) == TEXT and before.get(feature) != TEXT
        for feature, type in decoded.types.get(IMAGE, {}).items()
    )
