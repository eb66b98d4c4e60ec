"""A clock for retries that only their pauses move."""

from __future__ import annotations


class PausingClock:
    """A clock that stands still except for its pauses, which take no time."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        """Return the sum of all pauses in seconds."""
        return sum(self.pauses)

    def sleep(self, seconds: float, /) -> None:
        """Record a pause."""
        self.pauses.append(seconds)
