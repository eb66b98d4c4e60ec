"""A bound on a count: an exact number, `>=20`, `<=40`, or `20..40`."""

from __future__ import annotations

# A bound stands in SQL as a number, whose largest has 19 digits: https://www.sqlite.org/datatype3.html
_MOST_DIGITS = 18


class Bound:
    """From `low` to `high`, both included; `high` None is no upper limit. `text` is how the manifest wrote it.

    It is no Struct, because msgspec would look for its parts in the manifest, where a bound is one value.
    """

    __slots__ = ("high", "low", "text")

    def __init__(self, low: int, high: int | None, text: str) -> None:
        self.low = low
        self.high = high
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bound) and (self.low, self.high, self.text) == (other.low, other.high, other.text)

    def __hash__(self) -> int:
        return hash((self.low, self.high, self.text))

    def __repr__(self) -> str:
        return f"Bound({self.low!r}, {self.high!r}, {self.text!r})"

    def holds(self, count: int) -> bool:
        """Whether a count lies within the bound."""
        return self.low <= count and (self.high is None or count <= self.high)

    @property
    def enough(self) -> int:
        """How many rows must be seen to decide: reading more would be billed and change nothing."""
        return self.low if self.high is None else self.high + 1

    def __str__(self) -> str:
        """The bound as it was written."""
        return self.text


NONE = Bound(0, 0, "0")
"""Not a single one."""


def parse_bound(value: object) -> Bound:
    """Read a bound from a manifest's value. Raises ValueError with the reason."""
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
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a bound has at most {_MOST_DIGITS} digits")
    return int(digits)
