from __future__ import annotations

from datetime import timedelta

import pytest

from turso_deploy.core.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90d", timedelta(days=90)),
        ("12h", timedelta(hours=12)),
        ("15m", timedelta(minutes=15)),
        ("2w1d30m", timedelta(days=15, minutes=30)),
    ],
)
def test_a_duration_is_read(text: str, span: timedelta) -> None:
    assert parse_duration(text) == span
    assert parse_duration(format_duration(span)) == span


@pytest.mark.parametrize("text", ["", "90", "d", "90 d", "-1d", "1.5h", "90D", "90s", "never", "९d", "1d ", "1d\n"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="90d, 12h or 15m"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0d", "999999w"])
def test_a_duration_of_nothing_or_beyond_reason_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="at most a hundred years"):
        parse_duration(text)


def test_the_shortest_duration_that_is_written_is_a_minute() -> None:
    assert format_duration(timedelta(seconds=5)) == "1m"
