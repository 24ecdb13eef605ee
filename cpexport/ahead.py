"""Decodes batches on an executor, a few ahead of the one that is being written."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future
from dataclasses import dataclass

from cpexport.decode import Decoded
from cpexport.errors import CpexportError, SourceError
from cpexport.features import IMAGE, TEXT
from cpexport.steps import Step
from cpexport.tables import Features
from cpexport.workers import Workers

Decode = Callable[[Step, Features], Decoded]
"""A function that can be sent to another process."""

_BYTES = 2**30
"""Of decoded rows that wait on disk; more are not asked for until some are written."""


def decoded_ahead(
    steps: Sequence[Step], types: Callable[[], Features], decode: Decode, workers: Workers
) -> Generator[tuple[Step, Decoded | SourceError], None, None]:
    """Each step with what it was decoded to, or why it could not be, in order.

    `types` are the newest types, which become wider by what comes: a batch that was decoded before
    metadata became text is decoded again, so that it is as the job wrote it. When a worker is
    killed, those batches that were on their way are decoded again one by one; one that kills
    another worker so is given up.

    Raises:
        CpexportError: workers end before they are given anything.
        SinkError: as `decode`.
    """
    decoding = _Decoding(steps, types, decode, workers)
    try:
        yield from decoding
    finally:
        decoding.close()


@dataclass(frozen=True)
class _Task:
    """A step on its way: the types it was sent with, and whether no other was beside it."""

    step: Step
    asked: Features
    future: Future[Decoded]
    alone: bool

    @property
    def size(self) -> int:
        done = self.future.done() and not self.future.exception()
        return self.future.result().size if done else 0


class _Decoding:
    def __init__(
        self,
        steps: Sequence[Step],
        types: Callable[[], Features],
        decode: Decode,
        workers: Workers,
    ) -> None:
        self._types, self._decode, self._workers = types, decode, workers
        self._executor = workers.executor()
        self._waiting, self._tasks = deque(steps), deque[_Task]()
        # How many of those that wait must be sent alone.
        self._suspects = 0

    def close(self) -> None:
        self._executor.shutdown(cancel_futures=True)

    def __iter__(self) -> Iterator[tuple[Step, Decoded | SourceError]]:
        while self._waiting or self._tasks:
            self._fill()
            task = self._tasks.popleft()
            try:
                found = task.future.result()
            except SourceError as error:
                yield task.step, error
            except BrokenExecutor:
                self._renew()
                if task.alone:
                    problem = "the process that read it was killed, for want of memory as a rule"
                    advice = "load it where there is more"
                    yield task.step, SourceError(task.step.batch.source.path, problem, advice)
                else:
                    self._suspect(task)
            else:
                if _outdated(found, task.asked, self._types()):
                    found.remove()
                    self._tasks.appendleft(self._sent(task.step, task.alone))
                else:
                    # What follows is decoded while this one is written.
                    self._fill()
                    yield task.step, found

    def _fill(self) -> None:
        while self._waiting and self._has_room:
            alone = self._suspects > 0
            self._suspects -= alone
            self._tasks.append(self._sent(self._waiting.popleft(), alone))

    @property
    def _has_room(self) -> bool:
        if self._suspects or any(task.alone for task in self._tasks):
            return not self._tasks
        few = len(self._tasks) <= self._workers.number
        return few and sum(task.size for task in self._tasks) < _BYTES

    def _sent(self, step: Step, alone: bool) -> _Task:
        types = self._types()
        try:
            future = self._executor.submit(self._decode, step, types)
        except BrokenExecutor as error:
            future = Future()
            future.set_exception(error)
        return _Task(step, types, future, alone)

    def _renew(self) -> None:
        self._executor.shutdown()
        self._executor = self._workers.executor()
        try:
            self._executor.submit(os.getpid).result()
        except BrokenExecutor as error:
            raise CpexportError(
                "processes that decode end as soon as they begin; do without them by --jobs 1"
            ) from error

    def _suspect(self, first: _Task) -> None:
        """Has all that was on its way decoded again, one after the other."""
        tasks = [first, *self._tasks]
        for task in tasks:
            if task.future.done() and not task.future.exception():
                task.future.result().remove()
        self._tasks.clear()
        self._waiting.extendleft(task.step for task in reversed(tasks))
        self._suspects += len(tasks)


def _outdated(decoded: Decoded, asked: Features, newest: Features) -> bool:
    before, now = asked.get(IMAGE, {}), newest.get(IMAGE, {})
    return any(
        type != TEXT and now.get(feature) == TEXT and before.get(feature) != TEXT
        for feature, type in decoded.types.get(IMAGE, {}).items()
    )
