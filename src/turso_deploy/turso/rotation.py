"""The rotation of a database token: mint, prove, store as a GitHub secret; and, when asked for, refuse all older ones.

No step takes away what works before the next has been proven. A failure says which token works then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from msgspec import Struct

from turso_deploy.core.errors import DeployError, ErrorCode, InputError, PlatformError
from turso_deploy.turso.branches import await_answer
from turso_deploy.turso.platform import Platform, PlatformDatabase
from turso_deploy.turso.token_checks import ask
from turso_deploy.turso.token_policy import whole_days
from turso_deploy.turso.tokens import Claims, fingerprint, read_claims

_LOOKS = 20
_NOT_STORED = "The secret was not changed: the old token is still the working one."
_PERHAPS_STORED = "The old token still works; the secret holds it, or the new one, which works as well."
_STORED = "The secret holds the new token, which works; the old token still works too."
_PERHAPS_ROTATED = (
    "It is not known whether the keys were rotated. If they were, no token works that is stored: run "
    "`rotate-token` once more, without `--revoke-others`."
)
_LOCKED_OUT = (
    "The keys are rotated: all tokens from before are refused, also the one in the secret. "
    "Run `rotate-token` once more, without `--revoke-others`, or mint a token by hand and store it."
)
_REVOKED = "The secret holds a token that works with the new keys."


class Rotation(Struct, frozen=True):
    """What was done. `steps` are sentences in order; `expires_at` and `fingerprint` are those of the stored token."""

    steps: tuple[str, ...]
    fingerprint: str
    expires_at: datetime | None


class SecretStore(Protocol):
    """A place that keeps secrets, such as GitHub's Actions secrets."""

    @property
    def owner(self) -> str:
        """The owner of the secrets, as messages name it: `repository acme/quiz`."""
        ...

    def check(self, name: str) -> None:
        """Raise DeployError if the secret could not be stored; change nothing."""
        ...

    def store(self, name: str, value: str, pause: float) -> None:
        """Store a value as a secret and wait until it is there; `pause` is the interval between requests in seconds."""
        ...


class _Work(Struct):
    """The parts of one rotation, and what has been done so far. `standing` says which token works at this moment."""

    platform: Platform
    database: PlatformDatabase
    secrets: SecretStore
    secret_name: str
    lifetime: timedelta
    read_only: bool
    mask: Callable[[str], None]
    timeout: float
    pause: float
    steps: list[str]
    standing: str = _NOT_STORED

    def mint(self) -> str:
        """A new token that is known to work and to be what was asked for."""
        token = self.platform.mint(self.database.name, self.lifetime, read_only=self.read_only)
        self.mask(token)
        claims = _claims_of_new(token, self.read_only)
        self._prove(token)
        self.steps.append(
            f"Minted the token {fingerprint(token)} for {self.database.name}, "
            f"{'read-only' if self.read_only else 'full access'}, until {_moment(claims)}; the server accepts it."
        )
        return token

    def store(self, token: str) -> None:
        """Put the token into the secret."""
        self.secrets.store(self.secret_name, token, self.pause)
        self.steps.append(f"Stored {fingerprint(token)} as the secret {self.secret_name} of the {self.secrets.owner}.")

    def await_refusal(self, token: str) -> None:
        """Ask with an old token until the server refuses it: new keys may take a moment to be known everywhere."""
        for look in range(_LOOKS):
            if look:
                time.sleep(self.pause)
            if ask(self.database.address, token, self.timeout).refused:
                self.steps.append(f"The server refuses the old token {fingerprint(token)}.")
                return
        raise PlatformError(
            ErrorCode.ROTATION_FAILED,
            f"The keys were rotated, and the old token {fingerprint(token)} is not refused.",
            hint="Look again later with `turso-deploy check-tokens`, giving it as `previous-auth-token`.",
        )

    def _prove(self, token: str) -> None:
        """Ask with the new token, until it is accepted when the keys are new."""
        for look in range(_LOOKS):
            if look:
                time.sleep(self.pause)
            if not ask(self.database.address, token, self.timeout).refused:
                break
        await_answer(self.database, token, self.timeout, self.pause)


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
    pause: float = 1.0,
) -> Rotation:
    """Put a new token, which ends after `lifetime`, into the secret, and tell when `old_token` lapses.

    With `revoke_others` the signing keys are replaced afterwards, and the token is minted and stored once more, because
    the keys refuse every token from before them: of the database, and perhaps of its group. `pause` is the seconds
    between two looks at what takes a moment to be known everywhere.
    Raises DeployError; its message ends with which token works now.
    """
    work = _Work(platform, database, secrets, secret_name, lifetime, read_only, mask, timeout, pause, [])
    try:
        secrets.check(secret_name)
        token = work.mint()
        work.standing = _PERHAPS_STORED
        work.store(token)
        work.standing = _STORED
        if revoke_others:
            token = _revoke_others(work, token, old_token)
        elif old_token is not None:
            work.steps.append(_lapse(old_token, now))
    except DeployError as error:
        raise _told(error, work) from None
    return Rotation(tuple(work.steps), fingerprint(token), read_claims(token).expires_at)


def _revoke_others(work: _Work, token: str, old_token: str | None) -> str:
    """Replace the keys; the token that is stored afterwards."""
    address = work.database.address
    witness = old_token if old_token and ask(address, old_token, work.timeout).works else token
    work.standing = _PERHAPS_ROTATED
    try:
        work.platform.rotate(work.database.name)
    except PlatformError as error:
        if error.code not in (ErrorCode.TIMEOUT, ErrorCode.UNREACHABLE, ErrorCode.SERVER_ERROR):
            work.standing = _STORED
        raise
    work.standing = _LOCKED_OUT
    work.steps.append(f"Rotated the keys of {work.database.name}: every token from before is refused.")
    fresh = work.mint()
    work.store(fresh)
    work.standing = _REVOKED
    work.await_refusal(witness)
    return fresh


def _claims_of_new(token: str, read_only: bool) -> Claims:
    """The claims of a new token, once they are known to be what was asked for."""
    try:
        claims = read_claims(token)
    except InputError:
        claims = Claims()
    if claims.expires_at is None or claims.read_only != read_only:
        raise PlatformError(
            ErrorCode.UNEXPECTED_REPLY,
            "The new token is not what was asked for: it has no end, or other rights.",
            hint="This is news about the Turso Platform API: please report it.",
        )
    return claims


def _lapse(old_token: str, now: datetime) -> str:
    """When the token that was replaced stops working."""
    name = f"The old token {fingerprint(old_token)}"
    try:
        claims = read_claims(old_token)
    except DeployError:
        return f"{name} is no database token."
    if claims.expires_at is None:
        return f"{name} never expires: it works until the keys are rotated (`--revoke-others`)."
    if claims.expires_at <= now:
        return f"{name} expired at {_moment(claims)}."
    return f"{name} works until {_moment(claims)}: {whole_days(claims.expires_at - now)} more."


def _moment(claims: Claims) -> str:
    assert claims.expires_at is not None
    return f"{claims.expires_at:%Y-%m-%d %H:%M} UTC"


def _told(error: DeployError, work: _Work) -> DeployError:
    """The same error, with which token works now."""
    done = f" Done before: {' '.join(work.steps)}" if work.steps else ""
    return type(error)(error.code, f"{error.message} {work.standing}{done}", hint=error.hint)
