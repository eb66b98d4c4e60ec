"""Durations as settings and the Turso Platform API write them: `90d`, `12h`, `15m`, `1w2d`."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {"w": timedelta(weeks=1), "d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}
_DURATION = re.compile(r"(?:[0-9]{1,6}[wdhm])+")
_PART = re.compile(r"([0-9]+)([wdhm])")
_MAX_DURATION = timedelta(weeks=52 * 100)


def parse_duration(text: str) -> timedelta:
    """Parse a duration such as `90d`, `12h`, `15m` or `1w2d`: greater than zero, at most a hundred years.

    Raises ValueError with a message that names the accepted form.
    """
    if not _DURATION.fullmatch(text):
        raise ValueError("a duration is a number with its unit, as in 90d, 12h or 15m")
    span = sum((int(number) * _UNITS[unit] for number, unit in _PART.findall(text)), timedelta())
    if not timedelta() < span <= _MAX_DURATION:
        raise ValueError("a duration must be greater than zero and at most a hundred years")
    return span


def format_duration(span: timedelta) -> str:
    """Write a duration in the form that `parse_duration` reads, to the minute: `1d12h`. The shortest is one minute."""
    minutes = max(1, int(span.total_seconds() // 60))
    parts = []
    for unit, size in (("d", 24 * 60), ("h", 60), ("m", 1)):
        number, minutes = divmod(minutes, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts)
