"""When something is tried again: after pauses that double, vary a little, and together stay within a time."""

from __future__ import annotations

import random
import time

from turso_deploy.progress import waiting

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 8.0
MAXIMUM_TRIES = 7


class Retries:
    """The tries of one thing that may take `timeout` seconds in all; `log` gets a sentence for each that is repeated.

    The pauses vary, so that clients which were turned away together do not come back together.
    """

    def __init__(self, timeout: float, log: list[str]) -> None:
        self._until = time.monotonic() + timeout
        self._log = log
        self._tries = 1

    def again(self, reason: str, at_least: float = 0) -> bool:
        """Wait for the next try, `at_least` as many seconds as the server asked for; False when there is none left."""
        pause = min(FIRST_PAUSE * 2 ** (self._tries - 1), LONGEST_PAUSE) * random.uniform(0.5, 1)  # noqa: S311
        pause = max(pause, at_least)
        if self._tries >= MAXIMUM_TRIES or time.monotonic() + pause > self._until:
            return False
        self._tries += 1
        sentence = f"{reason[:1].upper()}{reason[1:].removesuffix('.')}; tried again after {pause:.2g} s."
        self._log.append(sentence)
        with waiting(sentence):
            time.sleep(pause)
        return True
