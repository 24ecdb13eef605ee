"""Retrying a transaction that conflicts with another writer."""

import pytest

from cpexport.errors import OutcomeUnknownError, RetryError, SinkError
from cpexport.loading import retry
from cpexport.loading.retry import Retry


class Transaction:
    """Fails with each of some errors in turn, then returns the number of its calls."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.unknown: list[bool] = []

    def __call__(self, unknown: bool) -> int:
        self.unknown.append(unknown)
        if self.errors:
            raise self.errors.pop(0)
        return len(self.unknown)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_PAUSE", 0.0)


def test_conflicts_are_retried_and_counted() -> None:
    again, transaction = (
        Retry(),
        Transaction(RetryError("a.db", "busy", "wait"), RetryError("a.db", "b", "wait")),
    )

    assert again(transaction) == 3

    assert transaction.unknown == [False, False, False]
    assert again.notes == ("retried 2 times, because other processes were writing to it",)


def test_a_transaction_learns_that_an_earlier_attempt_may_have_succeeded() -> None:
    transaction = Transaction(
        OutcomeUnknownError("db", "lost", "wait"), RetryError("db", "busy", "wait")
    )

    assert Retry()(transaction) == 3

    assert transaction.unknown == [False, True, True]


@pytest.mark.parametrize("kind", [RetryError, OutcomeUnknownError])
def test_the_last_error_is_raised_as_it_is(kind: type[RetryError]) -> None:
    transaction = Transaction(*(kind("db", f"attempt {n}", "wait") for n in range(1, 10)))

    with pytest.raises(kind, match="attempt 6"):
        Retry()(transaction)

    assert len(transaction.unknown) == 6


def test_other_errors_are_not_retried() -> None:
    transaction, again = Transaction(SinkError("db", "full", "wait")), Retry()

    with pytest.raises(SinkError, match="full"):
        again(transaction)

    assert len(transaction.unknown) == 1
    assert again.notes == ()
