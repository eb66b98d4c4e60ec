"""The rotation of a database token: mint, verify, store as a secret; on request, revoke all older tokens.

No step takes a working token away before the next one has been verified. An error says which token works.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from turso_deploy.core.errors import DeployError, ErrorCode, InputError, PlatformError
from turso_deploy.http.backoff import poll
from turso_deploy.turso.branches import await_answer
from turso_deploy.turso.platform import Platform, PlatformDatabase
from turso_deploy.turso.token_checks import TokenReply, ask
from turso_deploy.turso.token_claims import Claims
from turso_deploy.turso.token_policy import whole_days
from turso_deploy.turso.tokens import fingerprint, read_claims

_MAX_ATTEMPTS = 20
_NOT_STORED = "The secret was not changed: the old token still works."
_PERHAPS_STORED = "The old token still works. The secret holds the old or the new token; both work."
_STORED = "The secret holds the new token, which works. The old token still works too."
_PERHAPS_ROTATED = (
    "It is unknown whether the keys were rotated. If they were, no stored token works: run "
    "`rotate-token` once more, without `--revoke-others`."
)
_AGAIN = "Run `rotate-token` once more, without `--revoke-others`"
_LOCKED_OUT = (
    "The keys are rotated: the server rejects all older tokens, also the one in the secret. "
    f"{_AGAIN}, or mint a token by hand and store it."
)
_PERHAPS_LOCKED_OUT = (
    "The keys are rotated. The secret holds either the newest token, which works, or the one before, which the server "
    f"rejects. {_AGAIN}: afterwards it holds one that works."
)
_NOT_REJECTED = (
    "The keys are rotated, and the server still accepts the token in the secret, which it may reject at any moment. "
    f"{_AGAIN}."
)
_UNKNOWN = f"The keys are rotated, and it is unknown whether the token in the secret works. {_AGAIN}."
_SURELY_NOT_STORED = (
    ErrorCode.API_TOKEN_REJECTED,
    ErrorCode.API_FORBIDDEN,
    ErrorCode.NOT_FOUND,
    ErrorCode.RATE_LIMITED,
)
_REVOKED = "The secret holds a token that works with the new keys."


class SecretStore(Protocol):
    """A place that keeps secrets, such as GitHub's Actions secrets."""

    @property
    def owner(self) -> str:
        """The owner of the secrets, as messages name it: `repository acme/quiz`."""
        ...

    def check(self, name: str) -> None:
        """Raise DeployError if the secret could not be stored; change nothing."""
        ...

    def store(self, name: str, value: str, interval: float) -> None:
        """Store a secret and wait until it is there; `interval` is the time between two reads, in seconds."""
        ...


@dataclass
class _Work:
    """A rotation under way. `steps` are the finished ones; `standing` says which token works at this moment."""

    platform: Platform
    database: PlatformDatabase
    secrets: SecretStore
    secret_name: str
    lifetime: timedelta
    read_only: bool
    mask: Callable[[str], None]
    timeout: float
    interval: float
    steps: list[str]
    standing: str = _NOT_STORED

    def mint(self) -> str:
        """Return a new token, after verifying its claims and that the server accepts it."""
        token = self.platform.mint(self.database.name, self.lifetime, read_only=self.read_only)
        self.mask(token)
        claims = _claims_of_new(token, self.read_only)
        # The server has to accept it, and then the database has to answer.
        self._poll(token, until_rejected=False)
        await_answer(self.database, token, self.timeout, self.interval)
        self.steps.append(
            f"Minted the token {fingerprint(token)} for {self.database.name}, "
            f"{'read-only' if self.read_only else 'full access'}, until {_moment(claims)}; the server accepts it."
        )
        return token

    def store(self, token: str) -> None:
        """Store a token as the secret."""
        self.secrets.store(self.secret_name, token, self.interval)
        self.steps.append(f"Stored {fingerprint(token)} as the secret {self.secret_name} of the {self.secrets.owner}.")

    def await_rejection(self, token: str) -> None:
        """Query with an old token until the server rejects it: new keys take a moment to be known everywhere."""
        reply = self._poll(token, until_rejected=True)
        if not reply.rejected:
            raise PlatformError(
                ErrorCode.ROTATION_FAILED,
                f"The keys were rotated, and the server still accepts the old token {fingerprint(token)}.",
                hint="Check it again later with `turso-deploy check-tokens`, as `previous-auth-token`.",
            )
        self.steps.append(f"The server rejects the old token {fingerprint(token)}.")

    def _poll(self, token: str, *, until_rejected: bool) -> TokenReply:
        return poll(
            lambda: ask(self.database.address, token, self.timeout),
            lambda reply: reply.rejected is until_rejected,
            interval=self.interval,
            attempts=_MAX_ATTEMPTS,
        )


def rotate_token(
    platform: Platform,
    database: PlatformDatabase,
    secrets: SecretStore,
    secret_name: str,
    mask: Callable[[str], None],
    *,
    lifetime: timedelta,
    now: datetime,
    read_only: bool = False,
    old_token: str | None = None,
    revoke_others: bool = False,
    timeout: float = 60.0,
    interval: float = 1.0,
) -> tuple[str, ...]:
    """Store a new token, which expires after `lifetime`, as the secret; return the finished steps, a sentence each.

    The last one tells when `old_token` expires.

    With `revoke_others` the signing keys are replaced afterwards, and a token is minted and stored once more, because
    new keys invalidate every older token of the database, and perhaps of its group. `interval` is the time in seconds
    between two checks of what takes a moment to be known everywhere.
    Raises DeployError; its message ends with the token that works now.
    """
    work = _Work(platform, database, secrets, secret_name, lifetime, read_only, mask, timeout, interval, [])
    try:
        secrets.check(secret_name)
        token = work.mint()
        work.standing = _PERHAPS_STORED
        work.store(token)
        work.standing = _STORED
        if revoke_others:
            _revoke_others(work, token, old_token)
        elif old_token is not None:
            work.steps.append(_expiry_of_old(old_token, now))
    except DeployError as error:  # the message of which ends with the token that works now
        done = f" Done before the error: {' '.join(work.steps)}" if work.steps else ""
        raise type(error)(error.code, f"{error.message} {work.standing}{done}", hint=error.hint) from None
    return tuple(work.steps)


def _revoke_others(work: _Work, token: str, old_token: str | None) -> None:
    """Replace the keys, and store another token afterwards."""
    address = work.database.address
    witness = old_token if old_token and ask(address, old_token, work.timeout).works else token
    work.standing = _PERHAPS_ROTATED
    try:
        work.platform.rotate(work.database.name)
    except PlatformError as error:
        if error.code not in (ErrorCode.TIMEOUT, ErrorCode.UNREACHABLE, ErrorCode.SERVER_ERROR):
            is_rejected = ask(address, token, work.timeout).rejected  # an error may arrive although the keys are new
            work.standing = _LOCKED_OUT if is_rejected else _STORED
        raise
    work.steps.append(f"Rotated the keys of {work.database.name}: every older token is invalid.")
    minted = ""
    try:
        minted = work.mint()
        work.store(minted)
    except DeployError as error:
        is_unchanged = not minted or error.code in _SURELY_NOT_STORED
        work.standing = _standing_after_rotation(ask(address, token, work.timeout), is_unchanged=is_unchanged)
        raise
    work.standing = _REVOKED
    work.await_rejection(witness)


def _standing_after_rotation(reply: TokenReply, *, is_unchanged: bool) -> str:
    """Return which token works after the keys were rotated, by the server's reply to the one that was stored before.

    `is_unchanged` means that the secret surely holds that one.
    """
    if reply.works:
        return _NOT_REJECTED
    if not reply.rejected:
        return _UNKNOWN
    return _LOCKED_OUT if is_unchanged else _PERHAPS_LOCKED_OUT


def _claims_of_new(token: str, read_only: bool) -> Claims:
    """Return the claims of a new token. Raises PlatformError if they are not the ones that were asked for."""
    try:
        claims = read_claims(token)
    except InputError:
        claims = Claims()
    if claims.expires_at is None or claims.read_only != read_only:
        raise PlatformError(
            ErrorCode.UNEXPECTED_REPLY,
            "The new token is not the one that was asked for: it never expires, or has other rights.",
            hint="The Turso Platform API has changed: please report it.",
        )
    return claims


def _expiry_of_old(old_token: str, now: datetime) -> str:
    """Return a sentence that says when the replaced token expires."""
    name = f"The old token {fingerprint(old_token)}"
    try:
        claims = read_claims(old_token)
    except DeployError:
        return f"{name} is not a database token."
    if claims.expires_at is None:
        return f"{name} never expires: it works until the keys are rotated (`--revoke-others`)."
    if claims.expires_at <= now:
        return f"{name} expired at {_moment(claims)}."
    return f"{name} works until {_moment(claims)}: {whole_days(claims.expires_at - now)} more."


def _moment(claims: Claims) -> str:
    assert claims.expires_at is not None
    return f"{claims.expires_at:%Y-%m-%d %H:%M} UTC"
