from __future__ import annotations

import pytest

from turso_deploy.fleet_sources.rollout import Shard, Share, parse_canary, parse_shard, parse_share, parse_waves


@pytest.mark.parametrize(
    ("text", "canary"), [("0", 0), ("3", 3), ("acme", ("acme",)), ("acme, zeta", ("acme", "zeta")), ("1,2", ("1", "2"))]
)
def test_canary_is_a_number_or_names(text: str, canary: object) -> None:
    assert parse_canary(text) == canary


@pytest.mark.parametrize("text", ["", ",", "9999999999"])
def test_canary_without_a_name_or_beyond_all_numbers_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="expected a number of databases, or names"):
        parse_canary(text)


@pytest.mark.parametrize(("text", "waves"), [("10%,50%", (10, 50)), ("0.5 %, 100%", (0.5, 100)), ("", ())])
def test_waves_are_rising_percentages(text: str, waves: object) -> None:
    assert parse_waves(text) == waves


@pytest.mark.parametrize("text", ["10", "50%,10%", "10%,10%", "101%", "0%", "-1%", "1e1%", "ten%"])
def test_waves_that_do_not_rise_or_exceed_the_fleet_are_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="expected rising percentages"):
        parse_waves(text)


@pytest.mark.parametrize(("text", "of_1000"), [("0", 0), ("5", 5), ("1%", 10), ("0.25%", 2), ("100%", 1000)])
def test_share_is_a_number_or_a_percentage_rounded_down(text: str, of_1000: int) -> None:
    assert parse_share(text).of(1000) == of_1000


@pytest.mark.parametrize("text", ["", "-1", "101%", "1/2", "1.5", "1_0"])
def test_share_that_is_no_number_of_databases_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="expected a number of databases or a percentage"):
        parse_share(text)


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "1/0", "-1/3", "a/b", "1/3/5", "canary", "canary/0"])
def test_shard_outside_of_its_total_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="expected I/N"):
        parse_shard(text)


def test_shard_and_share_are_printed_as_they_are_written() -> None:
    assert (str(parse_shard(" 2/3 ")), str(parse_share("0.5 %")), str(parse_share("7"))) == ("2/3", "0.5%", "7")
    assert (Shard(2, 3), Share(7)) == (parse_shard("2/3"), parse_share("7"))
    assert str(parse_shard("canary/3")) == "canary/3"
