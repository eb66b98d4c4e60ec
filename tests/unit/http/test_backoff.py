"""When something is tried again, and for how long."""

from __future__ import annotations

import pytest

from tests.support.clocks import PausingClock
from turso_deploy.http import backoff
from turso_deploy.http.backoff import MAX_ATTEMPTS, Backoff, RetryBudget


@pytest.fixture
def clock() -> PausingClock:
    return PausingClock()


def test_pauses_grow_vary_and_come_to_an_end(clock: PausingClock) -> None:
    tries = Backoff(RetryBudget(3600, clock=clock))
    while tries.wait("the server failed"):
        pass
    assert len(clock.pauses) == MAX_ATTEMPTS - 1
    for number, pause in enumerate(clock.pauses):
        full = min(backoff.FIRST_PAUSE * 2**number, 8.0)
        assert full / 2 <= pause <= full


def test_all_tries_together_stay_within_the_time(clock: PausingClock) -> None:
    tries = Backoff(RetryBudget(2, clock=clock))
    while tries.wait("the server failed"):
        pass
    assert 0 < sum(clock.pauses) <= 2


def test_the_wait_that_the_server_asks_for_is_kept(clock: PausingClock) -> None:
    assert Backoff(RetryBudget(60, clock=clock)).wait("too many requests", at_least=17)
    assert clock.pauses == [17]


def test_a_wait_longer_than_the_time_that_is_left_is_not_begun(clock: PausingClock) -> None:
    assert not Backoff(RetryBudget(10, clock=clock)).wait("too many requests", at_least=17)
    assert clock.pauses == []


def test_nothing_is_tried_again_without_time(clock: PausingClock) -> None:
    assert not Backoff(RetryBudget(0, clock=clock)).wait("the server failed")


def test_every_try_is_told_as_a_sentence(clock: PausingClock) -> None:
    patience = RetryBudget(60, clock=clock)
    Backoff(patience).wait("the server failed (HTTP 503)", at_least=2)
    assert patience.log == ["The server failed (HTTP 503); tried again after 2 s."]


def test_one_thing_inside_another_spends_the_time_once(clock: PausingClock) -> None:
    patience = RetryBudget(100, clock=clock)
    outer = Backoff(patience)
    inner = Backoff(patience)
    clock.pauses.append(10)  # the inner try takes 10 s, and fails
    assert inner.wait("the server failed", at_least=20)
    clock.pauses.append(30)  # so does the second one after 30 s, and the outer one with it
    assert outer.wait("the database was busy", at_least=40)
    assert sum(clock.pauses) == 100
    assert not outer.wait("the database was busy")


def test_time_in_which_nothing_failed_is_not_spent(clock: PausingClock) -> None:
    patience = RetryBudget(10, clock=clock)
    assert Backoff(patience).wait("the server failed", at_least=3)
    clock.pauses.append(600)  # a long transaction
    assert Backoff(patience).wait("the reply was lost", at_least=7)


def test_a_try_counts_from_when_it_began(clock: PausingClock) -> None:
    patient = Backoff(RetryBudget(10, clock=clock))
    clock.pauses.append(600)  # the plan is made
    patient.begin()
    assert patient.wait("the database was busy", at_least=10)
