"""Order of a fleet: the canary, then waves by the hash of the name, so that it is the same in each run and shard."""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from turso_deploy.core.errors import ErrorCode, InputError
from turso_deploy.core.text import count_of, enumerated
from turso_deploy.fleet_sources.rollout import Shard
from turso_deploy.fleet_sources.target import Target

CANARY = "canary"
_REST = "rest"


class Wave(NamedTuple):
    """Databases that are done together. No other wave begins before it has ended."""

    name: str
    targets: tuple[Target, ...]


def position(name: str) -> int:
    """Return the position of a database in the order of all names: the first 64 bits of the SHA-256 of its name."""
    return int.from_bytes(sha256(name.encode(errors="surrogatepass")).digest()[:8], "big")


def in_shard(name: str, shard: Shard) -> bool:
    """Return True if a database belongs to a shard, which does not depend on the other databases."""
    return position(name) % shard.total == shard.number - 1


def arranged(
    targets: Sequence[Target],
    canary: int | Sequence[str] | None,
    waves: Sequence[float] = (),
    shard: Shard | None = None,
) -> tuple[Wave, ...]:
    """Return the waves of a deployment; none of them is empty.

    Without a `canary` it is the databases that their source marks as such, or one. `waves` are rising percentages of
    the others. Raises InputError (`input-invalid`) for a canary that is not in the fleet.
    """
    shard = shard or Shard()
    ordered = _ordered(targets)
    canaries = _canaries(ordered, canary)
    first = {target.name for target in canaries}
    rest = [target for target in ordered if target.name not in first and in_shard(target.name, shard)]
    found = [Wave(CANARY, tuple(canaries))] if shard.has_canary else []
    if shard.number:
        found += _cut(rest, waves)
    return tuple(wave for wave in found if wave.targets)


def single_wave(targets: Sequence[Target], shard: Shard | None = None) -> tuple[Wave, ...]:
    """Return one wave of all databases of the shard, for a run that changes nothing."""
    shard = shard or Shard()
    ordered = _ordered([target for target in targets if in_shard(target.name, shard)])
    return (Wave("all", tuple(ordered)),) if ordered else ()


def _ordered(targets: Sequence[Target]) -> list[Target]:
    return sorted(targets, key=lambda target: (position(target.name), target.name))


def _canaries(ordered: Sequence[Target], canary: int | Sequence[str] | None) -> list[Target]:
    if canary is None:
        marked = [target for target in ordered if target.canary]
        return marked or list(ordered[:1])
    if isinstance(canary, int):
        if canary > len(ordered):
            raise InputError(
                ErrorCode.INPUT_INVALID,
                f"The canary is {count_of(canary, 'database')}, and the fleet has {len(ordered):,}.",
                hint="Set `canary` to a smaller number, or check the selection of the databases.",
            )
        return list(ordered[:canary])
    names = {target.name for target in ordered}
    if missing := [name for name in canary if name not in names]:
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"The canary names {count_of(len(missing), 'database')} that the fleet does not have: "
            f"{enumerated(missing, 'database')}.",
            hint="Give the names as the source of the fleet has them, or a number.",
        )
    return [target for target in ordered if target.name in canary]


def _cut(rest: Sequence[Target], waves: Sequence[float]) -> list[Wave]:
    """Return the waves after the canary. The last one ends with the last database."""
    found, begin = [], 0
    for number, percentage in enumerate(waves, 1):
        end = math.ceil(len(rest) * percentage / 100)
        found.append(Wave(f"wave {number}", tuple(rest[begin:end])))
        begin = max(begin, end)
    return [*found, Wave(_REST, tuple(rest[begin:]))]
