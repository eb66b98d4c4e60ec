"""The rollout of a fleet, as settings and the fleet file write it: canary, waves, failure budget, shard."""

from __future__ import annotations

import re
from typing import NamedTuple

_CANARY = "expected a number of databases, or names separated by commas"
_SHARE = "expected a number of databases or a percentage, as in `5` or `1%`"
_WAVES = "expected rising percentages from 1 % to 100 %, as in `10%,50%`"
_SHARD = "expected I/N with I from 1 to N, as in `1/3`, or `canary/N`"
_MAX_DIGITS = 9
_CANARY_SHARD = "canary"


class Share(NamedTuple):
    """A number of databases, or with `percent` a percentage of all databases."""

    number: float
    percent: bool = False

    def of(self, total: int) -> int:
        """Return the share of a number of databases, rounded down."""
        return int(total * self.number / 100) if self.percent else int(self.number)

    def __str__(self) -> str:
        """Return the share as it is written."""
        return f"{self.number:g}{'%' if self.percent else ''}"


class Shard(NamedTuple):
    """One of `total` parts of a fleet; `number` counts from 1, and 0 stands for the canary alone."""

    number: int = 1
    total: int = 1

    def __str__(self) -> str:
        """Return the shard as it is written: `1/3`, `canary/3`."""
        return f"{self.number or _CANARY_SHARD}/{self.total}"

    @property
    def has_canary(self) -> bool:
        """True for the shards that deploy to the canary: the first one, and the one of the canary alone."""
        return self.number <= 1


class Rollout(NamedTuple):
    """The order and the safety of a run. None is what was not given, for which the default of the settings counts.

    `canary` is a number of databases or their names; each must succeed before any other begins. `waves` are the
    percentages of the other databases that are done at the end of each wave; the rest is the last wave.
    """

    canary: int | tuple[str, ...] | None = None
    waves: tuple[float, ...] | None = None
    failure_budget: Share | None = None


def parse_canary(text: str) -> int | tuple[str, ...]:
    """Parse a number of canaries, or their names. Raises ValueError."""
    names = tuple(filter(None, (name.strip() for name in re.split(r"[,\n]", text))))
    if not names:
        raise ValueError(_CANARY)
    if len(names) == 1 and re.fullmatch(r"[0-9]+", names[0]):
        if len(names[0]) > _MAX_DIGITS:
            raise ValueError(_CANARY)
        return int(names[0])
    return names


def parse_waves(text: str) -> tuple[float, ...]:
    """Parse rising percentages. Raises ValueError."""
    found: list[float] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        share = _percentage(part)
        if share is None or not (found[-1] if found else 0) < share <= 100:
            raise ValueError(_WAVES)
        found.append(share)
    return tuple(found)


def parse_share(text: str) -> Share:
    """Parse a number of databases, or a percentage up to 100 %. Raises ValueError."""
    text = text.strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return Share(int(text))
    share = _percentage(text)
    if share is None or share > 100:
        raise ValueError(_SHARE)
    return Share(share, percent=True)


def parse_shard(text: str) -> Shard:
    """Parse I/N or canary/N. Raises ValueError."""
    parsed = re.fullmatch(rf"\s*({_CANARY_SHARD}|[0-9]{{1,9}})\s*/\s*([0-9]{{1,9}})\s*", text)
    if parsed is None or not int(parsed[2]):
        raise ValueError(_SHARD)
    if parsed[1] == _CANARY_SHARD:
        return Shard(0, int(parsed[2]))
    if not 1 <= int(parsed[1]) <= int(parsed[2]):
        raise ValueError(_SHARD)
    return Shard(int(parsed[1]), int(parsed[2]))


def _percentage(text: str) -> float | None:
    parsed = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)\s*%", text)
    return float(parsed[1]) if parsed else None
