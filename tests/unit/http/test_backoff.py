"""When something is tried again, and for how long."""

from __future__ import annotations

import pytest

from turso_deploy.http import backoff
from turso_deploy.http.backoff import MAX_ATTEMPTS, Backoff, RetryBudget


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, on a clock that only they move."""
    made: list[float] = []
    monkeypatch.setattr(backoff, "MAX_PAUSE", 8.0)
    monkeypatch.setattr("time.sleep", made.append)
    monkeypatch.setattr("time.monotonic", lambda: sum(made))
    return made


def test_pauses_grow_vary_and_come_to_an_end(pauses: list[float]) -> None:
    tries = Backoff(RetryBudget(3600))
    while tries.wait("the server failed"):
        pass
    assert len(pauses) == MAX_ATTEMPTS - 1
    for number, pause in enumerate(pauses):
        full = min(backoff.FIRST_PAUSE * 2**number, 8.0)
        assert full / 2 <= pause <= full


def test_all_tries_together_stay_within_the_time(pauses: list[float]) -> None:
    tries = Backoff(RetryBudget(2))
    while tries.wait("the server failed"):
        pass
    assert 0 < sum(pauses) <= 2


def test_the_wait_that_the_server_asks_for_is_kept(pauses: list[float]) -> None:
    assert Backoff(RetryBudget(60)).wait("too many requests", at_least=17)
    assert pauses == [17]


def test_a_wait_longer_than_the_time_that_is_left_is_not_begun(pauses: list[float]) -> None:
    assert not Backoff(RetryBudget(10)).wait("too many requests", at_least=17)
    assert pauses == []


def test_nothing_is_tried_again_without_time(pauses: list[float]) -> None:
    assert not Backoff(RetryBudget(0)).wait("the server failed")


def test_every_try_is_told_as_a_sentence(pauses: list[float]) -> None:
    patience = RetryBudget(60)
    Backoff(patience).wait("the server failed (HTTP 503)", at_least=2)
    assert patience.log == ["The server failed (HTTP 503); tried again after 2 s."]


def test_one_thing_inside_another_spends_the_time_once(pauses: list[float]) -> None:
    patience = RetryBudget(100)
    outer = Backoff(patience)
    inner = Backoff(patience)
    pauses.append(10)  # the inner try takes 10 s, and fails
    assert inner.wait("the server failed", at_least=20)
    pauses.append(30)  # so does the second one after 30 s, and the outer one with it
    assert outer.wait("the database was busy", at_least=40)
    assert sum(pauses) == 100
    assert not outer.wait("the database was busy")


def test_time_in_which_nothing_failed_is_not_spent(pauses: list[float]) -> None:
    patience = RetryBudget(10)
    assert Backoff(patience).wait("the server failed", at_least=3)
    pauses.append(600)  # a long transaction
    assert Backoff(patience).wait("the reply was lost", at_least=7)


def test_a_try_counts_from_when_it_began(pauses: list[float]) -> None:
    patient = Backoff(RetryBudget(10))
    pauses.append(600)  # the plan is made
    patient.begin()
    assert patient.wait("the database was busy", at_least=10)
