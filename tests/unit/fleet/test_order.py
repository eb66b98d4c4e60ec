from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turso_deploy.core.errors import InputError
from turso_deploy.fleet.order import CANARY, Wave, arranged, in_shard, single_wave
from turso_deploy.fleet_sources.rollout import Shard
from turso_deploy.fleet_sources.target import Target

NAMES = st.lists(st.text(min_size=1, max_size=6), unique=True, max_size=60)


def fleet(*names: str, canaries: tuple[str, ...] = ()) -> list[Target]:
    return [Target(name, f"https://{name}.example", lambda: None, canary=name in canaries) for name in names]


def names_of(waves: tuple[Wave, ...]) -> list[str]:
    return [target.name for wave in waves for target in wave.targets]


def test_order_does_not_depend_on_that_of_the_source() -> None:
    targets = fleet(*(f"t{number}" for number in range(20)))
    assert names_of(arranged(targets, 2)) == names_of(arranged(targets[::-1], 2))


def test_order_of_databases_stays_when_others_are_added() -> None:
    few, many = fleet(*(f"t{n}" for n in range(20))), fleet(*(f"t{n}" for n in range(40)))
    kept = {target.name for target in few}
    assert [name for name in names_of(single_wave(many)) if name in kept] == names_of(single_wave(few))


@given(NAMES, st.integers(1, 7), st.integers(0, 3))
def test_shards_cover_the_fleet_exactly_once(names: list[str], total: int, canary: int) -> None:
    targets = fleet(*names)
    shards = [arranged(targets, min(canary, len(names)), (30, 60), Shard(n, total)) for n in range(1, total + 1)]
    assert sorted(name for waves in shards for name in names_of(waves)) == sorted(names)
    assert all(wave.name != CANARY for waves in shards[1:] for wave in waves)
    alone = arranged(targets, min(canary, len(names)), (), Shard(0, total))
    assert names_of(alone) == [name for wave in shards[0] if wave.name == CANARY for name in names_of((wave,))]


@given(NAMES, st.integers(1, 7))
def test_shards_of_a_reading_command_cover_the_fleet_exactly_once(names: list[str], total: int) -> None:
    targets = fleet(*names)
    found = [name for n in range(1, total + 1) for name in names_of(single_wave(targets, Shard(n, total)))]
    assert sorted(found) == sorted(names)
    assert all(in_shard(name, Shard()) for name in names)


def test_waves_end_at_their_percentages_of_the_databases_after_the_canary() -> None:
    waves = arranged(fleet(*(f"t{n}" for n in range(102))), 2, (10, 50))
    assert [(wave.name, len(wave.targets)) for wave in waves] == [
        ("canary", 2),
        ("wave 1", 10),
        ("wave 2", 40),
        ("rest", 50),
    ]


def test_wave_that_ends_with_all_databases_is_the_last() -> None:
    waves = arranged(fleet("a", "b", "c"), 1, (50, 100))
    assert [(wave.name, len(wave.targets)) for wave in waves] == [("canary", 1), ("wave 1", 1), ("wave 2", 1)]


def test_canary_is_that_of_the_source_unless_the_settings_name_another() -> None:
    targets = fleet("a", "b", "c", canaries=("b", "c"))
    assert set(names_of(arranged(targets, None)[:1])) == {"b", "c"}
    assert names_of(arranged(targets, ("a",))[:1]) == ["a"]
    assert [wave.name for wave in arranged(targets, 0)] == ["rest"]


def test_canary_is_one_database_if_nothing_names_one() -> None:
    assert [len(wave.targets) for wave in arranged(fleet("a", "b", "c"), None)] == [1, 2]


@pytest.mark.parametrize("canary", [4, ("a", "zeta")])
def test_canary_that_the_fleet_does_not_have_is_an_error(canary: int | tuple[str, ...]) -> None:
    with pytest.raises(InputError, match=r"the fleet has 3|zeta"):
        arranged(fleet("a", "b", "c"), canary)
