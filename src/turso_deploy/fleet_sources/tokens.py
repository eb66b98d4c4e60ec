"""Tokens of a fleet: given, or minted for a group or for each database. Minted ones are renewed, and never stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from queue import Empty, SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from turso_deploy.core.errors import InputError, PlatformError
from turso_deploy.core.secret import Secret
from turso_deploy.http.backoff import Clock
from turso_deploy.turso.tokens import read_claims

if TYPE_CHECKING:
    from turso_deploy.turso.platform import Platform

_RENEWED_AFTER = 2 / 3
"""Part of its lifetime after which a token is replaced, while it is still accepted."""
_USABLE_FOR = 0.95
_RENEWAL_PAUSE = 10.0
"""Seconds until the next attempt after a renewal that failed."""


class PlatformPool:
    """Clients of the Turso Platform for several threads. Each is used by one thread at a time, and kept open."""

    def __init__(self, connect: Callable[[], Platform]) -> None:
        self._connect = connect
        self._idle = SimpleQueue["Platform"]()

    @contextmanager
    def client(self) -> Iterator[Platform]:
        """Lend a client to the current thread."""
        try:
            client = self._idle.get_nowait()
        except Empty:
            client = self._connect()
        try:
            yield client
        finally:
            self._idle.put(client)

    def close(self) -> None:
        """Close the clients that are not in use."""
        while not self._idle.empty():
            self._idle.get_nowait().close()


class _Held(NamedTuple):
    """A minted token, and the moments of the clock from which it is renewed, and from which it is not used."""

    token: Secret
    renew_at: float
    ends_at: float


class MintedToken:
    """A token that is minted for the run when it is first needed, and again before it ends. For several threads.

    `mint` returns a new token with the given lifetime, and `mask` is called with it before anything else. The time is
    that of `clock`, so it depends neither on the clock of this machine nor on that of the server.
    """

    __slots__ = ("_clock", "_held", "_lifetime", "_lock", "_mask", "_mint")

    def __init__(self, mint: Callable[[], str], mask: Callable[[str], None], lifetime: timedelta, clock: Clock) -> None:
        self._mint = mint
        self._mask = mask
        self._lifetime = lifetime
        self._clock = clock
        self._lock = Lock()
        self._held: _Held | None = None

    def __call__(self) -> Secret:
        """Return the token that is valid now. Raises DeployError if none can be minted."""
        held = self._held
        if held and self._clock.monotonic() < held.renew_at:
            return held.token
        is_usable = held is not None and self._clock.monotonic() < held.ends_at
        if not self._lock.acquire(blocking=not is_usable):
            assert held is not None
            return held.token  # another thread renews it
        try:
            held = self._held
            if held is None or self._clock.monotonic() >= held.renew_at:
                held = self._held = self._renewed(held)
            return held.token
        finally:
            self._lock.release()

    def _renewed(self, held: _Held | None) -> _Held:
        begun = self._clock.monotonic()
        try:
            token = self._mint()
        except PlatformError:
            if held and self._clock.monotonic() < held.ends_at:
                return held._replace(renew_at=self._clock.monotonic() + _RENEWAL_PAUSE)
            raise
        self._mask(token)
        seconds = _lifetime_of(token, self._lifetime).total_seconds()
        return _Held(Secret(token), begun + seconds * _RENEWED_AFTER, begun + seconds * _USABLE_FOR)


def given(token: Secret | None) -> Callable[[], Secret | None]:
    """Return the source of a token that was given for all databases."""
    return lambda: token


def then(first: Callable[[], None], token: Callable[[], Secret | None]) -> Callable[[], Secret | None]:
    """Return the source of a token before whose first use something else is done once."""
    pending = [first]

    def current() -> Secret | None:
        if pending:
            pending[0]()
            pending.clear()
        return token()

    return current


def _lifetime_of(token: str, wanted: timedelta) -> timedelta:
    """Return the lifetime of a token: a server may grant less than what was asked for."""
    try:
        claims = read_claims(token)
    except InputError:
        return wanted
    if claims.expires_at and claims.issued_at and claims.issued_at < claims.expires_at:
        return min(wanted, claims.expires_at - claims.issued_at)
    return wanted
