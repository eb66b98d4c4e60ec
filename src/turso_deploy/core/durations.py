"""Spans of time as people write them in settings, and as the Turso Platform API takes them: `90d`, `12h`, `15m`."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
}
_DURATION = re.compile(r"(?:[0-9]{1,6}[wdhm])+")
_PART = re.compile(r"([0-9]+)([wdhm])")
_LONGEST = timedelta(weeks=52 * 100)


def parse_duration(text: str) -> timedelta:
    """The span that a text like `90d`, `12h`, `15m` or `1w2d` names: more than nothing, at most a hundred years.

    Raises ValueError with a message that says what is accepted.
    """
    if not _DURATION.fullmatch(text):
        raise ValueError("a duration is a number with its unit, as in 90d, 12h or 15m")
    span = sum((int(number) * _UNITS[unit] for number, unit in _PART.findall(text)), timedelta())
    if not timedelta() < span <= _LONGEST:
        raise ValueError("a duration is more than nothing and at most a hundred years")
    return span


def format_duration(span: timedelta) -> str:
    """The span in the letters that `parse_duration` reads, to the minute: `1d12h`. Never less than a minute."""
    minutes = max(1, int(span.total_seconds() // 60))
    parts = []
    for unit, size in (("d", 24 * 60), ("h", 60), ("m", 1)):
        number, minutes = divmod(minutes, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts)
