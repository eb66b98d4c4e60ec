"""What a benchmark found out: rows of one table, and how they are measured and written."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One measurement, as a figure of ours and what it is held against.

    `figure` and `reference` are in `unit`; `limit` is the highest figure, or the highest ratio of figure to reference
    where there is one, that the project accepts. With `at_least` the reference has to be that many times the figure.
    """

    case: str
    what: str
    figure: float
    unit: str = "s"
    against: str = ""
    reference: float | None = None
    limit: float | None = None
    at_least: bool = False

    @property
    def ratio(self) -> float | None:
        """The figure as a multiple of the reference; with `at_least`, the other way around."""
        if self.reference is None:
            return None
        return self.reference / self.figure if self.at_least else self.figure / self.reference

    @property
    def holds(self) -> bool | None:
        """Whether the limit is kept; None where there is none."""
        if self.limit is None:
            return None
        value = self.figure if self.ratio is None else self.ratio
        return value >= self.limit if self.at_least else value <= self.limit

    def cells(self) -> tuple[str, ...]:
        """Return the row as it is printed."""
        limit = "" if self.limit is None else f"{'≥' if self.at_least else '≤'} {_shown(self.limit)}"
        limit += " times" if limit and self.reference is not None else ""
        reference = "" if self.reference is None else f"{self.against} {_shown(self.reference)} {self.unit}"
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        verdict = {None: "", True: "yes", False: "NO"}[self.holds]
        return self.case, self.what, f"{_shown(self.figure)} {self.unit}", reference, ratio, limit, verdict


HEADER = ("case", "measured", "turso-deploy", "against", "ratio", "target", "kept")


def markdown(line: tuple[str, ...]) -> str:
    """One line of a Markdown table."""
    return f"| {' | '.join(line)} |"


def seconds(run: Callable[[], object]) -> float:
    """How long one run takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def best_of(count: int, run: Callable[[], object]) -> float:
    """Return the shortest of some runs, which other users of the machine disturb least."""
    return min(seconds(run) for _ in range(count))


def _shown(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.2f}" if value < 100 else f"{value:,.0f}"
