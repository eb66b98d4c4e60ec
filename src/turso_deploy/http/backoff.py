"""Retries: exponential backoff with random variation, within a time budget that all retries of a run share."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from turso_deploy.core.progress import report_wait
from turso_deploy.core.text import sentence

Answer = TypeVar("Answer")

FIRST_PAUSE = 0.25
"""Seconds before the first retry."""
MAX_PAUSE = 8.0
"""The longest pause between two attempts in seconds, unless the server asks for more."""
MAX_ATTEMPTS = 7


class Clock(Protocol):
    """A clock that can wait, such as the module `time`."""

    def monotonic(self) -> float:
        """Return the time in seconds; it never goes back."""

    def sleep(self, seconds: float, /) -> None:
        """Wait for some seconds."""


class RetryBudget:
    """The seconds that one run may spend on failed attempts and on the pauses after them.

    All retries of the run share the budget, nested ones included. `log` holds a sentence for each retry, and
    `overloads` is the number of answers that there are too many requests. `max_pause` is
    the longest pause that a backoff takes by itself, in seconds. `clock` measures the time and waits.
    """

    def __init__(self, seconds: float, *, max_pause: float = MAX_PAUSE, clock: Clock = time) -> None:
        self.log: list[str] = []
        self.overloads = 0
        self.max_pause = max_pause
        self.clock = clock
        self._left = seconds
        self._charged_until = 0.0

    def charge(self, begun: float, pause: float) -> bool:
        """Charge a failed attempt and the pause after it; return False if the budget is exhausted.

        `begun` is the start of the attempt by `time.monotonic`. Time that a nested retry already charged is not charged
        twice.
        """
        now = self.clock.monotonic()
        self._left -= max(0.0, now - max(begun, self._charged_until))
        self._charged_until = now
        if pause > self._left:
            return False
        self._left -= pause
        self._charged_until = now + pause
        return True


class Backoff:
    """The attempts of one operation: at most `max_attempts`, paid from the budget of the run.

    The pauses vary at random, so that clients which a server rejected together do not return together. `attempts` is
    the number of attempts so far, the current one included.
    """

    def __init__(self, budget: RetryBudget, max_attempts: int = MAX_ATTEMPTS) -> None:
        self._budget = budget
        self._max_attempts = max_attempts
        self.attempts = 1
        self.begin()

    def begin(self) -> None:
        """Start the clock of the current attempt now instead of when the object was created."""
        self._begun = self._budget.clock.monotonic()

    def wait(self, reason: str, at_least: float = 0) -> bool:
        """Wait for the next attempt; return False if no attempt or no time is left.

        `reason` says why the last attempt failed. `at_least` is the number of seconds that the server asked for.
        """
        pause = min(FIRST_PAUSE * 2 ** (self.attempts - 1), self._budget.max_pause)
        pause = max(pause * random.uniform(0.5, 1), at_least)  # noqa: S311
        if self.attempts >= self._max_attempts or not self._budget.charge(self._begun, pause):
            return False
        self.attempts += 1
        message = sentence(f"{reason.removesuffix('.')}; tried again after {pause:.2g} s")
        self._budget.log.append(message)
        with report_wait(message):
            self._budget.clock.sleep(pause)
        return True


def poll(ask: Callable[[], Answer], is_final: Callable[[Answer], bool], *, interval: float, attempts: int) -> Answer:
    """Ask until an answer is final, at most `attempts` times; return the last answer.

    `interval` is the pause between two attempts in seconds.
    """
    answer = ask()
    for _ in range(attempts - 1):
        if is_final(answer):
            break
        time.sleep(interval)
        answer = ask()
    return answer
