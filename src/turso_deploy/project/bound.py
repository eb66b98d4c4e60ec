"""Bounds of a count in the manifest: an exact number, `>=20`, `<=40` or `20..40`."""

from __future__ import annotations

from typing import NamedTuple

# A bound is written into SQL as an integer, and the largest of those has 19 digits: https://www.sqlite.org/datatype3.html
_MAX_DIGITS = 18


class Bound(NamedTuple):
    """Range from `low` to `high`, both included; without a `high` there is no upper limit. `text` is its notation."""

    low: int
    high: int | None
    text: str

    def holds(self, count: int) -> bool:
        """Return True if a count lies within the bound."""
        return self.low <= count and (self.high is None or count <= self.high)

    def widened_to(self, count: int) -> Bound:
        """Return the bound that a count outside of it would meet, in the same notation: 12 for 13 is 13."""
        if self.high is None:
            return Bound(count, None, f">={count}")
        if self.low == self.high and ".." not in self.text:
            return Bound(count, count, str(count))
        if self.text.startswith("<="):
            return Bound(0, count, f"<={count}")
        low, high = min(self.low, count), max(self.high, count)
        return Bound(low, high, f"{low}..{high}")

    @property
    def enough(self) -> int:
        """Number of rows to read at most: rows read are billed, and more would not change the decision."""
        return self.low if self.high is None else self.high + 1

    def __str__(self) -> str:
        """Return the bound in its notation."""
        return self.text


NONE = Bound(0, 0, "0")
"""The bound of exactly zero."""


def parse_bound(value: object) -> Bound:
    """Parse a value of the manifest into a bound. Raises ValueError with the reason."""
    if isinstance(value, Bound):
        return value
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError('expected an integer, or a bound such as ">=20" or "20..40"')
    text = str(value).strip()
    if text.startswith(">="):
        return Bound(_number(text[2:], text), None, text)
    if text.startswith("<="):
        return Bound(0, _number(text[2:], text), text)
    first, dots, last = text.partition("..")
    low = _number(first, text)
    high = _number(last, text) if dots else low
    if high < low:
        raise ValueError(f'the bound "{text}" is empty: {high} is less than {low}')
    return Bound(low, high, text)


def _number(digits: str, text: str) -> int:
    digits = digits.strip()
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(f'"{text}" is not a bound; write an integer, ">=20", "<=40" or "20..40"')
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"a bound has at most {_MAX_DIGITS} digits")
    return int(digits)
