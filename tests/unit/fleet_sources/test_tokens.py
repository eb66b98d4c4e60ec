"""Minted tokens: masked before use, renewed before they end, and kept where a renewal fails."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier, Event

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from turso_deploy.core.errors import ErrorCode, PlatformError
from turso_deploy.fleet_sources.tokens import MintedToken, PlatformPool, then

KEY = Ed25519PrivateKey.generate()
LIFETIME = timedelta(minutes=15)


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.now += seconds


class Mint:
    """A mint of tokens that lasts `minutes`; `down` makes it fail. Its own clock is years off."""

    def __init__(self, minutes: float = 15) -> None:
        self.minutes = minutes
        self.minted: list[str] = []
        self.down = False

    def __call__(self) -> str:
        if self.down:
            raise PlatformError(ErrorCode.RATE_LIMITED, "too many requests")
        now = datetime(2001, 1, 1, tzinfo=UTC)
        claims = {"a": "rw", "iat": now, "exp": now + timedelta(minutes=self.minutes), "n": len(self.minted)}
        self.minted.append(jwt.encode(claims, KEY, algorithm="EdDSA"))
        return self.minted[-1]


def minted(mint: Callable[[], str], clock: Clock, masked: list[str] | None = None) -> MintedToken:
    return MintedToken(mint, (masked if masked is not None else []).append, LIFETIME, clock)


def test_token_is_minted_once_and_renewed_before_it_ends() -> None:
    clock, mint, masked = Clock(), Mint(), list[str]()
    token = minted(mint, clock, masked)
    assert [token().reveal(), token().reveal()] == mint.minted * 2
    clock.now += 9 * 60
    assert token().reveal() == mint.minted[0]
    clock.now += 2 * 60
    assert token().reveal() == mint.minted[1]
    assert masked == mint.minted


def test_shorter_lifetime_that_the_server_grants_counts() -> None:
    clock, mint = Clock(), Mint(minutes=1)
    token = minted(mint, clock)
    token()
    clock.now += 45
    assert token().reveal() == mint.minted[1]


def test_token_without_claims_lasts_as_long_as_was_asked_for() -> None:
    clock, texts = Clock(), iter(["h.p.s1", "h.p.s2"])
    token = minted(lambda: next(texts), clock)
    assert token().reveal() == "h.p.s1"
    clock.now += 9 * 60
    assert token().reveal() == "h.p.s1"
    clock.now += 2 * 60
    assert token().reveal() == "h.p.s2"


def test_token_is_used_until_its_end_while_a_renewal_fails() -> None:
    clock, mint = Clock(), Mint()
    token = minted(mint, clock)
    token()
    mint.down = True
    clock.now += 11 * 60
    assert token().reveal() == mint.minted[0]
    mint.down = False
    clock.now += 1
    assert token().reveal() == mint.minted[0], "a failed renewal is not repeated at once"
    clock.now += 30
    assert token().reveal() == mint.minted[1]
    mint.down = True
    clock.now += 15 * 60
    with pytest.raises(PlatformError):
        token()


def test_threads_share_one_token_and_do_not_wait_for_its_renewal() -> None:
    clock, mint = Clock(), Mint()
    renewing, may_renew, together = Event(), Event(), Barrier(8)

    def slowly() -> str:
        if mint.minted:
            renewing.set()
            assert may_renew.wait(30)
        return mint()

    token = minted(slowly, clock)
    with ThreadPoolExecutor(8) as pool:
        assert {found.reveal() for found in pool.map(lambda _: (together.wait(30), token())[1], range(8))} == {
            *mint.minted
        }
        assert len(mint.minted) == 1
        clock.now += 11 * 60
        renewal = pool.submit(token)
        assert renewing.wait(30)
        assert token().reveal() == mint.minted[0]
        may_renew.set()
        assert renewal.result(30).reveal() == mint.minted[1]


def test_no_token_is_shown() -> None:
    mint = Mint()
    token = minted(mint, Clock())
    assert mint.minted == []
    assert token().reveal() not in f"{token!r} {token()!r} {token._held!r}"


def test_work_before_a_token_is_done_until_it_succeeds_once() -> None:
    calls = list[str]()

    def wake() -> None:
        calls.append("wake")
        if len(calls) == 1:
            raise PlatformError(ErrorCode.SERVER_ERROR, "not yet")

    token = then(wake, lambda: None)
    with pytest.raises(PlatformError):
        token()
    assert [token(), token()] == [None, None]
    assert calls == ["wake", "wake"]


def test_pool_lends_a_client_to_one_thread_at_a_time_and_closes_all() -> None:
    made = list["Client"]()

    class Client:
        is_closed = False

        def __init__(self) -> None:
            made.append(self)

        def close(self) -> None:
            self.is_closed = True

    pool = PlatformPool(Client)  # type: ignore[arg-type]
    with pool.client() as one, pool.client() as other:
        assert one is not other
    with pool.client():
        pass
    pool.close()
    assert [client.is_closed for client in made] == [True, True]
