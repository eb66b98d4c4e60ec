"""When something is tried again: after pauses that double and vary a little, for as long as a run has patience."""

from __future__ import annotations

import random
import time

from turso_deploy.core.progress import report_wait

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 8.0
MAXIMUM_TRIES = 7


class RetryBudget:
    """The seconds that one run has for what fails in passing: for tries that failed, and for the pauses after them.

    All that is tried again in the run shares them, one inside the other too. `log` has a sentence for each time.
    """

    def __init__(self, seconds: float) -> None:
        self.log: list[str] = []
        self._left = seconds
        self._counted_until = 0.0

    def lasts(self, begun: float, pause: float) -> bool:
        """Whether what began then, by `time.monotonic`, and has failed now may begin anew after that pause.

        The time between is spent, but for what an inner try has spent of it before; and so is the pause.
        """
        now = time.monotonic()
        self._left -= max(0.0, now - max(begun, self._counted_until))
        self._counted_until = now
        if pause > self._left:
            return False
        self._left -= pause
        self._counted_until = now + pause
        return True


class Backoff:
    """The tries of one thing, at most so many, at the cost of the patience of the run.

    The pauses vary, so that clients which were turned away together do not come back together.
    """

    def __init__(self, patience: RetryBudget, most: int | None = None) -> None:
        self._patience = patience
        self._most = MAXIMUM_TRIES if most is None else most
        self._tries = 1
        self.begin()

    def begin(self) -> None:
        """The try begins now, and not when this was made."""
        self._begun = time.monotonic()

    def again(self, reason: str, at_least: float = 0) -> bool:
        """Wait for the next try, `at_least` as many seconds as the server asked for; False when there is none left."""
        pause = min(FIRST_PAUSE * 2 ** (self._tries - 1), LONGEST_PAUSE) * random.uniform(0.5, 1)  # noqa: S311
        pause = max(pause, at_least)
        if self._tries >= self._most or not self._patience.lasts(self._begun, pause):
            return False
        self._tries += 1
        sentence = f"{reason[:1].upper()}{reason[1:].removesuffix('.')}; tried again after {pause:.2g} s."
        self._patience.log.append(sentence)
        with report_wait(sentence):
            time.sleep(pause)
        return True
